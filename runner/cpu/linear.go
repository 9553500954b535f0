package cpu

import (
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// depth bounds the rows of a panel, so that it stays in the second-level
// cache: 2048 · panelWidth floats are 256 KiB. A single row's panel stays in
// the first level. Both are multiples of every format's block.
const (
	depth    = 2048
	depthFew = 256
	few      = 8 // rows of x up to which depthFew is used
)

// waiting bounds the rows whose products wait in scratch for an epilogue.
const waiting = 512

// linear is dst = (x·wᵀ + bias)·scale, or dst += that, for rows [from, from+out) of w.
type linear struct {
	dst, x    *value
	w         *weight
	from, out int
	bias      []float32
	scale     float32
	add       bool
}

// Linear is x·wᵀ (+ bias).
func (o *ops) Linear(x backend.Value, w, bias backend.Weight) backend.Value {
	in, m := x.(*value), w.(*weight)
	out := o.arena.value(in.rows, m.rows)
	o.linear(linear{dst: out, x: in, w: m, out: m.rows, bias: vector(bias), scale: 1})
	return out
}

// AddLinear is dst += (x·wᵀ + bias)·scale.
func (o *ops) AddLinear(dst, x backend.Value, w, bias backend.Weight, scale float32) {
	m := w.(*weight)
	o.linear(linear{dst: dst.(*value), x: x.(*value), w: m, out: m.rows, bias: vector(bias), scale: scale, add: true})
}

// vector gives the elements of a one-row weight; nil when absent.
func vector(w backend.Weight) []float32 {
	if w == nil {
		return nil
	}
	if w := w.(*weight); w != nil {
		return w.vec
	}
	return nil
}

func (o *ops) linear(l linear) {
	rows := l.x.rows
	if rows == 0 {
		return
	}
	how := o.codingOf(l.w)
	if o.dry != nil {
		o.dry.linear(&l, how)
		return
	}
	if how != notCoded {
		o.linearInt8(l)
		return
	}
	o.panels(&l, func(s *scratch, column, r0, r1 int) { o.panel(s, &l, column, r0, r1) })
}

// panels calls f for each panel's first column and the rows [r0, r1) to compute of it, several at once.
func (o *ops) panels(l *linear, f func(s *scratch, column, r0, r1 int)) {
	rows, panels := l.x.rows, (l.out+panelWidth-1)/panelWidth
	whole, parts := split(panels, rows, o.pool.threads)
	o.run(whole+(panels-whole)*parts, func(worker, t int) {
		p, part, of := t, 0, 1
		if t >= whole {
			t -= whole
			p, part, of = whole+t/parts, t%parts, parts
		}
		f(&o.b.scratch[worker], p*panelWidth, rows*part/of, rows*(part+1)/of)
	})
}

// split says how many panels are whole tasks; the others are cut into parts by
// rows, so that all threads end together.
func split(panels, rows, threads int) (whole, parts int) {
	parts = 1
	if panels >= 2*threads {
		whole = panels - panels%threads
		parts = threads
	} else {
		parts = (2*threads + panels - 1) / panels
	}
	if limit := rows / 48; parts > limit {
		parts = max(limit, 1)
	}
	if parts == 1 || threads == 1 {
		return panels, 1
	}
	return whole, parts
}

// panel computes one panel's columns of the rows [r0, r1).
func (o *ops) panel(s *scratch, l *linear, column, r0, r1 int) {
	k, rows := l.w.cols, r1-r0
	deep := depth
	if rows <= few {
		deep = depthFew
	}
	width := min(panelWidth, l.out-column)
	if rows > 1 && k <= deep && width == panelWidth && l.bias == nil && l.scale == 1 {
		b := o.unpack(s, l.w, l.from+column, width, 0, k)
		o.prefetch(l, column+panelWidth*o.pool.threads, 0, k)
		mode := fromZero
		if l.add {
			mode = addToC
		}
		o.k.product(rows, k, l.x.at(r0, 0), l.x.stride, &b[0], panelWidth, l.dst.at(r0, column), l.dst.stride, nil, mode)
		return
	}
	if rows == 1 && width == panelWidth {
		if dot := o.k.dotOf(l.w.format, k); dot != nil {
			o.dot(s, l, dot, column, r0)
			return
		}
	}
	for ; r0 < r1; r0 += waiting {
		rows := min(waiting, r1-r0)
		c := grown(&s.product, rows*panelWidth)
		mode := fromZero
		for k0 := 0; k0 < k; k0 += deep {
			n := min(deep, k-k0)
			if rows <= few {
				o.prefetch(l, column+panelWidth*o.pool.threads, k0, n)
			}
			b := o.unpack(s, l.w, l.from+column, width, k0, n)
			o.k.product(rows, n, l.x.at(r0, k0), l.x.stride, &b[0], panelWidth, &c[0], panelWidth, nil, mode)
			mode = fromC
		}
		for i := range rows {
			l.epilogue(l.dst.row(r0 + i)[column:column+width], c[i*panelWidth:][:width], column)
		}
	}
}

// dot computes a panel's columns of one row without unpacking it.
func (o *ops) dot(s *scratch, l *linear, dot dotFunc, column, row int) {
	w := l.w
	elements, _ := w.format.Block()
	c := grown(&s.product, panelWidth)
	src := &w.data[(l.from+column)*w.rowBytes]
	next := uintptr(unsafe.Pointer(src))
	if ahead := panelWidth * o.pool.threads; column+ahead+panelWidth <= l.out {
		next += uintptr(ahead * w.rowBytes)
	}
	dot(&c[0], src, w.rowBytes, w.cols/elements, l.x.at(row, 0), next, &grown(&s.dot, dotFrame)[0])
	l.epilogue(l.dst.row(row)[column:column+panelWidth], c, column)
}

// prefetch asks for the share [k0, k0+n) of the panel that this thread will
// probably take next. With few rows, a Linear takes as long as its weights take to arrive.
func (o *ops) prefetch(l *linear, column, k0, n int) {
	if o.k.prefetch == nil || column+panelWidth > l.out {
		return
	}
	bytes := panelWidth * l.w.rowBytes
	from, to := bytes/l.w.cols*k0, min(bytes, bytes/l.w.cols*(k0+n)+64)
	if k0+n == l.w.cols {
		to = bytes
	}
	o.k.prefetch(&l.w.data[(l.from+column)*l.w.rowBytes+from], (to-from+63)/64)
}

func (l *linear) epilogue(dst, products []float32, column int) {
	if l.bias != nil {
		for j, b := range l.bias[column : column+len(dst)] {
			products[j] += b
		}
	}
	if l.scale != 1 {
		for j := range products {
			products[j] *= l.scale
		}
	}
	if !l.add {
		copy(dst, products)
		return
	}
	for j, y := range products {
		dst[j] += y
	}
}

// unpack dequantises columns [k0, k0+n) of width rows of w from row on into a
// panel [n][panelWidth]; missing rows are zero.
func (o *ops) unpack(s *scratch, w *weight, row, width, k0, n int) []float32 {
	panel := grown(&s.panel, n*panelWidth)
	elements, bytes := w.format.Block()
	i := 0
	if f := o.k.unpackOf(w.format); f != nil && n%8 == 0 {
		for ; i+o.k.lanes <= width; i += o.k.lanes {
			f(&panel[i], &w.data[(row+i)*w.rowBytes+k0/elements*bytes], w.rowBytes, n/elements)
		}
	}
	for ; i < width; i++ {
		x := grown(&s.row, n)
		tensor.Dequantize(x, w.row(row + i)[k0/elements*bytes:(k0+n)/elements*bytes], w.format)
		for j, v := range x {
			panel[j*panelWidth+i] = v
		}
	}
	for ; i < panelWidth; i++ {
		for j := range n {
			panel[j*panelWidth+i] = 0
		}
	}
	return panel
}
