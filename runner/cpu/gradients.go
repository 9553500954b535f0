package cpu

import (
	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// Zeros implements backend.Differentiator.
func (o *ops) Zeros(rows, width int) backend.Value {
	v := o.arena.value(rows, width)
	clear(v.x)
	return v
}

// Vector implements backend.Differentiator.
func (o *ops) Vector(w backend.Weight) []float32 {
	if v := vector(w); v != nil {
		return v[:w.Cols()]
	}
	return nil
}

// Expert implements backend.Differentiator.
func (o *ops) Expert(w backend.Weight, e, count int) backend.Weight {
	if w == nil {
		return nil
	}
	all := w.(*weight)
	rows := all.rows / count
	of, from := all.expert(e, rows)
	one := *of
	one.rows, one.data = rows, of.data[from*of.rowBytes:(from+rows)*of.rowBytes]
	if rows == 1 {
		one.vec = make([]float32, roundUp(one.cols, 16))
		tensor.Dequantize(one.vec[:one.cols], one.row(0), one.format)
	}
	return &one
}

// Route implements backend.Differentiator.
func (o *ops) Route(logits []float32, m backend.Experts) (experts []int, shares []float32) {
	for _, c := range route(logits, m) {
		experts, shares = append(experts, c.row), append(shares, c.p)
	}
	return experts, shares
}

// Each implements backend.Differentiator.
func (o *ops) Each(n, width int, f func(i int)) {
	o.perRow(n, width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			f(i)
		}
	})
}

// Of a linear's way back, a task takes so many columns of the weight, or a
// format's block of them, and unpacks so many of its rows at a time.
const (
	backColumns = 128
	backDepth   = 512
)

// LinearBack is dx += scale·dy·w: every element of dy·w is one chain of fused
// multiply-adds in ascending order of w's rows.
func (o *ops) LinearBack(dx, dy backend.Value, w backend.Weight, scale float32) {
	to, from, m := dx.(*value), dy.(*value), w.(*weight)
	if from.rows == 0 {
		return
	}
	elements, bytes := m.format.Block()
	columns := max(backColumns, elements)
	groups := (m.cols + columns - 1) / columns
	parts := 1
	if groups < 2*o.pool.threads {
		parts = max(1, min(from.rows/48, (2*o.pool.threads+groups-1)/groups))
	}
	o.run(groups*parts, func(worker, task int) {
		s := &o.b.scratch[worker]
		c0 := task / parts * columns
		width := min(columns, m.cols-c0)
		ld := roundUp(width, panelWidth)
		for r0, r1 := from.rows*(task%parts)/parts, from.rows*(task%parts+1)/parts; r0 < r1; r0 += waiting {
			rows := min(waiting, r1-r0)
			sum, panel := grown(&s.product, rows*ld), grown(&s.panel, backDepth*ld)
			for k0 := 0; k0 < m.rows; k0 += backDepth {
				n := min(backDepth, m.rows-k0)
				for k := range n {
					row := panel[k*ld:][:ld]
					tensor.Dequantize(row[:width], m.row(k0 + k)[c0/elements*bytes:(c0+width)/elements*bytes], m.format)
					clear(row[width:])
				}
				mode := fromC
				if k0 == 0 {
					mode = fromZero
				}
				for c := 0; c < ld; c += panelWidth {
					o.k.product(rows, n, from.at(r0, k0), from.stride, &panel[c], ld, &sum[c], ld, nil, mode)
				}
			}
			for i := range rows {
				dst := to.row(r0 + i)[c0:][:width]
				for j, x := range sum[i*ld:][:width] {
					dst[j] += float32(x * scale)
				}
			}
		}
	})
}
