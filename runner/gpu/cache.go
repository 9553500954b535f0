package gpu

import (
	"encoding/binary"
	"fmt"
	"sort"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
	"headprof/runner/shape"
)

// Cache holds keys and values in device memory, each KV head of each layer in
// a region of its own, so that heads may differ in length.
type Cache struct {
	b      *Backend
	layers []shape.Layer
	half   bool
	heads  [][]kvHead // [layer][kv head]
	n      int        // tokens committed
	kept   bool
	step   *ops // unfinished
}

// kvHead is one layer's KV head: capacity keys, then capacity values.
type kvHead struct {
	region
	capacity int
	n        int     // entries committed
	pos      []int32 // positions of the entries once Keep was called; nil: entry index = position
}

// entryBytes gives the bytes of one entry's key and value.
func (c *Cache) entryBytes(layer int) (key, value int) {
	l := c.layers[layer]
	if c.half {
		return (l.KeyDim + 1) / 2 * 4, (l.ValueDim + 1) / 2 * 4
	}
	return 4 * l.KeyDim, 4 * l.ValueDim
}

func (c *Cache) tokenBytes() int64 {
	var sum int64
	for i, l := range c.layers {
		if !l.Stores() {
			continue
		}
		k, v := c.entryBytes(i)
		sum += int64(k+v) * int64(l.KVHeads)
	}
	return sum
}

const (
	maxHeadDim = 256
	growth     = 64 // entries
)

// sizes are the regions that a cache for so many tokens takes.
func (c *Cache) sizes(tokens int) (all []uint64) {
	for i, l := range c.layers {
		if !l.Stores() {
			continue
		}
		k, v := c.entryBytes(i)
		for range l.KVHeads {
			all = append(all, aligned(uint64(tokens)*uint64(k+v)))
		}
	}
	return all
}

// shape makes an empty cache.
func (b *Backend) shape(layers []shape.Layer, kv backend.KVType) (*Cache, error) {
	c := &Cache{b: b, layers: append([]shape.Layer(nil), layers...), half: kv == backend.KVF16}
	if kv != backend.KVF32 && kv != backend.KVF16 {
		return nil, fmt.Errorf("gpu: unknown KV cache format %d", kv)
	}
	for i, l := range layers {
		if l.State > 0 {
			return nil, errRecurrence
		}
		if l.KVHeads <= 0 || l.KeyDim <= 0 || l.ValueDim <= 0 || l.KeyDim > maxHeadDim || l.ValueDim > maxHeadDim {
			return nil, fmt.Errorf("gpu: layer %d has %d KV heads of %d and %d dimensions; the GPU kernels take 1 to %d dimensions (--device cpu takes any)", i, l.KVHeads, l.KeyDim, l.ValueDim, maxHeadDim)
		}
	}
	c.heads = make([][]kvHead, len(layers))
	for l, s := range layers {
		if !s.Stores() {
			c.heads[l] = c.heads[l-s.Shares] // the same heads
			continue
		}
		c.heads[l] = make([]kvHead, s.KVHeads)
	}
	return c, nil
}

// NewCache makes an empty cache with space for capacity tokens. When they do
// not fit into the device's free memory, the error says how many would.
func (b *Backend) NewCache(layers []shape.Layer, kv backend.KVType, capacity int) (backend.Cache, error) {
	c, err := b.shape(layers, kv)
	if err != nil {
		return nil, err
	}
	capacity = max(capacity, 0)
	if need, free := c.tokenBytes()*int64(capacity), b.v.free()+b.caches.spare(); need > free {
		return nil, fmt.Errorf("gpu: a KV cache for %d tokens needs %s and %s has %s free; at most %d tokens fit (--cache-type f16 halves the need of f32)", capacity, megabytes(need), b.v.Info.Name, megabytes(free), free/max(1, c.tokenBytes()))
	}
	if capacity == 0 {
		return c, nil
	}
	if err := c.prepare(capacity); err != nil {
		return nil, err
	}
	for l := range c.heads {
		if !c.layers[l].Stores() {
			continue
		}
		for h := range c.heads[l] {
			r, err := c.alloc(l, capacity)
			if err != nil {
				c.Close()
				return nil, err
			}
			c.heads[l][h] = kvHead{region: r, capacity: capacity}
		}
	}
	return c, nil
}

// prepare makes blocks for a cache of so many tokens, where those at hand have none.
func (c *Cache) prepare(tokens int) error {
	total := uint64(c.tokenBytes()) * uint64(tokens)
	if total < c.b.caches.chunk || int64(total) <= c.b.caches.spare() {
		return nil
	}
	return c.b.caches.addBlocks(c.sizes(tokens))
}

func (c *Cache) alloc(layer, entries int) (region, error) {
	k, v := c.entryBytes(layer)
	return c.b.caches.alloc(uint64(entries) * uint64(k+v))
}

// Len is the number of tokens committed.
func (c *Cache) Len() int { return c.n }

// Entries is the number of entries of one KV head.
func (c *Cache) Entries(layer, kvHead int) int { return c.heads[layer][kvHead].n }

// Bytes is the device memory that the cache holds.
func (c *Cache) Bytes() int64 {
	var sum int64
	for l := range c.heads {
		if !c.layers[l].Stores() {
			continue
		}
		for _, h := range c.heads[l] {
			sum += int64(h.len)
		}
	}
	return sum
}

// Close gives the memory back.
func (c *Cache) Close() {
	c.abandon()
	for _, l := range c.heads {
		for i := range l {
			c.b.caches.release(l[i].region)
			l[i] = kvHead{}
		}
	}
}

// abandon ends a step that was not flushed; nothing of it stays.
func (c *Cache) abandon() {
	if c.step != nil {
		c.step.end()
	}
}

// firstFrom is the lowest entry whose position is at least pos.
func (h *kvHead) firstFrom(pos int) int {
	if h.pos == nil {
		return min(max(pos, 0), h.n)
	}
	return sort.Search(h.n, func(i int) bool { return int(h.pos[i]) >= pos })
}

// Truncate forgets all tokens from position n on. It fails once Keep was called.
func (c *Cache) Truncate(n int) error {
	c.abandon()
	if n < 0 || n > c.n {
		return fmt.Errorf("gpu: cannot truncate to %d tokens, the cache holds %d", n, c.n)
	}
	if c.kept && n != c.n {
		return fmt.Errorf("gpu: cannot truncate after entries were dropped; fork before Keep instead")
	}
	for l := range c.heads {
		for i := range c.heads[l] {
			h := &c.heads[l][i]
			h.n = h.firstFrom(n)
		}
	}
	c.n = n
	return nil
}

// Fork copies the first n tokens' entries on the device.
func (c *Cache) Fork(n int) (backend.Cache, error) {
	c.abandon()
	if n < 0 || n > c.n {
		return nil, fmt.Errorf("gpu: cannot fork %d tokens, the cache holds %d", n, c.n)
	}
	f := &Cache{b: c.b, layers: c.layers, half: c.half, heads: make([][]kvHead, len(c.heads)), n: n, kept: c.kept}
	r, err := c.b.recorder()
	if err != nil {
		return nil, err
	}
	defer c.b.giveBack(r)
	if longest := f.longest(c); longest > 0 {
		if err := f.prepare(longest); err != nil {
			return nil, err
		}
	}
	for l := range c.heads {
		if s := c.layers[l]; !s.Stores() {
			f.heads[l] = f.heads[l-s.Shares]
			continue
		}
		f.heads[l] = make([]kvHead, len(c.heads[l]))
		for i := range c.heads[l] {
			from, to := &c.heads[l][i], &f.heads[l][i]
			to.n = from.firstFrom(n)
			if from.pos != nil {
				to.pos = append([]int32(nil), from.pos[:to.n]...)
			}
			if to.n == 0 {
				continue
			}
			to.capacity = forked(from, to.n)
			if to.region, err = f.alloc(l, to.capacity); err != nil {
				r.wait()
				f.Close()
				return nil, err
			}
			c.copyEntries(r, l, to, from, to.n)
		}
	}
	if err := r.wait(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// forked is the size of a copy of a head's first n entries: all that the head
// has, for a sequence is likely to go on as far, or little more than n where
// entries were dropped.
func forked(from *kvHead, n int) int {
	if from.pos != nil {
		return n + growth
	}
	return max(n+growth, from.capacity)
}

// longest is the size of the heads of a fork of c when it is the same for all; else 0.
func (f *Cache) longest(c *Cache) int {
	if c.kept || f.n == 0 {
		return 0
	}
	return forked(&c.heads[0][0], f.n)
}

// copyEntries records the copy of a head's first entries to another region.
func (c *Cache) copyEntries(r *recorder, layer int, to, from *kvHead, entries int) {
	k, v := c.entryBytes(layer)
	r.copy(to.region, 0, from.region, 0, uint64(entries*k))
	r.copy(to.region, uint64(to.capacity*k), from.region, uint64(from.capacity*k), uint64(entries*v))
}

// reserve makes space for n more entries in each head. Old storage is given
// back when the step ends.
func (c *Cache) reserve(o *ops, n int) error {
	for l := range c.heads {
		for i := range c.heads[l] {
			h := &c.heads[l][i]
			if h.n+n <= h.capacity {
				continue
			}
			to := *h
			to.capacity = (max(h.n+n, h.capacity+h.capacity/8) + growth) / growth * growth
			var err error
			if to.region, err = c.alloc(l, to.capacity); err != nil {
				return err
			}
			c.copyEntries(o.recorder, l, &to, h, h.n)
			if h.region.b != nil {
				o.outgrown = append(o.outgrown, h.region)
			}
			*h = to
		}
	}
	return nil
}

// Keep drops all entries of one layer's KV head but the given ones.
func (c *Cache) Keep(layer, head int, entries []int32) error {
	c.abandon()
	if layer < 0 || layer >= len(c.heads) || head < 0 || head >= len(c.heads[layer]) {
		return fmt.Errorf("gpu: there is no layer %d, KV head %d", layer, head)
	}
	h := &c.heads[layer][head]
	for i, e := range entries {
		if e < 0 || int(e) >= h.n || i > 0 && e <= entries[i-1] {
			return fmt.Errorf("gpu: layer %d, KV head %d: entries to keep must ascend within 0 to %d; number %d is %d", layer, head, h.n-1, i, e)
		}
	}
	kept := kvHead{n: len(entries), capacity: len(entries) + growth, pos: make([]int32, len(entries), len(entries)+growth)}
	for i, e := range entries {
		kept.pos[i] = e
		if h.pos != nil {
			kept.pos[i] = h.pos[e]
		}
	}
	r, err := c.b.recorder()
	if err != nil {
		return err
	}
	defer c.b.giveBack(r)
	if kept.region, err = c.alloc(layer, kept.capacity); err != nil {
		return err
	}
	list, err := c.b.uploads.alloc(uint64(4 * len(entries)))
	if err != nil {
		c.b.caches.release(kept.region)
		return err
	}
	defer c.b.uploads.release(list)
	for i, e := range entries {
		binary.LittleEndian.PutUint32(list.bytes()[4*i:], uint32(e))
	}
	k, v := c.entryBytes(layer)
	pack := func(dst, src uint64, bytes int) {
		push := struct {
			dst, src, entries uint64
			count, width      uint32
		}{dst, src, list.address(), uint32(len(entries)), uint32(bytes / 4)}
		r.dispatch(driver.Program{Kernel: "keep", Constants: [10]uint32{wide}}, unsafe.Pointer(&push), unsafe.Sizeof(push), grid(len(entries)*bytes/4), nil, nil)
	}
	if len(entries) > 0 {
		pack(kept.address(), h.address(), k)
		pack(kept.address()+uint64(kept.capacity*k), h.address()+uint64(h.capacity*k), v)
	}
	if err := r.wait(); err != nil {
		c.b.caches.release(kept.region)
		return err
	}
	c.b.caches.release(h.region)
	*h, c.kept = kept, true
	return nil
}
