package scoring

func init() {
	register(Declaration{
		Order: 30, Source: "arXiv 2508.02401 (CompressKV)",
		Label:    "attention mass on the evidence, steps that copy",
		Measures: "a row's whole weight on the evidence, in the steps that produce one of the evidence's tokens",
		New:      func() Named { return new(Semantic) },
	})
	register(Declaration{
		Order: 40, Source: "arXiv 2410.19258, without its top-k cut",
		Label:    "attention mass on the evidence",
		Measures: "a row's whole weight on the evidence, divided by the evidence's length; every step of the answer",
		New:      func() Named { return new(R2Mass) },
	})
}

// Semantic is the score of CompressKV's semantic retrieval heads (arXiv
// 2508.02401): the whole weight on the evidence, whichever positions are the
// row's largest, of the steps whose token is one of the evidence's.
type Semantic struct{}

// Name implements Method.
func (Semantic) Name() string { return "semantic" }

// Weight implements Method: a step counts as it stands.
func (Semantic) Weight(k, n int) float32 { return 1 }

// Top implements Topper: the evidence's own weights are enough.
func (Semantic) Top(int) int { return 0 }

// Times implements Repeater: as often as the produced token stands in the
// evidence, as in the published code.
func (Semantic) Times(evidence []int32, produced int32) int {
	n := 0
	for _, id := range evidence {
		if id == produced {
			n++
		}
	}
	return n
}

// Row implements Method.
func (Semantic) Row(weights []float32, first int, evidence Span) Partial {
	return Partial{Value: float32(mass(weights, first, evidence)), Key: -1}
}

// R2Mass is HeadKVR2 without its cut: the whole weight on the evidence, divided
// by the evidence's length. What it and HeadKVR2 disagree on is what the cut
// does.
type R2Mass struct{}

// Name implements Method.
func (R2Mass) Name() string { return "r2-mass" }

// Weight implements Method: every step counts as it stands.
func (R2Mass) Weight(k, n int) float32 { return 1 }

// Top implements Topper: the evidence's own weights are enough.
func (R2Mass) Top(int) int { return 0 }

// Row implements Method.
func (R2Mass) Row(weights []float32, first int, evidence Span) Partial {
	k := evidence.End - evidence.Start
	if k <= 0 {
		return Partial{Key: -1}
	}
	return Partial{Value: float32(mass(weights, first, evidence) / float64(k)), Key: -1}
}

// mass sums the weights on the evidence, lowest position first. NaN counts
// nothing, as in HeadKVR2.
func mass(weights []float32, first int, evidence Span) float64 {
	from, to := visible(len(weights), first, evidence)
	var sum float64
	for _, w := range weights[from:to] {
		if w == w {
			sum += float64(w)
		}
	}
	return sum
}
