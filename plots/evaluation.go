package plots

import (
	"fmt"
	"math"
)

// Evaluation is what a model scores under eviction policies at several cache
// sizes. X of each point is the share of the full cache that was kept, in
// (0, 1].
type Evaluation struct {
	Meta
	Task     string // e.g. "retrieval needles"
	Label    string // the score and its unit, e.g. "pass rate" or "F1"
	Lines    []Line // one a policy
	Full     Point  // Y: the score with the full cache, NaN where unknown; X is not read
	Interval string // what Low and High are; "" means "95 % bootstrap interval"
}

// Eval draws score against the share of the cache kept, on a logarithmic axis:
// budgets are usually doubled.
func Eval(e Evaluation) (*Figure, error) {
	if err := e.Meta.check(); err != nil {
		return nil, err
	}
	if err := checkLines("evaluation", e.Lines); err != nil {
		return nil, err
	}
	for _, l := range e.Lines {
		for _, q := range l.Points {
			if q.X <= 0 || q.X > 1.0001 {
				return nil, fmt.Errorf("plot: evaluation, line %q: a share of %g of the cache is impossible", l.Name, q.X)
			}
		}
	}
	xlo, xhi, ylo, yhi := bounds(e.Lines)
	full := finite(e.Full.Y)
	if full {
		ylo, yhi = min(ylo, e.Full.Y), max(yhi, e.Full.Y)
	}
	label := e.Label
	if label == "" {
		label = "score"
	}
	ylo, yhi = roomy(ylo, yhi)
	pad := math.Pow(xhi/xlo, 0.05) // the outermost bars stay inside
	if xhi <= xlo {
		pad = 1.5
	}
	var keys []key
	for i, l := range e.Lines {
		keys = append(keys, lineKey(l.Name, i))
	}
	if full {
		keys = append(keys, key{"full cache", func(p *pen, x, y float64) { p.line(stroke{grey40, 0.9, []float64{3, 2}}, x, y, x+18, y) }})
	}
	keyW := 0.0
	for _, k := range keys {
		keyW = max(keyW, 24+inkTick.width(k.text))
	}
	const axis, wide, tall = 50.0, 360.0, 240.0
	title := "Score against cache kept"
	if e.Task != "" {
		title = capital(shorten(e.Task, 60)) + ": score against cache kept"
	}
	var extra []string
	if anyBar(e.Lines) {
		extra = append(extra, "bars: "+intervalName(e.Interval))
	}
	return page(heading{title: title, facts: append(e.facts(), extra...)}, axis+wide+18+keyW, tall+36, func(p *pen, x, y float64) {
		a := panel{x: x + axis, y: y + 4, w: wide, h: tall, xmin: xlo / pad, xmax: xhi * pad, ymin: ylo, ymax: yhi, xlog: true}
		xt := logTicks(a.xmin, min(a.xmax, 1), func(v float64) string { return fmt.Sprintf("%.3g", 100*v) })
		a.frame(p, xt, niceTicks(ylo, yhi, 6), "share of the full cache kept, % (log scale)", label)
		if full {
			p.line(stroke{grey40, 0.9, []float64{3, 2}}, a.x, a.py(e.Full.Y), a.x+a.w, a.py(e.Full.Y))
		}
		a.series(p, e.Lines, func(i int) int { return i })
		legend(p, keys, a.x+a.w+18, y+8)
	}), nil
}

func legend(p *pen, keys []key, x, y float64) {
	for _, k := range keys {
		k.draw(p, x, y)
		p.text(x+24, y, k.text, inkTick, left)
		y += 15
	}
}

// roomy widens a range a little and lets it begin at zero where it nearly does.
func roomy(lo, hi float64) (float64, float64) {
	if hi <= lo {
		d := max(0.1*math.Abs(hi), 0.05)
		lo, hi = lo-d, hi+d
	}
	if lo >= 0 && lo < 0.6*hi {
		lo = 0
	} else {
		lo -= 0.05 * (hi - lo)
	}
	if hi <= 0 && hi > 0.6*lo {
		return lo, max(0, hi) + 0.03*(-lo)
	}
	return lo, hi + 0.05*(hi-lo)
}

func anyBar(lines []Line) bool {
	for _, l := range lines {
		for _, q := range l.Points {
			if q.hasBar() {
				return true
			}
		}
	}
	return false
}

func intervalName(s string) string {
	if s == "" {
		return "95 % bootstrap interval"
	}
	return s
}
