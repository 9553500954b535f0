package arch_test

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/gguf"
	"headprof/runner/plain"
	"headprof/runner/tensor"
)

// settings are keys that no golden model has, and some that all have.
var settings = []string{"general.architecture", "general.name", "headprof.context", "headprof.norm.add_one", "headprof.rope.half_split"}

// ofFamily are a family's keys, tried beside those that a model has.
var ofFamily = []string{
	"attention.sliding_window", "attention.sliding_window_pattern", "attention.key_length", "attention.value_length", "attention.scale",
	"attention.head_count", "attention.head_count_kv", "attention.causal", "attention.max_alibi_bias", "attention.layer_norm_rms_epsilon",
	"block_count", "embedding_length", "feed_forward_length", "context_length", "rope.dimension_count", "rope.freq_base", "rope.freq_base_swa",
	"rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.attn_factor",
	"rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "rope.scale_linear", "expert_count", "expert_used_count",
	"expert_feed_forward_length", "expert_weights_norm", "logit_scale", "residual_scale", "embedding_scale", "attn_logit_softcapping",
	"final_logit_softcapping", "use_parallel_residual",
}

// mutant is a golden model with some of its settings and tensors changed.
type mutant struct {
	*gguf.Metadata
	tensors map[string]tensor.Tensor
}

func (mutant) Name() string { return "mutant" }

func (m mutant) Tensor(name string) (tensor.Tensor, bool) { t, ok := m.tensors[name]; return t, ok }

func (m mutant) TensorNames() []string {
	var names []string
	for n := range m.tensors {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// mutate applies edits of 10 bytes each: what, how, and a value.
func mutate(f whole, edits []byte) mutant {
	m := mutant{gguf.NewMetadata("mutant"), map[string]tensor.Tensor{}}
	family, _, _ := f.String("general.architecture")
	keys := append(slices.Clone(settings), f.Keys()...)
	for _, k := range ofFamily {
		keys = append(keys, family+"."+k)
	}
	gone := map[string]bool{}
	var names []string
	for _, t := range f.tensors {
		m.tensors[t.Name] = t
		names = append(names, t.Name)
	}
	changed := map[string]any{}
	for ; len(edits) >= 10; edits = edits[10:] {
		key, bits := keys[int(edits[0])%len(keys)], binary.LittleEndian.Uint64(edits[2:])
		name := names[int(edits[0])%len(names)]
		t := m.tensors[name]
		switch edits[1] % 10 {
		case 0:
			gone[key] = true
		case 1:
			changed[key] = int64(bits)
		case 2:
			changed[key] = int64(bits % 300)
		case 3:
			changed[key] = math.Float64frombits(bits)
		case 4:
			changed[key] = bits%2 == 0
		case 5:
			changed[key] = append(arch.Families(), "linear", "yarn", "llama3", "dynamic", "longrope", "spiral")[bits%20%uint64(len(arch.Families())+6)]
		case 6:
			list := make([]int64, bits%5)
			for i := range list {
				list[i] = int64(bits>>(8*i)) % 16
			}
			changed[key] = list
		case 7:
			delete(m.tensors, name)
		case 8: // a shape that its data do not fill, or do
			t.Shape = []int{int(bits % 1024), int(bits>>10) % (1 << 40)}[:1+bits>>63]
			m.tensors[name] = t
		case 9:
			t.Type = tensor.Type(bits % 40)
			m.tensors[name] = t
		}
	}
	for _, k := range keys {
		if v, ok := changed[k]; ok {
			m.Set(k, v)
		} else if !gone[k] {
			copyKey(m.Metadata, f.Metadata, k)
		}
	}
	return m
}

// copyKey copies a setting of any kind that models use.
func copyKey(to, from *gguf.Metadata, key string) {
	if !from.Has(key) {
		return
	}
	if v, ok, err := from.String(key); ok && err == nil {
		to.Set(key, v)
	} else if v, ok, err := from.Bool(key); ok && err == nil {
		to.Set(key, v)
	} else if v, ok, err := from.Int(key); ok && err == nil {
		to.Set(key, v)
	} else if v, ok, err := from.Float(key); ok && err == nil {
		to.Set(key, v)
	} else if v, ok, err := from.Ints(key); ok && err == nil {
		to.Set(key, v)
	}
}

// Whatever a file's settings and tensors say, binding a family gives a model
// that can run or an error, within bounded time and memory.
func FuzzSettings(f *testing.F) {
	names := cases(f)
	files := make([]whole, len(names))
	for i, n := range names {
		files[i] = together(f, n)
		f.Add(uint8(i), []byte{})
		for how := range byte(10) {
			f.Add(uint8(i), []byte{byte(7*i) + how, how, 3, 0, 0, 0, 0, 0, 0, 0})
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		s := mutate(files[int(which)%len(files)], edits[:min(len(edits), 80)])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		arch.Ignored(s)
		c, err := arch.Describe(s)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
			t.Fatalf("%d MiB allocated", grown>>20)
		}
		if time.Since(start) > time.Minute {
			t.Fatal("more than a minute")
		}
		if err != nil {
			return
		}
		b := plain.New()
		m, err := arch.Load(s, b)
		if err != nil {
			return // plain reads weights, which Describe does not
		}
		cache, err := b.NewCache(c.Shape(), backend.KVF32, 4)
		if err != nil {
			t.Fatal(err)
		}
		o, err := b.Begin(cache, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := m.Embed(o, []int32{0, int32(c.Vocab - 1), 0}[:min(3, c.Context)])
		if x.Rows() < 3 {
			return
		}
		for l := range c.Layers {
			x = m.Layer(o, l, x, nil)
		}
		o.Read(m.Logits(o, x))
	})
}
