package gguf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"headprof/runner/tensor"
)

const keyAlignment = "general.alignment"

// Info is what a header says of one tensor.
type Info struct {
	Name    string
	Type    tensor.Type
	Shape   []int // outermost dimension first
	Offset  int64 // of its data, from the start of the file
	Bytes   int64 // 0 when the type is unknown
	Problem error // why headprof cannot use it; nil when it can
	Cut     bool  // its data ends beyond the end of the file
}

// header is a file's beginning, checked against its length.
type header struct {
	version   uint32
	alignment int
	meta      *Metadata
	infos     []Info
	placed    bool    // offsets of infos are from the start of the file, checked
	cut       error   // how many bytes of data are missing; nil when none are
	problems  []error // beside those of single tensors; set only when lenient
}

// parseHeader reads the header of the file whose bytes are data; source names
// it in errors. When lenient, it gives what could be read and lists what is
// wrong instead of failing, except for files that are no GGUF at all.
func parseHeader(source string, data []byte, lenient bool) (*header, error) {
	h := &header{alignment: 32, meta: NewMetadata(source)}
	c := &cursor{data: data}
	tensors, keys, err := h.readStart(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	err = h.readMetadata(c, keys)
	if err == nil {
		err = h.readInfos(c, tensors)
	}
	if err == nil {
		h.place(int64(len(data)), c.pos)
		if err = h.cut; err != nil && lenient {
			h.problems, err = append(h.problems, fmt.Errorf("%s: %w", source, err)), nil
		}
	}
	for i := 0; err == nil && !lenient && i < len(h.infos); i++ {
		if p := h.infos[i].Problem; p != nil {
			err = fmt.Errorf("tensor %q: %w", h.infos[i].Name, p)
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", source, err)
		if !lenient {
			return nil, err
		}
		h.problems = append(h.problems, err)
	}
	return h, nil
}

// readStart reads magic, version and counts.
func (h *header) readStart(c *cursor) (tensors, keys uint64, err error) {
	if len(c.data) == 0 {
		return 0, 0, fmt.Errorf("the file is empty; fetch it again")
	}
	magic := c.take(4)
	if c.err != nil && strings.HasPrefix("GGUF", string(c.data)) {
		return 0, 0, c.err
	}
	if string(magic) != "GGUF" {
		return 0, 0, fmt.Errorf("this is no GGUF file (it begins with %q); give a .gguf file or a Hugging Face folder", c.data[:min(4, len(c.data))])
	}
	h.version = c.u32()
	switch {
	case c.err != nil:
	case h.version&0xffff == 0 && h.version != 0:
		return 0, 0, fmt.Errorf("the file is big-endian; convert the model again for a little-endian machine")
	case h.version == 1:
		return 0, 0, fmt.Errorf("GGUF version 1 is outdated; convert the model again with a current llama.cpp")
	case h.version != 2 && h.version != 3:
		return 0, 0, fmt.Errorf("GGUF version %d is unknown (2 and 3 are read); the file is damaged or newer than this headprof", h.version)
	}
	tensors, keys = c.u64(), c.u64()
	switch {
	case c.err != nil:
		return 0, 0, c.err
	case tensors > maxTensors:
		return 0, 0, fmt.Errorf("the header counts %d tensors, where at most %d make sense: the file is damaged; fetch it again", tensors, maxTensors)
	case keys > maxKeys:
		return 0, 0, fmt.Errorf("the header counts %d metadata keys, where at most %d make sense: the file is damaged; fetch it again", keys, maxKeys)
	}
	return tensors, keys, nil
}

func (h *header) readMetadata(c *cursor, keys uint64) error {
	for i := range keys {
		key := string(c.text(maxKeyBytes))
		kind := Kind(c.u32())
		if c.err != nil {
			return fmt.Errorf("metadata key %d of %d: %w", i+1, keys, c.err)
		}
		if !utf8.ValidString(key) {
			return fmt.Errorf("metadata key %d of %d is not UTF-8 (%q): the file is damaged; fetch it again", i+1, keys, key)
		}
		v := readValue(c, kind)
		if c.err != nil {
			return fmt.Errorf("metadata %q: %w", key, c.err)
		}
		if h.meta.Has(key) {
			return fmt.Errorf("metadata %q is there twice: the file is damaged or was converted wrongly", key)
		}
		h.meta.put(key, v)
	}
	a, ok, err := h.meta.Uint(keyAlignment)
	switch {
	case err != nil:
		return fmt.Errorf("metadata %q is no integer: the file was converted wrongly", keyAlignment)
	case ok && (a == 0 || a > maxAlignment || a&(a-1) != 0):
		return fmt.Errorf("metadata %q is %d, where a power of two up to %d is needed: the file was converted wrongly", keyAlignment, a, maxAlignment)
	case ok:
		h.alignment = int(a)
	}
	return nil
}

func (h *header) readInfos(c *cursor, tensors uint64) error {
	seen := make(map[string]bool)
	for i := range tensors {
		t := Info{Name: string(c.text(maxNameBytes))}
		dims := c.u32()
		if c.err != nil {
			return fmt.Errorf("tensor %d of %d: %w", i+1, tensors, c.err)
		}
		if dims > maxDims {
			return fmt.Errorf("tensor %q has %d dimensions, where at most %d make sense: the file is damaged; fetch it again", t.Name, dims, maxDims)
		}
		t.Shape = make([]int, dims)
		for d := range t.Shape {
			n := c.u64()
			if n > math.MaxInt32*1024 {
				return fmt.Errorf("tensor %q has a dimension of %d: the file is damaged; fetch it again", t.Name, n)
			}
			t.Shape[len(t.Shape)-1-d] = int(n)
		}
		t.Type = tensor.Type(c.u32())
		offset := c.u64()
		if c.err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, c.err)
		}
		if !utf8.ValidString(t.Name) || t.Name == "" {
			return fmt.Errorf("tensor %d of %d has the name %q, which is empty or not UTF-8: the file is damaged; fetch it again", i+1, tensors, t.Name)
		}
		if seen[t.Name] {
			return fmt.Errorf("tensor %q is there twice: the file is damaged or was converted wrongly", t.Name)
		}
		seen[t.Name] = true
		if offset > math.MaxInt64/2 {
			t.Problem = outside(offset)
		}
		t.Offset = int64(offset & (math.MaxInt64 / 2))
		h.infos = append(h.infos, t)
	}
	return nil
}

func outside(offset uint64) error {
	return fmt.Errorf("its data would begin %d bytes into the weights, outside the file: the file is cut off or damaged; fetch it again", offset)
}

// place turns offsets within the weights, which begin after the header's end
// rounded up, into offsets within the file of the given size, and finds each
// tensor's problem.
func (h *header) place(size int64, headerEnd int) {
	base := int64(roundUp(headerEnd, h.alignment))
	needed, lost := size, []string(nil)
	for i := range h.infos {
		t := &h.infos[i]
		if t.Problem != nil {
			continue
		}
		relative := t.Offset
		t.Offset += base
		if !t.Type.Known() || t.Type >= tensor.F8E4M3 {
			t.Problem = unknownType(t.Type)
			continue
		}
		bytes, err := tensor.Size(t.Type, t.Shape)
		switch {
		case err != nil:
			t.Problem = fmt.Errorf("%w: the file is damaged or was converted wrongly", err)
		case relative%int64(h.alignment) != 0:
			t.Problem = fmt.Errorf("its offset %d is no multiple of the alignment %d: the file was converted wrongly", relative, h.alignment)
		case t.Offset > size || bytes > size-t.Offset:
			t.Problem, t.Cut = fmt.Errorf("its %d bytes begin at byte %d of a file of %d bytes: the file is cut off; fetch it again", bytes, t.Offset, size), true
			needed, lost = max(needed, t.Offset+min(bytes, math.MaxInt64/4)), append(lost, t.Name)
		default:
			t.Bytes = bytes
		}
	}
	if lost != nil {
		h.cut = fmt.Errorf("the file is cut off: %d of %d bytes are missing, among them data of %d of %d tensors (the first is %q); fetch it again",
			needed-size, needed, len(lost), len(h.infos), lost[0])
	}
	h.findOverlaps()
	h.placed = true
}

func (h *header) findOverlaps() {
	order := make([]*Info, 0, len(h.infos))
	for i := range h.infos {
		if h.infos[i].Problem == nil {
			order = append(order, &h.infos[i])
		}
	}
	slices.SortStableFunc(order, func(a, b *Info) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(order); i++ {
		if before := order[i-1]; before.Offset+before.Bytes > order[i].Offset {
			order[i].Problem = fmt.Errorf("its data overlaps that of tensor %q: the file is damaged or was converted wrongly", before.Name)
		}
	}
}
