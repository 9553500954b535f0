package cpu

import (
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/shape"
)

// The prediction is what the buffers hold after steps of that size, to a tenth (a fifth with blocks).
func TestScratchBytesIsWhatStepsTake(t *testing.T) {
	check := func(name string, l *backendtest.Layer, blocks bool) {
		b, s := l.Backend.(*Backend), l.Shape
		const n = 200
		one := shape.Layer{KVHeads: s.KVHeads, KeyDim: s.Dim, ValueDim: s.ValueDim}
		predicted, err := b.ScratchBytes(backend.Run{Layers: []shape.Layer{one, one}, KV: backend.KVF16, Rows: n, Entries: n, Blocks: blocks, Step: func(o backend.Ops) {
			l.Forward(o, backendtest.Tokens(n))
		}})
		if err != nil {
			t.Fatal(err)
		}
		watch := backendtest.WatchInto(map[string][]float32{}, nil, n-1)
		if blocks {
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			watch.Blocks = &backend.Blocks{Rows: all, Deliver: func(backend.RowBlock) {}}
		}
		l.Step(l.Cache(backend.KVF16), backendtest.Tokens(n), watch)
		floats := cap(b.arenas[0].read)
		for _, f := range b.arenas[0].free {
			floats += cap(f)
		}
		w := &b.scratch[0]
		for _, x := range [][]float32{w.panel, w.row, w.product, w.norm, w.q, w.s, w.o, w.keys, w.values, w.m, w.l, w.al, w.weights, w.exps, w.tops} {
			floats += cap(x)
		}
		// The table of angles is dropped with the step.
		floats += n * s.Rope
		most := 1.1
		if blocks {
			most = 1.2 // the last block, which sees the longest rows, may be shorter than others
		}
		if got := float64(predicted) / float64(4*floats); got < 0.95 || got > most {
			t.Errorf("%s: predicted %d bytes, taken %d", name, predicted, 4*floats)
		}
	}
	b := backendtest.Must(New(Options{Threads: 1}))
	defer b.Close()
	for name, s := range backendtest.Shapes {
		for _, blocks := range []bool{false, true} {
			b.arenas, b.scratch = nil, make([]scratch, 1)
			check(name, backendtest.Bind(b, s), blocks)
		}
	}
	for kernels, b := range fastBackends(t, 1) {
		if kernels == "portable" { // slow, and no different here
			continue
		}
		check("int8, "+kernels, bindCoded(b, 0), false)
	}
}
