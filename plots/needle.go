package plots

import (
	"fmt"
	"image/color"
	"math"
	"sort"
)

// NeedleGrid is the pass rate over context length and needle depth. Row r of
// Trials and Passed belongs to Depths[r], column c to Lengths[c].
type NeedleGrid struct {
	Meta
	Lengths []int     // context lengths in tokens, ascending
	Depths  []float64 // needle depths in percent, 0 = start of the context, ascending
	Trials  [][]int   // [depth][length]; 0: no trial ran there
	Passed  [][]int   // [depth][length]
	Kind    string    // "retrieval" or "reasoning"; "" for both
}

func (n NeedleGrid) check() error {
	if err := n.Meta.check(); err != nil {
		return err
	}
	rows, cols := len(n.Depths), len(n.Lengths)
	if rows == 0 || cols == 0 {
		return fmt.Errorf("plot: nothing to draw: %d depths and %d lengths", rows, cols)
	}
	if rows > maxSide || cols > maxSide {
		return fmt.Errorf("plot: %d depths of %d lengths are more than the %d × %d that a picture can hold", rows, cols, maxSide, maxSide)
	}
	if !sort.IntsAreSorted(n.Lengths) || !sort.Float64sAreSorted(n.Depths) {
		return fmt.Errorf("plot: lengths and depths of a needle grid must ascend")
	}
	for _, t := range []struct {
		name string
		v    [][]int
	}{{"trials", n.Trials}, {"passes", n.Passed}} {
		if len(t.v) != rows {
			return fmt.Errorf("plot: %s for %d depths, but there are %d", t.name, len(t.v), rows)
		}
		for r := range t.v {
			if len(t.v[r]) != cols {
				return fmt.Errorf("plot: %s for %d lengths at depth %g, but there are %d", t.name, len(t.v[r]), n.Depths[r], cols)
			}
		}
	}
	some := false
	for r := range rows {
		for c := range cols {
			if n.Passed[r][c] < 0 || n.Passed[r][c] > n.Trials[r][c] {
				return fmt.Errorf("plot: %d passed of %d trials at depth %g %%, length %d is impossible", n.Passed[r][c], n.Trials[r][c], n.Depths[r], n.Lengths[c])
			}
			some = some || n.Trials[r][c] > 0
		}
	}
	if !some {
		return fmt.Errorf("plot: no trial has run yet: nothing to draw")
	}
	return nil
}

// Needle draws the needle grid: context length to the right, depth downwards
// as in the text, dark where trials pass. Counts stand in the cells where
// there is room.
func Needle(n NeedleGrid) (*Figure, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	rows, cols := len(n.Depths), len(n.Lengths)
	half := func(v float64) float64 { return math.Floor(2*v) / 2 }
	g := grid{rows: rows, cols: cols,
		// Few cells grow until the axes' labels fit beside them.
		cellW: half(max(3, 110/float64(cols), min(40, 480/float64(cols)))),
		cellH: half(max(3, 84/float64(rows), min(24, 320/float64(rows))))}
	rate := func(r, c int) float64 { return float64(n.Passed[r][c]) / float64(n.Trials[r][c]) }
	holes := false
	g.fill = func(r, c int) color.Color {
		if n.Trials[r][c] == 0 {
			holes = true
			return nil
		}
		return shade(rate(r, c))
	}
	for r := range rows {
		for c := range cols {
			g.fill(r, c)
		}
	}
	title := "Pass rate by needle depth and context length"
	if n.Kind != "" {
		title = "Pass rate of " + n.Kind + " needles by depth and context length"
	}
	ticks := []tick{{0, "0"}, {0.25, "25"}, {0.5, "50"}, {0.75, "75"}, {1, "100"}}
	s := scale{0, 1, false}
	below := 34.0
	if holes {
		below += 16
	}
	barH := max(inkTick.width("trials passed, %")+4, min(g.height(), 220))
	w := axisW + g.width() + 14 + barWidth(ticks)
	return page(heading{title: n.title(title), facts: n.facts()}, w, max(g.height()+below, barH+4), func(p *pen, x, y float64) {
		gx := x + axisW
		g.draw(p, gx, y)
		if g.cellW > 10 && g.cellH > 8 { // white joints, so that cells can be counted
			for c := 1; c < cols; c++ {
				p.line(stroke{white, 0.8, nil}, gx+float64(c)*g.cellW, y+0.5, gx+float64(c)*g.cellW, y+g.height()-0.5)
			}
			for r := 1; r < rows; r++ {
				p.line(stroke{white, 0.8, nil}, gx+0.5, y+float64(r)*g.cellH, gx+g.width()-0.5, y+float64(r)*g.cellH)
			}
		}
		n.counts(p, g, gx, y)
		n.axes(p, g, gx, y)
		if holes {
			hy := y + g.height() + 44
			missing(p, gx, hy-4.5, 9, 9)
			p.box(gx, hy-4.5, 9, 9, stroke{grey60, 0.6, nil})
			p.text(gx+15, hy, "no trial at this depth and length", inkTick, left)
		}
		colourBar(p, s, gx+g.width()+14, y, barH, "trials passed, %", ticks)
	}), nil
}

// counts prints passed/trials where every label fits its cell.
func (n NeedleGrid) counts(p *pen, g grid, x, y float64) {
	k := ink{min(8, g.cellH*0.5), false, black}
	for r := range g.rows {
		for c := range g.cols {
			if k.width(n.count(r, c)) > g.cellW-4 {
				k.size = 4 * k.size / 5
			}
		}
	}
	if k.size < 5 {
		return
	}
	for r := range g.rows {
		for c := range g.cols {
			if n.Trials[r][c] == 0 {
				continue
			}
			k.color = onShade(float64(n.Passed[r][c]) / float64(n.Trials[r][c]))
			p.text(x+(float64(c)+0.5)*g.cellW, y+(float64(r)+0.5)*g.cellH, n.count(r, c), k, middle)
		}
	}
}

func (n NeedleGrid) count(r, c int) string {
	return fmt.Sprintf("%d/%d", n.Passed[r][c], n.Trials[r][c])
}

func (n NeedleGrid) axes(p *pen, g grid, x, y float64) {
	wide := 0.0
	for r := 0; r < g.rows; r += 1 + int(10/g.cellH) {
		label := value(n.Depths[r])
		if n.Depths[r] == math.Trunc(n.Depths[r]) {
			label = fmt.Sprintf("%.0f", n.Depths[r])
		}
		wide = max(wide, inkTick.width(label))
		p.text(x-4, y+(float64(r)+0.5)*g.cellH, label, inkTick, right)
	}
	p.upText(x-4-wide-9, y+g.height()/2, "needle depth, %", inkAxis)
	widest := 0.0
	for _, l := range n.Lengths {
		widest = max(widest, inkTick.width(thousands(l)))
	}
	for c := 0; c < g.cols; c += int(math.Ceil((widest + 5) / g.cellW)) {
		p.text(x+(float64(c)+0.5)*g.cellW, y+g.height()+9, thousands(n.Lengths[c]), inkTick, middle)
	}
	p.text(x+g.width()/2, y+g.height()+23, "context length, tokens", inkAxis, middle)
}
