package arch_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/gguf"
)

// GGUF files of the 27B Gemmas do not state their attention scale, 144^(−1/2)
// and 168^(−1/2), which is (width/heads)^(−1/2) (both papers' tables); these
// models are known by their 46 and 62 layers.
func TestLargeGemmasScaleByWidth(t *testing.T) {
	for name, layers := range map[string]int{"gemma2": 46, "gemma3": 62} {
		b := device(t, "cpu")
		want := &golden{Tokens: []int32{5, 9, 60}, Positions: []int{2}}
		var outs []output
		for _, scale := range []any{nil, float32(1 / math.Sqrt(32.0/4))} {
			m := changed(t, name, map[string]any{name + ".attention.scale": scale, name + ".block_count": layers})
			f := file(t, name).(*gguf.File)
			had, _, _ := f.Uint(name + ".block_count")
			for l := range layers {
				from := fmt.Sprintf("blk.%d.", l%int(had))
				for _, w := range f.Tensors() {
					if rest, ok := strings.CutPrefix(w.Name, from); ok {
						w.Name = fmt.Sprintf("blk.%d.%s", l, rest)
						m.tensors[w.Name] = w
					}
				}
			}
			outs = append(outs, compute(t, load(t, closing{m}, b, want), b, want.Tokens, want.Positions, 3))
		}
		if !reflect.DeepEqual(outs[0], outs[1]) {
			t.Errorf("%s: another scale", name)
		}
	}
}

// closing makes a mutant a source.
type closing struct{ mutant }

func (closing) Close() error { return nil }
