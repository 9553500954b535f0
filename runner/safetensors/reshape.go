package safetensors

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"headprof/runner/tensor"
)

// reshape makes one tensor of GGUF's vocabulary from those of the folder.
// check runs when the folder is opened, build each time the tensor is asked for.
type reshape struct {
	check func(parts []tensor.Tensor, b *builder) error
	build func(parts []tensor.Tensor, b *builder) tensor.Tensor
	parts int // that it may have without their being numbered; 0: one
}

// experts stacks the experts' matrices of a layer.
var experts = map[string]reshape{"ffn_gate_exps.weight": stack, "ffn_up_exps.weight": stack, "ffn_down_exps.weight": stack}

func with(a, b map[string]reshape) map[string]reshape {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// stack joins n tensors of one shape along a new outermost dimension.
var stack = reshape{
	check: func(parts []tensor.Tensor, _ *builder) error {
		for _, p := range parts {
			if p.Type != parts[0].Type || !slices.Equal(p.Shape, parts[0].Shape) {
				return fmt.Errorf("%q is %v of %v and %q %v of %v, where all must be alike", parts[0].Name, parts[0].Shape, parts[0].Type, p.Name, p.Shape, p.Type)
			}
		}
		return nil
	},
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
		t := tensor.Tensor{Type: parts[0].Type, Shape: append([]int{len(parts)}, parts[0].Shape...)}
		t.Data = make([]byte, 0, len(parts)*len(parts[0].Data))
		for _, p := range parts {
			t.Data = append(t.Data, p.Data...)
		}
		return t
	},
}

// stackOr stacks experts that lie apart; other is for those that lie together.
func stackOr(other reshape) reshape {
	of := func(parts []tensor.Tensor) reshape {
		if len(parts[0].Shape) == 3 {
			return other
		}
		return stack
	}
	return reshape{
		check: func(parts []tensor.Tensor, b *builder) error { return of(parts).check(parts, b) },
		build: func(parts []tensor.Tensor, b *builder) tensor.Tensor { return of(parts).build(parts, b) },
	}
}

// whole takes a tensor as it is.
var whole = reshape{
	check: func([]tensor.Tensor, *builder) error { return nil },
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor { return parts[0] },
}

// flatten takes a matrix of one row as a vector.
var flatten = reshape{
	check: func(parts []tensor.Tensor, _ *builder) error {
		if s := parts[0].Shape; len(s) != 2 || s[0] != 1 {
			return fmt.Errorf("its shape is %v, where one row is needed", s)
		}
		return nil
	},
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
		t := parts[0]
		t.Shape = t.Shape[1:]
		return t
	},
}

// transpose turns [in × out] into [out × in].
var transpose = reshape{
	check: func(parts []tensor.Tensor, _ *builder) error {
		if s := parts[0].Shape; len(s) != 2 {
			return fmt.Errorf("its shape is %v, where a matrix is needed", s)
		}
		return nil
	},
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
		p := parts[0]
		rows, cols := p.Shape[0], p.Shape[1]
		_, size := p.Type.Block()
		t := tensor.Tensor{Type: p.Type, Shape: []int{cols, rows}, Data: make([]byte, len(p.Data))}
		const tile = 32 // rows at a time, so that both sides stay in the cache
		for r0 := 0; r0 < rows; r0 += tile {
			for c := range cols {
				for r := r0; r < min(rows, r0+tile); r++ {
					copy(t.Data[(c*rows+r)*size:][:size], p.Data[(r*cols+c)*size:])
				}
			}
		}
		return t
	},
}

// unweave sorts rows that come head by head as (q, k, v) into all q, all k, all v.
var unweave = reshape{
	check: func(parts []tensor.Tensor, b *builder) error {
		if s := parts[0].Shape; len(s) == 0 || s[0] != 3*b.heads*b.dim {
			return fmt.Errorf("its shape is %v, where rows for %d heads of 3 × %d are needed", s, b.heads, b.dim)
		}
		return nil
	},
	build: func(parts []tensor.Tensor, b *builder) tensor.Tensor {
		p := parts[0]
		chunk := len(p.Data) / (3 * b.heads) // a head's q, k or v
		t := tensor.Tensor{Type: p.Type, Shape: p.Shape, Data: make([]byte, 0, len(p.Data))}
		for kind := range 3 {
			for h := range b.heads {
				t.Data = append(t.Data, p.Data[(3*h+kind)*chunk:][:chunk]...)
			}
		}
		return t
	},
}

// squeeze takes a convolution's [channels × 1 × width] as [channels × width].
var squeeze = reshape{
	check: func(parts []tensor.Tensor, _ *builder) error {
		if s := parts[0].Shape; len(s) != 3 || s[1] != 1 {
			return fmt.Errorf("its shape is %v, where channels × 1 × width is needed", s)
		}
		return nil
	},
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
		t := parts[0]
		t.Shape = []int{t.Shape[0], t.Shape[2]}
		return t
	},
}

// decay gives −exp(A_log), as GGUF holds it.
var decay = reshape{
	check: func([]tensor.Tensor, *builder) error { return nil },
	build: func(parts []tensor.Tensor, _ *builder) tensor.Tensor {
		var x []float32
		for _, v := range parts[0].F32() {
			x = append(x, float32(-math.Exp(float64(v))))
		}
		return tensor.FromF32(parts[0].Name, parts[0].Shape, x)
	},
}

// byKeyHead takes kinds of rows out of Qwen3-Next's projection, whose rows come
// key head by key head as its query (0), its key (1), its value heads' values (2)
// and their gates (3), and puts all heads of a kind together.
func byKeyHead(kinds ...int) reshape {
	sizes := func(b *builder) (heads int, rows [4]int) {
		heads = b.count("linear_num_key_heads")
		values := b.count("linear_num_value_heads") / heads * b.count("linear_value_head_dim")
		key := b.count("linear_key_head_dim")
		return heads, [4]int{key, key, values, values}
	}
	return reshape{
		check: func(parts []tensor.Tensor, b *builder) error {
			heads, rows := sizes(b)
			if s, want := parts[0].Shape, heads*(rows[0]+rows[1]+rows[2]+rows[3]); len(s) != 2 || s[0] != want {
				return fmt.Errorf("its shape is %v, where %d rows are needed", s, want)
			}
			return nil
		},
		build: func(parts []tensor.Tensor, b *builder) tensor.Tensor {
			p := parts[0]
			heads, rows := sizes(b)
			t := tensor.Tensor{Type: p.Type, Shape: slices.Clone(p.Shape)}
			t.Shape[0] = 0
			size, head := p.RowBytes(), rows[0]+rows[1]+rows[2]+rows[3]
			for _, kind := range kinds {
				before := 0
				for _, n := range rows[:kind] {
					before += n
				}
				for h := range heads {
					t.Data = append(t.Data, p.Data[(h*head+before)*size:][:rows[kind]*size]...)
				}
				t.Shape[0] += heads * rows[kind]
			}
			return t
		},
	}
}
