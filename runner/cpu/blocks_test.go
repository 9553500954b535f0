package cpu

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
)

// recorded gathers rows of blocks as vectors over the entries from 0 on, by
// "layer head position", and reduces them.
type recorded struct {
	mu   sync.Mutex
	rows map[string][]float32
	sums map[string]*backend.ColumnSum
}

func newRecorded() *recorded {
	return &recorded{rows: map[string][]float32{}, sums: map[string]*backend.ColumnSum{}}
}

func (r *recorded) deliver(b backend.RowBlock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range b.Positions {
		key := fmt.Sprint(b.Layer, b.Head, p)
		if r.rows[key] != nil {
			panic("row " + key + " came twice")
		}
		r.rows[key] = make([]float32, p+1)
		for j, w := range b.Row(i) {
			if b.First+j > p {
				if w != 0 {
					panic("a row sees what follows it")
				}
				continue
			}
			r.rows[key][b.First+j] = w
		}
	}
	head := fmt.Sprint(b.Layer, b.Head)
	if r.sums[head] == nil {
		r.sums[head] = new(backend.ColumnSum)
	}
	r.sums[head].Add(b)
}

// Rows that come in blocks have the same bytes however the sequence is cut, on
// however many threads and with whichever kernels; so have their reductions;
// they are the rows that single watched ones are, up to rounding; and asking
// for them changes no other result.
func TestBlocksOfRows(t *testing.T) {
	const n = 150
	for name, s := range backendtest.Shapes {
		ids := backendtest.Tokens(n)
		var want *recorded
		var wantOut []float32
		single := map[string][]float32{}
		for _, threads := range []int{1, 2, 4} {
			for kernels, b := range backends(t, threads) {
				for _, cut := range [][]int{{n}, {64, 64, 22}, {63, 2, 40, 45}} {
					if kernels == "portable" && (threads != 2 || cut[0] != 63) {
						continue
					}
					l := backendtest.Bind(b, s)
					if wantOut == nil {
						wantOut = l.Step(l.Cache(backend.KVF16), ids, backendtest.WatchInto(single, nil, 0, 17, 70, n-1))
					}
					c, got := l.Cache(backend.KVF16), newRecorded()
					var out []float32
					for at, i := 0, 0; i < len(cut); i++ {
						var rows []int
						for r := range cut[i] {
							if p := at + r; p < 30 || p%7 == 0 || p > 100 {
								rows = append(rows, r)
							}
						}
						w := &backend.Watch{Blocks: &backend.Blocks{Rows: rows, Deliver: got.deliver,
							Wants: func(_, head int) bool { return s.Heads < 3 || head != 1 }}}
						out = append(out, l.Step(c, ids[at:at+cut[i]], w)...)
						at += cut[i]
					}
					what := fmt.Sprintf("%s, %d threads, %s, cut %v", name, threads, kernels, cut)
					backendtest.SameBits(t, what+": states", out, wantOut)
					if want == nil {
						want = got
						checkBlocks(t, what, n, got, single, s.Heads)
						continue
					}
					if len(got.rows) != len(want.rows) {
						t.Fatalf("%s: %d rows, want %d", what, len(got.rows), len(want.rows))
					}
					for k, w := range want.rows {
						backendtest.SameBits(t, what+", row "+k, got.rows[k], w)
					}
					for k, w := range want.sums {
						for e := range n {
							if got.sums[k].Sum(e) != w.Sum(e) {
								t.Fatalf("%s, head %s: the sum at entry %d differs", what, k, e)
							}
						}
					}
				}
			}
		}
	}
}

// checkBlocks holds blocks against single rows and against their own rows.
func checkBlocks(t *testing.T, what string, n int, got *recorded, single map[string][]float32, heads int) {
	t.Helper()
	compared := 0
	for key, w := range single {
		var layer, head, position, first int
		fmt.Sscan(key, &layer, &head, &position, &first)
		row, ok := got.rows[fmt.Sprint(layer, head, position)]
		if skipped := heads >= 3 && head == 1; ok == skipped {
			t.Fatalf("%s: row %s is there: %v", what, key, ok)
		}
		if !ok {
			continue
		}
		backendtest.Near(t, what+", row "+key, row[first:], w, 1e-6)
		for _, x := range row[:first] {
			if x != 0 {
				t.Fatalf("%s: row %s sees before its window", what, key)
			}
		}
		compared++
	}
	if compared == 0 {
		t.Fatalf("%s: no row was compared", what)
	}
	for head, sums := range got.sums {
		for e := range n {
			var sum float64
			for key, row := range got.rows {
				var l, h, p int
				fmt.Sscan(key, &l, &h, &p)
				if fmt.Sprint(l, h) == head && e < len(row) {
					sum += float64(row[e])
				}
			}
			if got := sums.Sum(e); math.Abs(got-sum) > 1e-9 {
				t.Fatalf("%s: head %s, entry %d: sum %v, want %v", what, head, e, got, sum)
			}
		}
	}
}

// Rows of a cache that lost entries are over the entries that are left.
func TestBlocksOfACompactedCache(t *testing.T) {
	b := backendtest.Must(New(Options{Threads: 2}))
	defer b.Close()
	for name, s := range backendtest.Shapes {
		l := backendtest.Bind(b, s)
		c := l.Cache(backend.KVF32)
		ids := backendtest.Tokens(120)
		l.Step(c, ids[:100], nil)
		for layer := range 2 {
			for h := range s.KVHeads {
				var keep []int32
				for e := int32(h); e < 100; e += 3 {
					keep = append(keep, e)
				}
				if err := c.Keep(layer, h, keep); err != nil {
					t.Fatal(err)
				}
			}
		}
		single, blocks := map[string][]float32{}, map[string][]float32{}
		w := backendtest.WatchInto(single, nil, 0, 5, 19)
		var mu sync.Mutex
		w.Blocks = &backend.Blocks{Rows: []int{0, 5, 19}, Deliver: func(r backend.RowBlock) {
			mu.Lock()
			defer mu.Unlock()
			for i, p := range r.Positions {
				blocks[fmt.Sprint(r.Layer, r.Head, p)] = append(make([]float32, r.First), r.Row(i)...)
			}
		}}
		l.Step(c, ids[100:], w)
		if len(single) != 2*3*s.Heads || len(blocks) != len(single) {
			t.Fatalf("%s: %d single rows, %d in blocks", name, len(single), len(blocks))
		}
		for key, want := range single {
			var layer, head, position, first int
			fmt.Sscan(key, &layer, &head, &position, &first)
			got := blocks[fmt.Sprint(layer, head, position)]
			backendtest.Near(t, name+" "+key, got[first:first+len(want)], want, 1e-6)
		}
	}
}
