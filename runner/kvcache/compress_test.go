package kvcache

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

// filled is a cache of n tokens whose entries say where they come from.
func filled(t *testing.T, layers []shape.Layer, kv backend.KVType, n int) *Host {
	t.Helper()
	c, err := New(layers, kv, n)
	if err != nil {
		t.Fatal(err)
	}
	for l, s := range layers {
		for h := range s.KVHeads {
			c.Reserve(l, h, n, 0)
			for i := range n {
				b := c.Head(l, h).Blocks[i/Tile]
				for d := range s.KeyDim {
					if kv == backend.KVF16 {
						b.K16[d*b.Capacity+i%Tile] = uint16(i)
					} else {
						b.K32[d*b.Capacity+i%Tile] = float32(i)
					}
				}
				for d := range s.ValueDim {
					if kv == backend.KVF16 {
						b.V16[i%Tile*s.ValueDim+d] = uint16(i + 1)
					} else {
						b.V32[i%Tile*s.ValueDim+d] = float32(i + 1)
					}
				}
			}
		}
	}
	c.Commit(n)
	return c
}

// What a budget promises in entries is what the cache holds; in bytes it is
// that, rounded up to a multiple of 16 entries, and the positions (4 bytes an entry) and
// tile lists (8 bytes a tile) besides.
func TestCompressedCachesHoldWhatBudgetsPromise(t *testing.T) {
	layers := []shape.Layer{{KVHeads: 2, KeyDim: 16, ValueDim: 16}, {KVHeads: 1, KeyDim: 32, ValueDim: 16}}
	budgets := [][]int{{0, 56}, {200}}
	for _, kv := range []backend.KVType{backend.KVF16, backend.KVF32} {
		c := filled(t, layers, kv, 1000)
		full := c.Bytes()
		o, err := NewObserver(Selection{8, 7}, 1000, shape.Model{{Heads: 2, KVHeads: 2}, {Heads: 1, KVHeads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		for l, s := range layers {
			for h := range s.KVHeads {
				for _, p := range o.Positions() {
					w := make([]float32, p+1)
					w[500] = 1
					o.Row(backend.Row{Layer: l, Head: h, Position: p, Weights: w})
				}
			}
		}
		if err := Compress(c, layers, HeadKV{Selection: o.Selection, budgets: budgets}, o, 1000); err != nil {
			t.Fatal(err)
		}
		element := int64(2)
		if kv == backend.KVF32 {
			element = 4
		}
		var want int64
		for l, s := range layers {
			for h, b := range budgets[l] {
				n := b + 8
				if got := c.Entries(l, h); got != n {
					t.Errorf("layer %d, KV head %d holds %d entries, want %d", l, h, got, n)
				}
				tiles := int64(n+Tile-1) / Tile
				space := int64(n+15) / 16 * 16
				want += space*int64(s.KeyDim+s.ValueDim)*element + 4*int64(n) + 8*tiles
			}
		}
		if got := c.Bytes(); got != want {
			t.Errorf("the cache holds %d bytes, want %d (of %d before)", got, want, full)
		}
		// Keys, values and positions are those of the entries kept.
		h := c.Head(0, 1)
		if h.Position(0) != 0 && !slices.Contains([]int{497, 498, 499}, h.Position(0)) {
			t.Errorf("the first entry kept has position %d", h.Position(0))
		}
		for i := range h.Len() {
			pos := h.Position(i)
			b := h.Blocks[i/Tile]
			var k, v int
			if kv == backend.KVF16 {
				k, v = int(b.K16[3*b.Capacity+i%Tile]), int(b.V16[i%Tile*16+3])
			} else {
				k, v = int(b.K32[3*b.Capacity+i%Tile]), int(b.V32[i%Tile*16+3])
			}
			if k != pos || v != pos+1 {
				t.Fatalf("entry %d of position %d has key %d and value %d", i, pos, k, v)
			}
		}
		if c.Len() != 1000 {
			t.Errorf("the next token's position is %d, want 1000", c.Len())
		}
	}
}

// Memory that a policy drops goes back to the system's pool, not just out of a count.
func TestDroppedEntriesFreeTheirMemory(t *testing.T) {
	layers := []shape.Layer{{KVHeads: 4, KeyDim: 64, ValueDim: 64}}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	start := heap()
	c := filled(t, layers, backend.KVF16, 32<<10) // 32 MiB
	before := heap() - start
	if err := Compress(c, layers, Streaming{4, 128}, nil, 32<<10); err != nil {
		t.Fatal(err)
	}
	after := heap() - start
	if before < 30<<20 || after > 2<<20 {
		t.Errorf("the heap holds %d bytes before and %d after dropping all but 128 of 32768 entries", before, after)
	}
	runtime.KeepAlive(c)
}

// The prompt's last token counts before it is fed: of a capacity of 7 the
// sinks are 4, the token to come is one, and two recent ones are left.
func TestCompressCountsTheTokenToCome(t *testing.T) {
	layers := shape.Model{{KVHeads: 1, KeyDim: 16, ValueDim: 16}}
	c := filled(t, layers, backend.KVF16, 11)
	if err := Compress(c, layers, Streaming{4, 7}, nil, 12); err != nil {
		t.Fatal(err)
	}
	var got []int
	for i := range c.Entries(0, 0) {
		got = append(got, c.Head(0, 0).Position(i))
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 9, 10}) {
		t.Errorf("keeps %v", got)
	}
}

func TestCompressRefuses(t *testing.T) {
	layers := []shape.Layer{{KVHeads: 1, KeyDim: 16, ValueDim: 16}}
	c := filled(t, layers, backend.KVF16, 20)
	if err := Compress(c, layers, Full{}, nil, 19); err == nil || !strings.Contains(err.Error(), "before decoding") {
		t.Errorf("a cache longer than its prompt: %v", err)
	}
	o, _ := NewObserver(Selection{8, 7}, 20, shape.Model{{Heads: 1, KVHeads: 1}})
	if err := Compress(c, layers, SnapKV{o.Selection, 12}, o, 20); err == nil || !strings.Contains(err.Error(), "0 of 8") {
		t.Errorf("an observer without rows: %v", err)
	}
	for _, s := range []Selection{{0, 7}, {8, 6}, {8, 0}, {-1, 1}} {
		if _, err := NewObserver(s, 20, shape.Model{{Heads: 1, KVHeads: 1}}); err == nil {
			t.Errorf("window %d, kernel %d is no error", s.Window, s.Kernel)
		}
	}
}
