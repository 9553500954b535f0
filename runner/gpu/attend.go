package gpu

import (
	"math"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// cacheSpan stands for a layer's whole cache where hazards are tracked: an
// address range that no buffer has.
func cacheSpan(layer int) span {
	at := uint64(1)<<63 | uint64(layer)
	return span{From: at, To: at + 1}
}

// table sends a layer's KV heads to the device: addresses and lengths.
func (o *ops) table(layer int) uint64 {
	if o.tables[layer] == 0 {
		k, _ := o.c.entryBytes(layer)
		var w []uint32
		for i := range o.c.heads[layer] {
			h := &o.c.heads[layer][i]
			keys := h.address()
			values := keys + uint64(h.capacity*k)
			w = append(w, uint32(keys), uint32(keys>>32), uint32(values), uint32(values>>32), uint32(h.n+o.n), 0)
		}
		o.tables[layer] = o.send(w)
	}
	return o.tables[layer]
}

// Store appends this step's keys and values to the cache.
func (o *ops) Store(layer int, k, v backend.Value) {
	l := o.c.layers[layer]
	heads := o.table(layer)
	put := func(x *value, dim int, values bool) {
		push := struct {
			heads, src         uint64
			rows, kvHeads, dim uint32
		}{heads, x.address(), uint32(o.n), uint32(l.KVHeads), uint32(dim)}
		per := dim
		if o.c.half {
			per = (dim + 1) / 2
		}
		at := cacheSpan(layer)
		if values { // keys and values do not touch
			at.From, at.To = at.From|1<<62, at.To|1<<62
		}
		o.dispatch(driver.Program{Kernel: "store", Constants: [10]uint32{wide, flag(o.c.half), flag(values)}}, unsafe.Pointer(&push), unsafe.Sizeof(push),
			grid(o.n*l.KVHeads*per), []span{x.span()}, []span{at})
	}
	put(k.(*value), l.KeyDim, false)
	put(v.(*value), l.ValueDim, true)
}

// reads are the spans of the keys and values that a layer reads.
func (c *Cache) reads(layer int) []span {
	k := cacheSpan(layer - c.layers[layer].Shares)
	return []span{k, {From: k.From | 1<<62, To: k.To | 1<<62}}
}

// low is the first entry that row r sees of a KV head, high the end.
func (o *ops) seen(h *kvHead, r int, a backend.Attention) (low, high int) {
	high = h.n + r + 1
	if a.Window == 0 && a.Chunk == 0 {
		return 0, high
	}
	from := o.first + r - a.Window + 1
	if a.Chunk > 0 {
		from = (o.first + r) / a.Chunk * a.Chunk
	}
	if h.pos == nil {
		return max(0, high-(o.first+r+1-from)), high
	}
	if from >= o.first { // among this step's own entries
		return h.n + from - o.first, high
	}
	return min(h.firstFrom(from), high-1), high
}

// lows sends the low ends of all rows where entries were dropped under a window
// or rows see their chunk; else 0, and the shader works them out.
func (o *ops) lows(a backend.Attention) uint64 {
	if a.Chunk == 0 && (a.Window == 0 || !o.c.kept) {
		return 0
	}
	var w []uint32
	for r := range o.n {
		for i := range o.c.heads[a.Layer] {
			low, _ := o.seen(&o.c.heads[a.Layer][i], r, a)
			w = append(w, uint32(low))
		}
	}
	return o.send(w)
}

// queryBlock is how many queries a workgroup of attend.comp takes: fewer for
// wide heads, whose queries fill shared memory.
func queryBlock(headDim int) uint32 {
	if headDim > 128 {
		return 8
	}
	return 16
}

// tempered multiplies queries by the factors of their positions.
func (o *ops) tempered(q *value, t backend.Temperature) *value {
	if t.Scale == 0 {
		return q
	}
	factors := make([]uint32, q.rows)
	for r := range factors {
		factors[r] = math.Float32bits(t.Factor(o.first + r))
	}
	out := o.value(q.rows, q.width)
	push := struct {
		dst, a, b    uint64
		count, share uint32
		s, t         float32
	}{out.address(), o.send(factors), q.address(), uint32(out.elements()), uint32(q.width), 0, 0}
	o.dispatch(driver.Program{Kernel: "map", Constants: [10]uint32{wide, mapGate, identity}}, unsafe.Pointer(&push), unsafe.Sizeof(push), grid(out.elements()), []span{q.span()}, []span{out.span()})
	return out
}

// Attend is attention of q's rows over the cache.
func (o *ops) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	x, count, list := o.tempered(q.(*value), a.Temperature), o.n, uint64(0)
	if rows != nil {
		count, list = len(rows), o.send(words(rows))
	}
	out := o.value(count, a.Heads*a.ValueDim)
	lows := o.lows(a)
	var masked uint64
	if a.Masked != nil {
		w := make([]uint32, a.Heads)
		for h, m := range a.Masked {
			w[h] = flag(m)
		}
		masked = o.send(w)
	}
	group := a.Heads / a.KVHeads
	push := struct {
		heads, q, dst, rows, lows, masked, sinks uint64
		count, n, kvHeads, group, window         uint32
		scale, cap                               float32
	}{o.table(a.Layer), x.address(), out.address(), list, lows, masked, o.vector(a.Sinks),
		uint32(count), uint32(o.n), uint32(a.KVHeads), uint32(group), uint32(a.Window), a.Scale, a.SoftCap}
	bq := queryBlock(a.KeyDim)
	o.dispatch(driver.Program{Kernel: "attend", Constants: [10]uint32{64, flag(o.c.half), uint32(a.KeyDim), uint32(a.ValueDim), bq, flag(a.SoftCap > 0)}},
		unsafe.Pointer(&push), unsafe.Sizeof(push),
		[3]int{(count*group + int(bq) - 1) / int(bq), a.KVHeads, 1},
		append(o.c.reads(a.Layer), x.span()), []span{out.span()})
	o.worked(float64(count*a.Heads) * float64(o.c.heads[a.Layer][0].n+o.n) * float64(a.KeyDim+a.ValueDim))
	if o.watch != nil && len(o.watch.Rows) > 0 && o.watch.Deliver != nil {
		o.watchRows(x, a, lows)
	}
	return out
}
