package scoring

import "math"

func init() {
	register(Declaration{
		Order: 50, Probe: Documents, Source: "arXiv 2506.09944 (QRHead)",
		Label:    "attention on the right documents, calibrated",
		Measures: "attention of a query to the documents that answer it, beyond what a query without content pays",
		New:      func() Named { return new(QRHead) },
	})
	register(Declaration{
		Order: 60, Probe: Documents, Source: "arXiv 2510.02219 (CoRe)",
		Label:    "share of the right document",
		Measures: "share of the answering document in the softmax of the query's attention to it and to others",
		New:      func() Named { return new(CoRe) },
	})
	register(Declaration{
		Order: 120, Probe: FewShot, Source: "after arXiv 2502.14010",
		Label:    "attention on the labels",
		Measures: "attention of a query's last token to the labels of shuffled demonstrations",
		New:      func() Named { return new(ICL) },
	})
	register(Declaration{
		Order: 130, Probe: Injection, Source: "arXiv 2411.00348 (Attention Tracker)",
		Label:    "attention on the instruction, clean less injected",
		Measures: "the last token's attention to the instruction, clean less injected",
		New:      func() Named { return new(Tracker) },
	})
}

// Attended is what a set of query rows pays to each position on average: the
// reduction that qrhead, core, icl and tracker read. Entry i belongs to
// position i; positions outside a window hold 0.
type Attended []float64

// over sums the entries of a span, lowest position first.
func (a Attended) over(s Span) float64 {
	var sum float64
	for i := max(s.Start, 0); i < min(s.End, len(a)); i++ {
		sum += a[i]
	}
	return sum
}

// at gives an entry, 0 past the end.
func (a Attended) at(i int) float64 {
	if i < 0 || i >= len(a) {
		return 0
	}
	return a[i]
}

// QRHead is the score of query-focused retrieval heads (arXiv 2506.09944): how
// much a query's tokens attend to the gold documents, beyond what the tokens
// of a query without content ("N/A") pay.
type QRHead struct {
	Depth int `param:"ndcg-at" default:"10" min:"1" max:"1000" unit:"documents" help:"ranks that the NDCG of qrhead looks at"`
}

// QRHeadNDCG is the name of qrhead's form for ranking in journals.
const QRHeadNDCG = "qrhead-ndcg"

// Name implements Named.
func (QRHead) Name() string { return "qrhead" }

// Documents scores each document (QRHead's code, attn_retriever.py): of the
// calibrated attention c = query − null on its tokens, the sum of what lies
// above mean(c) − 2·std(c), std with divisor m − 1. A document of one token
// has no std and scores 0.
func (QRHead) Documents(query, null Attended, documents []Span) []float64 {
	out := make([]float64, len(documents))
	for d, span := range documents {
		m := span.End - span.Start
		if m < 2 {
			continue
		}
		var mean float64
		for i := span.Start; i < span.End; i++ {
			mean += query.at(i) - null.at(i)
		}
		mean /= float64(m)
		var squares float64
		for i := span.Start; i < span.End; i++ {
			e := query.at(i) - null.at(i) - mean
			squares += float64(e * e)
		}
		threshold := mean - float64(2*math.Sqrt(squares/float64(m-1)))
		for i := span.Start; i < span.End; i++ {
			if c := query.at(i) - null.at(i); c > threshold {
				out[d] += c
			}
		}
	}
	return out
}

// Gold is the long-memory form of the score: the sum of the gold documents'
// scores (detect_qrhead_lme.py).
func (QRHead) Gold(documents []float64, gold []int) float64 {
	var sum float64
	for _, d := range gold {
		sum += documents[d]
	}
	return sum
}

// NDCG is the normalised discounted cumulative gain at Depth of the documents in
// the order of their scores, gold ones having gain 1: the form of the score
// for ranking. Of equal scores the earlier document comes first.
func (q QRHead) NDCG(documents []float64, gold []int) float64 {
	relevant := make([]bool, len(documents))
	for _, d := range gold {
		relevant[d] = true
	}
	var gain, ideal float64
	taken := make([]bool, len(documents))
	for rank := 0; rank < min(q.Depth, len(documents)); rank++ {
		best := -1
		for d := range documents {
			if !taken[d] && (best < 0 || documents[d] > documents[best]) {
				best = d
			}
		}
		taken[best] = true
		discount := 1 / math.Log2(float64(rank+2))
		if relevant[best] {
			gain += discount
		}
		if rank < len(gold) {
			ideal += discount
		}
	}
	if ideal == 0 {
		return 0
	}
	return gain / ideal
}

// CoRe is the contrastive retrieval score (arXiv 2510.02219): the softmax, over
// one positive and the negative documents, of the attention that a query's
// tokens pay to each.
type CoRe struct {
	Temperature float64 `param:"core-temperature" default:"0.001" above:"0" max:"1000" help:"temperature of the softmax over documents"`
}

// Name implements Named.
func (CoRe) Name() string { return "core" }

// Score is the positive document's share. Documents that are neither positive
// nor negative do not count; attention is not divided by a document's length.
func (c CoRe) Score(query Attended, documents []Span, positive int, negatives []int) float64 {
	own := query.over(documents[positive])
	others := 0.0
	largest := own
	for _, d := range negatives {
		largest = math.Max(largest, query.over(documents[d]))
	}
	for _, d := range negatives {
		others += math.Exp((query.over(documents[d]) - largest) / c.Temperature)
	}
	e := math.Exp((own - largest) / c.Temperature)
	return e / (e + others)
}

// Tracker is the instruction attention of the Attention Tracker (arXiv
// 2411.00348): of what a prompt's last token pays to instruction and data
// together, the share of the instruction.
type Tracker struct{}

// Name implements Named.
func (Tracker) Name() string { return "tracker" }

// Score is that share. A head that looks at neither scores 0.
func (Tracker) Score(last Attended, instruction, data Span) float64 {
	on := last.over(instruction)
	return on / (on + last.over(data) + 1e-8)
}

// ICL is the attention that the last token of a few-shot prompt pays to the
// demonstrations' labels.
type ICL struct{}

// Name implements Named.
func (ICL) Name() string { return "icl" }

// Score sums the attention on the label tokens.
func (ICL) Score(last Attended, labels []Span) float64 {
	var sum float64
	for _, l := range labels {
		sum += last.over(l)
	}
	return sum
}
