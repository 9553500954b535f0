package plots

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func written(t *testing.T, f *Figure, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every kind, at every size, is a file that other programs open, as large as
// the figure says.
func TestFilesOpen(t *testing.T) {
	for _, e := range gallery(t) {
		if e.Width*e.Height > 400_000 && !strings.HasPrefix(e.name, "heads") {
			continue // large pages take long and add nothing
		}
		img, err := png.DecodeConfig(bytes.NewReader(written(t, e.Figure, "png")))
		if err != nil {
			t.Errorf("%s: PNG: %v", e.name, err)
		}
		if img.Width != int(2*e.Width) || img.Height != int(2*e.Height) {
			t.Errorf("%s: PNG of %d × %d pixels for %g × %g points", e.name, img.Width, img.Height, e.Width, e.Height)
		}
		var svg struct {
			XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
			Width   string   `xml:"width,attr"`
			Height  string   `xml:"height,attr"`
		}
		if err := xml.Unmarshal(written(t, e.Figure, "svg"), &svg); err != nil {
			t.Errorf("%s: SVG: %v", e.name, err)
		}
		if svg.Width != fmt.Sprintf("%gpt", e.Width) || svg.Height != fmt.Sprintf("%gpt", e.Height) {
			t.Errorf("%s: SVG of %s × %s for %g × %g points", e.name, svg.Width, svg.Height, e.Width, e.Height)
		}
		pdf := written(t, e.Figure, "pdf")
		box := fmt.Sprintf("/MediaBox [0 0 %.2f %.2f]", e.Width, e.Height)
		if !bytes.HasPrefix(pdf, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(pdf), []byte("%%EOF")) || !bytes.Contains(pdf, []byte(box)) {
			t.Errorf("%s: PDF without header, end or %s", e.name, box)
		}
	}
}

// The same numbers give the same bytes, whatever the day.
func TestSameBytes(t *testing.T) {
	a, b := gallery(t), gallery(t)
	for i := range a {
		if !strings.Contains("heads-18x4 ranking-4x8 layers-18x4 compare-4x8 budget-18x4 needle-5x3 eval-6 ablation-2", a[i].name) {
			continue // one of each kind is enough
		}
		for _, format := range Formats() {
			if !bytes.Equal(written(t, a[i].Figure, format), written(t, b[i].Figure, format)) {
				t.Errorf("%s: two %s files differ", a[i].name, format)
			}
		}
	}
	if pdf := written(t, a[0].Figure, "pdf"); !bytes.Contains(pdf, []byte("/CreationDate (D:20000101000000")) {
		t.Error("a PDF holds the day it was made")
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	f, err := HeadMap(profile(4, 8, 2, 1, false))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "heads.PNG")
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("one file was saved, %d lie there", len(names))
	}
	for _, name := range []string{"heads.jpg", "heads", "heads.svg.gz"} {
		err := f.Save(filepath.Join(dir, name))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, known := range []string{name, ".png", ".svg", ".pdf"} {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("%s: the error %q does not name %s", name, err, known)
			}
		}
	}
	if err := f.Save(filepath.Join(dir, "absent", "heads.png")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a folder that does not exist: %v", err)
	}
	if err := f.Write(&bytes.Buffer{}, "gif"); err == nil || !strings.Contains(err.Error(), "png, svg or pdf") {
		t.Errorf("format gif: %v", err)
	}
}

// label is a text of an SVG file with its box on the page.
type label struct {
	text    string
	box     box4
	rotated bool
}

var (
	sizeOfText = regexp.MustCompile(`font-size:([0-9.]+)px`)
	moved      = regexp.MustCompile(`translate\(([-0-9.e]+), ([-0-9.e]+)\)`)
)

// labels finds the texts of an SVG file and measures them.
func labels(t *testing.T, f *Figure) []label {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(written(t, f, "svg")))
	type group struct {
		x, y    float64
		rotated bool
	}
	stack := []group{{}}
	var out []label
	for {
		tok, err := d.Token()
		if tok == nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			g := stack[len(stack)-1]
			attr := map[string]string{}
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			if e.Name.Local == "g" {
				tr := attr["transform"]
				if m := moved.FindStringSubmatch(tr); m != nil && !strings.Contains(tr, "scale") {
					var x, y float64
					fmt.Sscan(m[1], &x)
					fmt.Sscan(m[2], &y)
					g.x, g.y = g.x+x, g.y+y
				}
				g.rotated = g.rotated || strings.HasPrefix(tr, "rotate")
			}
			stack = append(stack, g)
			if e.Name.Local == "text" {
				var s string
				if err := d.DecodeElement(&s, &e); err != nil {
					t.Fatal(err)
				}
				stack = stack[:len(stack)-1]
				var x, y, size float64
				fmt.Sscan(attr["x"], &x)
				fmt.Sscan(attr["y"], &y)
				fmt.Sscan(sizeOfText.FindStringSubmatch(attr["style"])[1], &size)
				w := ink{size, strings.Contains(attr["style"], "weight:bold"), nil}.width(s)
				const cap = 0.72
				l := label{s, box4{x, y - cap*size, w, cap * size}, g.rotated}
				if g.rotated { // centred on the group's origin
					l.box = box4{g.x - cap*size/2, f.Height - g.y - w/2, cap * size, w}
				} else { // y of text runs down from the flipped origin
					l.box.y += f.Height
				}
				out = append(out, l)
			}
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
	return out
}

// No label leaves the paper or runs into another one, in any figure.
func TestLabelsKeepApart(t *testing.T) {
	for _, e := range gallery(t) {
		all := labels(t, e.Figure)
		if len(all) < 4 {
			t.Fatalf("%s: only %d texts found", e.name, len(all))
		}
		for i, a := range all {
			if a.box.x < 0 || a.box.y < 0 || a.box.x+a.box.w > e.Width || a.box.y+a.box.h > e.Height {
				t.Errorf("%s: %q leaves the paper: %+v on %g × %g", e.name, a.text, a.box, e.Width, e.Height)
			}
			for _, b := range all[i+1:] {
				if a.box.meets(b.box) {
					t.Errorf("%s: %q runs into %q", e.name, a.text, b.text)
				}
			}
		}
	}
}

func has(t *testing.T, f *Figure, want ...string) {
	t.Helper()
	var all []string
	for _, l := range labels(t, f) {
		all = append(all, l.text)
	}
	text := strings.Join(all, "\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the figure does not say %q; it says:\n%s", w, text)
		}
	}
}
