package scoring

func init() {
	register(Declaration{
		Order: 10, Source: "arXiv 2410.19258",
		Label:    "attention on the evidence",
		Measures: "of a row's k largest weights, k being the evidence's length, the sum of those on the evidence, divided by k; every step of the answer",
		New:      func() Named { return new(HeadKVR2) },
	})
}

// HeadKVR2 is the importance score of HeadKV's retrieval-reasoning heads (arXiv
// 2410.19258): of a row's k largest weights, k being the evidence's length, the
// sum of those on the evidence, divided by k. The whole answer counts, because
// no token has to be copied for a step to score.
type HeadKVR2 struct{}

// Name implements Method.
func (HeadKVR2) Name() string { return "headkv-r2" }

// Weight implements Method: every step counts as it stands.
func (HeadKVR2) Weight(k, n int) float32 { return 1 }

// Top implements Topper.
func (HeadKVR2) Top(k int) int { return k }

// Row implements Method. Among equal weights the lower position is the larger
// one; NaN is never among the largest.
func (HeadKVR2) Row(weights []float32, first int, evidence Span) Partial {
	k := evidence.End - evidence.Start
	from, to := visible(len(weights), first, evidence)
	if from == to {
		return Partial{Key: -1}
	}
	var space [64]entry // on the stack for evidence of up to 64 tokens
	top := topHeap{entries: space[:0], k: k}
	for i := from; i < to; i++ {
		top.offer(weights[i], int32(i), true)
	}
	// With the evidence's own weights in the heap first, most rows end early: k
	// larger weights elsewhere push the whole evidence out.
	top.scan(weights[:from], 0)
	top.scan(weights[to:], to)
	return Partial{Value: float32(top.inside() / float64(k)), Key: -1}
}

// entry is a weight at an index of its row.
type entry struct {
	weight float32
	index  int32
	inside bool // on the evidence
}

// less orders entries by weight; of equal weights the higher index is less.
func less(a, b entry) bool {
	return a.weight < b.weight || a.weight == b.weight && a.index > b.index
}

// topHeap keeps the k largest entries offered to it, the smallest at the root.
type topHeap struct {
	entries []entry
	k       int
	insides int // entries on the evidence
}

// offer adds an entry, the evidence's before all others: they always fit.
func (h *topHeap) offer(weight float32, index int32, inside bool) {
	if weight != weight {
		return
	}
	e := entry{weight, index, inside}
	if len(h.entries) < h.k {
		if inside {
			h.insides++
		}
		h.entries = append(h.entries, e)
		h.up(len(h.entries) - 1)
		return
	}
	if !less(h.entries[0], e) {
		return
	}
	if h.entries[0].inside {
		h.insides--
	}
	h.entries[0] = e
	h.down()
}

// scan offers every weight off the evidence, and stops as soon as no entry on
// the evidence is left to be pushed out.
func (h *topHeap) scan(weights []float32, offset int) {
	i := 0
	for ; i < len(weights) && len(h.entries) < h.k; i++ {
		h.offer(weights[i], int32(offset+i), false)
	}
	if len(h.entries) < h.k {
		return
	}
	for lowest := h.entries[0].weight; i < len(weights); i++ {
		if !(weights[i] >= lowest) {
			continue
		}
		h.offer(weights[i], int32(offset+i), false)
		if h.insides == 0 {
			return
		}
		lowest = h.entries[0].weight
	}
}

func (h *topHeap) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !less(h.entries[i], h.entries[p]) {
			return
		}
		h.entries[i], h.entries[p] = h.entries[p], h.entries[i]
		i = p
	}
}

func (h *topHeap) down() {
	n := len(h.entries)
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return
		}
		if c+1 < n && less(h.entries[c+1], h.entries[c]) {
			c++
		}
		if !less(h.entries[c], h.entries[i]) {
			return
		}
		h.entries[i], h.entries[c] = h.entries[c], h.entries[i]
		i = c
	}
}

// inside sums the entries on the evidence, lowest position first, so that the
// sum does not depend on how the heap came to be.
func (h *topHeap) inside() float64 {
	if h.insides == 0 {
		return 0
	}
	kept := h.entries[:0]
	for _, e := range h.entries {
		if e.inside {
			kept = append(kept, e)
		}
	}
	for i := 1; i < len(kept); i++ {
		for j := i; j > 0 && kept[j].index < kept[j-1].index; j-- {
			kept[j], kept[j-1] = kept[j-1], kept[j]
		}
	}
	var sum float64
	for _, e := range kept {
		sum += float64(e.weight)
	}
	return sum
}
