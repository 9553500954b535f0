package plots

import (
	"fmt"
	"image/color"
	"math"
	"sort"
	"strconv"
)

// Heads is one profile: a score for every query head or every KV head.
type Heads struct {
	Meta
	Layers, Heads int
	KVGroup       int         // query heads that share a KV head; 0 or 1: none do
	Score         [][]float64 // [layer][head]; NaN: no score
	Low, High     [][]float64 // ends of the interval of each score; nil: unknown
	Interval      string      // what Low and High are, for legends; "" means "95 % interval"
	Window        []int       // [layer] sliding window in tokens, 0: global; nil: all global
	Label         string      // what the score is, on axes; "" means "score"
	PerKV         bool        // columns are KV heads
	Listed        bool        // a list of best heads: nothing is known of those without a score
	Top           int         // heads that count as top: marked and named; 0: a twentieth of all, at least 5 and at most 20
}

// maxSide bounds layers and heads, so that a hostile table cannot ask for a
// picture that does not fit in memory.
const maxSide = 512

func (h Heads) check() error {
	if err := h.Meta.check(); err != nil {
		return err
	}
	if err := checkSize(h.Layers, h.Heads, h.KVGroup, h.Window); err != nil {
		return err
	}
	if err := checkTable("scores", h.Score, h.Layers, h.Heads); err != nil {
		return err
	}
	for _, t := range []struct {
		name string
		v    [][]float64
	}{{"interval's low ends", h.Low}, {"interval's high ends", h.High}} {
		if t.v != nil {
			if err := checkTable(t.name, t.v, h.Layers, h.Heads); err != nil {
				return err
			}
		}
	}
	if (h.Low == nil) != (h.High == nil) {
		return fmt.Errorf("plot: an interval needs both its low and its high ends")
	}
	some := false
	for l, row := range h.Score {
		for i, v := range row {
			if math.IsInf(v, 0) {
				return fmt.Errorf("plot: the score of head %s is infinite", headName(l, i))
			}
			some = some || !math.IsNaN(v)
		}
	}
	if !some {
		return fmt.Errorf("plot: no head has a score (all are NaN): did any trial pass?")
	}
	return nil
}

func checkSize(layers, heads, group int, window []int) error {
	if layers < 1 || heads < 1 {
		return fmt.Errorf("plot: nothing to draw: %d layers of %d heads", layers, heads)
	}
	if layers > maxSide || heads > maxSide {
		return fmt.Errorf("plot: %d layers of %d heads are more than the %d × %d that a picture can hold", layers, heads, maxSide, maxSide)
	}
	if group < 0 || (group > 1 && heads%group != 0) {
		return fmt.Errorf("plot: %d heads cannot share KV heads in groups of %d", heads, group)
	}
	if window != nil && len(window) != layers {
		return fmt.Errorf("plot: windows for %d layers, but the model has %d", len(window), layers)
	}
	return nil
}

func checkTable[T any](name string, t [][]T, layers, heads int) error {
	if len(t) != layers {
		return fmt.Errorf("plot: %s for %d layers, but the model has %d", name, len(t), layers)
	}
	for l, row := range t {
		if len(row) != heads {
			return fmt.Errorf("plot: %s for %d heads in layer %d, but the model has %d", name, len(row), l, heads)
		}
	}
	return nil
}

// place is one head and its score.
type place struct {
	layer, head int
	score       float64
}

// ranked lists the heads that have a score, best first; ties by lowest layer,
// then lowest head, as everywhere in headprof.
func (h Heads) ranked() []place {
	var all []place
	for l, row := range h.Score {
		for i, v := range row {
			if !math.IsNaN(v) {
				all = append(all, place{l, i, v})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].score > all[j].score })
	return all
}

// top are the first k ranked heads, without those at or below zero: a head
// that scores nothing is no top head.
func (h Heads) top(k int) []place {
	if k <= 0 {
		k = max(5, min(20, h.Layers*h.Heads/20))
	}
	r := h.ranked()
	n := 0
	for n < len(r) && n < k && r[n].score > 0 {
		n++
	}
	return r[:n]
}

func (h Heads) label() string {
	if h.Label != "" {
		return h.Label
	}
	return "score"
}

// hasIntervals reports whether any head's interval is known.
func (h Heads) hasIntervals() bool {
	for l := range h.Low {
		for i := range h.Low[l] {
			if finite(h.Low[l][i]) && finite(h.High[l][i]) {
				return true
			}
		}
	}
	return false
}

func (h Heads) columns() string {
	if h.PerKV {
		return "KV head"
	}
	return "query head"
}

func (h Heads) interval() string {
	if h.Interval != "" {
		return h.Interval
	}
	return "95 % interval"
}

// scale runs from zero (or the lowest score, where that is negative) to the
// highest score.
func (h Heads) scale() scale {
	s := scale{}
	for _, r := range h.ranked() {
		s.lo, s.hi = min(s.lo, r.score), max(s.hi, r.score)
	}
	return s
}

func (h Heads) grid(w, hh float64) headGrid {
	s, side := h.scale(), cell(h.Layers, h.Heads, w, hh)
	return headGrid{
		grid: grid{rows: h.Layers, cols: h.Heads, cellW: side, cellH: side, fill: func(r, c int) color.Color {
			if math.IsNaN(h.Score[r][c]) {
				return nil
			}
			return shade(s.at(h.Score[r][c]))
		}},
		window: h.Window, group: h.KVGroup, columns: h.columns(),
	}
}

// ringInk stands out from every shade, under every kind of colour vision: no
// shade of the palette is warm.
var ringInk = hex(0xe8590c)

// manyMarks is how many heads are ringed at most. More rings hide the map under
// them, so the cells themselves get an outline then.
const manyMarks = 40

// ringHead rings a head; a white line outside keeps the ring apart from dark
// neighbours. Rings on small cells stand around them, on large cells inside.
func (g headGrid) ringHead(p *pen, x, y float64, at place) {
	if g.outline {
		w := min(1.2, g.cellW*0.22)
		p.box(x+float64(at.head)*g.cellW+w/2, y+float64(at.layer)*g.cellH+w/2, g.cellW-w, g.cellH-w, stroke{ringInk, w, nil})
		return
	}
	cx, cy := x+(float64(at.head)+0.5)*g.cellW, y+(float64(at.layer)+0.5)*g.cellH
	r, w := g.ringSize()
	p.ring(cx, cy, r, stroke{white, w + 1.4, nil})
	p.ring(cx, cy, r, stroke{ringInk, w, nil})
}

func (g headGrid) ringSize() (radius, width float64) {
	if g.cellW >= 11 {
		return g.cellW/2 - 1.4, 1.5
	}
	return max(g.cellW*0.6, 4.2), 1.3
}

// HeadMap draws a profile as layers × heads, the top heads ringed and listed.
func HeadMap(h Heads) (*Figure, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	g, s, top := h.grid(432, 560), h.scale(), h.top(h.Top)
	g.outline = len(top) > manyMarks
	ticks := niceTicks(s.lo, s.hi, 5)

	// The column on the right: colour bar, list of top heads, legend.
	barX := g.left() + g.width() + 14
	listX := barX + barWidth(ticks) + 14
	rows := len(top)
	listSpace := max(g.height(), 230)
	keys := h.keys(g, len(top))
	legendH := float64(len(keys)) * 14
	if limit := int((listSpace - legendH - 26) / 12); rows > limit {
		rows = max(0, limit-1)
	}
	listH := 14 + 12*float64(rows)
	if rows < len(top) {
		listH += 12
	}
	digits := decimals(s.hi)
	column := inkList.width(decimal(s.hi, digits))
	listW := inkListHd.width("No head scores above 0")
	for _, t := range top[:rows] {
		listW = max(listW, 70+column+8+inkList.width(h.spread(t, digits)))
	}
	for _, k := range keys {
		listW = max(listW, 16+inkTick.width(k.text))
	}
	barH := max(inkTick.width(h.label())+4, min(g.height(), 260))
	height := max(g.height()+g.below(), listH+12+legendH, barH+4, 120)
	title := "Score of every attention head"
	if h.PerKV {
		title = "Score of every KV head"
	}
	return page(heading{h.title(title), h.facts(), h.warning()}, listX+listW, height, func(p *pen, x, y float64) {
		gx := x + g.left()
		g.draw(p, gx, y)
		for i := len(top) - 1; i >= 0; i-- { // best last, on top
			g.ringHead(p, gx, y, top[i])
		}
		if g.cellW >= 13 && !g.outline {
			for i, t := range top {
				k := ink{min(8, g.cellW*0.46), true, onShade(s.at(t.score))}
				p.text(gx+(float64(t.head)+0.5)*g.cellW, y+(float64(t.layer)+0.5)*g.cellH, strconv.Itoa(i+1), k, middle)
			}
		}
		colourBar(p, s, x+barX, y, barH, h.label(), ticks)
		lx, ly := x+listX, y+5
		if len(top) > 0 {
			p.text(lx, ly, "Top "+counted(len(top), "head"), inkListHd, left)
		} else {
			p.text(lx, ly, "No head scores above 0", inkListHd, left)
		}
		for i, t := range top[:rows] {
			ly += 12
			p.text(lx+12, ly, strconv.Itoa(i+1), inkTick, right)
			p.text(lx+18, ly, headName(t.layer, t.head), inkList, left)
			p.text(lx+70+column, ly, decimal(t.score, digits), inkList, right)
			p.text(lx+70+column+8, ly, h.spread(t, digits), inkList, left)
		}
		if rows < len(top) {
			ly += 12
			p.text(lx+18, ly, fmt.Sprintf("and %d more", len(top)-rows), inkTick, left)
		}
		ly += 20
		for _, k := range keys {
			k.draw(p, lx, ly)
			p.text(lx+16, ly, k.text, inkTick, left)
			ly += 14
		}
	}), nil
}

// spread writes the interval of a head's score, or "" where it is unknown.
func (h Heads) spread(t place, digits int) string {
	if h.Low == nil || !finite(h.Low[t.layer][t.head]) || !finite(h.High[t.layer][t.head]) {
		return ""
	}
	return "[" + decimal(h.Low[t.layer][t.head], digits) + ", " + decimal(h.High[t.layer][t.head], digits) + "]"
}

// key is one line of a legend; draw paints its sign in 12 points from x.
type key struct {
	text string
	draw func(p *pen, x, y float64)
}

// keysInRow writes a legend on one line.
func keysInRow(p *pen, keys []key, x, y float64) {
	for _, k := range keys {
		k.draw(p, x, y)
		p.text(x+16, y, k.text, inkTick, left)
		x += 16 + inkTick.width(k.text) + 18
	}
}

// missingKey explains hatched cells.
func missingKey(text string) key {
	return key{text, func(p *pen, x, y float64) {
		missing(p, x+1, y-4.5, 9, 9)
		p.box(x+1, y-4.5, 9, 9, stroke{grey60, 0.6, nil})
	}}
}

// keys explain the signs that this map uses, and no others.
func (h Heads) keys(g headGrid, rings int) []key {
	var k []key
	if rings > 0 {
		what := "top head"
		if g.cellW >= 13 && !g.outline {
			what = "top head, by rank"
		}
		k = append(k, key{what, g.ringSign(nil)})
	}
	if h.hasIntervals() && rings > 0 {
		k = append(k, key{h.interval(), func(p *pen, x, y float64) { p.text(x+1, y, "[ ]", inkTick, left) }})
	}
	k = append(k, g.keys()...)
	for _, row := range h.Score {
		for _, v := range row {
			if math.IsNaN(v) {
				return append(k, missingKey("no score"))
			}
		}
	}
	return k
}

// ringSign is a legend's sign for a marked head.
func (g headGrid) ringSign(dash []float64) func(p *pen, x, y float64) {
	return func(p *pen, x, y float64) {
		if g.outline {
			p.box(x+1.5, y-4, 8, 8, stroke{ringInk, 1.2, dash})
			return
		}
		p.ring(x+5.5, y, 4.2, stroke{ringInk, 1.4, dash})
	}
}

// keys explain the signs of the frame.
func (g headGrid) keys() []key {
	var k []key
	if g.grouped() {
		k = append(k, key{fmt.Sprintf("%d query heads share a KV head", g.group), func(p *pen, x, y float64) {
			p.line(stroke{grey40, 0.8, nil}, x, y-1.5, x, y+1, x+11, y+1, x+11, y-1.5)
		}})
	}
	if g.sliding() {
		lo, hi := 0, 0
		for _, w := range g.window {
			if w > 0 {
				if lo == 0 || w < lo {
					lo = w
				}
				hi = max(hi, w)
			}
		}
		text := "sliding-window layer, " + thousands(lo)
		if hi != lo {
			text += " to " + thousands(hi)
		}
		k = append(k, key{text + " tokens", func(p *pen, x, y float64) { slidingMark(p, x+3, y-5, stripW, 10) }})
	}
	return k
}
