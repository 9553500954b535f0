package plots

import (
	"image/color"
	"math"
	"strings"
	"unicode"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// pen draws in points from the top left corner, y downwards, as pages are laid
// out; gonum's canvases count y upwards.
type pen struct {
	c draw.Canvas
	h float64
}

// ink is how text looks.
type ink struct {
	size  float64
	bold  bool
	color color.Color
}

var (
	inkTitle  = ink{12.5, true, black}
	inkSub    = ink{9, false, grey40}
	inkWarn   = ink{9, true, vermilion}
	inkAxis   = ink{9.5, false, black}
	inkTick   = ink{8, false, grey25}
	inkSmall  = ink{7, false, grey40}
	inkList   = ink{8.5, false, grey15}
	inkListHd = ink{8.5, true, grey15}
)

// align says which point of a text the given position is: its left end, its
// middle or its right end.
type align int

const (
	left align = iota
	middle
	right
)

// stroke is how a line looks.
type stroke struct {
	color color.Color
	width float64
	dash  []float64
}

var faces = font.NewCache(liberation.Collection())

func (k ink) face() font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if k.bold {
		f.Weight = xfont.WeightBold
	}
	return faces.Lookup(f, vg.Points(k.size))
}

// width is the length of s in points.
func (k ink) width(s string) float64 {
	f := k.face()
	return f.Width(s).Points()
}

// middleDrop is the distance from the vertical middle of capitals and digits
// down to the baseline, as a share of the font size (Liberation Sans: cap
// height 0.69 em).
const middleDrop = 0.345

func (p *pen) pt(x, y float64) vg.Point {
	return vg.Point{X: vg.Points(x), Y: vg.Points(p.h - y)}
}

func (p *pen) polygon(fill color.Color, xy ...float64) {
	p.c.SetColor(fill)
	p.c.Fill(p.path(xy, true))
}

func (p *pen) path(xy []float64, closed bool) vg.Path {
	var path vg.Path
	for i := 0; i+1 < len(xy); i += 2 {
		if i == 0 {
			path.Move(p.pt(xy[0], xy[1]))
		} else {
			path.Line(p.pt(xy[i], xy[i+1]))
		}
	}
	if closed {
		path.Close()
	}
	return path
}

func (p *pen) rect(x, y, w, h float64, fill color.Color) {
	p.polygon(fill, x, y, x+w, y, x+w, y+h, x, y+h)
}

func (p *pen) style(s stroke) {
	d := make([]vg.Length, len(s.dash))
	for i, v := range s.dash {
		d[i] = vg.Points(v)
	}
	p.c.SetColor(s.color)
	p.c.SetLineWidth(vg.Points(s.width))
	p.c.SetLineDash(d, 0)
}

// line strokes the points (x, y pairs) in order.
func (p *pen) line(s stroke, xy ...float64) {
	p.style(s)
	p.c.Stroke(p.path(xy, false))
}

// box strokes a rectangle's outline.
func (p *pen) box(x, y, w, h float64, s stroke) {
	p.style(s)
	p.c.Stroke(p.path([]float64{x, y, x + w, y, x + w, y + h, x, y + h}, true))
}

// round is a circle as four Bézier curves; canvases disagree about arcs.
func (p *pen) round(x, y, r float64) vg.Path {
	const k = 0.5522847498 // 4/3·(√2−1)
	var path vg.Path
	path.Move(p.pt(x+r, y))
	path.CubeTo(p.pt(x+r, y+k*r), p.pt(x+k*r, y+r), p.pt(x, y+r))
	path.CubeTo(p.pt(x-k*r, y+r), p.pt(x-r, y+k*r), p.pt(x-r, y))
	path.CubeTo(p.pt(x-r, y-k*r), p.pt(x-k*r, y-r), p.pt(x, y-r))
	path.CubeTo(p.pt(x+k*r, y-r), p.pt(x+r, y-k*r), p.pt(x+r, y))
	path.Close()
	return path
}

func (p *pen) disc(x, y, r float64, fill color.Color) {
	p.c.SetColor(fill)
	p.c.Fill(p.round(x, y, r))
}

func (p *pen) ring(x, y, r float64, s stroke) {
	p.style(s)
	p.c.Stroke(p.round(x, y, r))
}

// text writes s with its vertical middle at y.
func (p *pen) text(x, y float64, s string, k ink, a align) {
	if s = clean(s); s == "" {
		return
	}
	x -= float64(a) / 2 * k.width(s)
	p.c.SetColor(k.color)
	p.c.FillString(k.face(), p.pt(x, y+middleDrop*k.size), s)
}

// upText writes s from bottom to top, centred on (x, y).
func (p *pen) upText(x, y float64, s string, k ink) {
	s = clean(s)
	p.c.Push()
	p.c.Translate(p.pt(x, y))
	p.c.Rotate(math.Pi / 2)
	p.c.SetColor(k.color)
	p.c.FillString(k.face(), vg.Point{X: vg.Points(-k.width(s) / 2), Y: vg.Points(-middleDrop * k.size)}, s)
	p.c.Pop()
}

// clean drops what would break an SVG file or print as a box: control
// characters and bytes that are no UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// hatch fills a rectangle with diagonal lines, clipped to it.
func (p *pen) hatch(x, y, w, h, gap float64, s stroke) {
	for d := gap / 2; d < w+h; d += gap {
		// The diagonal from the left or bottom edge to the top or right edge.
		x0, y0 := x, y+d
		if d > h {
			x0, y0 = x+d-h, y+h
		}
		x1, y1 := x+d, y
		if d > w {
			x1, y1 = x+w, y+d-w
		}
		p.line(s, x0, y0, x1, y1)
	}
}
