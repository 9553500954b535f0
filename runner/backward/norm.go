package backward

import (
	"math"

	"headprof/runner/backend"
)

// Norm implements backend.Ops.
func (t *Tape) Norm(x backend.Value, n backend.Norm) backend.Value {
	in := x.(*node)
	from := in.save()
	y := t.made(t.o.Norm(from, n))
	w := t.o.Vector(n.Weight)
	t.record(func() {
		g, to := t.gradient(y), t.gradient(in)
		t.each(from, func(i int) {
			normBack(t.o.Row(to, i), t.o.Row(g, i), t.o.Row(from, i), w, n)
		})
	})
	return y
}

// HeadNorm implements backend.Ops.
func (t *Tape) HeadNorm(x backend.Value, heads int, n backend.Norm) {
	in := t.writable(x)
	before := in.save()
	in = t.writable(in)
	t.o.HeadNorm(in.v, heads, n)
	w := t.o.Vector(n.Weight)
	dim := in.Width() / heads
	t.record(func() {
		g := t.gradient(in)
		t.each(g, func(i int) {
			dx := make([]float32, dim)
			for h := range heads {
				of := w
				if len(w) > dim {
					of = w[h*dim:][:dim]
				}
				clear(dx)
				dy := t.o.Row(g, i)[h*dim:][:dim]
				normBack(dx, dy, t.o.Row(before, i)[h*dim:][:dim], of, n)
				copy(dy, dx)
			}
		})
	})
}

// normBack adds to dx the gradient through y = w·x̂ (+ b), with x̂ = x/σ of
// RMSNorm (arXiv 1910.07467) or (x − mean)/σ of LayerNorm (1607.06450):
// dx = (g − mean(g) − x̂·mean(g·x̂))/σ for g = w·dy, without mean(g) for RMSNorm.
func normBack(dx, dy, x, w []float32, n backend.Norm) {
	width := float64(len(x))
	var mean, squares float64
	if n.Mean {
		for _, v := range x {
			mean += float64(v)
		}
		mean /= width
	}
	for _, v := range x {
		d := float64(v) - mean
		squares += float64(d * d)
	}
	inv := 1 / math.Sqrt(squares/width+float64(n.Eps))
	if w == nil {
		w = ones(len(x))
	}
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	var sum, along float64
	for j, v := range x {
		g := float64(dy[j]) * float64(w[j])
		sum += g
		along += float64(g * ((float64(v) - mean) * inv))
	}
	sum, along = sum/width, along/width
	if !n.Mean {
		sum = 0
	}
	for j, v := range x {
		g := float64(dy[j]) * float64(w[j])
		dx[j] += float32((g - sum - float64((float64(v)-mean)*inv*along)) * inv)
	}
}

func ones(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
