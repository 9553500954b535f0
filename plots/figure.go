package plots

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"headprof/export/atomicfile"
)

// PixelsPerPoint is a PNG's resolution: a figure of w points is 2·w pixels
// wide (144 dpi), sharp on dense screens and in print at column width. A whole
// number keeps cell edges on pixel edges.
const PixelsPerPoint = 2

// Figure is a drawing that is ready to be written. Width and Height are in
// points (1/72 inch).
type Figure struct {
	Width, Height float64
	draw          func(*pen)
}

// Formats are the file endings that Write and Save know.
func Formats() []string { return []string{"pdf", "png", "svg"} }

// FormatOf tells the format from a file's ending; the error names the known
// ones, so that a command can refuse before it computes anything.
func FormatOf(path string) (string, error) {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	for _, f := range Formats() {
		if ext == f {
			return f, nil
		}
	}
	what := fmt.Sprintf("the ending .%s is not one that plots can be written in", ext)
	if ext == "" {
		what = "the name has no ending that tells the format"
	}
	return "", fmt.Errorf("plot %s: %s: use .png, .svg or .pdf", path, what)
}

// Write draws f to w in format "png", "svg" or "pdf".
func (f *Figure) Write(w io.Writer, format string) error {
	width, height := vg.Points(f.Width), vg.Points(f.Height)
	var c interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch format {
	case "png":
		c = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(72*PixelsPerPoint))}
	case "svg":
		c = svgCanvas{vgsvg.New(width, height)}
	case "pdf":
		steadyPDF()
		c = newPDF(f.Width, f.Height)
	default:
		return fmt.Errorf("plot: unknown format %q: use png, svg or pdf", format)
	}
	p := &pen{c: draw.New(c), h: f.Height}
	p.rect(0, 0, f.Width, f.Height, white)
	f.draw(p)
	_, err := c.WriteTo(w)
	return err
}

// Save writes f to path in the format of its ending. The file appears whole or
// not at all.
func (f *Figure) Save(path string) error {
	format, err := FormatOf(path)
	if err != nil {
		return err
	}
	return f.SaveAs(path, format)
}

// SaveAs is Save in a named format: "png", "svg" or "pdf". The path "-" is
// standard output.
func (f *Figure) SaveAs(path, format string) error {
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		return fmt.Errorf("plot %s: %w", path, err)
	}
	return atomicfile.WriteBytes(path, b.Bytes())
}

// svgCanvas names, besides the font that the figure was measured with, fonts
// of the same widths that viewers have.
type svgCanvas struct{ *vgsvg.Canvas }

func (c svgCanvas) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if _, err := c.Canvas.WriteTo(&b); err != nil {
		return 0, err
	}
	out := bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arimo,Helvetica,Arial,sans-serif;"))
	n, err := w.Write(out)
	return int64(n), err
}
