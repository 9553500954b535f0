package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

// Bounds of what a file may state. The format itself limits headers to 100 MB.
const (
	maxHeader  = 100_000_000
	maxTensors = 1 << 18
	maxName    = 1 << 10
	maxDims    = 8
)

// dtypes gives the bits of every element type the format knows.
var dtypes = map[string]int64{
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
	"I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}

// readable maps those that weights may have.
var readable = map[string]tensor.Type{"F32": tensor.F32, "F16": tensor.F16, "BF16": tensor.BF16, "F8_E4M3": tensor.F8E4M3}

// entry is one tensor of a file.
type entry struct {
	name  string
	dtype string
	shape []int
	begin uint64 // of data, behind the header
	data  []byte
}

type statedEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// parse reads the header of a safetensors file whose bytes are data and cuts
// its tensors out, in the order of their data.
func parse(data []byte) ([]entry, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("the file has %d bytes and no header: it is cut off, at least %d bytes are missing; fetch it again", len(data), 8-len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if string(data[:4]) == "GGUF" {
		return nil, fmt.Errorf("this is a GGUF file, not safetensors; give its own path instead of the folder")
	}
	if strings.HasPrefix(string(data[:8]), "version ") {
		return nil, fmt.Errorf("this is a Git LFS pointer, not the weights; fetch them with: git lfs pull")
	}
	if n > maxHeader {
		return nil, fmt.Errorf("the header would have %d bytes, where the format allows %d: this is no safetensors file or it is damaged; fetch it again", n, maxHeader)
	}
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("the header has %d bytes and the file only %d: it is cut off, at least %d bytes are missing; fetch it again", n, len(data), n-uint64(len(data)-8))
	}
	header, body := data[8:8+n], data[8+n:]
	var entries []entry
	needed := uint64(len(body))
	err := readObject(header, func(name string, d *json.Decoder) error {
		if name == "__metadata__" {
			var skipped map[string]string
			return d.Decode(&skipped)
		}
		if len(entries) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		if len(name) > maxName || name == "" {
			return fmt.Errorf("a tensor's name of %d bytes", len(name))
		}
		var s statedEntry
		if err := d.Decode(&s); err != nil {
			return fmt.Errorf("tensor %q: %w", name, jsonError(err))
		}
		e, end, err := s.cut(name, body)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		needed = max(needed, end)
		entries = append(entries, e)
		return nil
	})
	if err == nil {
		err = checkOverlaps(entries)
	}
	if err != nil {
		return nil, fmt.Errorf("the header is damaged: %w; fetch the file again", err)
	}
	if missing := needed - uint64(len(body)); missing > 0 {
		return nil, fmt.Errorf("the file is cut off: %d of %d bytes are missing; fetch it again", missing, uint64(len(data))+missing)
	}
	return entries, nil
}

// cut checks what the header states of a tensor and slices its bytes; end is
// where its data ends behind the header, which may be beyond the body: then the
// entry has no data.
func (s statedEntry) cut(name string, body []byte) (e entry, end uint64, err error) {
	bits, known := dtypes[s.DType]
	switch {
	case !known:
		return entry{}, 0, fmt.Errorf("its element type %q is unknown", s.DType)
	case len(s.Shape) > maxDims:
		return entry{}, 0, fmt.Errorf("it has %d dimensions, where at most %d make sense", len(s.Shape), maxDims)
	case len(s.Offsets) != 2:
		return entry{}, 0, fmt.Errorf("it has %d offsets instead of 2", len(s.Offsets))
	case s.Offsets[0] > s.Offsets[1]:
		return entry{}, 0, fmt.Errorf("its data would end before it begins (%d, %d)", s.Offsets[0], s.Offsets[1])
	case s.Offsets[1] > math.MaxInt64/2:
		return entry{}, 0, fmt.Errorf("its data would end at byte %d", s.Offsets[1])
	}
	e = entry{name: name, dtype: s.DType, shape: make([]int, len(s.Shape))}
	size := bits
	for i, d := range s.Shape {
		if d < 0 || d > 1<<48 || d > 0 && size > (1<<62)/d {
			return entry{}, 0, fmt.Errorf("its shape %v makes no sense", s.Shape)
		}
		e.shape[i] = int(d)
		size *= d
	}
	begin, end := s.Offsets[0], s.Offsets[1]
	if size%8 != 0 || uint64(size/8) != end-begin {
		return entry{}, 0, fmt.Errorf("its shape %v of %s takes %d bytes, but it has %d", s.Shape, s.DType, size/8, end-begin)
	}
	e.begin = begin
	if end <= uint64(len(body)) {
		e.data = body[begin:end:end]
	}
	return e, end, nil
}

// checkOverlaps sorts entries by their data's place and checks that no two share any.
func checkOverlaps(entries []entry) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.begin < b.begin:
			return -1
		case a.begin > b.begin:
			return 1
		}
		return len(a.data) - len(b.data)
	})
	for i := 1; i < len(entries); i++ {
		if a, b := entries[i-1], entries[i]; len(a.data) > 0 && len(b.data) > 0 && a.begin+uint64(len(a.data)) > b.begin {
			return fmt.Errorf("the data of tensors %q and %q overlaps", a.name, b.name)
		}
	}
	return nil
}
