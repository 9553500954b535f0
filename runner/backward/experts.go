package backward

import (
	"math"

	"headprof/runner/backend"
)

// MixExperts implements backend.Ops.
func (t *Tape) MixExperts(dst, x backend.Value, m backend.Experts) {
	in := x.(*node)
	from := in.save()
	d := t.sum(dst, func(v backend.Value) { t.o.MixExperts(v, from, m) })
	t.record(func() { t.expertsBack(t.gradient(d), t.gradient(in), from, m) })
}

// routed is a row that an expert computes.
type routed struct {
	row   int
	share float32
}

// expertsBack adds to dx the gradient through Σ_e p_e·expert_e(x), the p_e
// included. The experts are computed again, as MixExperts computes them.
func (t *Tape) expertsBack(dy, dx, x backend.Value, m backend.Experts) {
	logits := t.o.Linear(x, m.Router, m.RouterBias)
	of := make([][]routed, m.Count)
	shares := t.o.Zeros(x.Rows(), m.Count) // the gradients by them
	chosen := make([][]int, x.Rows())
	for r := range x.Rows() {
		e, p := t.o.Route(t.o.Row(logits, r), m)
		chosen[r] = e
		for i := range e {
			of[e[i]] = append(of[e[i]], routed{r, p[i]})
		}
	}
	for e, rows := range of {
		if len(rows) > 0 {
			t.expertBack(e, rows, dy, dx, x, shares, m)
		}
	}
	for r := range x.Rows() {
		g := t.o.Row(shares, r)
		routeBack(g, t.o.Row(logits, r), chosen[r], m)
	}
	t.o.LinearBack(dx, shares, m.Router, 1)
}

// expertBack goes back through one expert for the rows routed to it.
func (t *Tape) expertBack(e int, rows []routed, dy, dx, x, shares backend.Value, m backend.Experts) {
	gate, up, down := t.o.Expert(m.Gate, e, m.Count), t.o.Expert(m.Up, e, m.Count), t.o.Expert(m.Down, e, m.Count)
	at := make([]int, len(rows))
	for i, r := range rows {
		at[i] = r.row
	}
	in := t.o.Gather(x, at)
	if m.WeighInput {
		for i, r := range rows {
			scale(t.o.Row(in, i), r.share)
		}
	}
	g := t.o.Linear(in, gate, t.o.Expert(m.GateBias, e, m.Count))
	u := t.o.Linear(in, up, t.o.Expert(m.UpBias, e, m.Count))
	a := t.o.Zeros(len(rows), g.Width())
	da, dg, du := t.o.Zeros(len(rows), g.Width()), t.o.Zeros(len(rows), g.Width()), t.o.Zeros(len(rows), g.Width())
	if m.Clamped == nil {
		a = t.o.Gate(g, u, m.Act)
	} else {
		t.each(a, func(i int) { clamped(t.o.Row(a, i), t.o.Row(g, i), t.o.Row(u, i), m.Clamped) })
	}
	y := t.o.Linear(a, down, t.o.Expert(m.DownBias, e, m.Count))
	out := t.o.Gather(dy, at) // the gradient by the expert's output
	if !m.WeighInput {
		for i, r := range rows {
			t.o.Row(shares, r.row)[e] = dot(t.o.Row(y, i), t.o.Row(out, i))
			scale(t.o.Row(out, i), r.share)
		}
	}
	t.o.LinearBack(da, out, down, 1)
	t.each(da, func(i int) {
		if m.Clamped != nil {
			clampedBack(t.o.Row(dg, i), t.o.Row(du, i), t.o.Row(da, i), t.o.Row(g, i), t.o.Row(u, i), m.Clamped)
		} else {
			gateBack(t.o.Row(dg, i), t.o.Row(du, i), t.o.Row(da, i), t.o.Row(g, i), t.o.Row(u, i), m.Act)
		}
	})
	back := t.o.Zeros(len(rows), x.Width())
	t.o.LinearBack(back, dg, gate, 1)
	t.o.LinearBack(back, du, up, 1)
	for i, r := range rows {
		row := t.o.Row(back, i)
		if m.WeighInput {
			t.o.Row(shares, r.row)[e] = dot(row, t.o.Row(x, r.row))
			scale(row, r.share)
		}
		to := t.o.Row(dx, r.row)
		for j, v := range row {
			to[j] += v
		}
	}
}

// routeBack turns the gradients by the chosen experts' shares into those by
// the router's logits, in place.
func routeBack(g, logits []float32, chosen []int, m backend.Experts) {
	by := 1.0
	if m.Scale != 0 {
		by = float64(m.Scale)
	}
	grad := make(map[int]float64, len(chosen))
	for _, e := range chosen {
		grad[e] = float64(g[e]) * by
	}
	clear(g)
	over := chosen // the experts that shares depend on
	if !m.Sigmoid && !m.NormaliseTop {
		over = all(len(logits))
	}
	share, slope := make([]float64, len(over)), make([]float64, len(over))
	var sum float64
	largest := float64(logits[over[0]])
	for _, e := range over {
		largest = max(largest, float64(logits[e]))
	}
	for i, e := range over {
		if m.Sigmoid {
			share[i], slope[i] = activation(float64(logits[e]), backend.Sigmoid)
		} else {
			share[i] = math.Exp(float64(logits[e]) - largest)
			slope[i] = share[i]
		}
		sum += share[i]
	}
	if m.Sigmoid && !m.NormaliseTop {
		for i, e := range over {
			g[e] = float32(grad[e] * slope[i])
		}
		return
	}
	// p_i = s_i / Σs has the gradient s_i′·(d_i − Σ p_j d_j) / Σs.
	var mean float64
	for i, e := range over {
		mean += share[i] / sum * grad[e]
	}
	for i, e := range over {
		g[e] = float32(slope[i] * (grad[e] - mean) / sum)
	}
}

// clamped is gpt-oss's gate; see backend.ClampedSwiGLU.
func clamped(dst, gate, up []float32, c *backend.ClampedSwiGLU) {
	for j := range dst {
		g := float64(min(gate[j], c.Limit))
		u := float64(max(-c.Limit, min(up[j], c.Limit)))
		dst[j] = float32(g * sigmoid(float64(c.Alpha)*g) * (u + 1))
	}
}

func clampedBack(dg, du, dy, gate, up []float32, c *backend.ClampedSwiGLU) {
	alpha := float64(c.Alpha)
	for j, d := range dy {
		g := float64(min(gate[j], c.Limit))
		u := float64(max(-c.Limit, min(up[j], c.Limit)))
		s := sigmoid(alpha * g)
		if gate[j] < c.Limit {
			dg[j] += float32(float64(d) * (u + 1) * (s + alpha*g*s*(1-s)))
		}
		if up[j] > -c.Limit && up[j] < c.Limit {
			du[j] += float32(float64(d) * g * s)
		}
	}
}

func scale(x []float32, by float32) {
	for j := range x {
		x[j] *= by
	}
}

func dot(a, b []float32) float32 {
	var sum float64
	for j, x := range a {
		sum += float64(x) * float64(b[j])
	}
	return float32(sum)
}
