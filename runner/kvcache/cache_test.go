package kvcache

import (
	"testing"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

var twoLayers = []shape.Layer{{KVHeads: 2, KeyDim: 8, ValueDim: 4}, {KVHeads: 1, KeyDim: 16, ValueDim: 16}}

// fill appends n tokens whose keys and values hold their position.
func fill(t *testing.T, c *Host, n int) {
	t.Helper()
	first := c.Len()
	for l, s := range c.Layers() {
		for k := range s.KVHeads {
			start := c.Reserve(l, k, n, first)
			for i := range n {
				e := start + i
				b, j := c.Head(l, k).Blocks[e/Tile], e%Tile
				for d := range s.KeyDim {
					b.K32[d*b.Capacity+j] = float32(first+i) + float32(d)/64
				}
				for d := range s.ValueDim {
					b.V32[j*s.ValueDim+d] = -float32(first+i) - float32(d)/64
				}
			}
		}
	}
	c.Commit(first + n)
}

// A layer without a cache reads its source's, in forks too, and takes no memory.
func TestSharedHeads(t *testing.T) {
	layers := append([]shape.Layer(nil), twoLayers...)
	layers = append(layers, twoLayers[0], twoLayers[1])
	layers[2].Shares, layers[3].Shares = 2, 2
	c, err := New(layers, backend.KVF32, 0)
	if err != nil {
		t.Fatal(err)
	}
	alone := newFilled(t, 100)
	first := *c
	first.shapes = layers[:2]
	fill(t, &first, 100)
	c.Commit(100)
	if c.Bytes() != alone.Bytes() || Predict(layers, backend.KVF32, 100) != Predict(twoLayers, backend.KVF32, 100) {
		t.Errorf("%d bytes, alone %d", c.Bytes(), alone.Bytes())
	}
	f, err := c.Fork(70)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Keep(0, 1, []int32{3, 69}); err != nil {
		t.Fatal(err)
	}
	fork := f.(*Host)
	check(t, fork, 2, 1, 3, 69)
	if n := fork.Entries(3, 0); n != 70 {
		t.Errorf("%d entries", n)
	}
	if err := c.Truncate(50); err != nil || c.Entries(2, 0) != 50 {
		t.Errorf("%v, %d entries", err, c.Entries(2, 0))
	}
}

func newFilled(t *testing.T, n int) *Host {
	t.Helper()
	c, err := New(twoLayers, backend.KVF32, 0)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, c, n)
	return c
}

// check wants the entries of every head to be those of the given positions.
func check(t *testing.T, c *Host, layer, kvHead int, positions ...int) {
	t.Helper()
	if got := c.Entries(layer, kvHead); got != len(positions) {
		t.Fatalf("layer %d, head %d: %d entries, want %d", layer, kvHead, got, len(positions))
	}
	for i, p := range positions {
		k, v := c.Entry(layer, kvHead, i)
		if got := c.Head(layer, kvHead).Position(i); got != p {
			t.Fatalf("entry %d has position %d, want %d", i, got, p)
		}
		for d, x := range k {
			if want := float32(p) + float32(d)/64; x != want {
				t.Fatalf("key of entry %d, dimension %d: %v, want %v", i, d, x, want)
			}
		}
		for d, x := range v {
			if want := -float32(p) - float32(d)/64; x != want {
				t.Fatalf("value of entry %d, dimension %d: %v, want %v", i, d, x, want)
			}
		}
	}
}

func upTo(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	return p
}

// Appending in any portions keeps every entry, and Bytes is what Predict said.
func TestGrowth(t *testing.T) {
	c, err := New(twoLayers, backend.KVF32, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 1, 14, 1, 40, 10, 61, 64, 3} {
		fill(t, c, n)
	}
	for k := range 2 {
		check(t, c, 0, k, upTo(195)...)
	}
	check(t, c, 1, 0, upTo(195)...)
	payload := int64(4 * 208 * (2*12 + 32)) // 195 entries in steps of 16
	if got := c.Bytes(); got < payload || got > payload+400 {
		t.Errorf("%d bytes, payload %d", got, payload)
	}
	if got := Predict(twoLayers, backend.KVF32, 195); got < payload || got > payload+400 {
		t.Errorf("%d bytes predicted, payload %d", got, payload)
	}
	if got := Predict(twoLayers, backend.KVF16, 64); got != 2*64*(2*12+32)+8*3 {
		t.Errorf("%d bytes predicted for a tile of halves", got)
	}
}

// Both sides of a fork may go on, and neither sees what the other writes.
func TestForkIsIndependent(t *testing.T) {
	c := newFilled(t, 100)
	other, err := c.Fork(70)
	if err != nil {
		t.Fatal(err)
	}
	f := other.(*Host)
	if f.Head(0, 0).Blocks[0] != c.Head(0, 0).Blocks[0] {
		t.Error("a full tile was copied")
	}
	b, j := 1, 70%Tile
	start := f.Reserve(0, 0, 1, 70)
	f.Head(0, 0).Blocks[b].K32[j] = 1e9
	if start != 70 {
		t.Errorf("the fork's next entry is %d", start)
	}
	check(t, c, 0, 0, upTo(100)...)
	fill(t, c, 5)
	check(t, c, 0, 0, upTo(105)...)
	f.Rollback()
	check(t, f, 0, 0, upTo(70)...)
	fill(t, f, 10)
	check(t, f, 1, 0, upTo(80)...)
	if err := c.Truncate(3); err != nil {
		t.Fatal(err)
	}
	check(t, f, 0, 1, upTo(80)...)
	fill(t, c, 2)
	check(t, c, 0, 1, upTo(5)...)
	check(t, f, 0, 1, upTo(80)...)
}

// Keep holds just the entries named, each head its own, frees the rest, and
// later tokens follow with their own positions.
func TestKeep(t *testing.T) {
	c := newFilled(t, 1000)
	before := c.Bytes()
	if err := c.Keep(0, 1, []int32{0, 5, 999}); err != nil {
		t.Fatal(err)
	}
	if err := c.Keep(1, 0, []int32{7, 64, 65, 900}); err != nil {
		t.Fatal(err)
	}
	check(t, c, 0, 0, upTo(1000)...)
	check(t, c, 0, 1, 0, 5, 999)
	check(t, c, 1, 0, 7, 64, 65, 900)
	if saved := before - c.Bytes(); saved < 4*980*(12+32) {
		t.Errorf("%d bytes freed", saved)
	}
	fill(t, c, 20)
	check(t, c, 1, 0, append([]int{7, 64, 65, 900}, upTo(1020)[1000:]...)...)
	if got := c.Head(1, 0).FirstFrom(65); got != 2 {
		t.Errorf("the first entry from position 65 on is %d", got)
	}
	if err := c.Keep(1, 0, []int32{1, 4}); err != nil {
		t.Fatal(err)
	}
	check(t, c, 1, 0, 64, 1000)
	if c.Truncate(10) == nil {
		t.Error("truncation after Keep is no error")
	}
	if err := c.Truncate(c.Len()); err != nil {
		t.Errorf("truncation to what is there: %v", err)
	}
	f, err := c.Fork(c.Len())
	if err != nil {
		t.Fatal(err)
	}
	check(t, f.(*Host), 1, 0, 64, 1000)
}

func TestBadCallsAreErrors(t *testing.T) {
	c := newFilled(t, 10)
	for _, bad := range [][]int32{{3, 3}, {4, 2}, {-1}, {10}} {
		if c.Keep(0, 0, bad) == nil {
			t.Errorf("Keep(%v) is no error", bad)
		}
	}
	if c.Keep(2, 0, nil) == nil || c.Keep(0, 2, nil) == nil || c.Truncate(11) == nil || c.Truncate(-1) == nil {
		t.Error("a bad call is no error")
	}
	if _, err := c.Fork(11); err == nil {
		t.Error("a fork past the end is no error")
	}
	if _, err := New([]shape.Layer{{KVHeads: 1}}, backend.KVF32, 0); err == nil {
		t.Error("a head of no dimensions is no error")
	}
	if _, err := New(twoLayers, 9, 0); err == nil {
		t.Error("an unknown format is no error")
	}
}
