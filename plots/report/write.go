package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"math"
	"strings"

	"headprof/plots"
)

//go:embed page
var files embed.FS

// scripts of the page, in the order in which they run.
var scripts = []string{
	"dom.js", "format.js", "data.js", "colour.js", "budget.js", "heatmap.js", "charts.js",
	"head.js", "heads.js", "ranking.js", "layers.js", "needle.js", "agreement.js", "budgets.js",
	"evaluation.js", "made.js", "main.js",
}

func read(name string) string {
	b, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(err) // embedded
	}
	return string(b)
}

// program is the page's script: uPlot under its licence, and the page's own.
func program() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/*!\n%s\n*/\n%s\n(() => {\n\"use strict\";\n", strings.TrimSpace(read("uplot/LICENSE")), read("uplot/uPlot.iife.min.js"))
	for _, s := range scripts {
		b.WriteString(read(s))
	}
	b.WriteString("})();\n")
	return b.String()
}

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	data, err := encode(p)
	if err != nil {
		return err
	}
	return writePage(w, data, "'none'")
}

// WriteLive writes a page that asks the server that it came from for new data.
func WriteLive(w io.Writer, p *Page) error {
	data, err := encode(p)
	if err != nil {
		return err
	}
	return writePage(w, data, "'self'")
}

// Data is a page's data alone, as a live page asks for it.
func Data(p *Page) ([]byte, error) { return encode(p) }

func writePage(w io.Writer, data []byte, connect string) error {
	style, script := read("uplot/uPlot.min.css")+read("style.css"), program()
	page := strings.NewReplacer(
		"{{policy}}", "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; connect-src "+connect+
			"; style-src "+sourceHash(style)+"; script-src "+sourceHash(script),
		"{{style}}", style, "{{script}}", script, "{{data}}", string(data),
	).Replace(read("index.html"))
	_, err := io.WriteString(w, page)
	return err
}

// sourceHash names a text in a content security policy.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// method is a Method with its arrays packed.
type method struct {
	Name        string    `json:"name"`
	Label       string    `json:"label"`
	Interval    string    `json:"interval,omitempty"`
	Measures    string    `json:"measures,omitempty"`
	Source      string    `json:"source,omitempty"`
	PerKVHead   bool      `json:"per_kv_head,omitempty"`
	Listed      bool      `json:"listed,omitempty"`
	Default     bool      `json:"default,omitempty"`
	Mean        *packed   `json:"mean"`
	Low         *packed   `json:"low,omitempty"`
	High        *packed   `json:"high,omitempty"`
	Rank        *packed   `json:"rank"`
	RankLow     *packed   `json:"rank_low,omitempty"`
	RankHigh    *packed   `json:"rank_high,omitempty"`
	N           *packed   `json:"n,omitempty"`
	Half        *float64  `json:"half,omitempty"`
	Corrected   *float64  `json:"corrected,omitempty"`
	HalfUnit    string    `json:"half_unit,omitempty"`
	ByLength    []*packed `json:"by_length,omitempty"`
	ByLengthErr []*packed `json:"by_length_err,omitempty"`
	ByDepth     []*packed `json:"by_depth,omitempty"`
	ByDepthErr  []*packed `json:"by_depth_err,omitempty"`
	ByStep      []*packed `json:"by_step,omitempty"`
	ByStepErr   []*packed `json:"by_step_err,omitempty"`
	ByNeedle    []*packed `json:"by_needle,omitempty"`
	NeedleHeads *packed   `json:"needle_heads,omitempty"`
}

func (p *packer) method(m *Method) method {
	each := func(v [][]float64) (out []*packed) {
		for _, row := range v {
			out = append(out, p.quantised(row))
		}
		return out
	}
	return method{
		Name: m.Name, Label: m.Label, Interval: m.Interval, Measures: m.Measures, Source: m.Source,
		PerKVHead: m.PerKVHead, Listed: m.Listed, Default: m.Default,
		// Budgets are computed from the means, to the integer: they are exact.
		Mean: p.float64s(m.Mean), Low: p.float32s(someOrNil(m.Low)), High: p.float32s(someOrNil(m.High)),
		Rank: p.ints(m.Rank), RankLow: p.ints(m.RankLow), RankHigh: p.ints(m.RankHigh), N: p.ints(m.N),
		Half: orNull(m.HalfCorrelation), Corrected: orNull(m.Correct), HalfUnit: m.HalfUnit,
		ByLength: each(m.ByLength), ByLengthErr: each(m.ByLengthErr), ByDepth: each(m.ByDepth), ByDepthErr: each(m.ByDepthErr), ByStep: each(m.ByStep), ByStepErr: each(m.ByStepErr),
		ByNeedle: each(m.ByNeedle), NeedleHeads: p.ints(m.NeedleHeads),
	}
}

// someOrNil is nil where nothing is known.
func someOrNil(v []float64) []float64 {
	for _, x := range v {
		if !math.IsNaN(x) {
			return v
		}
	}
	return nil
}

func orNull(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func matrix(m [][]float64) [][]*float64 {
	var out [][]*float64
	for _, row := range m {
		var r []*float64
		for _, v := range row {
			r = append(r, orNull(v))
		}
		out = append(out, r)
	}
	return out
}

// encode makes the page's data: JSON whose arrays lie in one compressed block.
// encoding/json writes <, > and & as escapes, so no text can end the script
// element that holds it.
func encode(p *Page) ([]byte, error) {
	type run struct {
		Run
		Methods []method `json:"methods"`
	}
	type agreement struct {
		Rankings []Ranked     `json:"rankings"`
		Spearman [][]*float64 `json:"spearman"`
		Low      [][]*float64 `json:"low"`
		High     [][]*float64 `json:"high"`
		Interval string       `json:"interval,omitempty"`
	}
	out := struct {
		Page
		Runs       []run       `json:"runs"`
		Agreements []agreement `json:"agreements,omitempty"`
		Ramp       []string    `json:"ramp"`
		Block      string      `json:"block"`
	}{Page: *p, Ramp: rampHex()}
	var pack packer
	for i := range p.Runs {
		r := run{Run: p.Runs[i], Methods: []method{}}
		for j := range r.Run.Methods {
			r.Methods = append(r.Methods, pack.method(&r.Run.Methods[j]))
		}
		out.Runs = append(out.Runs, r)
	}
	for _, a := range p.Agreements {
		out.Agreements = append(out.Agreements, agreement{a.Rankings, matrix(a.Spearman), matrix(a.Low), matrix(a.High), a.Interval})
	}
	var block bytes.Buffer
	z, err := gzip.NewWriterLevel(&block, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(pack.Bytes()); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	out.Block = base64.StdEncoding.EncodeToString(block.Bytes())
	return json.Marshal(out)
}

// rampHex is the sequential palette of the figures, every fourth step.
func rampHex() []string {
	var out []string
	for i, c := range plots.Ramp() {
		if i%4 == 0 || i == 255 {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			out = append(out, fmt.Sprintf("%02x%02x%02x", n.R, n.G, n.B))
		}
	}
	return out
}
