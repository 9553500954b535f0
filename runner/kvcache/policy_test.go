package kvcache

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/scoring/allocate"
)

// published holds what testdata/policies.py (NumPy and PyTorch) chose.
type published struct {
	N, Alpha, Kernel, Heads int
	KVHeads                 int `json:"kv_heads"`
	Windows                 []int
	Scores                  [][]float64
	Rows                    [][][][]float32 // [layer][head][window row][entry]
	Pooled                  [][][]float32
	Cases                   []struct {
		Capacity                             int
		SnapKV, PyramidKV, AdaSnapKV, HeadKV [][][]int32
		Budgets                              [][]int
	}
	Pyramid []struct {
		Capacity, Layers, N int
		Budgets             []int
	}
}

func load(t *testing.T) *published {
	t.Helper()
	data, err := os.ReadFile("testdata/policies.json")
	if err != nil {
		t.Fatal(err)
	}
	p := new(published)
	if err := json.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *published) selection() Selection { return Selection{Window: p.Alpha, Kernel: p.Kernel} }

// observer is filled as an engine fills it: from several goroutines, sliding
// layers' rows beginning at their window.
func (p *published) observer(t *testing.T) *Observer {
	t.Helper()
	layers := shape.Uniform(len(p.Rows), shape.Layer{Heads: p.Heads, KVHeads: p.KVHeads})
	o, err := NewObserver(p.selection(), p.N, layers)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for l, layer := range p.Rows {
		for h, rows := range layer {
			wg.Go(func() {
				for i, row := range rows {
					pos := p.N - p.Alpha + i
					first := 0
					if w := p.Windows[l]; w > 0 {
						first = max(0, pos-w+1)
					}
					o.Row(backend.Row{Layer: l, Head: h, Position: pos, First: first, Weights: row[first : pos+1]})
				}
			})
		}
	}
	wg.Wait()
	return o
}

func TestObservedAttentionEqualsTorch(t *testing.T) {
	p := load(t)
	o := p.observer(t)
	for l := range p.Rows {
		got, err := o.Attention(l)
		if err != nil {
			t.Fatal(err)
		}
		for h, want := range p.Pooled[l] {
			if len(got[h]) != len(want) {
				t.Fatalf("layer %d, KV head %d: %d entries, torch has %d", l, h, len(got[h]), len(want))
			}
			for i, w := range want {
				if d := math.Abs(float64(got[h][i] - w)); d > 1e-7*float64(w)+1e-13 {
					t.Fatalf("layer %d, KV head %d, entry %d: %v, torch has %v", l, h, i, got[h][i], w)
				}
			}
		}
	}
}

// What is held does not grow with heads or window: a row per KV head.
func TestObserverReducesFinishedLayers(t *testing.T) {
	p := load(t)
	o := p.observer(t)
	if got, want := o.Bytes(), int64(len(p.Rows)*p.KVHeads*(p.N-p.Alpha)*4); got != want {
		t.Errorf("the observer holds %d bytes, want %d", got, want)
	}
	if _, err := must(NewObserver(p.selection(), p.N, shape.Model{{Heads: 6, KVHeads: 2}})).Attention(0); err == nil {
		t.Error("attention without rows is no error")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// kept gives what a policy keeps of the fixture's layers with so many prompt
// tokens still to be fed.
func (p *published) kept(t *testing.T, o *Observer, policy Policy, pending int) [][][]int32 {
	t.Helper()
	var out [][][]int32
	for l, w := range p.Windows {
		a, err := o.Attention(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, policy.Keep(Layer{Layer: shape.Layer{KVHeads: p.KVHeads, Window: w}, Index: l, Place: l, Places: len(p.Windows), Entries: p.N - pending, Pending: pending, Attention: a}))
	}
	return out
}

func TestPoliciesChooseAsPublished(t *testing.T) {
	p := load(t)
	o := p.observer(t)
	for _, c := range p.Cases {
		for _, tc := range []struct {
			policy Policy
			name   string
			want   [][][]int32
		}{
			{SnapKV{p.selection(), c.Capacity}, "snapkv", c.SnapKV},
			{PyramidKV{p.selection(), allocate.Pyramid{Slope: 20}, c.Capacity}, "pyramidkv", c.PyramidKV},
			{AdaSnapKV{p.selection(), 0.2, c.Capacity}, "adasnapkv", c.AdaSnapKV},
			{HeadKV{Selection: p.selection(), budgets: c.Budgets}, "headkv", c.HeadKV},
		} {
			for pending := range 2 {
				got := p.kept(t, o, tc.policy, pending)
				for l := range p.Windows {
					for h := range p.KVHeads {
						if tc.want[l] == nil {
							continue // Ada-KV's papers know no sliding windows
						}
						want := tc.want[l][h]
						want = want[:len(want)-pending]
						if !slices.Equal(got[l][h], want) {
							t.Errorf("%s, capacity %d, layer %d, KV head %d, %d tokens pending:\n got %v\nwant %v", tc.name, c.Capacity, l, h, pending, got[l][h], want)
						}
					}
				}
			}
		}
	}
}

func TestPyramidBudgetsEqualThePublishedSteps(t *testing.T) {
	for _, c := range load(t).Pyramid {
		const window = 4 // the script's
		for l, want := range c.Budgets {
			if got := (allocate.Pyramid{Slope: 20}).Budget(l, c.Layers, c.Capacity-window, c.N, window); got != want {
				t.Errorf("capacity %d, %d tokens, layer %d of %d: %d entries, want %d", c.Capacity, c.N, l, c.Layers, got, want)
			}
		}
	}
}

// By hand: StreamingLLM's figure (4 sinks and the rest recent), DuoAttention's
// two kinds of heads, and what a sliding window leaves of both.
func TestPositionPolicies(t *testing.T) {
	ints := func(v ...int32) []int32 { return v }
	duo := DuoAttention{full: [][]bool{{true, false}}, sinks: 2, recent: 3}
	for _, tc := range []struct {
		name   string
		policy Policy
		layer  Layer
		want   [][]int32
	}{
		{"streaming", Streaming{4, 7}, Layer{Layer: shape.Layer{KVHeads: 1}, Places: 1, Entries: 12}, [][]int32{ints(0, 1, 2, 3, 9, 10, 11)}},
		{"streaming, last token pending", Streaming{4, 7}, Layer{Layer: shape.Layer{KVHeads: 1}, Places: 1, Entries: 11, Pending: 1}, [][]int32{ints(0, 1, 2, 3, 9, 10)}},
		{"streaming, short prompt", Streaming{4, 7}, Layer{Layer: shape.Layer{KVHeads: 1}, Places: 1, Entries: 5, Pending: 1}, [][]int32{ints(0, 1, 2, 3, 4)}},
		{"streaming, capacity below the sinks", Streaming{4, 3}, Layer{Layer: shape.Layer{KVHeads: 1}, Places: 1, Entries: 9}, [][]int32{ints(0, 1, 2)}},
		{"streaming in a window of 6", Streaming{4, 7}, Layer{Layer: shape.Layer{KVHeads: 1, Window: 6}, Places: 1, Entries: 11, Pending: 1}, [][]int32{ints(6, 7, 8, 9, 10)}},
		{"streaming, less than a window", Streaming{2, 4}, Layer{Layer: shape.Layer{KVHeads: 1, Window: 6}, Places: 1, Entries: 12}, [][]int32{ints(8, 9, 10, 11)}},
		{"duoattention", duo, Layer{Layer: shape.Layer{KVHeads: 2}, Places: 1, Entries: 8}, [][]int32{ints(0, 1, 2, 3, 4, 5, 6, 7), ints(0, 1, 5, 6, 7)}},
		{"duoattention in a window of 4", duo, Layer{Layer: shape.Layer{KVHeads: 2, Window: 4}, Places: 1, Entries: 8}, [][]int32{ints(4, 5, 6, 7), ints(4, 5, 6, 7)}},
		{"full", Full{}, Layer{Layer: shape.Layer{KVHeads: 1}, Places: 1, Entries: 3}, [][]int32{ints(0, 1, 2)}},
	} {
		got := tc.policy.Keep(tc.layer)
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// A layer's sliding window bounds what any policy keeps there, pending tokens included.
func TestSlidingWindowsBoundEveryPolicy(t *testing.T) {
	p := load(t)
	o := p.observer(t)
	const layer = 1
	w := p.Windows[layer]
	full := make([][]bool, 3)
	for l := range full {
		full[l] = []bool{true, true}
	}
	large := [][]int{{50, 50}, {50, 50}, {50, 50}}
	for name, policy := range map[string]Policy{
		"streaming": Streaming{4, 50}, "snapkv": SnapKV{p.selection(), 50},
		"pyramidkv": PyramidKV{p.selection(), allocate.Pyramid{Slope: 20}, 50},
		"adasnapkv": AdaSnapKV{p.selection(), 0.2, 50}, "headkv": HeadKV{Selection: p.selection(), budgets: large},
		"duoattention": DuoAttention{full: full, sinks: 9, recent: 50},
	} {
		for h, keep := range p.kept(t, o, policy, 1)[layer] {
			want := w - 1
			if name == "adasnapkv" {
				want-- // 19 entries won: round(19·0.8 + ⌊19·0.2⌋) is 18
			}
			if len(keep) != want || int(keep[0]) != p.N-w {
				t.Errorf("%s, KV head %d: keeps %d entries from %d on; want %d from %d on", name, h, len(keep), keep[0], want, p.N-w)
			}
		}
	}
	// Full drops whole tiles only, so that sums keep their order.
	keep := Full{}.Keep(Layer{Layer: shape.Layer{KVHeads: 1, Window: 100}, Places: 1, Entries: 300, Pending: 1})[0]
	if keep[0] != 192 || len(keep) != 108 {
		t.Errorf("full keeps %d entries from %d on, want 108 from 192 on (301-100 = 201, rounded down to a tile of 64)", len(keep), keep[0])
	}
}

// Ada-KV moves entries between the heads of a layer and makes none, but for rounding.
func TestAdaSnapKVSharesTheLayersEntries(t *testing.T) {
	l := Layer{Layer: shape.Layer{KVHeads: 2}, Places: 1, Entries: 104, Attention: [][]float32{make([]float32, 100), make([]float32, 100)}}
	for i := range 100 {
		l.Attention[0][i] = 1 // all winners are in head 0
	}
	got := AdaSnapKV{Selection{4, 1}, 0.2, 24}.Budgets(l)
	// 40 entries, all won by head 0: 40·0.8 + 4 and 0·0.8 + 4.
	if !slices.Equal(got, []int{36, 4}) {
		t.Errorf("budgets %v, want 36 and 4", got)
	}
}

// top against a stable sort, over what makes selections hard: ties, order, NaN, infinities.
func TestTopEqualsAStableSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for round := range 3000 {
		x := make([]float32, rng.IntN(70))
		for i := range x {
			switch round % 4 {
			case 0:
				x[i] = rng.Float32()
			case 1:
				x[i] = float32(rng.IntN(4))
			case 2:
				x[i] = float32(i)
			case 3:
				x[i] = []float32{nan, inf, -inf, 0, float32(math.Copysign(0, -1)), 1}[rng.IntN(6)]
			}
		}
		k := rng.IntN(len(x)+2) - 1
		order := span(0, len(x))
		slices.SortStableFunc(order, func(a, b int32) int {
			p, q := float64(x[a]), float64(x[b])
			if p != p {
				p = math.Inf(-1)
			}
			if q != q {
				q = math.Inf(-1)
			}
			return cmp.Compare(q, p)
		})
		want := order[:max(0, min(k, len(x)))]
		slices.Sort(want)
		if got := top(x, k); !slices.Equal(got, want) {
			t.Fatalf("top(%v, %d) = %v, want %v", x, k, got, want)
		}
	}
}

// However many rounds the pivots get, the sort that ends them finds the same.
func TestQuickselectEndsInASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		x := make([]float32, 1+rng.IntN(40))
		for i := range x {
			x[i] = float32(rng.IntN(1 + rng.IntN(40)))
		}
		sorted := slices.Sorted(slices.Values(x))
		slices.Reverse(sorted)
		k := 1 + rng.IntN(len(x))
		value, equals := sorted[k-1], 0
		for _, v := range sorted[:k] {
			if v == value {
				equals++
			}
		}
		for rounds := range 4 {
			if v, n := quickselect(x, k, rounds); v != value || n != equals {
				t.Fatalf("the %d. largest of %v after %d rounds: %v, %d times; want %v, %d times", k, x, rounds, v, n, value, equals)
			}
		}
	}
}

func BenchmarkTop128k(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 128<<10)
	for i := range x {
		x[i] = rng.Float32()
	}
	for b.Loop() {
		top(x, 1024)
	}
}
