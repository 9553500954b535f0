package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"headprof/runner/tensor"
)

// Write writes tensors as one safetensors file, in order.
func Write(w io.Writer, tensors []tensor.Tensor) error {
	header := map[string]any{}
	var at uint64
	for _, t := range tensors {
		if readable[t.Type.String()] != t.Type {
			return fmt.Errorf("tensor %q: safetensors files hold no %v", t.Name, t.Type)
		}
		size, err := tensor.Size(t.Type, t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if size != int64(len(t.Data)) {
			return fmt.Errorf("tensor %q: %d bytes where its shape takes %d", t.Name, len(t.Data), size)
		}
		shape := append([]int{}, t.Shape...)
		header[t.Name] = map[string]any{"dtype": t.Type.String(), "shape": shape, "data_offsets": []uint64{at, at + uint64(size)}}
		at += uint64(size)
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 { // so that the data is aligned
		text = append(text, ' ')
	}
	out := bufio.NewWriter(w)
	out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
	out.Write(text)
	for _, t := range tensors {
		out.Write(t.Data)
	}
	return out.Flush() // a bufio.Writer keeps its first error
}
