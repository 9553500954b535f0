package cases

import (
	"context"
	"math"
	"sync/atomic"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/scoring"
)

// attended extends the session by tokens and gives, per layer and head, the
// mean attention that the rows of span pay to each position.
func (r *pass) attended(ctx context.Context, tokens []int32, rows span) ([][]scoring.Attended, error) {
	n := r.session.Len() + len(tokens)
	sums := make([][]backend.ColumnSum, len(r.layers))
	for l := range sums {
		sums[l] = make([]backend.ColumnSum, r.layers[l].Heads)
	}
	if err := r.extend(ctx, tokens, rows, func(b backend.RowBlock) { sums[b.Layer][b.Head].Add(b) }); err != nil {
		return nil, err
	}
	count := float64(rows[1] - rows[0])
	out := make([][]scoring.Attended, len(sums))
	for l := range sums {
		out[l] = make([]scoring.Attended, len(sums[l]))
		for h := range sums[l] {
			mean := make(scoring.Attended, n)
			for i := range mean {
				mean[i] = sums[l][h].Sum(i) / count
			}
			out[l][h] = mean
		}
	}
	return out, nil
}

// extend appends tokens and delivers the attention rows of the positions in
// rows, in blocks, in no particular order and from several goroutines.
func (r *pass) extend(ctx context.Context, tokens []int32, rows span, deliver func(backend.RowBlock)) error {
	_, err := r.session.Extend(ctx, tokens, probe.Watch{Blocks: &runner.Blocks{From: rows[0], To: rows[1], Deliver: deliver}})
	return err
}

// totals are sums per layer and head, in units of backend.Fixed.
type totals [][]atomic.Int64

func (r *pass) totals() totals {
	t := make(totals, len(r.layers))
	for l := range t {
		t[l] = make([]atomic.Int64, r.layers[l].Heads)
	}
	return t
}

func (t totals) add(layer, head int, v float64) { t[layer][head].Add(backend.Fixed(v)) }

func (t totals) mean(layer, head, n int) float64 {
	return backend.FromFixed(t[layer][head].Load()) / float64(n)
}

// peaks are the largest weights per layer and head. Weights are not negative,
// so their bits are in the order of their values.
type peaks [][]atomic.Uint32

func (r *pass) peaks() peaks {
	p := make(peaks, len(r.layers))
	for l := range p {
		p[l] = make([]atomic.Uint32, r.layers[l].Heads)
	}
	return p
}

func (p peaks) offer(layer, head int, weights []float32) {
	var largest float32
	for _, w := range weights {
		if w > largest {
			largest = w
		}
	}
	cell := &p[layer][head]
	for {
		old := cell.Load()
		if math.Float32frombits(old) >= largest || cell.CompareAndSwap(old, math.Float32bits(largest)) {
			return
		}
	}
}

func (p peaks) value(layer, head int) float64 {
	return float64(math.Float32frombits(p[layer][head].Load()))
}
