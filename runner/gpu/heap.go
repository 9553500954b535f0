package gpu

import (
	"fmt"
	"sort"
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// block is one allocation of the driver.
type block struct {
	driver.Block
	free []span // ascending, never touching each other
}

// span is a range of bytes.
type span = driver.Span

// blockAt stands for memory at an address on the device.
func blockAt(address uint64) *block { return &block{Block: driver.Block{Address: address}} }

// region is a piece of a block.
type region struct {
	b        *block
	off, len uint64
}

func (r region) address() uint64 { return r.b.Address + r.off }

// bytes is the region as the host sees it; it must be mapped.
func (r region) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.b.Host, r.off)), r.len)
}

// heap hands out regions of one memory type. Drivers bound the number of
// allocations (4096 is usual), so it takes blocks and cuts them.
type heap struct {
	v     *device
	what  string // for messages
	kind  driver.Memory
	chunk uint64 // least size of a block
	hold  bool   // keep empty blocks: each step needs them again
	blind bool   // the host does not see it, even where it could
	dry   bool   // nothing is allocated; peak says what would be, in one block
	peak  uint64
	lock  sync.Mutex
	all   []*block
}

// align is what regions start at: whole cache lines, and enough for every
// alignment that an API asks of a buffer.
const align = 256

func aligned(size uint64) uint64 { return max(align, (size+align-1)/align*align) }

// alloc gives a region of at least size bytes; its contents are undefined.
func (h *heap) alloc(size uint64) (region, error) {
	size = aligned(size)
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.dry && h.all == nil {
		h.all = []*block{{free: []span{{From: 0, To: 1 << 60}}}}
	}
	for _, b := range h.all {
		for i, s := range b.free {
			if s.To-s.From < size {
				continue
			}
			if s.To-s.From == size {
				b.free = append(b.free[:i], b.free[i+1:]...)
			} else {
				b.free[i].From += size
			}
			h.peak = max(h.peak, s.From+size)
			return region{b, s.From, size}, nil
		}
	}
	b, err := h.v.newBlock(h.kind, max(size, h.chunk), !h.blind)
	if err != nil && size < h.chunk { // perhaps the exact size still fits
		b, err = h.v.newBlock(h.kind, size, !h.blind)
	}
	if err != nil {
		return region{}, fmt.Errorf("%s (%s): %w", h.what, megabytes(int64(size)), err)
	}
	h.all = append(h.all, b)
	if size < b.Size {
		b.free = []span{{From: size, To: b.Size}}
	}
	return region{b, 0, size}, nil
}

// release gives a region back; the device must be done with it.
func (h *heap) release(r region) {
	if r.b == nil {
		return
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	b, s := r.b, span{From: r.off, To: r.off + r.len}
	i := sort.Search(len(b.free), func(i int) bool { return b.free[i].From >= s.To })
	if i < len(b.free) && b.free[i].From == s.To {
		s.To = b.free[i].To
		b.free = append(b.free[:i], b.free[i+1:]...)
	}
	if i > 0 && b.free[i-1].To == s.From {
		b.free[i-1].To = s.To
	} else {
		b.free = append(b.free[:i], append([]span{s}, b.free[i:]...)...)
	}
	if !h.hold && !h.dry && len(b.free) == 1 && b.free[0] == (span{From: 0, To: b.Size}) {
		h.drop(b)
	}
}

// spare is how much of the heap's blocks is not handed out.
func (h *heap) spare() (sum int64) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, b := range h.all {
		for _, s := range b.free {
			sum += int64(s.To - s.From)
		}
	}
	return sum
}

// held is the size of the heap's blocks.
func (h *heap) held() (sum int64) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, b := range h.all {
		sum += int64(b.Size)
	}
	return sum
}

// maxBlock bounds the blocks that addBlocks makes: drivers find it hard to place
// very large ones.
const maxBlock = 512 << 20

// addBlocks makes blocks that regions of these sizes, asked for in this order, fill
// without a gap. On an error no block is left.
func (h *heap) addBlocks(sizes []uint64) error {
	h.lock.Lock()
	defer h.lock.Unlock()
	var made []*block
	limit := min(maxBlock, h.v.maxAllocation)
	for len(sizes) > 0 {
		sum, n := aligned(sizes[0]), 1
		for n < len(sizes) && sum+aligned(sizes[n]) <= limit {
			sum, n = sum+aligned(sizes[n]), n+1
		}
		b, err := h.v.newBlock(h.kind, sum, !h.blind)
		if err != nil {
			for _, b := range made {
				h.drop(b)
			}
			return fmt.Errorf("%s (%s): %w", h.what, megabytes(int64(sum)), err)
		}
		b.free = []span{{From: 0, To: sum}}
		h.all, made, sizes = append(h.all, b), append(made, b), sizes[n:]
	}
	return nil
}

func (h *heap) drop(b *block) {
	for i, x := range h.all {
		if x == b {
			h.all = append(h.all[:i], h.all[i+1:]...)
			break
		}
	}
	h.v.freeBlock(h.kind, b)
}

func (h *heap) close() {
	for len(h.all) > 0 {
		h.drop(h.all[0])
	}
}

func megabytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
