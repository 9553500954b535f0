package export

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/scoring"
)

// Two positions of one prompt, two layers of two heads, rows of up to three keys.
func rows(yield func(AttentionRow) error) error {
	for _, position := range []int{1, 2} {
		for _, layer := range []int{0, 3} {
			for head := range 2 {
				r := AttentionRow{Position: position, Layer: layer, Head: head}
				for i := range position + 1 {
					r.Weights = append(r.Weights, float32(100*position+10*layer+2*head)+float32(i)/4)
				}
				if layer == 3 { // a sliding window
					r.First, r.Weights = 1, r.Weights[1:]
				}
				if err := yield(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func someAttention() Attention {
	return Attention{
		Model: "m", Layers: []int{0, 3}, Heads: []int{0, 1}, Keys: 3, Rows: 8,
		Prompts: []AttentionPrompt{{ID: "p", IDs: []int32{7, 8, 9}, Texts: []string{"a", "b", "c"}, Rows: []int{1, 2}}},
		KVHead: func(layer, head int) int {
			if layer == 3 {
				return scoring.Unknown
			}
			return head / 2
		},
	}
}

// The header is NumPy's format 1.0: magic, version, a length, a dictionary of
// Python, and spaces up to a line break at a multiple of 64 bytes.
func TestAttentionAsAnArray(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := WriteAttention(path, "npy", someAttention(), rows); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	head := string(data[10:128])
	if string(data[:8]) != "\x93NUMPY\x01\x00" || int(binary.LittleEndian.Uint16(data[8:])) != 118 ||
		strings.TrimRight(head[:117], " ") != "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 3, ), }" || head[117] != '\n' {
		t.Fatalf("%q", data[:128])
	}
	values := make([]float32, (len(data)-128)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[128+4*i:]))
	}
	want := []float32{
		100, 100.25, 0, 102, 102.25, 0, 0, 130.25, 0, 0, 132.25, 0,
		200, 200.25, 200.5, 202, 202.25, 202.5, 0, 230.25, 230.5, 0, 232.25, 232.5,
	}
	if len(values) != len(want) {
		t.Fatalf("%d values, want %d", len(values), len(want))
	}
	for i := range want {
		if values[i] != want[i] {
			t.Errorf("value %d is %v, want %v", i, values[i], want[i])
		}
	}
	if about, _ := os.ReadFile(path + ".json"); !strings.Contains(string(about), `"axes":["row","layer","head","key"],"layers":[0,3],"heads":[0,1]`) {
		t.Errorf("%s", about)
	}
	// Four numbers of shape longer than a line are padded to the next 64.
	var b strings.Builder
	if err := npyHeader(&b, 1000000, 1000000, 1000000, 1000000); err != nil || b.Len()%64 != 0 || b.Len() != 128 {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}

	a := someAttention()
	a.Heads = nil
	if err := WriteAttention(path, "npy", a, rows); err == nil || !strings.Contains(err.Error(), "the same heads in every layer") {
		t.Errorf("layers that differ: %v", err)
	}
	if err := WriteAttention(path, "csv", someAttention(), rows); err == nil {
		t.Error("CSV")
	}
	broken := errors.New("the run was stopped")
	for _, format := range []string{"npy", "parquet"} {
		path := filepath.Join(t.TempDir(), "b")
		if err := WriteAttention(path, format, someAttention(), func(func(AttentionRow) error) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
			t.Errorf("%s leaves %v", format, entries)
		}
	}
}

func TestAttentionAsATable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := WriteAttention(path, "parquet", someAttention(), rows); err != nil {
		t.Fatal(err)
	}
	got, err := parquet.ReadFile[attentionRow](path)
	if err != nil || len(got) != 8 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	r := got[6] // position 2, layer 3, head 0
	if r.Prompt != "p" || r.Position != 2 || r.Token != 9 || r.Text != "c" || r.Layer != 3 || r.Head != 0 || r.KVHead != nil || r.First != 1 || len(r.Weights) != 2 || r.Weights[1] != 230.5 {
		t.Errorf("%+v", r)
	}
	if k := got[1].KVHead; k == nil || *k != 0 {
		t.Errorf("%+v", got[1])
	}
}

// Estimated sizes, against the files.
func TestAttentionBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := WriteAttention(path, "npy", someAttention(), rows); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	if got := AttentionBytes("npy", 8, 14, 3); got < info.Size() || got > info.Size()+256 {
		t.Errorf("%d bytes, the file has %d", got, info.Size())
	}
	if got := AttentionBytes("parquet", 1000, 500_000, 1000); got < 2_000_000 || got > 2_040_000 {
		t.Errorf("1,000 rows of 500 weights: %d bytes", got)
	}
}
