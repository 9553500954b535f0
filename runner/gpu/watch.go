package gpu

import (
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// rowsOf are some of the watched rows of one layer on their way to the host:
// [watched × heads × stride] float32, or with top > 0 [watched × heads × top]
// pairs of entry and float32, then [watched × heads × width] float32 of the
// entries that are kept whatever their weight.
type rowsOf struct {
	region
	a       backend.Attention
	watched []int
	stride  int
	top     int
	width   int
}

// kept is the part of a watched row that is kept whatever its weight: from its
// entry from on, n of them.
func (o *ops) kept(kv *kvHead, r int, a backend.Attention) (from, n int) {
	low, high := o.seen(kv, r, a)
	from, to := max(o.watch.Keep[0], low), min(o.watch.Keep[1], high)
	return from - low, max(0, to-from)
}

// maxRowBytes is how much of watched rows is held before it is delivered: the
// step then waits for the device.
const maxRowBytes = 64 << 20

// rowsAtOnce is how much of a layer's watched rows is in device memory at once.
var rowsAtOnce = 16 << 20

// watchRows records the kernels for the watched rows of one layer.
func (o *ops) watchRows(q *value, a backend.Attention, lows uint64) {
	stride := 0
	for i := range o.c.heads[a.Layer] {
		for _, r := range o.watch.Rows {
			low, high := o.seen(&o.c.heads[a.Layer][i], r, a)
			stride = max(stride, high-low)
		}
	}
	each := 4 * a.Heads * stride // bytes of a watched position
	some := min(len(o.watch.Rows), max(1, rowsAtOnce/each))
	rows, err := o.recorder.scratch.alloc(uint64(some * each))
	if o.failed(err) {
		return
	}
	defer o.recorder.scratch.release(rows) // what is recorded later runs later
	for from := 0; from < len(o.watch.Rows); from += some {
		o.watchSome(q, a, lows, stride, rows, o.watch.Rows[from:min(from+some, len(o.watch.Rows))])
	}
}

// watchSome computes rows in device memory and copies them, or their largest
// weights, to memory that the host reads.
func (o *ops) watchSome(q *value, a backend.Attention, lows uint64, stride int, rows region, watched []int) {
	l := rowsOf{a: a, watched: watched, stride: stride}
	all := uint64(4 * len(watched) * a.Heads * stride)
	size := all
	width := max(0, o.watch.Keep[1]-o.watch.Keep[0])
	oneLow := a.Window == 0 || !o.c.kept // all heads see a row's entries from the same one on
	if k := o.watch.Top; k > 0 && 2*k+width < stride && (width == 0 || oneLow) {
		l.top, l.width, size = k, width, uint64(4*len(watched)*a.Heads*(2*k+width))
	}
	if o.rowBytes > 0 && o.rowBytes+size > maxRowBytes {
		o.deliver()
	}
	if o.err != nil {
		return
	}
	var err error
	if l.region, err = o.results.alloc(size); o.failed(err) {
		return
	}
	o.rows, o.rowBytes = append(o.rows, l), o.rowBytes+size
	in := span{From: rows.address(), To: rows.address() + all}
	list := o.send(words(watched))
	push := struct {
		heads, q, dst, rows, lows, sinks  uint64
		n, kvHeads, group, window, stride uint32
		scale, cap                        float32
	}{o.table(a.Layer), q.address(), rows.address(), list, lows, o.vector(a.Sinks),
		uint32(o.n), uint32(a.KVHeads), uint32(a.Heads / a.KVHeads), uint32(a.Window), uint32(stride), a.Scale, a.SoftCap}
	groups := [3]int{len(watched), a.Heads, 1}
	o.dispatch(driver.Program{Kernel: "watch", Constants: [10]uint32{64, flag(o.c.half), uint32(a.KeyDim), flag(a.SoftCap > 0)}},
		unsafe.Pointer(&push), unsafe.Sizeof(push), groups, append(o.c.reads(a.Layer), q.span()), []span{in})
	if l.top == 0 {
		o.copy(l.region, 0, rows, 0, all)
		return
	}
	largest := struct {
		heads, src, dst, rows, lows          uint64
		n, kvHeads, group, window, stride, k uint32
	}{push.heads, rows.address(), l.address(), list, lows, push.n, push.kvHeads, push.group, push.window, push.stride, uint32(l.top)}
	o.dispatch(driver.Program{Kernel: "top", Constants: [10]uint32{64, flag(o.c.half)}}, unsafe.Pointer(&largest), unsafe.Sizeof(largest), groups,
		[]span{in}, []span{{From: l.address(), To: l.address() + size}})
	o.copyKept(l, rows.address(), in)
}

// copyKept records the copies of what is kept of rows, which lie at src.
func (o *ops) copyKept(l rowsOf, src uint64, in span) {
	if l.width == 0 {
		return
	}
	kv := &o.c.heads[l.a.Layer][0]
	for i, next := 0, 0; i < len(l.watched); i = next {
		from, n := o.kept(kv, l.watched[i], l.a)
		for next = i + 1; next < len(l.watched) && n == l.width; next++ {
			if f, m := o.kept(kv, l.watched[next], l.a); f != from || m != n {
				break
			}
		}
		if n == 0 {
			continue
		}
		count := (next - i) * l.a.Heads
		push := struct {
			dst, src, rows                        uint64
			count, width, stride, from, pitch, to uint32
		}{l.address() + uint64(l.keptAt(i)), src + uint64(4*i*l.a.Heads*l.stride), 0, uint32(count), uint32(n), uint32(l.stride), uint32(from), uint32(n), 0}
		o.dispatch(driver.Program{Kernel: "copy", Constants: [10]uint32{wide}}, unsafe.Pointer(&push), unsafe.Sizeof(push), grid(count*n),
			[]span{in}, []span{{From: push.dst, To: push.dst + uint64(4*count*n)}})
	}
}

// keptAt is where the kept entries of the watched row i begin, in bytes.
func (l rowsOf) keptAt(i int) int {
	return 4 * l.a.Heads * (2*len(l.watched)*l.top + i*l.width)
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
	kv := &o.c.heads[l.a.Layer][h/(l.a.Heads/l.a.KVHeads)]
	var full []float32
	if l.top > 0 {
		full = make([]float32, l.stride)
	}
	for i, r := range l.watched {
		low, high := o.seen(kv, r, l.a)
		row := backend.Row{Layer: l.a.Layer, Head: h, Position: o.first + r, First: low}
		if l.top == 0 {
			all := unsafe.Slice((*float32)(unsafe.Pointer(&l.bytes()[0])), l.len/4)
			at := (i*l.a.Heads + h) * l.stride
			row.Weights = all[at : at+high-low : at+high-low]
			o.watch.Deliver(row)
			continue
		}
		pairs := l.bytes()[8*(i*l.a.Heads+h)*l.top:][:8*l.top]
		for ; len(pairs) > 0; pairs = pairs[8:] {
			if e := binary.LittleEndian.Uint32(pairs); int64(e) < int64(high-low) {
				full[e] = math.Float32frombits(binary.LittleEndian.Uint32(pairs[4:]))
			}
		}
		if l.width > 0 {
			from, n := o.kept(kv, r, l.a)
			for j := range n {
				full[from+j] = math.Float32frombits(binary.LittleEndian.Uint32(l.bytes()[l.keptAt(i)+4*(h*n+j):]))
			}
		}
		row.Weights = full[: high-low : high-low]
		o.watch.Deliver(row)
		clear(full)
	}
}
