package cpu

import (
	"sort"

	"headprof/runner/backend"
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
	o.linear(linear{dst: logits, x: in, w: router, out: m.Count, scale: 1})
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
	for e, rows := range routed {
		if len(rows) == 0 {
			continue
		}
		names := make([]int, len(rows))
		for i, c := range rows {
			names[i] = c.row
		}
		h := o.Gather(in, names).(*value)
		g, u := o.arena.value(len(rows), ff), o.arena.value(len(rows), ff)
		w, from := gate.expert(e, ff)
		o.linear(linear{dst: g, x: h, w: w, from: from, out: ff, scale: 1})
		w, from = up.expert(e, ff)
		o.linear(linear{dst: u, x: h, w: w, from: from, out: ff, scale: 1})
		a := o.Gate(g, u, m.Act).(*value)
		y := o.arena.value(len(rows), width)
		w, from = down.expert(e, width)
		o.linear(linear{dst: y, x: a, w: w, from: from, out: width, scale: 1})
		for i, c := range rows {
			to := d.row(c.row)
			for j, v := range y.row(i) {
				to[j] += float32(v * c.p)
			}
		}
		o.arena.drop(h, g, u, a, y)
	}
}

// route gives the experts of one row and their shares; equal logits prefer the lower number.
func route(logits []float32, m backend.Experts) []choice {
	order := make([]choice, len(logits))
	for e, v := range logits {
		order[e] = choice{e, v}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].p > order[j].p })
	top, used := order[0].p, min(m.Used, len(order))
	var all float32
	for i := range order {
		order[i].p = exp2(float32((order[i].p - top) * log2e))
		if i < used || !m.NormaliseTop {
			all += order[i].p
		}
	}
	for i := range order[:used] {
		order[i].p /= all
	}
	return order[:used]
}
