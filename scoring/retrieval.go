package scoring

func init() {
	register(Declaration{
		Order: 20, Source: "arXiv 2404.15574, section 2",
		Label:    "evidence copied",
		Measures: "steps whose largest weight lies on the evidence, at the token just produced, over the evidence's length",
		New:      func() Named { return new(Retrieval) },
	})
}

// Retrieval is the retrieval score of Retrieval Heads (arXiv 2404.15574, section
// 2), which looks for copying: a step counts where the row's largest weight lies on
// the evidence and the token there is the token just produced.
type Retrieval struct{}

// Name implements Method.
func (Retrieval) Name() string { return "retrieval" }

// Weight implements Method: the share of the evidence that one copied token is
// (1/k), or in forced mode the share of the answer (1/n).
func (Retrieval) Weight(k, n int) float32 {
	if n > 0 {
		return 1 / float32(n)
	}
	return 1 / float32(k)
}

// Top implements Topper.
func (Retrieval) Top(int) int { return 1 }

// Row implements Method. Of equal largest weights the lowest position wins.
func (Retrieval) Row(weights []float32, first int, evidence Span) Partial {
	from, to := visible(len(weights), first, evidence)
	best := -1
	for i := from; i < to; i++ {
		if w := weights[i]; w == w && (best < 0 || w > weights[best]) {
			best = i
		}
	}
	if best < 0 {
		return Partial{Key: -1}
	}
	top := weights[best]
	for _, w := range weights[:from] {
		if w >= top {
			return Partial{Key: -1}
		}
	}
	for _, w := range weights[to:] {
		if w > top {
			return Partial{Key: -1}
		}
	}
	return Partial{Value: 1, Key: int32(first + best)}
}
