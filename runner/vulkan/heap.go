package vulkan

import (
	"fmt"
	"sort"
	"sync"
	"unsafe"
)

// block is one allocation of the driver with a buffer over all of it.
type block struct {
	memory, buffer handle
	size           uint64
	address        uint64
	mapped         unsafe.Pointer // nil: the host does not see it
	free           []span         // ascending, never touching each other
}

// span is a range of bytes [from, to).
type span struct{ from, to uint64 }

// region is a piece of a block.
type region struct {
	b        *block
	off, len uint64
}

func (r region) address() uint64 { return r.b.address + r.off }

// bytes is the region as the host sees it; it must be mapped.
func (r region) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.b.mapped, r.off)), r.len)
}

// heap hands out regions of one memory type. Drivers bound the number of
// allocations (4096 is usual), so it takes blocks and cuts them.
type heap struct {
	v     *device
	what  string // for messages
	kind  uint32 // memory type
	chunk uint64 // least size of a block
	hold  bool   // keep empty blocks: each step needs them again
	blind bool   // the host does not see it, even where it could
	dry   bool   // nothing is allocated; peak says what would be, in one block
	peak  uint64
	lock  sync.Mutex
	all   []*block
}

// align is what regions start at: whole cache lines, and enough for every
// alignment that Vulkan asks of a storage buffer.
const align = 256

func aligned(size uint64) uint64 { return max(align, (size+align-1)/align*align) }

// alloc gives a region of at least size bytes; its contents are undefined.
func (h *heap) alloc(size uint64) (region, error) {
	size = aligned(size)
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.dry && h.all == nil {
		h.all = []*block{{free: []span{{0, 1 << 60}}}}
	}
	for _, b := range h.all {
		for i, s := range b.free {
			if s.to-s.from < size {
				continue
			}
			if s.to-s.from == size {
				b.free = append(b.free[:i], b.free[i+1:]...)
			} else {
				b.free[i].from += size
			}
			h.peak = max(h.peak, s.from+size)
			return region{b, s.from, size}, nil
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
	if size < b.size {
		b.free = []span{{size, b.size}}
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
	b, s := r.b, span{r.off, r.off + r.len}
	i := sort.Search(len(b.free), func(i int) bool { return b.free[i].from >= s.to })
	if i < len(b.free) && b.free[i].from == s.to {
		s.to = b.free[i].to
		b.free = append(b.free[:i], b.free[i+1:]...)
	}
	if i > 0 && b.free[i-1].to == s.from {
		b.free[i-1].to = s.to
	} else {
		b.free = append(b.free[:i], append([]span{s}, b.free[i:]...)...)
	}
	if !h.hold && !h.dry && len(b.free) == 1 && b.free[0] == (span{0, b.size}) {
		h.drop(b)
	}
}

// spare is how much of the heap's blocks is not handed out.
func (h *heap) spare() (sum int64) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, b := range h.all {
		for _, s := range b.free {
			sum += int64(s.to - s.from)
		}
	}
	return sum
}

// held is the size of the heap's blocks.
func (h *heap) held() (sum int64) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, b := range h.all {
		sum += int64(b.size)
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
		b.free = []span{{0, sum}}
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

// newBlock allocates memory with a buffer over it, which the host sees if it
// can and should.
func (v *device) newBlock(kind uint32, size uint64, seen bool) (*block, error) {
	if v.fail != nil {
		if err := v.fail(size); err != nil {
			return nil, err
		}
	}
	if v.onDevice(kind) && v.limit > 0 && v.limit-v.taken() < int64(size) {
		return nil, &Error{Call: fmt.Sprintf("%s on top of %s in use, %s may be used", megabytes(int64(size)), megabytes(v.taken()), megabytes(v.limit)), Code: errOutOfDeviceMemory}
	}
	if size > v.maxAllocation {
		return nil, &Error{Call: fmt.Sprintf("one allocation of %s, the driver's limit is %s", megabytes(int64(size)), megabytes(int64(v.maxAllocation))), Code: errOutOfDeviceMemory}
	}
	b := &block{size: size}
	info := &bufferCreateInfo{sType: typeBufferCreateInfo, size: size, usage: usageStorage | usageAddress | usageTransferSrc | usageTransferDst}
	if err := result("vkCreateBuffer", call(v.createBuffer, v.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&b.buffer)))); err != nil {
		return nil, err
	}
	need := &memoryRequirements{}
	call(v.bufferRequirements, v.handle, uintptr(b.buffer), uintptr(unsafe.Pointer(need)))
	flags := &memoryAllocateFlags{sType: typeMemoryAllocateFlags, flags: allocateAddress}
	alloc := &memoryAllocateInfo{sType: typeMemoryAllocateInfo, next: unsafe.Pointer(flags), size: need.size, typeIndex: kind}
	err := result("vkAllocateMemory", call(v.allocateMemory, v.handle, uintptr(unsafe.Pointer(alloc)), 0, uintptr(unsafe.Pointer(&b.memory))))
	if err == nil {
		err = result("vkBindBufferMemory", call(v.bindMemory, v.handle, uintptr(b.buffer), uintptr(b.memory), 0))
	}
	if err == nil && v.memory.types[kind].flags&memoryHostVisible != 0 && seen {
		err = result("vkMapMemory", call(v.mapMemory, v.handle, uintptr(b.memory), 0, ^uintptr(0), 0, uintptr(unsafe.Pointer(&b.mapped))))
	}
	v.account(kind, int64(size))
	if err != nil {
		v.freeBlock(kind, b)
		return nil, err
	}
	at := &bufferDeviceAddressInfo{sType: typeBufferDeviceAddress, buffer: b.buffer}
	b.address = uint64(call(v.bufferAddress, v.handle, uintptr(unsafe.Pointer(at))))
	return b, nil
}

func (v *device) freeBlock(kind uint32, b *block) {
	call(v.destroyBuffer, v.handle, uintptr(b.buffer), 0)
	if b.memory != 0 {
		call(v.freeMemory, v.handle, uintptr(b.memory), 0)
	}
	v.account(kind, -int64(b.size))
}

func (v *device) account(kind uint32, bytes int64) {
	if !v.onDevice(kind) {
		return
	}
	v.used.Lock()
	v.used.local += uint64(bytes)
	v.used.peak = max(v.used.peak, v.used.local)
	v.used.Unlock()
}

func megabytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
