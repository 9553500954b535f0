package vulkan

import (
	"runtime"
	"sync"
	"unsafe"

	"headprof/runner/backend"
)

// rowsOf are one layer's watched rows, [watched × heads × stride] float32 in
// host memory.
type rowsOf struct {
	region
	a      backend.Attention
	stride int
}

// maxRowBytes is how much of watched rows is held before it is delivered: the
// step then waits for the device.
const maxRowBytes = 64 << 20

// watchRows records the kernel that writes the watched rows of one layer.
func (o *ops) watchRows(q *value, a backend.Attention, lows uint64) {
	stride := 0
	for i := range o.c.heads[a.Layer] {
		for _, r := range o.watch.Rows {
			low, high := o.seen(&o.c.heads[a.Layer][i], r, a.Window)
			stride = max(stride, high-low)
		}
	}
	size := uint64(4 * len(o.watch.Rows) * a.Heads * stride)
	if o.rowBytes > 0 && o.rowBytes+size > maxRowBytes {
		o.deliver()
	}
	if o.err != nil {
		return
	}
	r, err := o.results.alloc(size)
	if o.failed(err) {
		return
	}
	o.rows, o.rowBytes = append(o.rows, rowsOf{r, a, stride}), o.rowBytes+size
	push := struct {
		heads, q, dst, rows, lows         uint64
		n, kvHeads, group, window, stride uint32
		scale, cap                        float32
	}{o.table(a.Layer), q.address(), r.address(), o.send(words(o.watch.Rows)), lows,
		uint32(o.n), uint32(a.KVHeads), uint32(a.Heads / a.KVHeads), uint32(a.Window), uint32(stride), a.Scale, a.SoftCap}
	o.dispatch(program{"watch", [10]uint32{64, flag(o.c.half), uint32(a.HeadDim), flag(a.SoftCap > 0)}},
		unsafe.Pointer(&push), unsafe.Sizeof(push), [3]int{len(o.watch.Rows), a.Heads, 1},
		append(cacheReads(a.Layer), q.span()), []span{{r.address(), r.address() + size}})
}

// deliver waits and hands over the rows that are there.
func (o *ops) deliver() {
	if o.dry == nil && o.wait() == nil {
		var work sync.WaitGroup
		turn := make(chan struct{}, runtime.GOMAXPROCS(0))
		for _, l := range o.rows {
			for h := range l.a.Heads {
				work.Add(1)
				turn <- struct{}{}
				go func() {
					defer func() { <-turn; work.Done() }()
					o.deliverHead(l, h)
				}()
			}
		}
		work.Wait()
	}
	for _, l := range o.rows {
		o.results.release(l.region)
	}
	o.rows, o.rowBytes = nil, 0
}

func (o *ops) deliverHead(l rowsOf, h int) {
	all := unsafe.Slice((*float32)(unsafe.Pointer(&l.bytes()[0])), l.len/4)
	kv := &o.c.heads[l.a.Layer][h/(l.a.Heads/l.a.KVHeads)]
	for i, r := range o.watch.Rows {
		low, high := o.seen(kv, r, l.a.Window)
		at := (i*l.a.Heads + h) * l.stride
		o.watch.Deliver(backend.Row{Layer: l.a.Layer, Head: h, Position: o.first + r, First: low, Weights: all[at : at+high-low : at+high-low]})
	}
}
