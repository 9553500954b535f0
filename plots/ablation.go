package plots

import (
	"cmp"
	"fmt"
	"math"
)

// Ablation is the causal test of a profile: what masking heads does. X of each
// point is the number of masked heads. A panel without lines is left out.
type Ablation struct {
	Meta
	PassRate []Line // pass rate in [0, 1] for each choice of heads (top, random, bottom)
	LogProb  []Line // change of the answer's log-probability against no masking, in nats
	Name     string // of both panels; "": none
	More     []AblationPanel
	Interval string // what Low and High are; "" means "95 % interval (random: over seeds)"
}

// AblationPanel is the change of the answer's log-probability, in nats, under
// another ablation.
type AblationPanel struct {
	Name  string
	X     string // what X counts; "": masked heads
	Lines []Line
}

// Ablate draws pass rate and log-probability change against the number of
// masked heads, a line for each choice of heads.
func Ablate(b Ablation) (*Figure, error) {
	if err := b.Meta.check(); err != nil {
		return nil, err
	}
	type part struct {
		lines   []Line
		name, x string
		label   string
		share   bool
	}
	const masked, nats = "masked heads", "change of the answer's log-probability, nats"
	var parts []part
	if len(b.PassRate) > 0 {
		parts = append(parts, part{b.PassRate, b.Name, masked, "pass rate, %", true})
	}
	if len(b.LogProb) > 0 {
		parts = append(parts, part{b.LogProb, b.Name, masked, nats, false})
	}
	for _, m := range b.More {
		parts = append(parts, part{m.Lines, m.Name, cmp.Or(m.X, masked), nats, false})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("plot: ablation without lines: nothing to draw")
	}
	// One legend serves both panels: a name keeps its colour.
	var names []string
	index := func(name string) int {
		for i, n := range names {
			if n == name {
				return i
			}
		}
		names = append(names, name)
		return len(names) - 1
	}
	for _, q := range parts {
		if err := checkLines("ablation", q.lines); err != nil {
			return nil, err
		}
		for _, l := range q.lines {
			index(l.Name)
			for _, v := range l.Points {
				if v.X < 0 {
					return nil, fmt.Errorf("plot: ablation, line %q: %g masked heads is impossible", l.Name, v.X)
				}
				if q.share && (v.Y < 0 || v.Y > 1) {
					return nil, fmt.Errorf("plot: ablation, line %q: a pass rate of %g is impossible", l.Name, v.Y)
				}
			}
		}
	}
	if len(names) > len(seriesInks) {
		return nil, fmt.Errorf("plot: %d lines in one picture cannot be told apart: draw at most %d", len(names), len(seriesInks))
	}
	var keys []key
	keyW := 0.0
	for i, n := range names {
		keys = append(keys, lineKey(n, i))
		keyW = max(keyW, 24+inkTick.width(n))
	}
	var extra []string
	interval := b.Interval
	if interval == "" {
		interval = "95 % interval (random: over seeds)"
	}
	if anyBar(b.PassRate) || anyBar(b.LogProb) {
		extra = append(extra, "bars: "+interval)
	}
	title := 0.0 // space above panels for their names
	for _, q := range parts {
		if q.name != "" {
			title = 18
		}
	}
	const axis, wide, tall, gap, most = 50.0, 270.0, 230.0, 22.0, 3 // at most so many panels a row
	n := min(len(parts), most)
	width, height := float64(n)*(axis+wide)+float64(n-1)*gap, title+tall+36
	rows := float64((len(parts) + most - 1) / most)
	return page(heading{title: "What masking heads does to the answers", facts: append(b.facts(), extra...)}, width+18+keyW, rows*height+(rows-1)*gap, func(p *pen, x, y float64) {
		for i, q := range parts {
			xlo, xhi, ylo, yhi := bounds(q.lines)
			lines := q.lines
			if q.share {
				lines = scaled(q.lines, 100)
				ylo, yhi = 0, 100
			} else {
				ylo, yhi = roomy(min(ylo, 0), max(yhi, 0))
			}
			if xhi <= xlo {
				xlo, xhi = xlo-1, xhi+1
			}
			d := 0.04 * (xhi - xlo)
			a := panel{x: x + axis + float64(i%most)*(axis+wide+gap), y: y + 4 + title + float64(i/most)*(height+gap), w: wide, h: tall, xmin: xlo - d, xmax: xhi + d, ymin: ylo, ymax: yhi}
			if q.share {
				a.ymin, a.ymax = -3, 103 // marks at 0 and 100 stay whole
			}
			a.frame(p, maskTicks(q.lines), niceTicks(ylo, yhi, 5), q.x, q.label)
			if q.name != "" {
				p.text(a.x+a.w/2, a.y-12, q.name, inkAxis, middle)
			}
			if !q.share {
				p.line(stroke{grey40, 0.9, []float64{3, 2}}, a.x, a.py(0), a.x+a.w, a.py(0))
			}
			a.series(p, lines, func(i int) int { return index(lines[i].Name) })
		}
		legend(p, keys, x+width+18, y+8)
	}), nil
}

func scaled(lines []Line, by float64) []Line {
	out := make([]Line, len(lines))
	for i, l := range lines {
		out[i].Name = l.Name
		for _, q := range l.Points {
			out[i].Points = append(out[i].Points, Point{q.X, by * q.Y, by * q.Low, by * q.High})
		}
	}
	return out
}

// maskTicks are the numbers of heads that were masked.
func maskTicks(lines []Line) []tick {
	seen := map[float64]bool{}
	var out []tick
	for _, l := range lines {
		for _, q := range l.Points {
			if !seen[q.X] && q.X == math.Trunc(q.X) {
				seen[q.X] = true
				out = append(out, tick{q.X, fmt.Sprintf("%.0f", q.X)})
			}
		}
	}
	sortTicks(out)
	return out
}
