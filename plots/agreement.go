package plots

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
)

// Agreement is how far several rankings of the same heads agree. Matrices are
// [i][j] over Names; the diagonal is not looked at.
type Agreement struct {
	Meta
	Names     []string
	Spearman  [][]float64 // rank correlation, −1 to 1; NaN: unknown
	Low, High [][]float64 // its interval; nil or NaN: unknown
	Shared    [][]int     // heads in both top sets
	K         int         // size of the top sets
	Heads     int         // compared
	KVHeads   bool        // the heads are KV heads
	Interval  string      // what Low and High are; "" means "95 % interval"
}

const maxRankings = 64

func (a Agreement) check() error {
	if err := a.Meta.check(); err != nil {
		return err
	}
	n := len(a.Names)
	switch {
	case n < 2:
		return fmt.Errorf("plot: an agreement needs two rankings at least, not %d", n)
	case n > maxRankings:
		return fmt.Errorf("plot: %d rankings are more than the %d that a picture can hold", n, maxRankings)
	case a.K < 1:
		return fmt.Errorf("plot: top sets of %d heads", a.K)
	case (a.Low == nil) != (a.High == nil):
		return fmt.Errorf("plot: an interval needs both its low and its high ends")
	}
	for _, m := range [][][]float64{a.Spearman, a.Low, a.High} {
		if m != nil {
			if err := checkSquare(m, n); err != nil {
				return err
			}
		}
	}
	if a.Spearman == nil {
		return fmt.Errorf("plot: no rank correlations")
	}
	if err := checkSquare(a.Shared, n); err != nil {
		return err
	}
	for i := range n {
		for j := range n {
			if v := a.Spearman[i][j]; i != j && (v < -1 || v > 1) {
				return fmt.Errorf("plot: a rank correlation of %v", v)
			}
			if v := a.Shared[i][j]; i != j && (v < 0 || v > a.K) {
				return fmt.Errorf("plot: %d of %d top heads shared", v, a.K)
			}
		}
	}
	return nil
}

func checkSquare[T any](m [][]T, n int) error {
	if len(m) != n {
		return fmt.Errorf("plot: a matrix of %d rows for %d rankings", len(m), n)
	}
	for _, row := range m {
		if len(row) != n {
			return fmt.Errorf("plot: a matrix row of %d values for %d rankings", len(row), n)
		}
	}
	return nil
}

// value is what a cell shows: the rank correlation below the diagonal, the
// share of the top heads above it.
func (a Agreement) value(r, c int) float64 {
	if r > c {
		return a.Spearman[r][c]
	}
	return float64(a.Shared[r][c]) / float64(a.K)
}

// AgreementMap draws the matrix: rank correlations below the diagonal, shared
// top heads above it, on one colour scale.
func AgreementMap(a Agreement) (*Figure, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	n := len(a.Names)
	s, holes := scale{lo: 0, hi: 1}, false
	for i := range n {
		for j := range i {
			if v := a.Spearman[i][j]; math.IsNaN(v) {
				holes = true
			} else {
				s.lo = min(s.lo, math.Floor(5*v)/5)
			}
		}
	}
	side := max(14, min(52, math.Floor(2*460/float64(n))/2))
	g := grid{rows: n, cols: n, cellW: side, cellH: side, fill: func(r, c int) color.Color {
		switch v := a.value(r, c); {
		case r == c:
			return grey90
		case math.IsNaN(v):
			return nil
		default:
			return shade(s.at(v))
		}
	}}
	names := make([]string, n)
	nameW := 0.0
	for i, name := range a.Names {
		names[i] = shorten(name, 34)
		nameW = max(nameW, inkTick.width(names[i]))
	}
	ticks := niceTicks(s.lo, s.hi, 5)
	label := fmt.Sprintf("Spearman; share of the top %d", a.K)
	barH := max(inkTick.width(label)+4, min(g.height(), 260))
	gx, gy := nameW+6, nameW+6
	what := "head"
	if a.KVHeads {
		what = "KV head"
	}
	facts := append(a.facts(), counted(a.Heads, what)+" compared",
		fmt.Sprintf("\nbelow the diagonal: Spearman's rank correlation%s", a.intervalText(side)),
		fmt.Sprintf("\nabove: how many of the top %d are shared", a.K))
	height := gy + max(g.height(), barH) + 6
	if holes {
		height += 18
	}
	w := gx + g.width() + 14 + barWidth(ticks)
	return page(heading{title: a.title(fmt.Sprintf("Agreement of %d rankings", n)), facts: facts}, w, height, func(p *pen, x, y float64) {
		x, y = x+gx, y+gy
		g.draw(p, x, y)
		for i := 1; i < n; i++ { // white joints, so that cells can be told apart
			p.line(stroke{white, 0.8, nil}, x+float64(i)*side, y+0.5, x+float64(i)*side, y+g.height()-0.5)
			p.line(stroke{white, 0.8, nil}, x+0.5, y+float64(i)*side, x+g.width()-0.5, y+float64(i)*side)
		}
		for i, name := range names {
			at := (float64(i) + 0.5) * side
			p.text(x-5, y+at, name, inkTick, right)
			p.upText(x+at, y-5-inkTick.width(name)/2, name, inkTick)
		}
		a.numbers(p, g, s, x, y)
		if holes {
			hy := y + max(g.height(), barH) + 14
			k := missingKey("a ranking without differences: no correlation")
			k.draw(p, x, hy)
			p.text(x+16, hy, k.text, inkTick, left)
		}
		colourBar(p, s, x+g.width()+14, y, barH, label, ticks)
	}), nil
}

// intervalText says what stands in brackets, where it is drawn.
func (a Agreement) intervalText(side float64) string {
	if a.Low == nil || !intervalsFit(side) {
		return ""
	}
	if a.Interval != "" {
		return ", in brackets its " + a.Interval
	}
	return ", in brackets its 95 % interval"
}

func intervalsFit(side float64) bool { return side >= 38 }

// numbers prints each cell's value, and its interval where there is space.
func (a Agreement) numbers(p *pen, g grid, s scale, x, y float64) {
	side := g.cellW
	if side < 15 {
		return
	}
	size := min(9, side*0.4)
	for r := range g.rows {
		for c := range g.cols {
			v := a.value(r, c)
			if r == c || math.IsNaN(v) {
				continue
			}
			k := ink{size, false, onShade(s.at(v))}
			cx, cy := x+(float64(c)+0.5)*side, y+(float64(r)+0.5)*side
			if r < c {
				p.text(cx, cy, strconv.Itoa(a.Shared[r][c]), k, middle)
				continue
			}
			bracket := a.Low != nil && intervalsFit(side) && finite(a.Low[r][c]) && finite(a.High[r][c])
			if bracket {
				cy -= 5
			}
			p.text(cx, cy, twoDecimals(v), k, middle)
			if bracket {
				small := ink{6.5, false, k.color}
				p.text(cx, cy+11, "["+twoDecimals(a.Low[r][c])+", "+twoDecimals(a.High[r][c])+"]", small, middle)
			}
		}
	}
}

// twoDecimals writes 0.87, −0.20 and never −0.00.
func twoDecimals(v float64) string {
	text := strconv.FormatFloat(v, 'f', 2, 64)
	if text == "-0.00" {
		return "0.00"
	}
	if text[0] == '-' {
		return "−" + text[1:]
	}
	return text
}
