package plots

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// profile makes a plausible profile: a few strong heads, most near zero.
func profile(layers, heads, group int, seed int64, windows bool) Heads {
	rng := rand.New(rand.NewSource(seed))
	h := Heads{Layers: layers, Heads: heads, KVGroup: group,
		Meta: Meta{Model: "SmolLM2-135M-Instruct-Q8_0", Method: "headkv-r2", Decode: "greedy", Trials: 200, Passed: 187}}
	for l := range layers {
		var s, lo, hi []float64
		for range heads {
			v := 0.01 * rng.ExpFloat64()
			if rng.Float64() < 0.05 && l > layers/4 {
				v += 0.5 * math.Pow(rng.Float64(), 2)
			}
			e := 0.1*v + 0.002
			s, lo, hi = append(s, v), append(lo, max(0, v-e)), append(hi, v+e)
		}
		h.Score, h.Low, h.High = append(h.Score, s), append(h.Low, lo), append(h.High, hi)
		if windows {
			w := 512
			if l%6 == 5 {
				w = 0
			}
			h.Window = append(h.Window, w)
		}
	}
	return h
}

// example is one figure of the gallery.
type example struct {
	name string
	*Figure
}

// gallery is every kind at the sizes that matter: common models, very wide and
// very narrow ones, one cell.
func gallery(t *testing.T) []example {
	t.Helper()
	var all []example
	add := func(name string, f *Figure, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
		all = append(all, example{name, f})
	}
	for _, c := range []struct {
		name           string
		l, h, g        int
		windows, holes bool
	}{{"32x32", 32, 32, 4, false, false}, {"80x64", 80, 64, 8, false, false}, {"4x8", 4, 8, 2, false, true}, {"18x4", 18, 4, 4, true, false}, {"30x9", 30, 9, 3, false, false}, {"48x32w", 48, 32, 1, true, true}} {
		h := profile(c.l, c.h, c.g, 1, c.windows)
		if c.holes {
			h.Score[1][3] = math.NaN()
		}
		f, err := HeadMap(h)
		add("heads-"+c.name, f, err)
		f, err = Ranking(h)
		add("ranking-"+c.name, f, err)
		f, err = Layers(h)
		add("layers-"+c.name, f, err)
		other := h
		other.Score = nil
		rng := rand.New(rand.NewSource(9))
		for _, row := range h.Score {
			var r []float64
			for _, v := range row {
				r = append(r, max(0, v*(0.6+0.8*rng.Float64())+0.01*rng.NormFloat64()))
			}
			other.Score = append(other.Score, r)
		}
		other.Low, other.High = nil, nil
		if c.name == "18x4" {
			other.Method = "retrieval"
		}
		f, err = Compare(h, other)
		add("compare-"+c.name, f, err)
		b := Budget{Meta: Meta{Model: "Meta-Llama-3-8B-Instruct-with-a-very-long-name-indeed-Q4_K_M", Method: "HeadKV, β = 1.2"}, Layers: c.l, Heads: c.h, KVGroup: c.g, Window: h.Window, Capacity: 128, Context: 8192, Bytes: 12345678}
		for l := range c.l {
			var r []int
			for i := range c.h {
				n := 28
				if !math.IsNaN(h.Score[l][i]) {
					n += int(900 * h.Score[l][i])
				}
				switch c.name {
				case "18x4": // full or streaming
					n = 128
					if h.Score[l][i] > 0.05 {
						n = 8192
					}
				case "48x32w":
					n *= 1 + n/50
				}
				r = append(r, n)
			}
			b.Entries = append(b.Entries, r)
		}
		b.PerKV = c.name == "4x8"
		f, err = BudgetMap(b)
		add("budget-"+c.name, f, err)
	}
	for _, c := range []struct{ d, l int }{{10, 20}, {5, 3}, {1, 1}, {40, 60}} {
		n := NeedleGrid{Meta: Meta{Model: "gemma-3-270m-it-Q8_0", Decode: "forced", Trials: 600, Passed: 250}, Kind: "reasoning"}
		rng := rand.New(rand.NewSource(3))
		for i := range c.l {
			n.Lengths = append(n.Lengths, 1000+i*(31000/max(1, c.l-1)))
		}
		for i := range c.d {
			n.Depths = append(n.Depths, math.Round(float64(i)*100/float64(max(1, c.d-1))))
			var t, q []int
			for j := range c.l {
				k := 3
				if i == 0 && j%5 == 2 {
					k = 0
				}
				pass := 0
				for range k {
					if rng.Float64() > float64(j)/float64(c.l)*0.9 {
						pass++
					}
				}
				t, q = append(t, k), append(q, pass)
			}
			n.Trials, n.Passed = append(n.Trials, t), append(n.Passed, q)
		}
		f, err := Needle(n)
		add(fmt.Sprintf("needle-%dx%d", c.d, c.l), f, err)
	}
	e := Evaluation{Meta: Meta{Model: "gemma-3-270m-it-Q8_0"}, Task: "retrieval needles", Label: "pass rate", Full: Point{Y: 0.94}}
	for i, name := range []string{"headkv-r2", "snapkv", "pyramidkv", "ada-snapkv", "streaming", "duoattention"} {
		l := Line{Name: name}
		for _, x := range []float64{1.0 / 64, 1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4} {
			y := 0.94 * (1 - math.Exp(-x*float64(60-9*i)))
			l.Points = append(l.Points, Point{x, y, y - 0.05, min(1, y+0.04)})
		}
		e.Lines = append(e.Lines, l)
	}
	f, err := Eval(e)
	add("eval-6", f, err)
	e.Lines = e.Lines[:1]
	e.Lines[0].Points = e.Lines[0].Points[:1]
	f, err = Eval(e)
	add("eval-1", f, err)
	ab := Ablation{Meta: Meta{Model: "headprof embedded model", Method: "headkv-r2", Decode: "greedy", Trials: 100, Passed: 12}}
	for _, name := range []string{"top heads", "random heads (5 seeds)", "bottom heads"} {
		p, q := Line{Name: name}, Line{Name: name}
		for _, x := range []float64{0, 4, 8, 16} {
			k := map[string]float64{"top heads": 0.2, "bottom heads": 0.001}[name]
			if k == 0 {
				k = 0.02
			}
			y := 0.94 * math.Exp(-k*x)
			p.Points = append(p.Points, Point{x, y, max(0, y-0.06), min(1, y+0.05)})
			q.Points = append(q.Points, Point{x, -k * x * 5, -k*x*5 - 0.4*math.Sqrt(x), -k*x*5 + 0.4*math.Sqrt(x)})
		}
		ab.PassRate, ab.LogProb = append(ab.PassRate, p), append(ab.LogProb, q)
	}
	f, err = Ablate(ab)
	add("ablation-2", f, err)
	ab.PassRate = nil
	f, err = Ablate(ab)
	add("ablation-1", f, err)
	for _, heads := range []int{1, 16, 90} {
		c := Curves{Meta: Meta{Model: "SmolLM2-135M-Instruct-Q8_0", Method: "cache-cut", Cases: 24}}
		for h := range heads {
			curve := CurveHead{Layer: h / 3, KVHead: h % 3}
			for i, kept := range []float64{8, 16, 32, 64, 128, 256, 489} {
				y := 20 / float64(1+h*h) * math.Exp(-float64(i)*(1+float64(h%3))/3)
				if kept == 489 {
					y = 0
				}
				curve.Points = append(curve.Points, Point{kept, y, 0.8 * y, 1.2 * y})
			}
			c.Heads = append(c.Heads, curve)
		}
		f, err := CacheCurves(c)
		add(fmt.Sprintf("curves-%d", heads), f, err)
	}
	return all
}
