package plots

import (
	"math"
	"strings"
)

const (
	margin   = 18.0 // white space around everything, points
	pageMin  = 400.0
	lineStep = 12.5
)

// heading is the title block of a figure.
type heading struct {
	title string
	facts []string // broken into lines between facts
	warn  string   // a caution in colour, or ""
}

// page puts a heading over content of w by h points and fits the paper to
// both. The content is drawn with its top left corner at (x, y).
func page(head heading, w, h float64, content func(p *pen, x, y float64)) *Figure {
	title, warn := head.title, head.warn
	width := max(math.Ceil(w)+2*margin, pageMin)
	inner := width - 2*margin
	if t := inkTitle.width(title); t > inner { // a title is short: widen the paper for it
		inner = math.Ceil(t)
		width = inner + 2*margin
	}
	lines := wrap(head.facts, inkSub, inner)
	top := margin + 16 + lineStep*float64(len(lines))
	if warn != "" {
		top += lineStep
	}
	top = math.Ceil(top + 10)
	return &Figure{Width: width, Height: math.Ceil(top + h + margin - 4), draw: func(p *pen) {
		y := margin + 5
		p.text(margin, y, title, inkTitle, left)
		y += 4
		for _, l := range lines {
			y += lineStep
			p.text(margin, y, l, inkSub, left)
		}
		if warn != "" {
			y += lineStep
			p.text(margin, y, "! "+warn, inkWarn, left)
		}
		content(p, margin, top)
	}}
}

// wrap joins facts with dots into as few lines as fit the width. A fact that
// begins with a newline starts a line.
func wrap(facts []string, k ink, width float64) []string {
	const sep = " · "
	var lines []string
	for _, f := range facts {
		if f == "" {
			continue
		}
		f, fresh := strings.CutPrefix(f, "\n")
		if n := len(lines); n > 0 && !fresh && k.width(lines[n-1]+sep+f) <= width {
			lines[n-1] += sep + f
			continue
		}
		lines = append(lines, f)
	}
	return lines
}
