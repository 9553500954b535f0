package gpu

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// value is a matrix in device memory.
type value struct {
	region
	rows, width int
	kept        bool
}

func (v *value) Rows() int  { return v.rows }
func (v *value) Width() int { return v.width }
func (v *value) span() span {
	return span{From: v.address(), To: v.address() + uint64(4*v.rows*v.width)}
}
func (v *value) elements() int { return v.rows * v.width }

// ops records one step.
type ops struct {
	*recorder
	c        *Cache
	first, n int
	watch    *backend.Watch

	uploads, results *heap

	values   []*value // alive
	args     []region // blocks of arguments, the last one being filled
	argsUsed uint64   // bytes of the last
	outgrown []region // cache storage that was replaced
	reading  region   // what Read gave
	turns    map[turnKey]uint64
	tables   []uint64 // address of each layer's table of KV heads, once stored
	rows     []rowsOf // watched rows under way
	rowBytes uint64
	ended    bool
}

// wide is the workgroup size of element-wise kernels.
const wide = 64

// grid spreads n invocations over workgroups, in two dimensions since one is
// bounded by 65535.
func grid(n int) [3]int {
	groups := (n + wide - 1) / wide
	x := min(groups, 32768)
	if x == 0 {
		return [3]int{}
	}
	return [3]int{x, (groups + x - 1) / x, 1}
}

// Position is the position of a row in its sequence.
func (o *ops) Position(row int) int { return o.first + row }

// value makes space for a result. After an error it is an empty region.
func (o *ops) value(rows, width int) *value {
	v := &value{rows: rows, width: width}
	if o.err == nil {
		r, err := o.scratch.alloc(uint64(4 * rows * width))
		if !o.failed(err) {
			v.region = r
			o.values = append(o.values, v)
			return v
		}
	}
	v.region = region{b: &block{}}
	return v
}

// upload gives bytes of memory that the device reads, and their address. They
// live until the step's end. nil after an error, and where nothing is recorded.
func (o *ops) upload(bytes int) ([]byte, uint64) {
	need := uint64(bytes+15) / 16 * 16
	if o.err != nil || need == 0 {
		return nil, 0
	}
	if n := len(o.args); n == 0 || o.argsUsed+need > o.args[n-1].len {
		r, err := o.uploads.alloc(max(need, 256<<10))
		if o.failed(err) {
			return nil, 0
		}
		o.args, o.argsUsed = append(o.args, r), 0
	}
	r, at := o.args[len(o.args)-1], o.argsUsed
	o.argsUsed += need
	if o.dry != nil {
		return nil, 0
	}
	return r.bytes()[at:o.argsUsed], r.address() + at
}

// send copies words to memory that the device reads, and gives their address.
func (o *ops) send(words []uint32) uint64 {
	dst, at := o.upload(4 * len(words))
	if dst != nil {
		for i, w := range words {
			binary.LittleEndian.PutUint32(dst[4*i:], w)
		}
	}
	return at
}

func words[T ~int | ~int32](list []T) []uint32 {
	w := make([]uint32, len(list))
	for i, x := range list {
		w[i] = uint32(x)
	}
	return w
}

func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// vector is the address of a norm's weight or a bias; 0 where there is none.
func (o *ops) vector(w backend.Weight) uint64 {
	if w == nil {
		return 0
	}
	if o.dry != nil {
		o.dry.uses(w.(*weight), asVector)
		return 0
	}
	a, err := w.(*weight).float32()
	o.failed(err)
	return a
}

// Embed looks up rows of table.
func (o *ops) Embed(table backend.Weight, ids []int32, scale float32) backend.Value {
	w := table.(*weight)
	out := o.value(len(ids), w.cols)
	list := words(ids)
	var parts []part
	switch {
	case o.dry != nil:
		o.dry.uses(w, asTable)
		o.upload(len(ids) * w.rowBytes) // where the table stays in the host's memory
	case o.failed(w.ready()):
	case w.pieces != nil: // the rows that are wanted come alone
		rows, at := o.upload(len(ids)*w.rowBytes + 4)
		for i, id := range ids {
			if rows != nil {
				w.read(rows[i*w.rowBytes:], int(id), 1)
			}
			list[i] = uint32(i)
		}
		parts = []part{{region{blockAt(at), 0, uint64(len(rows))}, 0, len(ids)}}
	default:
		parts = w.parts
	}
	which := o.send(list)
	for _, p := range parts {
		push := struct {
			table, ids, dst       uint64
			count, cols, rowBytes uint32
			first, rows           uint32
			scale                 float32
		}{p.address(), which, out.address(), uint32(len(ids)), uint32(w.cols), uint32(w.rowBytes), uint32(p.first), uint32(p.rows), scale}
		o.dispatch(driver.Program{Kernel: "embed", Constants: [10]uint32{wide, uint32(w.format)}}, unsafe.Pointer(&push), unsafe.Sizeof(push),
			grid(len(ids)*((w.cols+3)/4)), nil, []span{out.span()})
	}
	return out
}

func (o *ops) normalise(dst, src *value, slices, period int, n backend.Norm) {
	push := struct {
		src, dst, weight, bias uint64
		slices, width, period  uint32
		eps                    float32
	}{src.address(), dst.address(), o.vector(n.Weight), o.vector(n.Bias), uint32(slices), uint32(src.elements() / max(1, slices)), uint32(period), n.Eps}
	x := max(1, min(slices, 32768))
	o.dispatch(driver.Program{Kernel: "norm", Constants: [10]uint32{wide, wide, flag(n.Mean)}}, unsafe.Pointer(&push), unsafe.Sizeof(push),
		[3]int{x, (slices + x - 1) / x, 1}, []span{src.span()}, []span{dst.span()})
}

// Norm normalises each row.
func (o *ops) Norm(x backend.Value, n backend.Norm) backend.Value {
	src := x.(*value)
	out := o.value(src.rows, src.width)
	o.normalise(out, src, src.rows, 1, n)
	return out
}

// HeadNorm normalises each head's slice of a row, in place.
func (o *ops) HeadNorm(x backend.Value, heads int, n backend.Norm) {
	v, period := x.(*value), 1
	if n.Weight != nil && n.Weight.Rows()*n.Weight.Cols() > v.width/heads {
		period = heads
	}
	o.normalise(v, v, v.rows*heads, period, n)
}

type turnKey struct {
	freq  *float32
	count int
	scale float32
}

// turn gives the cosines and sines of the step's positions, worked out on the
// host in float64: a GPU's own are only good for small angles.
func (o *ops) turn(r backend.Rope) uint64 {
	pairs := r.Dims / 2
	key := turnKey{&r.InvFreq[0], pairs, r.Scale}
	if a, ok := o.turns[key]; ok {
		return a
	}
	if o.dry != nil {
		o.upload(8 * o.n * pairs)
		o.turns[key] = 0
		return 0
	}
	w := make([]uint32, 0, 2*o.n*pairs)
	for row := range o.n {
		for _, f := range r.InvFreq[:pairs] {
			sin, cos := math.Sincos(float64(float32(o.first+row) * f))
			w = append(w, math.Float32bits(float32(cos*float64(r.Scale))), math.Float32bits(float32(sin*float64(r.Scale))))
		}
	}
	a := o.send(w)
	o.turns[key] = a
	return a
}

// Rope rotates each head of x in place.
func (o *ops) Rope(x backend.Value, heads int, r backend.Rope) {
	v := x.(*value)
	if r.Dims < 2 {
		return
	}
	push := struct {
		x, turn                uint64
		rows, heads, dim, dims uint32
	}{v.address(), o.turn(r), uint32(v.rows), uint32(heads), uint32(v.width / heads), uint32(r.Dims)}
	o.dispatch(driver.Program{Kernel: "rope", Constants: [10]uint32{wide, flag(r.Interleaved)}}, unsafe.Pointer(&push), unsafe.Sizeof(push),
		grid(v.rows*heads*(r.Dims/2)), nil, []span{v.span()})
}

// Operations of map.comp.
const (
	mapAdd = iota
	mapScale
	mapSoftCap
	mapGate
	mapClamped
)

// identity is map.comp's activation that changes nothing.
const identity = 4

func (o *ops) mapEach(op, act uint32, dst, a, b *value, share int, s float32) {
	o.mapWith(op, act, dst, a, b, share, s, 0)
}

func (o *ops) mapWith(op, act uint32, dst, a, b *value, share int, s, t float32) {
	push := struct {
		dst, a, b    uint64
		count, share uint32
		s, t         float32
	}{dst: dst.address(), count: uint32(dst.elements()), share: uint32(share), s: s, t: t}
	var reads []span
	if a != nil {
		push.a, reads = a.address(), append(reads, a.span())
	}
	if b != nil {
		push.b, reads = b.address(), append(reads, b.span())
	}
	o.dispatch(driver.Program{Kernel: "map", Constants: [10]uint32{wide, op, act}}, unsafe.Pointer(&push), unsafe.Sizeof(push), grid(dst.elements()), reads, []span{dst.span()})
}

// Gate is act(gate) ⊙ up.
func (o *ops) Gate(gate, up backend.Value, act backend.Activation) backend.Value {
	g := gate.(*value)
	if up == nil {
		out := o.value(g.rows, g.width)
		o.mapEach(mapGate, uint32(act), out, g, nil, 1, 0)
		return out
	}
	u := up.(*value)
	out := o.value(u.rows, u.width)
	o.mapEach(mapGate, uint32(act), out, g, u, u.width/g.width, 0)
	return out
}

// Add is dst += src.
func (o *ops) Add(dst, src backend.Value) {
	o.mapEach(mapAdd, 0, dst.(*value), src.(*value), nil, 1, 0)
}

// Scale multiplies in place.
func (o *ops) Scale(x backend.Value, s float32) { o.mapEach(mapScale, 0, x.(*value), nil, nil, 1, s) }

// SoftCap is cap·tanh(x/cap) in place.
func (o *ops) SoftCap(x backend.Value, limit float32) {
	o.mapEach(mapSoftCap, 0, x.(*value), nil, nil, 1, limit)
}

func (o *ops) copyRows(src *value, rows uint64, count, from, width int) *value {
	out := o.value(count, width)
	o.copyInto(out, 0, src, rows, from, width)
	return out
}

// copyInto copies columns of src to the columns of dst from `to` on.
func (o *ops) copyInto(dst *value, to int, src *value, rows uint64, from, width int) {
	push := struct {
		dst, src, rows                        uint64
		count, width, stride, from, pitch, to uint32
	}{dst.address(), src.address(), rows, uint32(dst.rows), uint32(width), uint32(src.width), uint32(from), uint32(dst.width), uint32(to)}
	o.dispatch(driver.Program{Kernel: "copy", Constants: [10]uint32{wide}}, unsafe.Pointer(&push), unsafe.Sizeof(push), grid(dst.rows*width), []span{src.span()}, []span{dst.span()})
}

// Gather copies rows of x.
func (o *ops) Gather(x backend.Value, rows []int) backend.Value {
	src := x.(*value)
	return o.copyRows(src, o.send(words(rows)), len(rows), 0, src.width)
}

// Split cuts columns out of x.
func (o *ops) Split(x backend.Value, from, to int) backend.Value {
	src := x.(*value)
	return o.copyRows(src, 0, src.rows, from, to-from)
}

// HeadLinear is not computed by the GPU.
func (o *ops) HeadLinear(x backend.Value, heads, keep int, w backend.Weight) backend.Value {
	o.failed(errHostOnly)
	return o.value(x.Rows(), heads*(keep+w.Rows()/heads))
}

// Above is not computed by the GPU: a step that needs it fails, and a run before
// its start.
func (o *ops) Above(backend.Value, float32) { o.failed(errHostOnly) }

// Match is not computed by the GPU either.
func (o *ops) Match(_, _ backend.Value, _ float32) { o.failed(errHostOnly) }

var errHostOnly = errors.New("the GPU's kernels do not compute this family's matrices per head, sparse gates or residual streams; use --device cpu")

// Join puts the columns of values side by side.
func (o *ops) Join(parts ...backend.Value) backend.Value {
	width, at := 0, 0
	for _, p := range parts {
		width += p.Width()
	}
	out := o.value(parts[0].Rows(), width)
	for _, p := range parts {
		o.copyInto(out, at, p.(*value), 0, 0, p.Width())
		at += p.Width()
	}
	return out
}

// SplitHeads cuts elements out of each head's slice of a row.
func (o *ops) SplitHeads(x backend.Value, heads, from, to int) backend.Value {
	src, n := *x.(*value), to-from
	out := o.value(src.rows, heads*n)
	dst := *out // a row per head
	dst.rows, dst.width, src.rows, src.width = src.rows*heads, n, src.rows*heads, src.width/heads
	o.copyInto(&dst, 0, &src, 0, from, n)
	return out
}

// Convolve, DeltaRule and Scan are not there: the engine refuses models that
// need them before it begins.
func (o *ops) Convolve(x backend.Value, _ backend.Convolution) backend.Value {
	o.failed(errRecurrence)
	return o.value(x.Rows(), x.Width())
}

// DeltaRule implements backend.Ops.
func (o *ops) DeltaRule(x, _, _ backend.Value, d backend.DeltaRule) backend.Value {
	o.failed(errRecurrence)
	return o.value(x.Rows(), d.Heads*d.ValueDim)
}

// Scan implements backend.Ops.
func (o *ops) Scan(x, _ backend.Value, s backend.Scan) backend.Value {
	o.failed(errRecurrence)
	return o.value(x.Rows(), s.Heads*s.HeadDim)
}

var errRecurrence = errors.New("gpu: layers with a recurrent state are not computed; use --device cpu")

// Keep makes x survive EndLayer.
func (o *ops) Keep(x backend.Value) backend.Value {
	x.(*value).kept = true
	return x
}

// perSubmit is how many operations are handed to the device at once: enough
// to keep it busy while the next ones are recorded.
const perSubmit = 100

// EndLayer releases the values that are not kept. Their memory is used again
// at once: what is recorded later runs after what used it.
func (o *ops) EndLayer() {
	alive := o.values[:0]
	for _, v := range o.values {
		if v.kept {
			alive = append(alive, v)
		} else {
			o.scratch.release(v.region)
		}
	}
	clear(o.values[len(alive):])
	o.values = alive
	if o.count >= perSubmit {
		o.submit()
	}
}

// Read waits for x and gives its elements.
func (o *ops) Read(x backend.Value) []float32 {
	v := x.(*value)
	n := v.elements()
	if o.err == nil && n > 0 {
		o.results.release(o.reading)
		r, err := o.results.alloc(uint64(4 * n))
		if !o.failed(err) {
			o.reading = r
			o.copy(r, 0, v.region, 0, uint64(4*n))
			if o.dry != nil {
				return nil
			}
			if o.wait() == nil {
				return unsafe.Slice((*float32)(unsafe.Pointer(&r.bytes()[0])), n)
			}
		} else {
			o.reading = region{}
		}
	}
	return make([]float32, n)
}

// Flush waits for everything and ends the step.
func (o *ops) Flush() error {
	o.deliver()
	err := o.err
	if err == nil {
		for l := range o.c.heads {
			if !o.c.layers[l].Stores() {
				continue
			}
			for i := range o.c.heads[l] {
				h := &o.c.heads[l][i]
				if o.tables[l] == 0 {
					continue
				}
				h.n += o.n
				if h.pos != nil {
					for r := range o.n {
						h.pos = append(h.pos, int32(o.first+r))
					}
				}
			}
		}
		o.c.n = o.first + o.n
	}
	o.end()
	return err
}

// end gives all of the step's memory back, whatever became of it.
func (o *ops) end() {
	if o.ended {
		return
	}
	o.ended = true
	o.wait()
	for _, v := range o.values {
		o.scratch.release(v.region)
	}
	for _, r := range o.args {
		o.uploads.release(r)
	}
	for _, r := range o.outgrown {
		o.b.caches.release(r)
	}
	for _, r := range o.rows { // not delivered
		o.results.release(r.region)
	}
	o.results.release(o.reading)
	o.values, o.args, o.outgrown, o.rows, o.reading = nil, nil, nil, nil, region{}
	o.c.step = nil
	o.b.giveBack(o.recorder)
}
