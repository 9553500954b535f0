package report

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// hostile is a name that would run if any of it became markup.
const hostile = `</script><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>{{script}}`

// sample is a page of a model with grouped heads and a sliding window. Some
// heads stand out, as in real profiles.
func sample(layers, heads, kvHeads, needles int) *Page {
	rng := rand.New(rand.NewPCG(1, 2))
	r := Run{Name: "profile", Path: "profile", Model: "Model", Top: max(1, layers*heads/10)}
	for l := range layers {
		layer := Layer{Heads: heads, KVHeads: kvHeads, KeyDim: 64, ValueDim: 64}
		if l%3 == 0 {
			layer.Window = 512
		}
		r.Layers = append(r.Layers, layer)
	}
	lengths, depths := []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 98304, 131072}, []float64{0, 11, 22, 33, 44, 56, 67, 78, 89, 100}
	r.Trials = &Trials{Lengths: lengths, Depths: depths, LengthCount: make([]int, 10), DepthCount: make([]int, 10), Counted: 1000}
	for i := range needles {
		r.Trials.Needles = append(r.Trials.Needles, fmt.Sprintf("needle-%d", i))
		r.Trials.NeedleCount = append(r.Trials.NeedleCount, 1000/needles)
	}
	for i, name := range []string{"headkv-r2", "retrieval"} {
		m := Method{Name: name, Label: "attention on the evidence", Interval: "95 % bootstrap interval", Default: i == 0, HalfCorrelation: 0.9, Correct: 0.95, HalfUnit: "needle"}
		n := layers * heads
		for range n {
			v := math.Pow(rng.Float64(), 12)
			m.Mean, m.Low, m.High = append(m.Mean, v), append(m.Low, v*0.9), append(m.High, v*1.1)
		}
		m.Rank = ranks(m.Mean)
		m.RankLow, m.RankHigh, m.N = m.Rank, m.Rank, make([]int, n)
		groups := func(k int) (mean, err [][]float64) {
			for range k {
				g, e := make([]float64, n), make([]float64, n)
				for h := range g {
					g[h], e[h] = m.Mean[h]*(0.8+0.4*rng.Float64()), m.Mean[h]*0.1
				}
				mean, err = append(mean, g), append(err, e)
			}
			return mean, err
		}
		m.ByLength, m.ByLengthErr = groups(10)
		m.ByDepth, m.ByDepthErr = groups(10)
		kept := min(n, 1<<17/needles)
		all, _ := groups(needles)
		for _, row := range all {
			m.ByNeedle = append(m.ByNeedle, row[:kept])
		}
		for h := range kept {
			m.NeedleHeads = append(m.NeedleHeads, h)
		}
		r.Methods = append(r.Methods, m)
	}
	nan := math.NaN()
	return &Page{Version: "devel", Runs: []Run{r}, Agreements: []Agreement{{
		Rankings: []Ranked{{0, 0}, {0, 1}}, Spearman: [][]float64{{1, 0.5}, {0.5, 1}}, Low: [][]float64{{1, nan}, {nan, 1}}, High: [][]float64{{1, nan}, {nan, 1}},
	}}}
}

func ranks(v []float64) []int {
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = 1
		for j, y := range v {
			if y > x || y == x && j < i {
				out[i]++
			}
		}
	}
	return out
}

func written(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The bound: 80 × 64 heads and 1,000 trials stay under 3 MB.
func TestLargeModelStaysSmall(t *testing.T) {
	if n := len(written(t, sample(80, 64, 8, 500))); n > 3_000_000 {
		t.Errorf("the page has %d bytes", n)
	}
}

// No text of a profile can be markup, and nothing is fetched.
func TestTextIsNeverMarkup(t *testing.T) {
	p := sample(2, 4, 2, 3)
	r := &p.Runs[0]
	r.Model, r.Name, r.Path, r.Trials.Needles[0], r.Methods[0].Label = hostile, hostile, hostile, hostile, hostile
	r.Warnings = []Warning{{Text: hostile, Remedies: []string{hostile}}}
	page := written(t, p)
	if n := strings.Count(page, "</script"); n != 2 {
		t.Errorf("%d script elements end, not the page's two", n)
	}
	if strings.Contains(page, "<img") {
		t.Error("a name became an element")
	}
	for _, address := range regexp.MustCompile(`(?:src|href)\s*=\s*["'](?:https?:)?//[^"']*`).FindAllString(page, -1) {
		t.Errorf("the page names an address: %s", address)
	}
	if !strings.Contains(page, "default-src 'none'") || strings.Contains(page, "unsafe") {
		t.Error("the content security policy lets other programs run")
	}
}

// The same page gives the same bytes.
func TestSameBytes(t *testing.T) {
	first, second := written(t, sample(3, 4, 2, 3)), written(t, sample(3, 4, 2, 3))
	if first != second {
		t.Error("two writes differ")
	}
}

// The bound of the doc comment: (largest − least) / 131,068.
func TestQuantised(t *testing.T) {
	values := []float64{-0.25, 0, 0.1, 0.3333, 1, math.NaN()}
	var p packer
	r := p.quantised(values)
	for i, v := range values {
		code := uint16(p.Bytes()[r.At+2*i]) | uint16(p.Bytes()[r.At+2*i+1])<<8
		if math.IsNaN(v) {
			if code != 0xffff {
				t.Errorf("NaN has code %d", code)
			}
			continue
		}
		if got := r.Base + float64(code)*r.Step; math.Abs(got-v) > 1.25/131068 {
			t.Errorf("%v became %v", v, got)
		}
	}
}
