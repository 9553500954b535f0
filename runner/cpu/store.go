package cpu

import (
	"headprof/runner/backend"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
)

// Store appends this step's keys and values to the cache. What is too large
// for binary16 becomes its largest finite number.
func (o *ops) Store(layer int, k, v backend.Value) {
	if o.dry != nil {
		return
	}
	keys, values := k.(*value), v.(*value)
	shape := o.cache.Layers()[layer]
	for h := range shape.KVHeads {
		o.cache.Reserve(layer, h, o.n, o.first)
	}
	// A task writes what lies in one tile of one head.
	tiles := o.n/tile + 2
	few := o.n*(shape.KeyDim+shape.ValueDim)*shape.KVHeads < 2*grain
	tasks := shape.KVHeads * tiles
	write := func(_, task int) {
		h, t := task/tiles, task%tiles
		head := o.cache.Head(layer, h)
		start := head.Len() - o.n
		t += start / tile
		lo, hi := max(start, t*tile), min(start+o.n, (t+1)*tile)
		for lo < hi {
			n := min(hi-lo, 16-lo%16)
			o.store(head.Blocks[t], lo%tile, n, shape, keys, values, lo-start, h)
			lo += n
		}
	}
	if few {
		for t := range tasks {
			write(0, t)
		}
		return
	}
	o.run(tasks, write)
}

// store writes n ≤ 16 entries to a block from entry e on, from rows r on.
func (o *ops) store(b *kvcache.Block, e, n int, s shape.Layer, keys, values *value, r, h int) {
	if b.K16 != nil {
		o.k.storeKeys(n, s.KeyDim, &b.K16[e], b.Capacity, keys.at(r, h*s.KeyDim), keys.stride)
		for i := range n {
			dst, src := b.V16[(e+i)*s.ValueDim:][:s.ValueDim], values.row(r + i)[h*s.ValueDim:][:s.ValueDim]
			j := s.ValueDim &^ 15
			if j > 0 {
				o.k.toHalf(j, &dst[0], &src[0])
			}
			for ; j < len(src); j++ {
				dst[j] = halfSaturating(src[j])
			}
		}
		return
	}
	for i := range n {
		copy(b.V32[(e+i)*s.ValueDim:][:s.ValueDim], values.row(r + i)[h*s.ValueDim:])
		for d, x := range keys.row(r + i)[h*s.KeyDim:][:s.KeyDim] {
			b.K32[d*b.Capacity+e+i] = x
		}
	}
}
