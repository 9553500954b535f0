package plots

import (
	"fmt"
	"image/color"
	"math"
)

// Layers draws how the score spreads over layers: each bar is the sum of a
// layer's head scores as a share of the sum over all heads. The dashed line is
// an even spread.
func Layers(h Heads) (*Figure, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	sum, total := make([]float64, h.Layers), 0.0
	best := 0
	for l, row := range h.Score {
		for _, v := range row {
			if !math.IsNaN(v) {
				sum[l] += max(0, v)
			}
		}
		total += sum[l]
		if sum[l] > sum[best] {
			best = l
		}
	}
	if total <= 0 {
		return nil, fmt.Errorf("plot: no head scores above 0: there is nothing to share out over layers")
	}
	inTop := make([]int, h.Layers)
	top := h.top(h.Top)
	for _, t := range top {
		inTop[t.layer]++
	}
	g := headGrid{window: h.Window}
	const axis, height = 48.0, 210.0
	step := math.Floor(2*max(2, min(20, 560/float64(h.Layers)))) / 2
	w := max(step*float64(h.Layers), 260)
	step = w / float64(h.Layers)
	keys := []key{
		{"even spread over layers", func(p *pen, x, y float64) { p.line(stroke{grey40, 0.9, []float64{3, 2}}, x, y, x+12, y) }},
		{fmt.Sprintf("heads of the top %d in this layer", len(top)), func(p *pen, x, y float64) { p.disc(x+6, y, 2.2, ringInk) }},
	}
	keys = append(keys, g.keys()...)
	below := 34.0
	if g.sliding() {
		below += 9
	}
	keysW := 0.0
	for _, k := range keys {
		keysW = max(keysW, 16+inkTick.width(k.text))
	}
	title := h.title(fmt.Sprintf("Score by layer: layer %d holds %s", best, percent(sum[best]/total)))
	return page(heading{title, h.facts(), h.warning()}, axis+w+16+keysW, height+below, func(p *pen, x, y float64) {
		hi := 100 * sum[best] / total * 1.04
		dots := 0
		for _, n := range inTop {
			dots = max(dots, n)
		}
		// Room over the tallest bar for the dots of top heads.
		hi *= 1 + 0.035*float64(min(dots, 8))
		a := panel{x: x + axis, y: y + 6, w: w, h: height, xmin: 0, xmax: float64(h.Layers), ymin: 0, ymax: hi}
		yt := niceTicks(0, hi, 5)
		for _, t := range yt {
			p.line(stroke{grey90, 0.6, nil}, a.x, a.py(t.at), a.x+a.w, a.py(t.at))
			p.text(a.x-6, a.py(t.at), t.label, inkTick, right)
		}
		p.upText(a.x-36, a.y+a.h/2, "share of total score, %", inkAxis)
		base := a.y + a.h
		for l, v := range sum {
			var fill color.Color = blue
			bx, bw := a.px(float64(l))+0.1*step, 0.8*step
			by := a.py(100 * v / total)
			p.rect(bx, by, bw, base-by, fill)
			for i := range min(inTop[l], 8) {
				r := min(2.2, step*0.3)
				p.disc(bx+bw/2, by-4-float64(i)*(2*r+1), r, ringInk)
			}
			if h.Window != nil && h.Window[l] > 0 {
				slidingMarkFlat(p, a.px(float64(l))+0.05*step, base+2, 0.9*step, 6)
			}
		}
		even := a.py(100 / float64(h.Layers))
		p.line(stroke{grey40, 0.9, []float64{3, 2}}, a.x, even, a.x+a.w, even)
		p.line(stroke{grey60, 0.8, nil}, a.x, base, a.x+a.w, base)
		if g.sliding() {
			base += 8
		}
		for _, t := range indexTicks(h.Layers, step, 16) {
			p.text(a.px(t.at+0.5), base+9, t.label, inkTick, middle)
		}
		p.text(a.x+a.w/2, base+23, "layer", inkAxis, middle)
		ky := y + 10
		for _, k := range keys {
			k.draw(p, a.x+a.w+16, ky)
			p.text(a.x+a.w+32, ky, k.text, inkTick, left)
			ky += 14
		}
	}), nil
}

// slidingMarkFlat is the sign for a sliding-window layer on a horizontal axis.
func slidingMarkFlat(p *pen, x, y, w, h float64) {
	p.rect(x, y, w, h, slidingPaper)
	p.hatch(x, y, w, h, 2.6, stroke{slidingInk, 0.8, nil})
}
