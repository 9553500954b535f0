package plots

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// CurveHead is what one KV head's cache is worth by entries kept: X of a point
// is the entries, Y what the answer loses.
type CurveHead struct {
	Layer, KVHead int
	Points        []Point
}

// Curves is every KV head's curve.
type Curves struct {
	Meta
	Heads    []CurveHead
	Top      int    // heads drawn in colour and named, at most eight; 0: eight
	Interval string // what Low and High are; "" means "95 % bootstrap interval"
}

// CacheCurves draws what the answer loses against the entries that a KV head
// keeps, on a logarithmic axis. The heads that lose most at the first point
// stand out, with their intervals; all others are thin lines.
func CacheCurves(c Curves) (*Figure, error) {
	if err := c.Meta.check(); err != nil {
		return nil, err
	}
	if len(c.Heads) == 0 {
		return nil, fmt.Errorf("plot: no curves: nothing to draw")
	}
	if len(c.Heads) > maxSide*maxSide {
		return nil, fmt.Errorf("plot: %d curves are more than a picture can hold", len(c.Heads))
	}
	var lines []Line
	for _, h := range c.Heads {
		l := Line{Name: fmt.Sprintf("L%d.KV%d", h.Layer, h.KVHead), Points: h.Points}
		if err := checkLines("curves", []Line{l}); err != nil {
			return nil, err
		}
		if l.Points[0].X <= 0 {
			return nil, fmt.Errorf("plot: %s keeps %g entries; a logarithmic axis begins above 0", l.Name, l.Points[0].X)
		}
		lines = append(lines, l)
	}
	first := func(l Line) float64 { return l.Points[0].Y }
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(first(b), first(a)) })
	k := c.Top
	if k <= 0 || k > len(seriesInks) {
		k = len(seriesInks)
	}
	k = min(k, len(lines))
	top, rest := lines[:k], lines[k:]
	xlo, xhi, ylo, yhi := bounds(top)
	for _, l := range rest {
		for _, q := range l.Points {
			xlo, xhi, ylo, yhi = min(xlo, q.X), max(xhi, q.X), min(ylo, q.Y), max(yhi, q.Y)
		}
	}
	ylo, yhi = roomy(min(0, ylo), yhi)
	pad := math.Pow(xhi/xlo, 0.05)
	if xhi <= xlo {
		pad = 1.5
	}
	var keys []key
	for i, l := range top {
		keys = append(keys, lineKey(l.Name, i))
	}
	var at []float64
	for _, l := range lines {
		for _, q := range l.Points {
			at = append(at, q.X)
		}
	}
	slices.Sort(at)
	var xt []tick
	for _, v := range slices.Compact(at) {
		xt = append(xt, tick{v, fmt.Sprintf("%g", v)})
	}
	thin := stroke{grey60, 0.6, nil}
	if len(rest) > 0 {
		keys = append(keys, key{counted(len(rest), "other KV head"), func(p *pen, x, y float64) { p.line(thin, x, y, x+18, y) }})
	}
	keyW := 0.0
	for _, k := range keys {
		keyW = max(keyW, 24+inkTick.width(k.text))
	}
	facts := c.facts()
	if anyBar(top) {
		facts = append(facts, "bars: "+intervalName(c.Interval))
	}
	const axis, wide, tall = 50.0, 360.0, 260.0
	title := c.title("What a KV head's cache is worth, by entries kept")
	return page(heading{title: title, facts: facts, warn: c.warning()}, axis+wide+18+keyW, tall+36, func(p *pen, x, y float64) {
		a := panel{x: x + axis, y: y + 4, w: wide, h: tall, xmin: xlo / pad, xmax: xhi * pad, ymin: ylo, ymax: yhi, xlog: true}
		a.frame(p, xt, niceTicks(ylo, yhi, 6),
			"entries that the head keeps (log scale)", "nats that the answer loses")
		for _, l := range rest {
			var xy []float64
			for _, q := range l.Points {
				xy = append(xy, a.px(q.X), a.py(q.Y))
			}
			p.line(thin, xy...)
		}
		a.series(p, top, func(i int) int { return i })
		legend(p, keys, a.x+a.w+18, y+8)
	}), nil
}
