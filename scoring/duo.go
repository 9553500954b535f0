package scoring

import "math"

func init() {
	register(Declaration{
		Order: 100, Probe: PlainText, KVHeads: true, Source: "kvpress, DuoAttention without training (arXiv 2410.10819)",
		Label:    "attention of the mean query to the mean key",
		Measures: "how early in a text the mean query attends to the mean key",
		New:      func() Named { return new(Duo) },
	})
}

// Duo is the score duo-on-the-fly of KV heads; see DuoOnTheFly.
type Duo struct {
	Positions int `param:"duo-positions" default:"500" min:"1" max:"1000000" unit:"positions" help:"positions that the mean query and key of duo-on-the-fly are put at"`
}

// Name implements Named.
func (Duo) Name() string { return "duo-on-the-fly" }

// DuoOnTheFly is kvpress's score without training for DuoAttention
// (duo_attention_press.py): with the mean query at the last of n positions and
// the mean key at all of them, rotated by the layer's own position encoding,
// how early in the sequence the attention lies. logits[i] is the scaled product
// of query and key at position i. Even attention gives (n+1)/2n.
func DuoOnTheFly(logits []float64) float64 {
	n := len(logits)
	largest := math.Inf(-1)
	for _, x := range logits {
		largest = math.Max(largest, x)
	}
	var total, early float64
	for i, x := range logits {
		e := math.Exp(x - largest)
		total += e
		early += float64(e * float64(n-i))
	}
	return early / (total * float64(n))
}
