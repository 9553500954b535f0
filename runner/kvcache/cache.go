// Package kvcache stores keys and values in host memory, per layer and KV
// head, and holds the eviction policies that shrink them.
//
// Entries lie in tiles of Tile entries, aligned to multiples of Tile of the
// entry's index. Within a tile the keys are transposed ([dimension][entry]),
// as a matrix product with a block of queries wants them; values are row by
// row ([entry][dimension]). Growing adds tiles and copies no more than the last
// one, whose capacity grows by 16 entries; a fork shares tiles until one side
// writes to them.
package kvcache

import (
	"fmt"
	"sync/atomic"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Tile is the number of entries per tile. Attention's order of summation
// depends on it, so changing it changes results' last bits.
const Tile = 64

// step is the unit of a block's space, in entries.
const step = 16

// Block is the storage of up to Tile entries of one KV head. Either the 16-bit
// or the 32-bit slices are used. Unused entries hold zeros or stale numbers.
type Block struct {
	Capacity int       // entries that fit: Tile, or less in a head's last block
	K16, V16 []uint16  // keys [headDim][Capacity] and values [Capacity][valueDim], binary16
	K32, V32 []float32 // the same in float32
	shared   atomic.Bool
}

// Head is one layer's KV head.
type Head struct {
	Blocks []*Block
	n      int     // entries, those of an unfinished step included
	pos    []int32 // positions of the entries once Keep was called; nil: entry index = position
}

// Host is a backend.Cache in host memory.
type Host struct {
	shapes []shape.Layer
	kv     backend.KVType
	heads  [][]Head // [layer][kv head]
	states *backend.States
	length int // tokens committed
	kept   bool
}

// New makes an empty cache. capacity is a hint; storage grows tile by tile.
func New(layers []shape.Layer, kv backend.KVType, capacity int) (*Host, error) {
	if kv != backend.KVF32 && kv != backend.KVF16 {
		return nil, fmt.Errorf("kv cache: unknown storage format %d", kv)
	}
	c := &Host{shapes: append([]shape.Layer(nil), layers...), kv: kv, heads: make([][]Head, len(layers)), states: backend.NewStates(layers)}
	for l, s := range layers {
		if !s.Attends() && s.Kind != shape.Attention {
			continue
		}
		if s.KVHeads <= 0 || s.KeyDim <= 0 || s.ValueDim <= 0 {
			return nil, fmt.Errorf("kv cache: layer %d has %d KV heads of %d and %d dimensions; all must be positive", l, s.KVHeads, s.KeyDim, s.ValueDim)
		}
		if !s.Stores() {
			c.heads[l] = c.heads[l-s.Shares] // the same heads
			continue
		}
		c.heads[l] = make([]Head, s.KVHeads)
		for h := range c.heads[l] {
			c.heads[l][h].Blocks = make([]*Block, 0, (max(capacity, 0)+Tile-1)/Tile)
		}
	}
	return c, nil
}

// Type is the storage format.
func (c *Host) Type() backend.KVType { return c.kv }

// Layers gives the shapes the cache was made for.
func (c *Host) Layers() []shape.Layer { return c.shapes }

// Head gives one layer's KV head, to read, or to write entries after Reserve.
func (c *Host) Head(layer, kvHead int) *Head { return &c.heads[layer][kvHead] }

// State is a layer's recurrent state, to read and to write in a step.
func (c *Host) State(layer int) []float32 { return c.states.Layer(layer) }

// Restorable is the last position up to n that Truncate and Fork can go to:
// recurrent states are kept at some positions only.
func (c *Host) Restorable(n int) int { return c.states.Restorable(n) }

// Len is the number of tokens committed: the position of the next one.
func (c *Host) Len() int { return c.length }

// Entries is the number of entries one layer's KV head holds, those of an
// unfinished step included.
func (c *Host) Entries(layer, kvHead int) int { return c.heads[layer][kvHead].n }

// Kept reports whether entries were dropped, so that an entry's index is no
// longer its position everywhere.
func (c *Host) Kept() bool { return c.kept }

// Len is the number of entries of the head.
func (h *Head) Len() int { return h.n }

// Position is the token position of entry i.
func (h *Head) Position(i int) int {
	if h.pos == nil {
		return i
	}
	return int(h.pos[i])
}

// FirstFrom is the lowest entry whose position is at least pos.
func (h *Head) FirstFrom(pos int) int {
	if h.pos == nil {
		return min(max(pos, 0), h.n)
	}
	lo, hi := 0, h.n
	for lo < hi {
		if mid := (lo + hi) / 2; int(h.pos[mid]) < pos {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// capacityOf is the capacity of block i of a head with n entries in all.
func capacityOf(i, n int) int { return min(Tile, (n-i*Tile+step-1)/step*step) }

func (c *Host) newBlock(s shape.Layer, space int) *Block {
	b := &Block{Capacity: space}
	nk, nv := space*s.KeyDim, space*s.ValueDim
	if c.kv == backend.KVF16 {
		all := make([]uint16, nk+nv)
		b.K16, b.V16 = all[:nk:nk], all[nk:]
	} else {
		all := make([]float32, nk+nv)
		b.K32, b.V32 = all[:nk:nk], all[nk:]
	}
	return b
}

// writable gives b, or where it is shared or too small a copy of it.
func (c *Host) writable(s shape.Layer, b *Block, space int) *Block {
	if !b.shared.Load() && b.Capacity >= space {
		return b
	}
	own := c.newBlock(s, max(space, b.Capacity))
	for d := range s.KeyDim {
		if b.K16 != nil {
			copy(own.K16[d*own.Capacity:], b.K16[d*b.Capacity:][:b.Capacity])
		} else {
			copy(own.K32[d*own.Capacity:], b.K32[d*b.Capacity:][:b.Capacity])
		}
	}
	copy(own.V16, b.V16)
	copy(own.V32, b.V32)
	return own
}

// Reserve appends n entries to one head, at positions first, first+1, …, and
// gives the index of the first; the caller then writes their storage. They
// count as uncommitted until Commit.
func (c *Host) Reserve(layer, kvHead, n, first int) int {
	h, s := &c.heads[layer][kvHead], c.shapes[layer]
	start := h.n
	if i := start / Tile; start%Tile != 0 && n > 0 {
		h.Blocks[i] = c.writable(s, h.Blocks[i], capacityOf(i, start+n))
	}
	for len(h.Blocks)*Tile < start+n {
		h.Blocks = append(h.Blocks, c.newBlock(s, capacityOf(len(h.Blocks), start+n)))
	}
	if h.pos != nil {
		for i := range n {
			h.pos = append(h.pos, int32(first+i))
		}
	}
	h.n += n
	return start
}

// Commit ends a step: the next token's position is n.
func (c *Host) Commit(n int) {
	c.length = n
	c.states.Commit(n)
}

// Rollback forgets what was reserved since the last Commit.
func (c *Host) Rollback() {
	c.states.Rollback()
	for l := range c.heads {
		for k := range c.heads[l] {
			c.heads[l][k].cut(c.length)
		}
	}
}

// cut drops the entries at positions n and later.
func (h *Head) cut(n int) {
	h.n = h.FirstFrom(n)
	if h.pos != nil {
		h.pos = h.pos[:h.n]
	}
	blocks := (h.n + Tile - 1) / Tile
	clear(h.Blocks[blocks:])
	h.Blocks = h.Blocks[:blocks]
}

// Truncate forgets all tokens from position n on. It fails once Keep was called.
func (c *Host) Truncate(n int) error {
	if n < 0 || n > c.length {
		return fmt.Errorf("kv cache: cannot truncate to %d tokens, it holds %d", n, c.length)
	}
	if c.kept && n != c.length {
		return fmt.Errorf("kv cache: cannot truncate after entries were dropped; fork before Keep instead")
	}
	if err := c.states.Truncate(n); err != nil {
		return fmt.Errorf("kv cache: %w", err)
	}
	c.length = n
	c.Rollback()
	return nil
}

// Fork gives an independent cache of the first n tokens. Storage is shared,
// and counted by Bytes in both, until one of them writes to it.
func (c *Host) Fork(n int) (backend.Cache, error) {
	if n < 0 || n > c.length {
		return nil, fmt.Errorf("kv cache: cannot fork %d tokens, it holds %d", n, c.length)
	}
	states, err := c.states.Fork(n)
	if err != nil {
		return nil, fmt.Errorf("kv cache: %w", err)
	}
	f := &Host{shapes: c.shapes, kv: c.kv, heads: make([][]Head, len(c.heads)), states: states, length: n, kept: c.kept}
	for l := range c.heads {
		if s := c.shapes[l]; !s.Stores() {
			f.heads[l] = f.heads[l-s.Shares]
			continue
		}
		f.heads[l] = make([]Head, len(c.heads[l]))
		for k := range c.heads[l] {
			from, to := &c.heads[l][k], &f.heads[l][k]
			to.n = from.FirstFrom(n)
			blocks := (to.n + Tile - 1) / Tile
			to.Blocks = append([]*Block(nil), from.Blocks[:blocks]...)
			for _, b := range to.Blocks {
				b.shared.Store(true)
			}
			if from.pos != nil {
				to.pos = append([]int32(nil), from.pos[:to.n]...)
			}
		}
	}
	return f, nil
}

// Keep drops all entries of one layer's KV head but the given ones (ascending
// entry indexes) and frees their memory.
func (c *Host) Keep(layer, kvHead int, entries []int32) error {
	if layer < 0 || layer >= len(c.heads) || kvHead < 0 || kvHead >= len(c.heads[layer]) {
		return fmt.Errorf("kv cache: there is no layer %d, KV head %d", layer, kvHead)
	}
	h, s := &c.heads[layer][kvHead], c.shapes[layer]
	for i, e := range entries {
		if e < 0 || int(e) >= h.n || i > 0 && e <= entries[i-1] {
			return fmt.Errorf("kv cache: layer %d, KV head %d: entries to keep must ascend within 0 to %d; number %d is %d", layer, kvHead, h.n-1, i, e)
		}
	}
	pos := make([]int32, len(entries))
	blocks := make([]*Block, 0, (len(entries)+Tile-1)/Tile)
	for i, e := range entries {
		if i%Tile == 0 {
			blocks = append(blocks, c.newBlock(s, capacityOf(len(blocks), len(entries))))
		}
		pos[i] = int32(h.Position(int(e)))
		copyEntry(blocks[i/Tile], i%Tile, h.Blocks[e/Tile], int(e)%Tile, s)
	}
	h.Blocks, h.n, h.pos = blocks, len(entries), pos
	c.kept = true
	c.states.Pin()
	return nil
}

func copyEntry(to *Block, j int, from *Block, i int, s shape.Layer) {
	if from.K16 != nil {
		for d := range s.KeyDim {
			to.K16[d*to.Capacity+j] = from.K16[d*from.Capacity+i]
		}
		copy(to.V16[j*s.ValueDim:][:s.ValueDim], from.V16[i*s.ValueDim:])
		return
	}
	for d := range s.KeyDim {
		to.K32[d*to.Capacity+j] = from.K32[d*from.Capacity+i]
	}
	copy(to.V32[j*s.ValueDim:][:s.ValueDim], from.V32[i*s.ValueDim:])
}

// Entry gives the key and value of one entry as float32, as attention sees them.
func (c *Host) Entry(layer, kvHead, i int) (key, value []float32) {
	h, s := &c.heads[layer][kvHead], c.shapes[layer]
	b, j := h.Blocks[i/Tile], i%Tile
	key, value = make([]float32, s.KeyDim), make([]float32, s.ValueDim)
	for d := range key {
		if b.K16 != nil {
			key[d] = tensor.F16ToF32(b.K16[d*b.Capacity+j])
		} else {
			key[d] = b.K32[d*b.Capacity+j]
		}
	}
	for d := range value {
		if b.V16 != nil {
			value[d] = tensor.F16ToF32(b.V16[j*s.ValueDim+d])
		} else {
			value[d] = b.V32[j*s.ValueDim+d]
		}
	}
	return key, value
}

// Bytes is the memory the cache holds.
func (c *Host) Bytes() int64 {
	sum := c.states.Bytes()
	for l, s := range c.shapes {
		for k := range c.heads[l] {
			if !s.Stores() {
				continue
			}
			h := &c.heads[l][k]
			for _, b := range h.Blocks {
				sum += c.bytes(s, b.Capacity)
			}
			sum += 4*int64(cap(h.pos)) + 8*int64(cap(h.Blocks))
		}
	}
	return sum
}

// Needed is the memory in bytes that the cache's entries take, in steps of
// whole tiles. [Host.Bytes] may be more, by how the cache has grown.
func (c *Host) Needed() int64 {
	sum := backend.PredictStates(c.shapes, c.length)
	for l, s := range c.shapes {
		for k := range c.heads[l] {
			if s.Stores() {
				h := &c.heads[l][k]
				sum += c.needed(s, h.n) + 4*int64(len(h.pos))
			}
		}
	}
	return sum
}

// needed is the memory of one KV head's entries and of the list of their tiles.
func (c *Host) needed(s shape.Layer, entries int) int64 {
	return c.bytes(s, (entries+step-1)/step*step) + 8*int64((entries+Tile-1)/Tile)
}

// bytes is the size of so many entries.
func (c *Host) bytes(s shape.Layer, entries int) int64 {
	n := int64(entries) * int64(s.KeyDim+s.ValueDim)
	if c.kv == backend.KVF16 {
		return 2 * n
	}
	return 4 * n
}

// Predict is the memory in bytes that a cache of so many tokens will hold.
func Predict(layers []shape.Layer, kv backend.KVType, tokens int) int64 {
	c := Host{kv: kv}
	sum := backend.PredictStates(layers, tokens)
	for _, s := range layers {
		if !s.Stores() {
			continue
		}
		sum += int64(s.KVHeads) * c.needed(s, tokens)
	}
	return sum
}

// Close frees the storage.
func (c *Host) Close() {
	for l := range c.heads {
		clear(c.heads[l])
	}
	c.length = 0
}
