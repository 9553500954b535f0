package cpu

import (
	"sort"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// choice is one expert that a row was routed to.
type choice struct {
	row int
	p   float32
}

// MixExperts routes each row to its top experts (arXiv 2401.04088, section
// 2.1). Rows are grouped by expert, so that only routed experts are unpacked;
// a row's experts add up in ascending order of their number.
func (o *ops) MixExperts(dst, x backend.Value, m backend.Experts) {
	d, in := dst.(*value), x.(*value)
	router := m.Router.(*weight)
	logits := o.arena.value(in.rows, m.Count)
	asked := in
	if m.RouterInput != nil {
		asked = m.RouterInput.(*value)
	}
	o.linear(linear{dst: logits, x: asked, w: router, out: m.Count, bias: vector(m.RouterBias), scale: 1})
	if o.dry != nil {
		o.dryExperts(d, in, m)
		return
	}
	routed := make([][]choice, m.Count)
	for r := range in.rows {
		for _, e := range route(logits.row(r), m) {
			routed[e.row] = append(routed[e.row], choice{r, e.p})
		}
	}
	gate, up, down := m.Gate.(*weight), m.Up.(*weight), m.Down.(*weight)
	ff, width := gate.rows/m.Count, down.rows/m.Count
	gateBias, upBias, downBias := o.expertBias(m.GateBias, ff), o.expertBias(m.UpBias, ff), o.expertBias(m.DownBias, width)
	for e, rows := range routed {
		if len(rows) == 0 {
			continue
		}
		names := make([]int, len(rows))
		for i, c := range rows {
			names[i] = c.row
		}
		h := o.Gather(in, names).(*value)
		if m.WeighInput {
			for i := range rows {
				for j := range h.row(i) {
					h.row(i)[j] *= rows[i].p
				}
				rows[i].p = 1
			}
		}
		g, u := o.arena.value(len(rows), ff), o.arena.value(len(rows), ff)
		w, from := gate.expert(e, ff)
		o.linear(linear{dst: g, x: h, w: w, from: from, out: ff, bias: gateBias(e), scale: 1})
		w, from = up.expert(e, ff)
		o.linear(linear{dst: u, x: h, w: w, from: from, out: ff, bias: upBias(e), scale: 1})
		a := o.expertGate(g, u, m)
		y := o.arena.value(len(rows), width)
		w, from = down.expert(e, width)
		o.linear(linear{dst: y, x: a, w: w, from: from, out: width, bias: downBias(e), scale: 1})
		for i, c := range rows {
			to := d.row(c.row)
			for j, v := range y.row(i) {
				to[j] += float32(v * c.p)
			}
		}
		o.arena.drop(h, g, u, a, y)
	}
}

// expertBias gives, for an expert's number, its bias of so many rows; nil where
// there is none. What one call gives is valid until the next.
func (o *ops) expertBias(w backend.Weight, rows int) func(e int) []float32 {
	if w == nil {
		return func(int) []float32 { return nil }
	}
	stack, b := w.(*weight), o.arena.value(1, roundUp(rows, 16))
	return func(e int) []float32 {
		clear(b.x)
		tensor.Dequantize(b.x[:rows], stack.row(e), stack.format)
		return b.x
	}
}

// expertGate is what an expert does with its two projections.
func (o *ops) expertGate(gate, up *value, m backend.Experts) *value {
	if m.Clamped == nil {
		return o.Gate(gate, up, m.Act).(*value)
	}
	out := o.arena.value(gate.rows, gate.width)
	alpha, limit := m.Clamped.Alpha, m.Clamped.Limit
	o.perRow(gate.rows, gate.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			u, dst := up.row(i), out.row(i)
			for j, g := range gate.row(i) {
				g = min(g, limit)
				dst[j] = g / onePlusExp(float32(alpha*g)) * (max(-limit, min(u[j], limit)) + 1)
			}
		}
	})
	return out
}

// route gives the experts of one row and their shares; of equal ones it prefers
// the lower number.
func route(logits []float32, m backend.Experts) []choice {
	order, by := make([]choice, len(logits)), logits
	for e, v := range logits {
		order[e] = choice{e, v}
	}
	if m.Sigmoid {
		for e := range order {
			order[e].p = 1 / onePlusExp(order[e].p)
		}
		by = make([]float32, len(logits))
		for e := range by {
			by[e] = order[e].p
		}
	}
	if m.Selection != nil {
		for e, b := range vector(m.Selection)[:len(by)] {
			by[e] += b
		}
	}
	if m.Groups > 1 {
		closeGroups(by, m)
	}
	sort.SliceStable(order, func(i, j int) bool { return by[order[i].row] > by[order[j].row] })
	used := min(m.Used, len(order))
	all := float32(1)
	if !m.Sigmoid {
		all = softmaxShares(order, used, m.NormaliseTop)
	} else if m.NormaliseTop {
		all = 0
		for i := range order[:used] {
			all += order[i].p
		}
		all += m.Least
	}
	for i := range order[:used] {
		order[i].p /= all
		if m.Scale != 0 {
			order[i].p *= m.Scale
		}
		if m.ShareScales != nil {
			order[i].p *= vector(m.ShareScales)[order[i].row]
		}
	}
	return order[:used]
}

// closeGroups leaves the choice to the groups whose best two sum highest.
func closeGroups(by []float32, m backend.Experts) {
	size := m.Count / m.Groups
	order, best := make([]int, m.Groups), make([]float32, m.Groups)
	for g := range order {
		first, second := minusInf, minusInf
		for _, v := range by[g*size:][:size] {
			if v > first {
				first, second = v, first
			} else if v > second {
				second = v
			}
		}
		if m.GroupsByBest {
			second = 0
		}
		order[g], best[g] = g, first+second
	}
	sort.SliceStable(order, func(i, j int) bool { return best[order[i]] > best[order[j]] })
	for _, g := range order[m.UsedGroups:] {
		for e := range size {
			by[g*size+e] = minusInf
		}
	}
}

// softmaxShares turns logits, largest first, into exponentials and gives their
// sum, that of the used ones alone if they are to sum to 1.
func softmaxShares(order []choice, used int, normaliseTop bool) (all float32) {
	top := order[0].p
	for i := range order {
		order[i].p = exp2(float32((order[i].p - top) * log2e))
		if i < used || !normaliseTop {
			all += order[i].p
		}
	}
	return all
}
