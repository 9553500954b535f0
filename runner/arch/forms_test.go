package arch_test

import (
	"reflect"
	"strings"
	"testing"
)

// A model gives the same logits and attention rows from GGUF (F32) as from a
// Hugging Face folder (BF16, the same numbers): byte for byte, except where
// GGUF stores rotary pairs or value heads in another order and so sums in another
// order, or holds multipliers in the weights (Falcon-H1).
func TestFormsGiveSameResults(t *testing.T) {
	for _, name := range cases(t) {
		b := device(t, "cpu")
		want := readGolden(t, name)
		var outs []output
		for _, s := range []source{file(t, name), folder(t, name, "config.json")} {
			m := load(t, s, b, want)
			outs = append(outs, compute(t, m, b, want.Tokens, want.Positions, len(want.Tokens)))
		}
		permuted := false
		for _, family := range []string{"llama", "mistral", "mixtral", "granite", "smollm3", "ministral3", "qwen35", "falcon-h1"} {
			permuted = permuted || strings.HasPrefix(name, family)
		}
		// Scalings are computed from float32 in one form and stored as factors in the other.
		if permuted || strings.HasPrefix(name, "phi3-") {
			compare(t, outs[0], &golden{Positions: want.Positions, Logits: outs[1].logits, Rows: outs[1].rows})
		} else if !reflect.DeepEqual(outs[0], outs[1]) {
			t.Errorf("%s: the two forms give different bytes", name)
		}
	}
}
