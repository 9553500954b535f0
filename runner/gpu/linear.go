package gpu

import (
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// tile is how a matrix product is cut: BM×BN per workgroup, TM×TN per
// invocation. It changes the time and no bit of the result.
type tile struct{ bm, bn, tm, tn uint32 }

func (t tile) threads() uint32 { return t.bm / t.tm * (t.bn / t.tn) }

func tileFor(rows int) tile {
	switch {
	case rows == 1:
		return tile{bm: 1, bn: 64, tm: 1, tn: 1}
	case rows <= 8:
		return tile{bm: 8, bn: 64, tm: 2, tn: 4}
	case rows <= 32:
		return tile{bm: 32, bn: 64, tm: 4, tn: 8}
	}
	return tile{bm: 64, bn: 64, tm: 8, tn: 8}
}

// linearPush is linear.comp's argument block.
type linearPush struct {
	w, x, bias, dst, pick      uint64
	rows, cols, outs, rowBytes uint32
	stride, first, share, add  uint32
	scale                      float32
}

func (o *ops) linear(dst, x *value, w *weight, bias uint64, scale float32, add bool) {
	t := tileFor(x.rows)
	defer o.worked(float64(x.rows) * float64(w.rows) * float64(w.cols))
	o.eachPart(w, func(p part, from []span) {
		push := linearPush{
			w: p.address(), x: x.address(), bias: bias, dst: dst.address(),
			rows: uint32(x.rows), cols: uint32(w.cols), outs: uint32(p.rows), rowBytes: uint32(w.rowBytes),
			stride: uint32(dst.width), first: uint32(p.first), share: 1, add: flag(add), scale: scale,
		}
		if o.b.o.Math == Cooperative {
			// For few rows, too: a row's bits must not depend on how many there are.
			o.dispatch(driver.Program{Kernel: "cooperative", Constants: [10]uint32{4 * o.b.v.Lanes(), uint32(w.format)}}, unsafe.Pointer(&push), unsafe.Sizeof(push),
				[3]int{(p.rows + 63) / 64, (x.rows + 63) / 64, 1}, append(from, x.span()), []span{dst.span()})
			return
		}
		o.dispatch(o.linearProgram(w, t, false), unsafe.Pointer(&push), unsafe.Sizeof(push),
			[3]int{(p.rows + int(t.bn) - 1) / int(t.bn), (x.rows + int(t.bm) - 1) / int(t.bm), 1},
			append(from, x.span()), []span{dst.span()})
	})
}

// eachPart calls f for each part of a weight while it is on the device. from
// are the places whose bytes may still be on their way.
func (o *ops) eachPart(w *weight, f func(p part, from []span)) {
	if o.dry != nil {
		o.dry.uses(w, asMatrix)
		return
	}
	if o.failed(w.ready()) {
		return
	}
	for _, p := range w.parts {
		f(p, nil)
	}
	for _, p := range w.pieces {
		at, ok := o.stage(p)
		if !ok {
			return
		}
		f(part{region{blockAt(at.From), 0, at.To - at.From}, p.first, p.rows}, []span{at})
	}
}

func (o *ops) linearProgram(w *weight, t tile, experts bool) driver.Program {
	return driver.Program{Kernel: "linear", Constants: [10]uint32{t.threads(), uint32(w.format), t.bm, t.bn, t.tm, t.tn, flag(o.b.o.Math != Float32), flag(experts)}}
}

// Linear is x·wᵀ (+ bias).
func (o *ops) Linear(x backend.Value, w, bias backend.Weight) backend.Value {
	out := o.value(x.Rows(), w.Rows())
	o.linear(out, x.(*value), w.(*weight), o.vector(bias), 1, false)
	return out
}

// AddLinear is dst += (x·wᵀ + bias)·scale.
func (o *ops) AddLinear(dst, x backend.Value, w, bias backend.Weight, scale float32) {
	o.linear(dst.(*value), x.(*value), w.(*weight), o.vector(bias), scale, true)
}
