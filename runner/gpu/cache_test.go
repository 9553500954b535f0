package gpu

import (
	"fmt"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
	"headprof/runner/shape"
)

// What a cache does with entries (cut back, fork, drop, grow from nothing)
// agrees with the plain backend, with and without a window, in both formats.
func TestCachesAgreeWithPlain(t *testing.T) { OnEach(t, testCachesAgreeWithPlain) }

func testCachesAgreeWithPlain(t *testing.T) {
	b := onDevice(t, Options{})
	ids := backendtest.Tokens(90)
	for _, name := range []string{"capped", "odd"} {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			run := func(b backend.Backend) (states [][]float32, rows map[string][]float32) {
				rows = map[string][]float32{}
				l := backendtest.Bind(b, backendtest.Shapes[name])
				c := l.Cache(kv)
				defer c.Close()
				add := func(c backend.Cache, ids []int32, watch ...int) {
					states = append(states, l.Step(c, ids, backendtest.WatchInto(rows, nil, watch...)))
				}
				add(c, ids[:70], 60)
				if err := c.Truncate(40); err != nil {
					t.Fatal(err)
				}
				add(c, ids[70:80], 9)
				f := backendtest.Must(c.Fork(45))
				defer f.Close()
				add(f, ids[80:85], 4)
				// Each head keeps other entries of the second layer, the windowed one.
				for h := range backendtest.Shapes[name].KVHeads {
					var kept []int32
					for e := int32(h); e < 50; e += int32(2 + h) {
						kept = append(kept, e)
					}
					if err := c.Keep(1, h, kept); err != nil {
						t.Fatal(err)
					}
					if got := c.Entries(1, h); got != len(kept) {
						t.Fatalf("%d entries after Keep, want %d", got, len(kept))
					}
				}
				add(c, ids[80:84], 0, 3)
				g := backendtest.Must(c.Fork(54))
				defer g.Close()
				add(g, ids[84:90], 5)
				add(c, ids[84:86], 1)
				if err := c.Truncate(10); err == nil {
					t.Error("a compacted cache was cut back")
				}
				if c.Len() != 56 || g.Len() != 60 || f.Len() != 50 {
					t.Errorf("lengths %d, %d, %d", c.Len(), g.Len(), f.Len())
				}
				return states, rows
			}
			got, rows := run(b)
			want, wantRows := run(plain.New())
			for i := range want {
				backendtest.Near(t, fmt.Sprintf("%s, kv %d, step %d", name, kv, i), got[i], want[i], 3e-3)
			}
			if len(rows) != len(wantRows) {
				t.Fatalf("%d watched rows, want %d", len(rows), len(wantRows))
			}
			for k := range wantRows {
				backendtest.Near(t, k, rows[k], wantRows[k], 5e-4)
			}
		}
	}
}

// Dropped entries' memory is given back, and so is a closed cache's.
func TestBytes(t *testing.T) { OnEach(t, testBytes) }

func testBytes(t *testing.T) {
	b := onDevice(t, Options{})
	layers := []shape.Layer{{KVHeads: 2, KeyDim: 64, ValueDim: 64}}
	before := b.caches.all
	c := backendtest.Must(b.NewCache(layers, backend.KVF16, 1000))
	if got, want := c.Bytes(), int64(1000*2*(64+64)*2); got != want {
		t.Errorf("a cache of 1000 tokens holds %d bytes, want %d", got, want)
	}
	if err := c.Keep(0, 1, nil); err != nil {
		t.Fatal(err)
	}
	if got := c.Bytes(); got > 600*2*(64+64)*2 {
		t.Errorf("after one head was emptied it holds %d bytes", got)
	}
	c.Close()
	if c.Bytes() != 0 || len(b.caches.all) != len(before) {
		t.Errorf("a closed cache holds %d bytes", c.Bytes())
	}
	for _, bad := range [][]int32{{-1}, {0}, {3, 3}} {
		c := oneLayer(b)
		if err := c.Keep(0, 0, bad); err == nil {
			t.Errorf("Keep of %v in an empty cache succeeded", bad)
		}
		c.Close()
	}
}

// However a sequence is cut into steps: the same bytes, watched rows included.
func TestResultsDoNotDependOnSteps(t *testing.T) { OnEach(t, testResultsDoNotDependOnSteps) }

func testResultsDoNotDependOnSteps(t *testing.T) {
	const n = 75
	for _, name := range []string{"llama", "capped"} {
		l := backendtest.Bind(onDevice(t, Options{}), backendtest.Shapes[name])
		ids := backendtest.Tokens(n)
		var want []float32
		var wantRows map[string][]float32
		for _, cut := range [][]int{{n}, {1, n - 1}, {33, 2, 40}, {70, 1, 1, 1, 1, 1}} {
			c := l.Cache(backend.KVF16)
			var got []float32
			rows := map[string][]float32{}
			at := 0
			for _, k := range cut {
				var watched []int
				for _, w := range []int{0, 40, n - 1} {
					if w >= at && w < at+k {
						watched = append(watched, w-at)
					}
				}
				got = append(got, l.Step(c, ids[at:at+k], backendtest.WatchInto(rows, nil, watched...))...)
				at += k
			}
			c.Close()
			if want == nil {
				want, wantRows = got, rows
				continue
			}
			backendtest.SameBits(t, fmt.Sprintf("%s cut %v", name, cut), got, want)
			for k, w := range wantRows {
				backendtest.SameBits(t, fmt.Sprintf("%s cut %v, row %s", name, cut, k), rows[k], w)
			}
		}
	}
}

// A step that is given up leaves the cache as it was.
func TestAbandonedStep(t *testing.T) { OnEach(t, testAbandonedStep) }

func testAbandonedStep(t *testing.T) {
	l := backendtest.Bind(onDevice(t, Options{}), backendtest.Shapes["odd"])
	ids := backendtest.Tokens(20)
	c, d := l.Cache(backend.KVF32), l.Cache(backend.KVF32)
	defer c.Close()
	defer d.Close()
	want := append(l.Step(c, ids[:10], nil), l.Step(c, ids[10:], nil)...)
	got := l.Step(d, ids[:10], nil)
	o := backendtest.Must(l.Backend.Begin(d, 10, nil))
	k := o.Embed(l.Embed, ids[10:], 9)
	o.Store(0, o.Linear(k, l.K, nil), o.Linear(k, l.V, nil))
	if err := d.Truncate(10); err != nil {
		t.Fatal(err)
	}
	backendtest.SameBits(t, "states", append(got, l.Step(d, ids[10:], nil)...), want)
}
