package cases

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"headprof/probe"
	"headprof/runner/backend"
	"headprof/scoring"
)

// fixed is the resolution of sums: weights are added as integers in units of
// 2^-40, so that a sum does not depend on its order. A weight is off by
// 4.5e-13 at most.
const fixed = 1 << 40

func toFixed(weight float64) int64 { return int64(math.RoundToEven(weight * fixed)) }

// attended extends the session by tokens and gives, per layer and head, the
// mean attention that the rows of span pay to each position.
func (r *pass) attended(ctx context.Context, tokens []int32, rows span) ([][]scoring.Attended, error) {
	n := r.session.Len() + len(tokens)
	sums := make([][][]int64, r.shape.Layers)
	locks := make([][]sync.Mutex, r.shape.Layers)
	for l := range sums {
		sums[l] = make([][]int64, r.shape.Heads(l))
		locks[l] = make([]sync.Mutex, r.shape.Heads(l))
	}
	if err := r.extend(ctx, tokens, rows, func(row backend.Row) {
		lock := &locks[row.Layer][row.Head]
		lock.Lock()
		defer lock.Unlock()
		sum := sums[row.Layer][row.Head]
		if sum == nil {
			sum = make([]int64, n)
			sums[row.Layer][row.Head] = sum
		}
		for i, w := range row.Weights {
			sum[row.First+i] += toFixed(float64(w))
		}
	}); err != nil {
		return nil, err
	}
	count := float64(rows[1] - rows[0])
	out := make([][]scoring.Attended, len(sums))
	for l := range sums {
		out[l] = make([]scoring.Attended, len(sums[l]))
		for h, sum := range sums[l] {
			mean := make(scoring.Attended, len(sum))
			for i, s := range sum {
				mean[i] = float64(s) / fixed / count
			}
			out[l][h] = mean
		}
	}
	return out, nil
}

// extend appends tokens and delivers the attention rows of the positions in
// rows, in no particular order and from several goroutines.
func (r *pass) extend(ctx context.Context, tokens []int32, rows span, deliver func(backend.Row)) error {
	positions := make([]int, rows[1]-rows[0])
	for i := range positions {
		positions[i] = rows[0] + i
	}
	_, err := r.session.Extend(ctx, tokens, probe.Watch{Attention: positions, Rows: deliver})
	return err
}

// totals are sums per layer and head, in units of 2^-40.
type totals [][]atomic.Int64

func (r *pass) totals() totals {
	t := make(totals, r.shape.Layers)
	for l := range t {
		t[l] = make([]atomic.Int64, r.shape.Heads(l))
	}
	return t
}

func (t totals) add(layer, head int, v float64) { t[layer][head].Add(toFixed(v)) }

func (t totals) mean(layer, head, n int) float64 {
	return float64(t[layer][head].Load()) / fixed / float64(n)
}

// peaks are the largest weights per layer and head. Weights are not negative,
// so their bits are in the order of their values.
type peaks [][]atomic.Uint32

func (r *pass) peaks() peaks {
	p := make(peaks, r.shape.Layers)
	for l := range p {
		p[l] = make([]atomic.Uint32, r.shape.Heads(l))
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
