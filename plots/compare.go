package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// Compare draws two profiles of models of one shape side by side and against
// each other. The title gives Spearman's rank correlation over the heads that
// both score and the overlap of the two top lists; a.Top sets their length for
// both. Heads that only one profile puts on top are named.
func Compare(a, b Heads) (*Figure, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("first profile: %w", err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("second profile: %w", err)
	}
	if a.Layers != b.Layers || a.Heads != b.Heads {
		return nil, fmt.Errorf("plot: profiles of %d × %d and %d × %d layers × heads cannot be compared head by head", a.Layers, a.Heads, b.Layers, b.Heads)
	}
	v, err := newVersus(a, b)
	if err != nil {
		return nil, err
	}
	const mapW, mapH, side, gap = 236.0, 300.0, 272.0, 18.0
	ga, gb := a.grid(mapW, mapH), b.grid(mapW, mapH)
	// One scale for both maps, so that equal shades mean equal values: the
	// scores themselves where they are of one kind, else shares of each
	// profile's best score.
	s, fa, fb, label := v.scale()
	ga.fill, gb.fill = shades(a.Score, s, fa), shades(b.Score, s, fb)
	ga.outline = max(len(v.topA), len(v.topB)) > manyMarks
	gb.outline = ga.outline
	ticks := niceTicks(s.lo, s.hi, 5)
	bar := barWidth(ticks)
	// Flat maps stand above each other, others side by side.
	dx, dy := ga.left()+ga.width()+gap, 0.0
	if h := ga.height() + ga.below(); 2*h+24 <= side+60 {
		dx, dy = 0, h+24
	}
	barX := ga.left() + dx + max(ga.width(), 40) + 12
	maps := barX + bar
	w := maps + gap + 40 + side
	height := 16 + max(dy+ga.height()+ga.below(), side+32) + 20
	title := fmt.Sprintf("Two profiles: %s%d of the top %s shared", v.rho(), v.shared, counted(v.k, "head"))
	if v.k == 0 {
		title = "Two profiles without a head above 0"
	}
	fact := func(name string, h Heads) []string {
		f := append(h.Meta.facts(), "")
		f[0] = "\n" + name + ": " + f[0]
		return f
	}
	barH := max(inkTick.width(label)+4, min(dy+ga.height(), 260))
	height = max(height, 16+barH+4)
	extra := append(fact("A", a), fact("B", b)...)
	var warn []string
	for i, w := range []string{a.warning(), b.warning()} {
		if w != "" {
			warn = append(warn, string(rune('A'+i))+": "+w)
		}
	}
	return page(heading{a.title(title), extra, strings.Join(warn, "; ")}, w, height, func(p *pen, x, y float64) {
		y += 16
		ax := x + ga.left()
		for _, m := range []struct {
			name string
			g    headGrid
			x, y float64
			top  []place
		}{{"A", ga, ax, y, v.topA}, {"B", gb, ax + dx, y + dy, v.topB}} {
			p.text(m.x, m.y-10, m.name, inkListHd, left)
			m.g.draw(p, m.x, m.y)
			for i := len(m.top) - 1; i >= 0; i-- {
				if v.both[m.top[i].id()] {
					m.g.ringHead(p, m.x, m.y, m.top[i])
				} else {
					m.g.dashHead(p, m.x, m.y, m.top[i])
				}
			}
		}
		colourBar(p, s, x+barX, y, barH, label, ticks)
		sx := x + maps + gap + 40
		p.text(sx, y-10, v.scatterTitle(), inkListHd, left)
		v.scatter(p, sx, y, side)
		ky := y + height - 16 - 6
		keysInRow(p, v.keys(ga), x+ga.left(), ky)
	}), nil
}

// versus is what two profiles have in common.
type versus struct {
	a, b       Heads
	k          int
	topA, topB []place
	both       map[[2]int]bool // heads on both top lists
	shared     int
	spearman   float64
	pairs      []pair
	same       bool // one method and one way of decoding: scores share a scale
}

type pair struct {
	place      // score of A
	b          float64
	rankA, rkB float64
	inA, inB   bool
}

func (t place) id() [2]int { return [2]int{t.layer, t.head} }

func newVersus(a, b Heads) (*versus, error) {
	v := &versus{a: a, b: b, both: map[[2]int]bool{},
		same: a.Method != "" && a.Method == b.Method && a.Decode == b.Decode && a.label() == b.label()}
	top := a.Top
	for _, h := range []Heads{a, b} { // as many as the shorter list names, at most
		if n := len(h.ranked()); h.Listed && (top <= 0 || n < top) {
			top = n
		}
	}
	v.topA, v.topB = a.top(top), b.top(top)
	v.k = max(len(v.topA), len(v.topB))
	inA, inB := map[[2]int]bool{}, map[[2]int]bool{}
	for _, t := range v.topA {
		inA[t.id()] = true
	}
	for _, t := range v.topB {
		inB[t.id()] = true
		if inA[t.id()] {
			v.both[t.id()] = true
			v.shared++
		}
	}
	var xs, ys []float64
	for l := range a.Layers {
		for h := range a.Heads {
			s, t := a.Score[l][h], b.Score[l][h]
			if math.IsNaN(s) || math.IsNaN(t) {
				continue
			}
			id := [2]int{l, h}
			v.pairs = append(v.pairs, pair{place: place{l, h, s}, b: t, inA: inA[id], inB: inB[id]})
			xs, ys = append(xs, s), append(ys, t)
		}
	}
	if len(v.pairs) == 0 {
		return nil, fmt.Errorf("plot: the two profiles score no head in common")
	}
	rx, ry := ranks(xs), ranks(ys)
	v.spearman = stat.Correlation(rx, ry, nil)
	if a.Listed || b.Listed {
		v.spearman = math.NaN() // of the heads that are not listed no order is known
	}
	for i := range v.pairs {
		v.pairs[i].rankA, v.pairs[i].rkB = rx[i], ry[i]
	}
	return v, nil
}

func (v *versus) rho() string {
	if math.IsNaN(v.spearman) { // one profile is constant or a list: no order to compare
		return ""
	}
	return fmt.Sprintf("Spearman %.2f, ", v.spearman)
}

// ranks gives each value its rank from 1; equal values share the mean rank.
func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(v[i], v[j]) })
	r := make([]float64, len(v))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && v[order[j]] == v[order[i]] {
			j++
		}
		for _, o := range order[i:j] {
			r[o] = float64(i+j+1) / 2
		}
		i = j
	}
	return r
}

// dashHead rings a head that only one profile puts on top.
func (g headGrid) dashHead(p *pen, x, y float64, at place) {
	cx, cy := x+(float64(at.head)+0.5)*g.cellW, y+(float64(at.layer)+0.5)*g.cellH
	if g.outline {
		w := min(1.2, g.cellW*0.22)
		p.box(x+float64(at.head)*g.cellW+w/2, y+float64(at.layer)*g.cellH+w/2, g.cellW-w, g.cellH-w, stroke{ringInk, w, []float64{2, 1.6}})
		return
	}
	r, w := g.ringSize()
	p.ring(cx, cy, r, stroke{white, w + 1.4, nil})
	p.ring(cx, cy, r, stroke{ringInk, w, []float64{2, 1.6}})
}

// scale is that of both maps: s for values of A times fa and of B times fb.
func (v *versus) scale() (s scale, fa, fb float64, label string) {
	sa, sb := v.a.scale(), v.b.scale()
	if v.same {
		return scale{lo: min(sa.lo, sb.lo), hi: max(sa.hi, sb.hi)}, 1, 1, v.a.label()
	}
	share := func(s scale) float64 {
		if s.hi <= 0 {
			return 0
		}
		return 1 / s.hi
	}
	fa, fb = share(sa), share(sb)
	return scale{lo: min(sa.lo*fa, sb.lo*fb), hi: 1}, fa, fb, "share of the profile's best score"
}

// shades colours cells by their scores, times a factor, on a scale.
func shades(score [][]float64, s scale, factor float64) func(r, c int) color.Color {
	return func(r, c int) color.Color {
		if math.IsNaN(score[r][c]) {
			return nil
		}
		return shade(s.at(score[r][c] * factor))
	}
}

func (v *versus) scatterTitle() string {
	if v.same {
		return "A against B, one dot a head"
	}
	return "A against B, each on its own scale"
}

func (v *versus) keys(g headGrid) []key {
	var k []key
	if v.k > 0 {
		k = append(k, key{fmt.Sprintf("in the top %d of both", v.k), g.ringSign(nil)}, key{"of one only", g.ringSign([]float64{2, 1.6})})
	}
	if v.same {
		k = append(k, key{"equal scores", func(p *pen, x, y float64) { p.line(stroke{grey60, 0.8, []float64{3, 2}}, x, y+4, x+11, y-4) }})
	}
	return append(k, g.keys()...)
}

// scatter draws B over A with the diagonal of equal scores.
func (v *versus) scatter(p *pen, x, y, side float64) {
	sa, sb := v.a.scale(), v.b.scale()
	if v.same { // one scale for both axes
		sa = scale{lo: min(sa.lo, sb.lo), hi: max(sa.hi, sb.hi)}
		sb = sa
	}
	axis := func(s scale) (lo, hi float64, t []tick) {
		if s.hi <= s.lo {
			s.hi = s.lo + 1
		}
		hi = s.hi + 0.05*(s.hi-s.lo)
		lo = s.lo - 0.02*(hi-s.lo)
		return lo, hi, niceTicks(s.lo, hi, 5)
	}
	a := panel{x: x, y: y, w: side, h: side}
	var xt, yt []tick
	a.xmin, a.xmax, xt = axis(sa)
	a.ymin, a.ymax, yt = axis(sb)
	for _, m := range xt {
		p.line(stroke{grey90, 0.6, nil}, a.px(m.at), a.y, a.px(m.at), a.y+a.h)
	}
	a.frame(p, xt, yt, "A: "+v.a.label(), "B: "+v.b.label())
	if v.same {
		p.line(stroke{grey60, 0.8, []float64{3, 2}}, a.px(a.xmin), a.py(a.ymin), a.px(a.xmax), a.py(a.ymax))
	}
	r := 1.9
	if len(v.pairs) > 1500 {
		r = 1.3
	}
	big := 3.0
	if v.k > manyMarks {
		big = 2
	}
	var marked []pair
	for _, q := range v.pairs {
		if q.inA || q.inB {
			marked = append(marked, q)
			continue
		}
		p.disc(a.px(q.score), a.py(q.b), r, dotInk)
	}
	var taken, dots []box4
	for _, q := range v.pairs {
		dots = append(dots, box4{a.px(q.score) - r, a.py(q.b) - r, 2 * r, 2 * r})
	}
	for _, q := range marked {
		cx, cy := a.px(q.score), a.py(q.b)
		taken = append(taken, box4{cx - 3, cy - 3, 6, 6})
		if q.inA && q.inB {
			p.disc(cx, cy, big, ringInk)
			continue
		}
		p.disc(cx, cy, big-0.2, white)
		p.ring(cx, cy, big-0.2, stroke{ringInk, 1.3 * big / 3, nil})
	}
	// Names for the heads on one list only, widest rank gap first.
	sort.SliceStable(marked, func(i, j int) bool { return marked[i].gap() > marked[j].gap() })
	named := 0
	for _, q := range marked {
		if q.inA && q.inB || named == 10 {
			continue
		}
		cx, cy, s := a.px(q.score), a.py(q.b), headName(q.layer, q.head)
		if placeLabel(p, a, cx, cy, s, &taken, dots) {
			named++
		}
	}
}

func (q pair) gap() float64 { return math.Abs(q.rankA - q.rkB) }

var dotInk color.Color = hex(0x9fb6c6)

// box4 is a rectangle: left, top, width, height.
type box4 struct{ x, y, w, h float64 }

func (b box4) meets(c box4) bool {
	return b.x < c.x+c.w && c.x < b.x+b.w && b.y < c.y+c.h && c.y < b.y+b.h
}

// placeLabel writes s beside a dot where it meets nothing that is taken and no
// other dot, or not at all.
func placeLabel(p *pen, a panel, x, y float64, s string, taken *[]box4, dots []box4) bool {
	k := ink{7.5, false, grey15}
	w, h := k.width(s), 8.0
	for _, d := range [][2]float64{
		{5, -h / 2}, {-5 - w, -h / 2}, {-w / 2, -5 - h}, {-w / 2, 5}, {4, -4 - h}, {4, 4}, {-4 - w, -4 - h}, {-4 - w, 4},
		{10, -h * 1.6}, {10, h * 0.6}, {-10 - w, -h * 1.6}, {-10 - w, h * 0.6},
	} {
		b := box4{x + d[0], y + d[1], w, h}
		free := b.x >= a.x && b.x+b.w <= a.x+a.w && b.y >= a.y && b.y+b.h <= a.y+a.h
		for _, t := range *taken {
			free = free && !b.meets(t)
		}
		for _, t := range dots {
			free = free && !b.meets(t)
		}
		if free {
			*taken = append(*taken, b)
			p.rect(b.x-1, b.y, b.w+2, b.h, white)
			p.text(b.x, b.y+h/2, s, k, left)
			return true
		}
	}
	return false
}
