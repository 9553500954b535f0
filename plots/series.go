package plots

import (
	"fmt"
	"math"
	"slices"
)

// Point is one measured value. Low and High are the ends of its interval; NaN,
// or both equal to Y, for none.
type Point struct{ X, Y, Low, High float64 }

// Line is a named series of points, X ascending.
type Line struct {
	Name   string
	Points []Point
}

// mark draws the sign of series i, outlined in white where it lies on others;
// shapes tell series apart without colour.
func mark(p *pen, i int, x, y float64) {
	const r = 3.0
	c := seriesInks[i%len(seriesInks)]
	edge := stroke{white, 0.9, nil}
	var xy []float64
	switch i % 4 {
	case 0:
		p.disc(x, y, r, c)
		p.ring(x, y, r+0.4, edge)
		return
	case 1:
		xy = []float64{x - 0.9*r, y - 0.9*r, x + 0.9*r, y - 0.9*r, x + 0.9*r, y + 0.9*r, x - 0.9*r, y + 0.9*r}
	case 2:
		xy = []float64{x, y - 1.2*r, x + 1.15*r, y + 0.85*r, x - 1.15*r, y + 0.85*r}
	case 3:
		xy = []float64{x, y - 1.3*r, x + 1.3*r, y, x, y + 1.3*r, x - 1.3*r, y}
	}
	p.polygon(c, xy...)
	p.style(edge)
	p.c.Stroke(p.path(xy, true))
}

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

// series draws lines, then bars, then marks, the first line on top. Points
// without a value break a line. Series at one x stand a little apart, so that
// their bars can be read; sign tells which colour and shape line i has.
func (a panel) series(p *pen, lines []Line, sign func(i int) int) {
	shift := func(i int) float64 { return 2.6 * (float64(i) - float64(len(lines)-1)/2) }
	for i, l := range slices.Backward(lines) {
		ink := stroke{seriesInks[sign(i)%len(seriesInks)], 1.5, dashes(sign(i))}
		var xy []float64
		for _, q := range append(slices.Clone(l.Points), Point{Y: math.NaN()}) {
			if !math.IsNaN(q.Y) {
				xy = append(xy, a.px(q.X)+shift(i), a.py(q.Y))
				continue
			}
			if len(xy) > 2 {
				p.line(ink, xy...)
			}
			xy = nil
		}
	}
	for i, l := range slices.Backward(lines) {
		for _, q := range l.Points {
			if !math.IsNaN(q.Y) && q.hasBar() {
				a.errorBar(p, a.px(q.X)+shift(i), q.Low, q.High, 2, stroke{seriesInks[sign(i)%len(seriesInks)], 0.9, nil})
			}
		}
	}
	for i, l := range slices.Backward(lines) {
		for _, q := range l.Points {
			if !math.IsNaN(q.Y) {
				mark(p, sign(i), a.px(q.X)+shift(i), a.py(q.Y))
			}
		}
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
		mark(p, i, x+9, y)
	}}
}
