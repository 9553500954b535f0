package kvcache

import (
	"strings"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// What a cache holds in bytes, by hand: keys and values of 16-entry steps, 8
// bytes per tile listed.
func TestBytesToTheLast(t *testing.T) {
	one := shape.Model{{KVHeads: 3, KeyDim: 8, ValueDim: 4}}
	for capacity, tiles := range map[int]int64{-5: 0, 0: 0, 1: 1, 64: 1, 65: 2, 128: 2} {
		c, err := New(one, backend.KVF32, capacity)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Bytes(); got != 3*8*tiles {
			t.Errorf("an empty cache made for %d tokens holds %d bytes, want %d", capacity, got, 3*8*tiles)
		}
	}
	// 195 tokens take 208 entries of 12 numbers in 4 bytes, in 4 tiles.
	if got := Predict(one, backend.KVF32, 195); got != 3*(208*12*4+8*4) {
		t.Errorf("%d bytes predicted", got)
	}
	for _, keep := range []struct{ entries, space, tiles int64 }{{64, 64, 1}, {65, 80, 2}, {1, 16, 1}} {
		c := newFilled(t, 200)
		if err := c.Keep(1, 0, span(0, int(keep.entries))); err != nil {
			t.Fatal(err)
		}
		h := c.Head(1, 0)
		if len(h.Blocks) != int(keep.tiles) || cap(h.Blocks) != int(keep.tiles) || int64(h.Blocks[len(h.Blocks)-1].Capacity) != keep.space-64*(keep.tiles-1) {
			t.Errorf("%d entries lie in %d tiles (%d listed), the last with space for %d", keep.entries, len(h.Blocks), cap(h.Blocks), h.Blocks[len(h.Blocks)-1].Capacity)
		}
	}
}

// Tiles go when their last entry goes, and come when their first one comes.
func TestTilesAtTheirBorders(t *testing.T) {
	c := newFilled(t, 130)
	for _, n := range []int{129, 128, 65, 64, 63, 1, 0} {
		want := (n + 63) / 64
		f, err := c.Fork(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(f.(*Host).Head(0, 0).Blocks); got != want {
			t.Errorf("a fork of %d tokens lists %d tiles, want %d", n, got, want)
		}
		if err := c.Truncate(n); err != nil {
			t.Fatal(err)
		}
		if got := len(c.Head(0, 0).Blocks); got != want {
			t.Errorf("%d tokens lie in %d tiles, want %d", n, got, want)
		}
	}
}

// A tile is copied only where it must be: when it is shared and written to, or full.
func TestTilesAreCopiedOnlyWhenWritten(t *testing.T) {
	c := newFilled(t, 10)
	own := c.Head(0, 0).Blocks[0]
	c.Reserve(0, 0, 6, 10) // up to its space of 16
	if c.Head(0, 0).Blocks[0] != own {
		t.Error("a tile with space was copied")
	}
	c.Rollback()
	f, err := c.Fork(10)
	if err != nil {
		t.Fatal(err)
	}
	host := f.(*Host)
	host.Reserve(0, 0, 0, 10)
	if host.Head(0, 0).Blocks[0] != own {
		t.Error("a shared tile was copied for no entry at all")
	}
	host.Reserve(0, 0, 1, 10)
	if host.Head(0, 0).Blocks[0] == own {
		t.Error("a shared tile was written to")
	}
}

// 16-bit entries keep every dimension when others are dropped.
func TestKeepIn16Bits(t *testing.T) {
	c, err := New(twoLayers[:1], backend.KVF16, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Reserve(0, 0, 100, 0)
	c.Reserve(0, 1, 100, 0)
	for i := range 100 {
		b, j := c.Head(0, 1).Blocks[i/Tile], i%Tile
		for d := range 8 {
			b.K16[d*b.Capacity+j] = tensor.F32ToF16(float32(8*i + d))
		}
		for d := range 4 {
			b.V16[j*4+d] = tensor.F32ToF16(-float32(4*i + d))
		}
	}
	c.Commit(100)
	if err := c.Keep(0, 1, []int32{3, 70, 99}); err != nil {
		t.Fatal(err)
	}
	for i, p := range []int{3, 70, 99} {
		k, v := c.Entry(0, 1, i)
		for d, x := range k {
			if x != float32(8*p+d) {
				t.Errorf("key of entry %d, dimension %d: %v, want %d", i, d, x, 8*p+d)
			}
		}
		for d, x := range v {
			if x != -float32(4*p+d) {
				t.Errorf("value of entry %d, dimension %d: %v, want %d", i, d, x, -4*p-d)
			}
		}
	}
}

// A 16-bit tile that grows, or is copied because a fork shares it, keeps its entries.
func TestGrowthIn16Bits(t *testing.T) {
	c, err := New(twoLayers[:1], backend.KVF16, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(c *Host, n int) {
		first := c.Len()
		for h := range 2 {
			c.Reserve(0, h, n, first)
			for i := first; i < first+n; i++ {
				b, j := c.Head(0, h).Blocks[i/Tile], i%Tile
				for d := range 8 {
					b.K16[d*b.Capacity+j] = tensor.F32ToF16(float32(8*i + d))
				}
				for d := range 4 {
					b.V16[j*4+d] = tensor.F32ToF16(-float32(4*i + d))
				}
			}
		}
		c.Commit(first + n)
	}
	for _, n := range []int{5, 20, 45} {
		add(c, n)
	}
	f, err := c.Fork(68)
	if err != nil {
		t.Fatal(err)
	}
	add(f.(*Host), 1)
	for _, host := range []*Host{c, f.(*Host)} {
		for i := range host.Len() {
			k, v := host.Entry(0, 1, i)
			for d, x := range k {
				if x != float32(8*i+d) {
					t.Fatalf("key of entry %d of %d, dimension %d: %v, want %d", i, host.Len(), d, x, 8*i+d)
				}
			}
			for d, x := range v {
				if x != -float32(4*i+d) {
					t.Fatalf("value of entry %d of %d, dimension %d: %v, want %d", i, host.Len(), d, x, -4*i-d)
				}
			}
		}
	}
}

func TestEveryDimensionIsNeeded(t *testing.T) {
	for _, s := range []shape.Layer{{KVHeads: 0, KeyDim: 1, ValueDim: 1}, {KVHeads: 1, KeyDim: 0, ValueDim: 1}, {KVHeads: 1, KeyDim: 1, ValueDim: 0}} {
		if _, err := New(shape.Model{s}, backend.KVF32, 0); err == nil {
			t.Errorf("%+v is no error", s)
		}
	}
	c := newFilled(t, 10)
	if err := c.Keep(0, 0, []int32{3, 3}); err == nil || !strings.Contains(err.Error(), "within 0 to 9; number 1 is 3") {
		t.Errorf("%v", err)
	}
	for _, at := range [][2]int{{-1, 0}, {2, 0}, {0, -1}, {0, 2}} {
		if c.Keep(at[0], at[1], nil) == nil {
			t.Errorf("layer %d, KV head %d is no error", at[0], at[1])
		}
	}
	if _, err := c.Fork(-1); err == nil {
		t.Error("a fork of -1 tokens is no error")
	}
}

// The smallest window, kernel and prompt work; the largest sum of rows is 2^14.
func TestObserverAtItsLimits(t *testing.T) {
	o, err := NewObserver(Selection{1, 1}, 1, shape.Model{{Heads: 1, KVHeads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	o.Row(backend.Row{Position: 0, Weights: []float32{1}})
	if a, err := o.Attention(0); err != nil || len(a) != 1 || len(a[0]) != 0 {
		t.Errorf("a prompt of one token: %v, %v", a, err)
	}
	for _, c := range []struct {
		window, prompt, heads, kv int
		want                      string
	}{
		{1 << 14, 1 << 20, 1, 1, ""}, {1<<14 + 1, 1 << 20, 1, 1, "use at most 16384"}, {1 << 14, 1 << 20, 4, 2, "use at most 8192"},
		{1 << 13, 1 << 20, 4, 2, ""}, {1 << 20, 100, 1, 1, ""},
		{8, 0, 1, 1, "empty prompt"}, {8, 9, 3, 2, "cannot share"}, {8, 9, 1, 0, "cannot share"},
	} {
		_, err := NewObserver(Selection{c.window, 7}, c.prompt, shape.Model{{Heads: c.heads, KVHeads: c.kv}})
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("window %d, prompt %d, %d heads, %d KV heads: %v, want %q", c.window, c.prompt, c.heads, c.kv, err, c.want)
		}
	}
}

// By hand: a window of 2 in a prompt of 5, two heads on one KV head. Rows of
// other positions do not count, a weight above 1 counts as 1, and sums of 8
// bytes an entry become means of 4.
func TestObserverByHand(t *testing.T) {
	o, err := NewObserver(Selection{2, 1}, 5, shape.Model{{Heads: 2, KVHeads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		head, position int
		weights        []float32
	}{
		{0, 2, []float32{9, 9, 9}}, {0, 5, []float32{9, 9, 9}}, // outside the window
		{0, 3, []float32{0.5, 0.25, 0.125, 0.125}}, {0, 4, []float32{0.5, 0, 0.25, 0.25, 0}},
		{1, 3, []float32{1.5, 0, -1, 0}},
	} {
		o.Row(backend.Row{Head: r.head, Position: r.position, Weights: r.weights})
	}
	if got := o.Bytes(); got != 3*8 {
		t.Errorf("%d bytes while rows are missing", got)
	}
	if _, err := o.Attention(0); err == nil || !strings.Contains(err.Error(), "3 of 4 attention rows") {
		t.Errorf("%v", err)
	}
	o.Row(backend.Row{Head: 1, Position: 4, First: 2, Weights: []float32{0.5, 0.5, 0}})
	a, err := o.Attention(0)
	want := []float32{0.5, 0.0625, 0.21875} // (0.5+0.5+1)/4, 0.25/4, (0.125+0.25+0.5)/4
	if err != nil || len(a[0]) != 3 || a[0][0] != want[0] || a[0][1] != want[1] || a[0][2] != want[2] {
		t.Errorf("%v, %v; want %v", a, err, want)
	}
	if got := o.Bytes(); got != 3*4 {
		t.Errorf("%d bytes once all rows are there", got)
	}
}

// Bytes is the memory that the observer holds.
func (o *Observer) Bytes() int64 {
	var sum int64
	for l := range o.layers {
		s := &o.layers[l]
		s.mu.Lock()
		for g := range s.sum {
			sum += 8 * int64(len(s.sum[g]))
		}
		for g := range s.result {
			sum += 4 * int64(len(s.result[g]))
		}
		s.mu.Unlock()
	}
	return sum
}

// What entries need does not depend on how the cache came to hold them. By hand:
// 70 entries of 2+2 float32 in steps of 16 are 80·16 bytes, and two tiles are 16.
func TestNeededDoesNotDependOnHistory(t *testing.T) {
	one := shape.Model{{Heads: 1, KVHeads: 1, KeyDim: 2, ValueDim: 2}}
	grown := func(steps ...int) *Host {
		c, err := New(one, backend.KVF32, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, n := range steps {
			c.Reserve(0, 0, n, at)
			at += n
			c.Commit(at)
		}
		return c
	}
	cut := grown(120)
	if err := cut.Truncate(65); err != nil {
		t.Fatal(err)
	}
	cut.Reserve(0, 0, 5, 65)
	cut.Commit(70)
	for name, c := range map[string]*Host{"at once": grown(70), "in steps": grown(3, 60, 7), "cut and grown": cut} {
		if got := c.Needed(); got != 80*16+16 {
			t.Errorf("%s: %d bytes, want %d", name, got, 80*16+16)
		}
	}
}
