package plots

import (
	"fmt"
	"image/color"
	"math"
)

// Point is one measured value. Low and High are the ends of its interval; NaN,
// or both equal to Y, for none.
type Point struct{ X, Y, Low, High float64 }

// Line is a named series of points, X ascending.
type Line struct {
	Name   string
	Points []Point
}

// shape is the sign of a series, so that lines are told apart without colour.
type shape int

func (s shape) mark(p *pen, x, y, r float64, c color.Color) {
	p.halo(x, y, r+1)
	switch s % 4 {
	case 0:
		p.disc(x, y, r, c)
	case 1:
		p.rect(x-0.88*r, y-0.88*r, 1.76*r, 1.76*r, c)
	case 2:
		p.polygon(c, x, y-1.2*r, x+1.1*r, y+0.8*r, x-1.1*r, y+0.8*r)
	case 3:
		p.polygon(c, x, y-1.3*r, x+1.3*r, y, x, y+1.3*r, x-1.3*r, y)
	}
}

// halo parts a mark from lines that run under it.
func (p *pen) halo(x, y, r float64) { p.disc(x, y, r, white) }

func checkLines(what string, lines []Line) error {
	if len(lines) == 0 {
		return fmt.Errorf("plot: %s without lines: nothing to draw", what)
	}
	if len(lines) > len(seriesInks) {
		return fmt.Errorf("plot: %d lines in one picture cannot be told apart: draw at most %d", len(lines), len(seriesInks))
	}
	some := false
	for _, l := range lines {
		last := math.Inf(-1)
		for _, q := range l.Points {
			if !finite(q.X) || math.IsInf(q.Y, 0) || math.IsInf(q.Low, 0) || math.IsInf(q.High, 0) {
				return fmt.Errorf("plot: %s, line %q has an infinite value or no place on the x axis", what, l.Name)
			}
			if q.X < last {
				return fmt.Errorf("plot: %s, line %q: x values must ascend", what, l.Name)
			}
			last = q.X
			some = some || !math.IsNaN(q.Y)
		}
	}
	if !some {
		return fmt.Errorf("plot: %s has no values (all are NaN)", what)
	}
	return nil
}

// bounds are the extremes of the lines, intervals included.
func bounds(lines []Line) (xlo, xhi, ylo, yhi float64) {
	xlo, ylo = math.Inf(1), math.Inf(1)
	xhi, yhi = math.Inf(-1), math.Inf(-1)
	for _, l := range lines {
		for _, q := range l.Points {
			xlo, xhi = min(xlo, q.X), max(xhi, q.X)
			for _, v := range []float64{q.Y, q.Low, q.High} {
				if finite(v) {
					ylo, yhi = min(ylo, v), max(yhi, v)
				}
			}
		}
	}
	return
}

func (q Point) hasBar() bool {
	return finite(q.Low) && finite(q.High) && (q.Low != q.Y || q.High != q.Y)
}

// series draws one line; points without a value break it. shift moves marks
// sideways, so that error bars at one x stand side by side.
func (a panel) series(p *pen, l Line, i int, shift float64) {
	c := seriesInks[i%len(seriesInks)]
	var xy []float64
	flush := func() {
		if len(xy) > 2 {
			p.line(stroke{c, 1.5, dashes(i)}, xy...)
		}
		xy = nil
	}
	for _, q := range l.Points {
		if math.IsNaN(q.Y) {
			flush()
			continue
		}
		xy = append(xy, a.px(q.X)+shift, a.py(q.Y))
	}
	flush()
	for _, q := range l.Points {
		if math.IsNaN(q.Y) {
			continue
		}
		if q.hasBar() {
			a.errorBar(p, a.px(q.X)+shift, q.Low, q.High, 2.4, stroke{c, 0.9, nil})
		}
		shape(i).mark(p, a.px(q.X)+shift, a.py(q.Y), 2.8, c)
	}
}

// dashes tells later series from earlier ones where prints lose colour.
func dashes(i int) []float64 {
	return [][]float64{nil, nil, {5, 2}, {5, 2}, {1.6, 1.6}, {1.6, 1.6}, {6, 2, 1.5, 2}, {6, 2, 1.5, 2}}[i%8]
}

// lineKey is a series' line in a legend.
func lineKey(name string, i int) key {
	return key{shorten(name, 40), func(p *pen, x, y float64) {
		c := seriesInks[i%len(seriesInks)]
		p.line(stroke{c, 1.5, dashes(i)}, x, y, x+18, y)
		shape(i).mark(p, x+9, y, 2.8, c)
	}}
}
