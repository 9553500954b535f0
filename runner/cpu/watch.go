package cpu

import (
	"math"

	"headprof/runner/backend"
)

// watched computes the whole attention row of one batch row for each head of
// a KV head's group and delivers it. Scores come from the same products as in
// block; the row's maximum is known here, so weights are softmax by definition.
func (t *attend) watched(s *scratch, kv, row int) {
	head := t.cache.Head(t.a.Layer, kv)
	lo, hi := t.span(head, row)
	g, d, n := t.group, t.a.KeyDim, hi-lo
	width := roundUp(n, 16)
	q, sc, w := grown(&s.q, g*d), grown(&s.s, g*tile), grown(&s.weights, g*width)
	all := attend{ops: t.ops, a: t.a, q: t.q, group: g, scale: t.scale}
	all.queries(q, kv, row, row+1)
	for e := lo / tile * tile; e < hi; e += tile {
		some := min(tile, hi-e)
		keys := t.unpackKeys(s, head.Blocks[e/tile])
		t.scores(g, q, keys, sc, some)
		a, b := max(lo, e), min(hi, e+tile)
		for h := range g {
			copy(w[h*width+a-lo:], sc[h*tile+a-e:h*tile+b-e])
		}
	}
	for h := range g {
		x := w[h*width:][:width]
		for j := n; j < width; j++ {
			x[j] = minusInf
		}
		sink := math.Inf(-1)
		if t.sinks != nil {
			sink = float64(t.sinks[kv*g+h]) * log2e
		}
		softmaxRow(t.k, x, sink)
		t.watch.Deliver(backend.Row{
			Layer: t.a.Layer, Head: kv*g + h, Position: t.first + row, First: lo, Weights: x[:n],
		})
	}
}

// softmaxRow turns scores in units of log 2 into weights that sum, with that of
// a sink (−∞: none), to 1; len(x) is a multiple of 16.
func softmaxRow(k *kernels, x []float32, sink float64) {
	top := minusInf
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	k.exp2Row(len(x), &x[0], top)
	var sum [4]float64
	for i := 0; i < len(x); i += 4 {
		sum[0] += float64(x[i])
		sum[1] += float64(x[i+1])
		sum[2] += float64(x[i+2])
		sum[3] += float64(x[i+3])
	}
	inv := 1 / ((sum[0] + sum[1]) + (sum[2] + sum[3]) + math.Exp2(sink-float64(top)))
	for i, v := range x {
		x[i] = float32(float64(v) * inv)
	}
}
