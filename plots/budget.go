package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
)

// Absent stands in Budget.Entries for a head that the model does not have or
// that has no cache, as in a recurrent layer.
const Absent = -1

// Budget is a KV-cache budget: how many entries every head keeps.
type Budget struct {
	Meta
	Layers, Heads int     // Heads counts columns of Entries: query heads, or KV heads where PerKV is set
	PerKV         bool    // one budget a KV head
	KVGroup       int     // query heads that share a KV head; 0 or 1: none do. Ignored where PerKV is set
	Entries       [][]int // [layer][head], window included; Absent
	Window        []int   // [layer] sliding window in tokens, 0: global; nil: all global
	// Shared: the query heads of a group keep one cache between them, which
	// counts once. Otherwise each keeps its own, as the published code does.
	Shared   bool
	Policy   string  // that made the budget; "": unknown
	Level    string  // what shares a budget: "kv-head", "head" or "layer"; "": unknown
	Beta     float64 // HeadKV's β; 0: unknown or none
	Capacity int     // requested entries a cache; 0: unknown
	Context  int     // context length for the full cache's size; 0: unknown
	Bytes    int64   // real bytes of all entries; 0: unknown
}

func (b Budget) check() error {
	if err := b.Meta.check(); err != nil {
		return err
	}
	if err := checkSize(b.Layers, b.Heads, b.group(), b.Window); err != nil {
		return err
	}
	if err := checkTable("entries", b.Entries, b.Layers, b.Heads); err != nil {
		return err
	}
	for l, row := range b.Entries {
		for h, n := range row {
			if n < 0 && n != Absent {
				return fmt.Errorf("plot: head %s has a budget of %d entries", headName(l, h), n)
			}
			if first := row[h-h%max(1, b.group())]; b.Shared && n != first {
				return fmt.Errorf("plot: head %s keeps %d entries of a cache that it shares with one that keeps %d", headName(l, h), n, first)
			}
		}
	}
	if b.Capacity < 0 || b.Context < 0 || b.Bytes < 0 {
		return fmt.Errorf("plot: negative capacity, context or bytes in a budget")
	}
	return nil
}

func (b Budget) group() int {
	if b.PerKV {
		return 0
	}
	return b.KVGroup
}

// total is the number of caches, of the entries that they keep, and of those
// that they would hold in full after Context tokens (sliding-window layers
// never hold more than their window).
func (b Budget) total() (caches, kept, full int) {
	step := 1
	if b.Shared {
		step = max(1, b.group())
	}
	for l, row := range b.Entries {
		whole := b.Context
		if b.Window != nil && b.Window[l] > 0 {
			whole = min(whole, b.Window[l])
		}
		for h := 0; h < len(row); h += step {
			if row[h] == Absent {
				continue
			}
			caches++
			kept += row[h]
			full += whole
		}
	}
	return caches, kept, full
}

// facts are the totals that stand in the title block.
func (b Budget) facts() []string {
	caches, kept, full := b.total()
	mean := float64(kept) / float64(max(1, caches))
	var f []string
	if b.Policy != "" {
		f = append(f, "policy "+shorten(b.Policy, 32))
	}
	if b.Level != "" {
		f = append(f, "level "+shorten(b.Level, 32))
	}
	if b.Beta > 0 {
		f = append(f, fmt.Sprintf("β %g", b.Beta))
	}
	if b.Capacity > 0 {
		f = append(f, fmt.Sprintf("capacity %s requested, %.1f on average", thousands(b.Capacity), mean))
	} else {
		f = append(f, fmt.Sprintf("%.1f entries on average", mean))
	}
	each := "query head"
	if b.PerKV || b.Shared && b.group() > 1 {
		each = "KV head"
	}
	if b.PerKV && b.Level == "head" { // such a table sums over groups
		f = append(f, "each cell sums the caches of a KV head's query heads")
	} else {
		f = append(f, counted(caches, "cache")+", one per "+each)
	}
	if b.Bytes > 0 {
		f = append(f, sizeOf(b.Bytes))
	}
	if full > 0 {
		f = append(f, fmt.Sprintf("%s of the full cache at %s tokens", percent(float64(kept)/float64(full)), thousands(b.Context)))
	}
	return f
}

// sizeOf writes bytes in binary units.
func sizeOf(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return value(v) + " " + unit
}

// manyValues is the number of different budgets up to which each gets its own
// swatch instead of a place on a colour bar.
const manyValues = 7

// BudgetMap draws a budget as layers × heads. Few different budgets get a
// swatch each, many a colour bar, logarithmic where they span more than a
// factor of 30.
func BudgetMap(b Budget) (*Figure, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	var values []int
	count, some := map[int]int{}, 0
	for _, row := range b.Entries {
		for _, n := range row {
			if n == Absent {
				continue
			}
			some++
			if count[n]++; count[n] == 1 {
				values = append(values, n)
			}
		}
	}
	if some == 0 {
		return nil, fmt.Errorf("plot: no head has a budget")
	}
	slices.Sort(values)
	lo, hi := values[0], values[len(values)-1]
	s := scale{lo: float64(lo), hi: float64(hi)}
	s.log = lo > 0 && hi > 30*lo
	swatches := len(values) <= manyValues
	at := func(n int) float64 {
		switch {
		case len(values) == 1:
			return 0.35
		case swatches:
			return 0.06 + 0.94*float64(slices.Index(values, n))/float64(len(values)-1)
		}
		return s.at(float64(n))
	}
	side := cell(b.Layers, b.Heads, 432, 560)
	g := headGrid{
		grid: grid{rows: b.Layers, cols: b.Heads, cellW: side, cellH: side, fill: func(r, c int) color.Color {
			if b.Entries[r][c] == Absent {
				return nil
			}
			return shade(at(b.Entries[r][c]))
		}},
		window: b.Window, group: b.group(), columns: "query head",
	}
	if b.PerKV {
		g.columns = "KV head"
	}
	ticks := niceTicks(s.lo, s.hi, 5)
	label := "entries kept"
	if s.log {
		ticks, label = logTicks(s.lo, s.hi, func(v float64) string { return thousands(int(math.Round(v))) }), "entries kept (log scale)"
	}
	if len(ticks) > 0 && !s.log { // entries are whole numbers
		whole := ticks[:0]
		for _, t := range ticks {
			if t.at == math.Trunc(t.at) {
				whole = append(whole, tick{t.at, thousands(int(t.at))})
			}
		}
		ticks = whole
	}
	// The least budget is what most heads have: the bar's foot says it.
	if foot := (tick{s.lo, thousands(lo)}); len(ticks) == 0 || s.at(ticks[0].at) > 0.05 {
		ticks = append([]tick{foot}, ticks...)
	}
	keys := g.keys()
	if some < b.Layers*b.Heads {
		keys = append(keys, missingKey("no cache"))
	}
	barX := g.left() + g.width() + 14
	barW, barH := barWidth(ticks), max(inkTick.width(label)+4, min(g.height(), 260))
	if swatches {
		barW = 0
		barH = 16 + 14*float64(len(values))
	}
	heads := func(n int) string {
		return fmt.Sprintf("%s entries: %s of heads", thousands(n), percent(float64(count[n])/float64(some)))
	}
	keyX, keyW, keyRow := barX+barW+14, 0.0, 0.0
	if swatches {
		keyX = barX
	}
	for _, k := range keys {
		keyW = max(keyW, 16+inkTick.width(k.text))
		keyRow += 16 + inkTick.width(k.text) + 18
	}
	// Under a wide map there is room for the legend.
	under := !swatches && keyRow < g.left()+g.width()
	if under {
		keyW = -14
	}
	if swatches {
		for _, n := range values {
			keyW = max(keyW, 16+inkTick.width(heads(n)))
		}
	}
	_, kept, _ := b.total()
	title := b.title("KV-cache budget: " + thousands(kept) + " entries")
	height := max(g.height()+g.below(), barH+14*float64(len(keys))+10)
	if under && len(keys) > 0 {
		height = g.height() + g.below() + 20
	}
	return page(heading{title, append(b.Meta.facts(), b.facts()...), b.warning()}, keyX+keyW, height, func(p *pen, x, y float64) {
		gx := x + g.left()
		g.draw(p, gx, y)
		k := ink{min(7.5, side*0.34), false, nil}
		if k.width(thousands(hi)) <= side-3 && k.size >= 5.5 {
			for r, row := range b.Entries {
				for c, n := range row {
					if n == Absent {
						continue
					}
					k.color = onShade(at(n))
					p.text(gx+(float64(c)+0.5)*side, y+(float64(r)+0.5)*side, thousands(n), k, middle)
				}
			}
		}
		ky := y + 5
		if swatches {
			p.text(x+keyX, ky, "entries kept", inkListHd, left)
			for _, n := range slices.Backward(values) {
				ky += 14
				p.rect(x+keyX+1, ky-4.5, 9, 9, shade(at(n)))
				p.box(x+keyX+1, ky-4.5, 9, 9, stroke{grey60, 0.6, nil})
				p.text(x+keyX+16, ky, heads(n), inkTick, left)
			}
			ky += 20
		} else {
			colourBar(p, s, x+barX, y, barH, label, ticks)
		}
		if under {
			keysInRow(p, keys, gx, y+g.height()+g.below()+14)
			return
		}
		for _, k := range keys {
			k.draw(p, x+keyX, ky)
			p.text(x+keyX+16, ky, k.text, inkTick, left)
			ky += 14
		}
	}), nil
}
