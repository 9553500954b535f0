package plots

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"sync"
	"time"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// pdfCanvas is a vg.Canvas over fpdf. gonum's own PDF canvas embeds whole
// fonts, confuses two fonts in one file (titles come out in the regular face)
// and writes only code page 1252; this one embeds the letters that are used and
// any sign that the font has.
//
// A PDF page counts y upwards, as vg does, so transformations go through as
// they are.
type pdfCanvas struct {
	doc  *fpdf.Fpdf
	w, h float64 // points
}

// steadyPDF takes the clock and the map order out of PDF files. fpdf offers
// the second only as a process-wide default.
var steadyPDF = sync.OnceFunc(func() { fpdf.SetDefaultCatalogSort(true) })

func newPDF(w, h float64) *pdfCanvas {
	steadyPDF()
	doc := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: w, Ht: h}})
	day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	doc.SetCreationDate(day)
	doc.SetModificationDate(day)
	doc.SetProducer("headprof", true)
	doc.SetMargins(0, 0, 0)
	doc.SetAutoPageBreak(false, 0)
	doc.AddUTF8FontFromBytes("sans", "", liberationsansregular.TTF)
	doc.AddUTF8FontFromBytes("sans", "B", liberationsansbold.TTF)
	doc.AddPage()
	c := &pdfCanvas{doc, w, h}
	vg.Initialize(c)
	return c
}

func (c *pdfCanvas) Size() (w, h vg.Length) { return vg.Points(c.w), vg.Points(c.h) }

func (c *pdfCanvas) SetLineWidth(w vg.Length) { c.doc.SetLineWidth(w.Points()) }

func (c *pdfCanvas) SetLineDash(d []vg.Length, offset vg.Length) {
	dash := make([]float64, len(d))
	for i, v := range d {
		dash[i] = v.Points()
	}
	c.doc.SetDashPattern(dash, offset.Points())
}

// SetColor sets the colour of everything drawn next. Figures use opaque
// colours only.
func (c *pdfCanvas) SetColor(col color.Color) {
	r, g, b, _ := col.RGBA()
	c.doc.SetFillColor(int(r>>8), int(g>>8), int(b>>8))
	c.doc.SetDrawColor(int(r>>8), int(g>>8), int(b>>8))
	c.doc.SetTextColor(int(r>>8), int(g>>8), int(b>>8))
}

func (c *pdfCanvas) matrix(m ...float64) {
	c.doc.RawWriteStr(fmt.Sprintf("%.5f %.5f %.5f %.5f %.5f %.5f cm", m[0], m[1], m[2], m[3], m[4], m[5]))
}

func (c *pdfCanvas) Rotate(angle float64) {
	sin, cos := math.Sincos(angle)
	c.matrix(cos, sin, -sin, cos, 0, 0)
}

func (c *pdfCanvas) Translate(p vg.Point)         { c.matrix(1, 0, 0, 1, p.X.Points(), p.Y.Points()) }
func (c *pdfCanvas) Scale(x, y float64)           { c.matrix(x, 0, 0, y, 0, 0) }
func (c *pdfCanvas) Push()                        { c.doc.RawWriteStr("q") }
func (c *pdfCanvas) at(p vg.Point) (x, y float64) { return p.X.Points(), c.h - p.Y.Points() }

// Pop restores the page's state; the font that fpdf believes to be set may
// have gone with it, so it is made to set the next one afresh.
func (c *pdfCanvas) Pop() {
	c.doc.RawWriteStr("Q")
	c.doc.SetFont("sans", "", 1)
}

func (c *pdfCanvas) Stroke(p vg.Path) { c.path(p, "D") }
func (c *pdfCanvas) Fill(p vg.Path)   { c.path(p, "F") }

func (c *pdfCanvas) path(p vg.Path, how string) {
	for _, s := range p {
		x, y := c.at(s.Pos)
		switch s.Type {
		case vg.MoveComp:
			c.doc.MoveTo(x, y)
		case vg.LineComp:
			c.doc.LineTo(x, y)
		case vg.CurveComp:
			x0, y0 := c.at(s.Control[0])
			x1, y1 := c.at(s.Control[len(s.Control)-1])
			c.doc.CurveBezierCubicTo(x0, y0, x1, y1, x, y)
		case vg.CloseComp:
			c.doc.ClosePath()
		default: // arcs: the pen draws circles as curves
			panic("plots: path component that no figure uses")
		}
	}
	c.doc.DrawPath(how)
}

func (c *pdfCanvas) FillString(f font.Face, at vg.Point, s string) {
	style := ""
	if f.Font.Weight > 0 {
		style = "B"
	}
	c.doc.SetFont("sans", style, f.Font.Size.Points())
	x, y := c.at(at)
	c.doc.Text(x, y, s)
}

// DrawImage completes vg.Canvas; no figure holds images.
func (c *pdfCanvas) DrawImage(vg.Rectangle, image.Image) { panic("plots: no figure holds images") }

func (c *pdfCanvas) WriteTo(w io.Writer) (int64, error) {
	n := counter{w: w}
	err := c.doc.Output(&n)
	return n.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
