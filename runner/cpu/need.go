package cpu

import (
	"headprof/runner/backend"
	"headprof/runner/kvcache"
)

// need counts what a step would take: its arena as the arena itself would
// grow, and the largest of each of a worker's buffers. Sizes are in floats.
type need struct {
	entries int  // of the longest watched row; 0: none is watched
	stash   bool // rows are delivered in blocks
	free    []int
	arena   int
	read    int
	turns   int

	panel, product, norm, blocks, weights, stashed int
}

// ScratchBytes gives the memory, in bytes, that the steps of a run take beside
// weights and cache: the values of a layer, the read-back buffer, and each
// worker's panels and attention blocks. The run's step is run against an Ops
// that computes nothing (its Read gives nil), so the answer is right for any
// family.
func (b *Backend) ScratchBytes(r backend.Run) (int64, error) {
	cache, err := kvcache.New(r.Layers, r.KV, 0)
	if err != nil {
		return 0, err
	}
	n := &need{entries: r.Entries, stash: r.Blocks}
	o := &ops{b: b, k: b.k, pool: b.pool, cache: cache, n: r.Rows, arena: &arena{dry: n}, dry: n}
	r.Step(o)
	worker := n.panel + n.product + n.norm + n.blocks + n.weights + n.stashed
	return 4 * int64(n.arena+n.read+n.turns+worker*b.pool.threads), nil
}

// take gives the size of the buffer lent: the smallest free one that fits, else a new one.
func (n *need) take(floats int) int {
	best := -1
	for i, f := range n.free {
		if f >= floats && (best < 0 || f < n.free[best]) {
			best = i
		}
	}
	if best < 0 {
		n.arena += floats + 16
		return floats
	}
	size := n.free[best]
	n.free = append(n.free[:best], n.free[best+1:]...)
	return size
}

func (n *need) give(size int) { n.free = append(n.free, size) }

func (n *need) linear(l *linear, how coding) {
	if how != notCoded {
		blocks := l.w.cols / codeBlock
		n.give(n.take(l.x.rows * blocks * codeBytes / 4))
		n.panel = max(n.panel, (min(blocks, depthInt8)*panelBytes)/4+16)
		if blocks > depthInt8 || l.bias != nil || l.scale != 1 || l.out%panelWidth != 0 {
			n.product = max(n.product, min(waiting, l.x.rows)*panelWidth)
		}
		return
	}
	k := min(l.w.cols, depth)
	n.panel = max(n.panel, (k+1)*panelWidth)
	if l.w.cols > depthFew || l.bias != nil || l.scale != 1 {
		n.product = max(n.product, min(waiting, l.x.rows)*panelWidth)
	}
	n.norm = max(n.norm, k) // a row dequantised on its own
}

func (n *need) attention(t *attend, perBlock int) {
	row := t.group * roundUp(n.entries, 16)
	if n.stash {
		perBlock = blockRowsFor(perBlock, n.entries, t.group)
		tiles := roundUp(n.entries, tile) / tile
		row = max(row, perBlock*n.entries)
		n.stashed = max(n.stashed, perBlock*t.group*tiles*(tile+1))
	}
	r := perBlock * t.group
	n.blocks = max(n.blocks, r*(t.a.KeyDim+tile+t.pad+3)+tile*(t.a.KeyDim+t.pad))
	n.weights = max(n.weights, row)
}

// dryExperts counts the case that all rows choose the same experts.
func (o *ops) dryExperts(dst, in *value, m backend.Experts) {
	ff := m.Gate.Rows() / m.Count
	width := m.Down.Rows() / m.Count
	o.expertBias(m.GateBias, ff)
	o.expertBias(m.UpBias, ff)
	o.expertBias(m.DownBias, width)
	h, g, u := o.arena.value(in.rows, in.width), o.arena.value(in.rows, ff), o.arena.value(in.rows, ff)
	a, y := o.arena.value(in.rows, ff), o.arena.value(in.rows, width)
	o.linear(linear{dst: g, x: h, w: m.Gate.(*weight), out: ff, bias: biased(m.GateBias), scale: 1})
	o.linear(linear{dst: y, x: a, w: m.Down.(*weight), out: width, bias: biased(m.DownBias), scale: 1})
	o.arena.drop(h, g, u, a, y)
}

// biased stands for the biases of an expert where they are only counted.
func biased(w backend.Weight) []float32 {
	if w == nil {
		return nil
	}
	return []float32{}
}
