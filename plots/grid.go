package plots

import (
	"image/color"
	"math"
)

// scale maps values to the palette.
type scale struct {
	lo, hi float64
	log    bool
}

// at is v's place in [0, 1].
func (s scale) at(v float64) float64 {
	if s.hi <= s.lo {
		return 0
	}
	if s.log {
		return math.Log(v/s.lo) / math.Log(s.hi/s.lo)
	}
	return (v - s.lo) / (s.hi - s.lo)
}

// grid is a table of coloured cells, row 0 at the top.
type grid struct {
	rows, cols   int
	cellW, cellH float64
	fill         func(r, c int) color.Color // nil: the cell has no value
}

func (g grid) width() float64  { return float64(g.cols) * g.cellW }
func (g grid) height() float64 { return float64(g.rows) * g.cellH }

// cell is the square cell size for rows × cols cells in at most w × h points:
// between 3 and 26 points, on half points so that edges fall on pixels.
func cell(rows, cols int, w, h float64) float64 {
	s := min(w/float64(cols), h/float64(rows))
	return max(3, min(26, math.Floor(2*s)/2))
}

// draw paints the cells. A cell without a value is hatched, so that it cannot
// be taken for a zero.
func (g grid) draw(p *pen, x, y float64) {
	for r := range g.rows {
		for c := range g.cols {
			cx, cy := x+float64(c)*g.cellW, y+float64(r)*g.cellH
			f := g.fill(r, c)
			if f == nil {
				missing(p, cx, cy, g.cellW, g.cellH)
				continue
			}
			// Cells reach a point under their successors: viewers of SVG and PDF
			// leave white hairlines between exactly touching edges.
			w, h := g.cellW, g.cellH
			if c+1 < g.cols {
				w++
			}
			if r+1 < g.rows {
				h++
			}
			p.rect(cx, cy, w, h, f)
		}
	}
	p.box(x, y, g.width(), g.height(), stroke{grey60, 0.6, nil})
}

// missing paints a cell that has no value.
func missing(p *pen, x, y, w, h float64) {
	p.rect(x, y, w, h, white)
	p.hatch(x, y, w, h, max(2.5, min(4, h/3)), stroke{grey60, 0.5, nil})
}

// colourBar draws the scale top down, darkest first, with ticks and a label
// beside it. It returns the width taken.
func colourBar(p *pen, s scale, x, y, h float64, label string, ticks []tick) float64 {
	const w = 11.0
	h = math.Round(h)
	n := int(2 * h) // bands of half a point lie on whole pixels
	for i := range n {
		t := 1 - float64(i)/float64(n-1)
		if s.hi <= s.lo { // one value only: one colour
			t = 0
		}
		// Each band reaches to the foot, the later ones over it: no gaps.
		p.rect(x, y+float64(i)/2, w, h-float64(i)/2, shade(t))
	}
	p.box(x, y, w, h, stroke{grey60, 0.6, nil})
	wide := 0.0
	for _, t := range ticks {
		ty := y + h*(1-s.at(t.at))
		p.line(stroke{grey60, 0.6, nil}, x+w, ty, x+w+3, ty)
		p.text(x+w+5, ty, t.label, inkTick, left)
		wide = max(wide, inkTick.width(t.label))
	}
	p.upText(x+w+5+wide+9, y+h/2, label, inkTick)
	return w + 5 + wide + 14
}

// barWidth is what colourBar will take, for layout before drawing.
func barWidth(ticks []tick) float64 {
	wide := 0.0
	for _, t := range ticks {
		wide = max(wide, inkTick.width(t.label))
	}
	return 11 + 5 + wide + 14
}
