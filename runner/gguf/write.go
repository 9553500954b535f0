package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"headprof/runner/tensor"
)

// KV is one metadata entry to write; Value as Metadata.Set takes it.
type KV struct {
	Key   string
	Value any
}

// Write writes a version 3 file of the given entries and tensors, in order,
// aligned to "general.alignment" if entries set it (uint32), else to 32.
func Write(w io.Writer, entries []KV, tensors []tensor.Tensor) error {
	le := binary.LittleEndian
	alignment := 32
	head := []byte("GGUF")
	head = le.AppendUint32(head, 3)
	head = le.AppendUint64(head, uint64(len(tensors)))
	head = le.AppendUint64(head, uint64(len(entries)))
	text := func(s string) { head = append(le.AppendUint64(head, uint64(len(s))), s...) }
	for _, e := range entries {
		v, err := encode(e.Value)
		if err != nil {
			return fmt.Errorf("metadata %q: %w", e.Key, err)
		}
		if a, ok := e.Value.(uint32); ok && e.Key == keyAlignment && a > 0 {
			alignment = int(a)
		}
		text(e.Key)
		head = le.AppendUint32(head, uint32(v.kind))
		switch v.kind {
		case String:
			head = le.AppendUint64(head, uint64(len(v.raw)))
		case Array:
			head = le.AppendUint64(le.AppendUint32(head, uint32(v.elem)), uint64(v.n))
		}
		head = append(head, v.raw...)
	}
	offset := 0
	for _, t := range tensors {
		size, err := tensor.Size(t.Type, t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if size != int64(len(t.Data)) {
			return fmt.Errorf("tensor %q: %d bytes where its shape takes %d", t.Name, len(t.Data), size)
		}
		text(t.Name)
		head = le.AppendUint32(head, uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- {
			head = le.AppendUint64(head, uint64(t.Shape[i]))
		}
		head = le.AppendUint32(head, uint32(t.Type))
		head = le.AppendUint64(head, uint64(offset))
		offset = roundUp(offset+len(t.Data), alignment)
	}
	out := bufio.NewWriter(w)
	zeros := make([]byte, alignment)
	out.Write(head)
	out.Write(zeros[:roundUp(len(head), alignment)-len(head)])
	for _, t := range tensors {
		out.Write(t.Data)
		out.Write(zeros[:roundUp(len(t.Data), alignment)-len(t.Data)])
	}
	return out.Flush() // a bufio.Writer keeps its first error
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
