package plots

import "strconv"

// headGrid is the layer × head frame that score and budget maps share: cells,
// layer and head numbers, sliding-window layers and KV groups.
type headGrid struct {
	grid
	window  []int  // per layer, 0 = global; nil = all global
	group   int    // query heads a KV head; ≤ 1 = no brackets
	columns string // "query head" or "KV head"
	outline bool   // marked heads get an outline of their cell, not a ring
}

const (
	stripW  = 5.0 // the strip that marks sliding-window layers
	stripX  = stripW + 2
	axisW   = 36.0 // numbers and label left of the grid and strip
	axisH   = 30.0 // numbers and label under the grid
	bracket = 7.0  // brackets of KV groups, over the numbers
)

func (g headGrid) grouped() bool { return g.group > 1 }
func (g headGrid) sliding() bool {
	for _, w := range g.window {
		if w > 0 {
			return true
		}
	}
	return false
}

// left and below are what stands beside and under the cells.
func (g headGrid) left() float64 {
	if g.sliding() {
		return axisW + stripX
	}
	return axisW
}

func (g headGrid) below() float64 {
	if g.grouped() {
		return axisH + bracket
	}
	return axisH
}

// draw paints cells and axes; (x, y) is the cells' top left corner.
func (g headGrid) draw(p *pen, x, y float64) {
	g.grid.draw(p, x, y)
	w, h := g.width(), g.height()
	axis := x
	if g.sliding() {
		axis -= stripX
		for l, win := range g.window {
			if win > 0 {
				slidingMark(p, axis, y+float64(l)*g.cellH, stripW, g.cellH)
			}
		}
	}
	wide := 0.0
	for _, t := range indexTicks(g.rows, g.cellH, 14) {
		p.text(axis-4, y+(t.at+0.5)*g.cellH, t.label, inkTick, right)
		wide = max(wide, inkTick.width(t.label))
	}
	p.upText(axis-4-wide-9, y+h/2, "layer", inkAxis)

	base := y + h
	if g.grouped() {
		for c := g.group; c < g.cols; c += g.group {
			at := x + float64(c)*g.cellW
			p.line(stroke{grey60, 0.5, nil}, at, y, at, base)
		}
		for c := 0; c < g.cols; c += g.group {
			x0, x1 := x+float64(c)*g.cellW+1, x+float64(min(c+g.group, g.cols))*g.cellW-1
			p.line(stroke{grey40, 0.8, nil}, x0, base+2, x0, base+4.5, x1, base+4.5, x1, base+2)
		}
		base += bracket - 1
	}
	digits := inkTick.width(strconv.Itoa(g.cols - 1))
	for _, t := range indexTicks(g.cols, g.cellW, digits+5) {
		p.text(x+(t.at+0.5)*g.cellW, base+8, t.label, inkTick, middle)
	}
	p.text(x+w/2, base+21, g.columns, inkAxis, middle)
}

// slidingMark is the sign for a sliding-window layer.
func slidingMark(p *pen, x, y, w, h float64) {
	p.rect(x, y, w, h, slidingPaper)
	p.hatch(x, y+0.5, w, h-1, 2.6, stroke{slidingInk, 0.8, nil})
	p.line(stroke{slidingInk, 0.8, nil}, x+w, y, x+w, y+h)
}

var (
	slidingPaper = hex(0xf6e3ef)
	slidingInk   = hex(0xa8457f)
)
