package export

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures/reference"
)

// NumPy and PyArrow read what WriteAttention writes. The weights are i/8 by
// their place in the file, so that the sums below are counted by hand.
func TestAttentionIsReadBack(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(python, "-c", "import numpy, pyarrow").Run()
	}
	if err != nil {
		reference.Missing(t, "python3 with numpy and pyarrow is needed to read attention rows: "+err.Error())
	}
	about := Attention{
		Model: "m", Layers: []int{1, 3}, Heads: []int{0, 2}, Keys: 3, Rows: 8,
		Prompts: []AttentionPrompt{{ID: "a", IDs: []int32{7, 8, 9}, Texts: []string{"x", "ü", " z"}, Rows: []int{1, 2}}},
		KVHead:  func(_, head int) int { return head / 2 },
	}
	each := func(yield func(AttentionRow) error) error {
		n := 0
		for _, position := range []int{1, 2} {
			for _, layer := range []int{1, 3} {
				for _, head := range []int{0, 2} {
					first := 0
					if layer == 3 { // a window of two
						first = position - 1
					}
					row := AttentionRow{Position: position, Layer: layer, Head: head, First: first}
					for range position + 1 - first {
						n++
						row.Weights = append(row.Weights, float32(n)/8)
					}
					if err := yield(row); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	dir := t.TempDir()
	array, table := filepath.Join(dir, "a.npy"), filepath.Join(dir, "a.parquet")
	for path, format := range map[string]string{array: "npy", table: "parquet"} {
		if err := WriteAttention(path, format, about, each); err != nil {
			t.Fatal(err)
		}
	}
	const program = `import json, sys, numpy, pyarrow.parquet as q
a = numpy.load(sys.argv[1])
print(a.shape, a.dtype, (a[1, 0] * 8).tolist(), (a[1, 1] * 8).tolist(), json.load(open(sys.argv[1] + ".json"))["prompts"][0]["texts"])
t = q.read_table(sys.argv[2])
print(t.num_rows, t.schema.field("weights").type, t.slice(6, 1).to_pylist()[0])
print(json.loads(t.schema.metadata[b"headprof.attention"])["layers"])`
	out, err := exec.Command(python, "-c", program, array, table).CombinedOutput()
	// Rows of position 1 have 2 weights each, 8 in all; of position 2, in layer 1 three, in layer 3 two.
	const want = `(2, 2, 2, 3) float32 [[9.0, 10.0, 11.0], [12.0, 13.0, 14.0]] [[0.0, 15.0, 16.0], [0.0, 17.0, 18.0]] ['x', 'ü', ' z']
8 list<element: float not null> {'prompt': 'a', 'position': 2, 'token': 9, 'text': ' z', 'layer': 3, 'head': 0, 'kv_head': 0, 'first': 1, 'weights': [1.875, 2.0]}
[1, 3]`
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%s, %v", out, err)
	}
	// An array needs as many heads in every layer.
	about.Heads = nil
	if err := WriteAttention(array, "npy", about, each); err == nil || !strings.Contains(err.Error(), "Parquet") {
		t.Errorf("%v", err)
	}
}
