package plots

import (
	"fmt"
	"math"
	"strconv"
)

// maxListed is how many heads a ranking lists at most.
const maxListed = 120

// Ranking draws the top heads by name with their intervals, and beside them
// the scores of all heads in order with the share of the total that the first
// n heads hold.
func Ranking(h Heads) (*Figure, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	all, top := h.ranked(), h.top(h.Top)
	if len(top) == 0 { // nothing above zero: show the first few as they are
		top = all[:min(5, len(all))]
	}
	k := len(top)
	top = top[:min(k, maxListed)]
	const gap, wide, names = 92.0, 330.0, 62.0
	step := 13.0
	if len(top) > 40 {
		step = 9.5
	}
	rows := max(step*float64(len(top)), 190)
	lo, hi := 0.0, 0.0
	for _, t := range all {
		lo, hi = min(lo, t.score), max(hi, t.score)
		if l, u, ok := h.bounds(t); ok {
			lo, hi = min(lo, l), max(hi, u)
		}
	}
	if hi <= lo {
		hi = lo + 1
	}
	hi += 0.03 * (hi - lo)
	listW := 250.0
	var extra []string
	if h.hasIntervals() {
		extra = append(extra, "bars: "+h.interval())
	}
	kind := "attention head"
	if h.PerKV {
		kind = "KV head"
	}
	title := h.title("Ranking of " + counted(len(all), kind))
	return page(heading{title, append(h.facts(), extra...), h.warning()}, names+listW+gap+wide, rows+44, func(p *pen, x, y float64) {
		h.topList(p, panel{x: x + names, y: y + 14, w: listW, h: rows, xmin: lo, xmax: hi, ymax: 1}, top, k)

		// The two charts on the right share the rank axis.
		charts := min(rows, 420) // a long list does not stretch them
		upper := math.Round((charts - 34) * 0.56)
		cx, lower := x+names+listW+gap, charts-upper-34
		n := float64(len(all))
		a := panel{x: cx, y: y + 14, w: wide, h: upper, xmin: 0, xmax: n, ymin: lo, ymax: hi}
		p.text(cx, y+3, "all heads, best first", inkListHd, left)
		a.frame(p, wholeTicks(n), niceTicks(lo, hi, 4), "", "score")
		h.sorted(p, a, all, k)

		share, total := shares(all)
		b := panel{x: cx, y: y + 14 + upper + 34, w: wide, h: lower, xmin: 0, xmax: n, ymin: 0, ymax: 1}
		b.frame(p, wholeTicks(n), []tick{{0, "0"}, {0.5, "50"}, {1, "100"}}, "number of heads, best first", "% of total")
		if total <= 0 {
			p.text(b.x+b.w/2, b.y+b.h/2, "no head scores above 0", inkSmall, middle)
			return
		}
		xy := []float64{b.px(0), b.py(0)}
		half := -1
		for i, s := range share {
			xy = append(xy, b.px(float64(i+1)), b.py(s))
			if half < 0 && s >= 0.5 {
				half = i + 1
			}
		}
		p.line(stroke{skyBlue, 1.6, nil}, xy...)
		hx, hy := b.px(float64(half)), b.py(share[half-1])
		p.disc(hx, hy, 2.6, blue)
		noun, verb := "heads", "hold"
		if half == 1 {
			noun, verb = "head", "holds"
		}
		p.text(min(hx+7, b.x+b.w-170), hy+8, fmt.Sprintf("%s %s (%s) %s half of all score", thousands(half), noun, percent(float64(half)/n), verb), inkTick, left)
	}), nil
}

// topList draws one row a head: rank, name, score and interval.
func (h Heads) topList(p *pen, a panel, top []place, k int) {
	text := "top " + counted(k, "head")
	if len(top) < k {
		text = fmt.Sprintf("first %d of the %s", len(top), text)
	}
	p.text(a.x, a.y-11, text, inkListHd, left)
	base := a.y + a.h
	for _, t := range niceTicks(a.xmin, a.xmax, 5) {
		x := a.px(t.at)
		p.line(stroke{grey90, 0.6, nil}, x, a.y, x, base)
		p.text(x, base+10, t.label, inkTick, middle)
	}
	p.line(stroke{grey60, 0.8, nil}, a.x, base, a.x+a.w, base)
	p.text(a.x+a.w/2, base+24, h.label(), inkAxis, middle)
	step := a.h / float64(len(top))
	name, number, r := inkTick, inkSmall, 2.8
	if step < 12 {
		name.size, number.size, r = 7.5, 6.5, 2.2
	}
	for i, t := range top {
		y := a.y + (float64(i)+0.5)*step
		p.text(a.x-46, y, strconv.Itoa(i+1), number, right)
		p.text(a.x-42, y, headName(t.layer, t.head), name, left)
		if l, u, ok := h.bounds(t); ok {
			p.line(stroke{blue, 1.2, nil}, a.px(l), y, a.px(u), y)
			p.line(stroke{blue, 1.2, nil}, a.px(l), y-2.2, a.px(l), y+2.2)
			p.line(stroke{blue, 1.2, nil}, a.px(u), y-2.2, a.px(u), y+2.2)
		}
		p.disc(a.px(t.score), y, r, ringInk)
	}
}

// sorted draws every head's score over its rank, with intervals as a band.
func (h Heads) sorted(p *pen, a panel, all []place, k int) {
	place := func(i int) float64 { return a.px(float64(i) + 0.5) }
	if h.hasIntervals() {
		// A bar for each head merges into a band where heads are many.
		w := max(0.4, min(3, 0.7*a.w/float64(len(all))))
		for i, t := range all {
			if l, u, ok := h.bounds(t); ok {
				p.line(stroke{bandInk, w, nil}, place(i), a.py(l), place(i), a.py(u))
			}
		}
	}
	p.line(stroke{ringInk, 0.8, []float64{3, 2}}, a.px(float64(k)), a.y, a.px(float64(k)), a.y+a.h)
	side, gap := left, 4.0
	if 2*k > len(all) { // the line stands far right: no room beyond it
		side, gap = right, -4
	}
	p.text(a.px(float64(k))+gap, a.y+6, fmt.Sprintf("top %d", k), ink{7.5, false, ringInk}, side)
	xy := make([]float64, 0, 2*len(all))
	for i, t := range all {
		xy = append(xy, place(i), a.py(t.score))
	}
	p.line(stroke{blue, 1.2, nil}, xy...)
	for i := range k {
		p.disc(place(i), a.py(all[i].score), 1.8, ringInk)
	}
}

var bandInk = hex(0xbcd9ea)

// bounds are the ends of the interval of a head's score, where it is known.
func (h Heads) bounds(t place) (lo, hi float64, ok bool) {
	if h.Low == nil {
		return 0, 0, false
	}
	lo, hi = h.Low[t.layer][t.head], h.High[t.layer][t.head]
	return lo, hi, finite(lo) && finite(hi)
}

// shares are the running sums of the ranked scores as shares of their total;
// scores below zero count as zero.
func shares(all []place) (share []float64, total float64) {
	for _, t := range all {
		total += max(0, t.score)
	}
	sum := 0.0
	for _, t := range all {
		sum += max(0, t.score)
		share = append(share, sum/total)
	}
	return share, total
}
