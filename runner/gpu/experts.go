package gpu

import (
	"fmt"
	"math"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// MixExperts is dst += Σ_e p_e · down_e(act(gate_e(x)) ⊙ up_e(x)): the router
// chooses on the device, then each (row, chosen expert) is a row of its own.
func (o *ops) MixExperts(dst, x backend.Value, m backend.Experts) {
	in, out := x.(*value), dst.(*value)
	rows := in.rows
	asked := x
	if m.RouterInput != nil {
		asked = m.RouterInput
	}
	logits := o.Linear(asked, m.Router, m.RouterBias).(*value)
	pick, share := o.value(rows, m.Used), o.value(rows, m.Used)
	route := struct {
		logits, pick, weight, selection uint64
		rows, count, used, normaliseTop uint32
		sigmoid, groups, usedGroups     uint32
		scale                           float32
		each                            uint64
	}{logits.address(), pick.address(), share.address(), o.vector(m.Selection), uint32(rows), uint32(m.Count), uint32(m.Used), flag(m.NormaliseTop),
		flag(m.Sigmoid), uint32(m.Groups), uint32(m.UsedGroups), m.Scale, o.vector(m.ShareScales)}
	if m.Scale == 0 {
		route.scale = 1
	}
	if m.Groups > 1 && m.GroupsByBest {
		o.failed(fmt.Errorf("the GPU's kernel does not choose groups of experts by their best one; use --device cpu"))
	}
	if m.Groups > 32 {
		o.failed(fmt.Errorf("%d groups of experts are more than the 32 that the GPU's kernel chooses from; use --device cpu", m.Groups))
	}
	o.dispatch(driver.Program{Kernel: "route", Constants: [10]uint32{wide}}, unsafe.Pointer(&route), unsafe.Sizeof(route), grid(rows),
		nil, []span{logits.span(), pick.span(), share.span()})

	each := func(x *value, of, bias backend.Weight, from int) *value {
		w := of.(*weight)
		y := o.value(rows*m.Used, w.rows/m.Count)
		t := tile{bm: 1, bn: 64, tm: 1, tn: 1}
		o.eachPart(w, func(p part, arriving []span) { // one: stacks are not cut
			push := linearPush{
				w: p.address(), x: x.address(), bias: o.vector(bias), dst: y.address(), pick: pick.address(),
				rows: uint32(y.rows), cols: uint32(w.cols), outs: uint32(y.width), rowBytes: uint32(w.rowBytes),
				stride: uint32(y.width), share: uint32(from), scale: 1,
			}
			o.dispatch(o.linearProgram(w, t, true), unsafe.Pointer(&push), unsafe.Sizeof(push),
				[3]int{(y.width + 63) / 64, y.rows, 1}, append(arriving, x.span(), pick.span()), []span{y.span()})
		})
		o.worked(float64(y.rows) * float64(y.width) * float64(w.cols))
		return y
	}
	gate, up, weights := each(in, m.Gate, m.GateBias, m.Used), each(in, m.Up, m.UpBias, m.Used), share.address()
	if m.WeighInput { // of linear functions, so their results may be weighed instead
		gate, up = o.weighed(share, gate), o.weighed(share, up)
		ones := make([]uint32, rows*m.Used)
		for i := range ones {
			ones[i] = math.Float32bits(1)
		}
		weights = o.send(ones)
	}
	var h *value
	if c := m.Clamped; c != nil {
		h = o.value(gate.rows, gate.width)
		o.mapWith(mapClamped, 0, h, gate, up, 1, c.Limit, c.Alpha)
	} else {
		h = o.Gate(gate, up, m.Act).(*value)
	}
	y := each(h, m.Down, m.DownBias, 1)
	mix := struct {
		dst, src, weight  uint64
		rows, width, used uint32
	}{out.address(), y.address(), weights, uint32(rows), uint32(out.width), uint32(m.Used)}
	o.dispatch(driver.Program{Kernel: "mix", Constants: [10]uint32{wide}}, unsafe.Pointer(&mix), unsafe.Sizeof(mix), grid(rows*out.width),
		[]span{y.span(), share.span()}, []span{out.span()})
}

// weighed multiplies row i of y by element i of share.
func (o *ops) weighed(share, y *value) *value {
	out := o.value(y.rows, y.width)
	o.mapEach(mapGate, identity, out, share, y, y.width, 0)
	return out
}
