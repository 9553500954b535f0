package safetensors

import (
	"fmt"

	"headprof/runner/tensor"
)

// mamba2 are the tensors of a Mamba-2 layer.
var mamba2 = map[string]string{
	"mamba.in_proj": "ssm_in", "mamba.conv1d": "ssm_conv1d", "mamba.dt_bias": "ssm_dt", "mamba.A_log": "ssm_a", "mamba.D": "ssm_d",
	"mamba.norm": "ssm_norm", "mamba.out_proj": "ssm_out",
}

var mamba2Made = map[string]reshape{"ssm_conv1d.weight": squeeze, "ssm_a.weight": column(decay), "ssm_d.weight": column(whole), "ssm_norm.weight": grouped}

// column takes a vector as a matrix of one column, as GGUF has it.
func column(of reshape) reshape {
	return reshape{
		check: func(parts []tensor.Tensor, b *builder) error {
			if s := parts[0].Shape; len(s) != 1 {
				return fmt.Errorf("its shape is %v, where a vector is needed", s)
			}
			return of.check(parts, b)
		},
		build: func(parts []tensor.Tensor, b *builder) tensor.Tensor {
			t := of.build(parts, b)
			t.Shape = []int{t.Shape[0], 1}
			return t
		},
	}
}

// grouped takes a norm as a row for each group.
var grouped = reshape{
	check: func(parts []tensor.Tensor, b *builder) error {
		if s, n := parts[0].Shape, b.count("mamba_n_groups"); len(s) != 1 || s[0]%n != 0 {
			return fmt.Errorf("its shape is %v, where a vector of %d equal groups is needed", s, n)
		}
		return nil
	},
	build: func(parts []tensor.Tensor, b *builder) tensor.Tensor {
		t, n := parts[0], b.count("mamba_n_groups")
		t.Shape = []int{n, t.Shape[0] / n}
		return t
	},
}

// mamba sets the sizes of Mamba-2 layers with inner values.
func (b *builder) mamba(inner int) {
	heads := b.count("mamba_n_heads")
	if string(b.values["mamba_d_head"]) != `"auto"` && b.count("mamba_d_head")*heads != inner {
		b.fail("\"mamba_d_head\" is %d, where %d heads share %d values", b.count("mamba_d_head"), heads, inner)
	}
	b.set("ssm.conv_kernel", b.count("mamba_d_conv"))
	b.set("ssm.state_size", b.count("mamba_d_state"))
	b.set("ssm.group_count", b.count("mamba_n_groups"))
	b.set("ssm.time_step_rank", heads)
	b.set("ssm.inner_size", inner)
}

// timeSteps refuses bounds of Mamba's steps.
func (b *builder) timeSteps() {
	if !b.has("time_step_limit") {
		return
	}
	var limits []any
	if b.read("time_step_limit", "a list", &limits); len(limits) != 2 || limits[0] != 0.0 || isNumber(limits[1]) {
		b.fail("\"time_step_limit\" is %s, where headprof supports none, that is 0 to infinity", short(b.values["time_step_limit"]))
	}
}

func isNumber(v any) bool { _, ok := v.(float64); return ok }
