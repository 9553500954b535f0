package plots

import "math"

// panel is a chart area with linear or logarithmic axes.
type panel struct {
	x, y, w, h             float64 // place of the data area, points
	xmin, xmax, ymin, ymax float64
	xlog                   bool
}

func (a panel) px(v float64) float64 {
	if a.xlog {
		return a.x + a.w*math.Log(v/a.xmin)/math.Log(a.xmax/a.xmin)
	}
	return a.x + a.w*(v-a.xmin)/(a.xmax-a.xmin)
}

func (a panel) py(v float64) float64 { return a.y + a.h*(1-(v-a.ymin)/(a.ymax-a.ymin)) }

// frame draws gridlines, axes, ticks and labels; data is drawn over it.
func (a panel) frame(p *pen, xt, yt []tick, xlabel, ylabel string) {
	wide := 0.0
	for _, t := range yt {
		y := a.py(t.at)
		p.line(stroke{grey90, 0.6, nil}, a.x, y, a.x+a.w, y)
		p.text(a.x-6, y, t.label, inkTick, right)
		wide = max(wide, inkTick.width(t.label))
	}
	base := a.y + a.h
	p.line(stroke{grey60, 0.8, nil}, a.x, base, a.x+a.w, base)
	end := math.Inf(-1)
	for _, t := range xt {
		x := a.px(t.at)
		p.line(stroke{grey60, 0.8, nil}, x, base, x, base+3)
		half := inkTick.width(t.label) / 2
		if x-half < end+3 { // never print one label into the next
			continue
		}
		end = x + half
		p.text(x, base+10, t.label, inkTick, middle)
	}
	p.text(a.x+a.w/2, base+24, xlabel, inkAxis, middle)
	if ylabel != "" {
		p.upText(a.x-6-wide-12, a.y+a.h/2, ylabel, inkAxis)
	}
}

// errorBar draws an interval with caps.
func (a panel) errorBar(p *pen, x, lo, hi, cap float64, s stroke) {
	if !finite(lo) || !finite(hi) {
		return
	}
	y0, y1 := a.py(lo), a.py(hi)
	p.line(s, x, y0, x, y1)
	p.line(s, x-cap, y0, x+cap, y0)
	p.line(s, x-cap, y1, x+cap, y1)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
