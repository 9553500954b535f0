package gguf

import (
	"encoding/binary"
	"fmt"
)

// cursor walks the bytes of a header. After the first read beyond the end, err
// is set and all reads give zero.
type cursor struct {
	data []byte
	pos  int
	err  error
}

// take gives the next n bytes, or nil when there are not that many.
func (c *cursor) take(n uint64) []byte {
	if c.err != nil {
		return nil
	}
	if left := uint64(len(c.data) - c.pos); n > left {
		c.err = fmt.Errorf("%d bytes are needed at offset %d and only %d are left: the file is cut off, at least %d bytes are missing; fetch it again", n, c.pos, left, n-left)
		return nil
	}
	b := c.data[c.pos : c.pos+int(n) : c.pos+int(n)]
	c.pos += int(n)
	return b
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text gives the bytes of a length-prefixed string of at most limit bytes.
func (c *cursor) text(limit uint64) []byte {
	at := c.pos
	n := c.u64()
	if c.err == nil && n > limit {
		c.err = fmt.Errorf("a string of %d bytes at offset %d, where at most %d make sense: the file is damaged; fetch it again", n, at, limit)
	}
	return c.take(n)
}
