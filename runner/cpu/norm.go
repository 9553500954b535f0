package cpu

import "headprof/runner/backend"

// Norm normalises each row.
func (o *ops) Norm(x backend.Value, n backend.Norm) backend.Value {
	v := x.(*value)
	out := o.arena.value(v.rows, v.width)
	w, b := vector(n.Weight), vector(n.Bias)
	o.perRow(v.rows, v.width, func(s *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			o.normalise(s, out.row(i), v.row(i), w, b, n)
		}
	})
	return out
}

// HeadNorm normalises each head's slice of a row in place.
func (o *ops) HeadNorm(x backend.Value, heads int, n backend.Norm) {
	v := x.(*value)
	dim := v.width / heads
	w, b := vector(n.Weight), vector(n.Bias)
	o.perRow(v.rows, v.width, func(s *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			for h := range heads {
				r := v.row(i)[h*dim : (h+1)*dim]
				o.normalise(s, r, r, headPart(n.Weight, w, h, dim), headPart(n.Bias, b, h, dim), n)
			}
		}
	})
}

// headPart is head h's part of a norm's vector, or all of it where heads share one.
func headPart(of backend.Weight, v []float32, h, dim int) []float32 {
	if v == nil || of.Cols() == dim {
		return v
	}
	return v[h*dim : (h+1)*dim]
}

// normalise is RMSNorm (arXiv 1910.07467, eq. 4) or LayerNorm (1607.06450) of one row.
func (o *ops) normalise(s *scratch, dst, src, w, b []float32, n backend.Norm) {
	width := len(src)
	padded := roundUp(width, 16)
	whole := padded == width && len(w) >= width
	x := src
	if !whole || n.Mean {
		x = grown(&s.norm, padded)
		clear(x[copy(x, src):])
	}
	if n.Mean {
		var sum [16]float32
		for i, v := range x {
			sum[i%16] += v
		}
		mean := sum16(&sum) / float32(width)
		for i := range src {
			x[i] -= mean
		}
	}
	inv := 1 / sqrt32(o.k.squares(padded, &x[0])/float32(width)+n.Eps)
	if whole {
		o.k.scaled(padded, &dst[0], &x[0], &w[0], inv)
	} else {
		for i := range dst {
			y := float32(x[i] * inv)
			if w != nil {
				y *= w[i]
			}
			dst[i] = y
		}
	}
	if b != nil {
		for i := range dst {
			dst[i] += b[i]
		}
	}
}
