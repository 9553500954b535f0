package export

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/runner/shape"
	"headprof/scoring"
)

// curveTable has curves of layers × heads KV heads, two query heads each.
func curveTable(layers, heads int, kept []int, loss func(layer, head, point int) float64) *scoring.Table {
	t := &scoring.Table{Meta: scoring.Meta{Model: "made up"}}
	for i, k := range kept {
		from := len(t.Heads)
		for l := range layers {
			for h := range 2 * heads {
				v := loss(l, h/2, i)
				t.Heads = append(t.Heads, scoring.Head{Method: scoring.PointName(k), Layer: l, Head: h, KVHead: h / 2, Mean: v, Low: v - 1, High: v + 1, N: 5})
			}
		}
		scoring.Rerank(t.Heads[from:])
	}
	return t
}

// The array holds what dynamic programming finds, and kvpress keeps what the
// array says: both of testdata/lukv.py.
func TestLUKV(t *testing.T) {
	data, err := os.ReadFile("testdata/lukv.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Layers, Heads, Context int
		Kept, Press            [][]int // [ratio − 1 %][layer, KV head]
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	table := curveTable(want.Layers, want.Heads, []int{8, 16, 32, 60}, func(layer, head, point int) float64 {
		loss := float64((37*layer+61*head+7)%29) / math.Pow(float64(1+point*(1+layer+head)), 2)
		if layer == 1 && head == 1 && point == 1 {
			loss += 0.25
		}
		return loss
	})
	array, err := os.ReadFile(write(t, table, LUKV, "lukv.npy", Options{}))
	if err != nil {
		t.Fatal(err)
	}
	header, values := string(array[:128]), array[128:]
	if !strings.HasPrefix(header, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99, 3, 2, ), }") || header[127] != '\n' || len(values) != 4*99*6 {
		t.Fatalf("%q, %d bytes of values", header, len(values))
	}
	for r := range 99 {
		for i := range 6 {
			got := math.Float32frombits(binary.LittleEndian.Uint32(values[4*(6*r+i):]))
			if n := want.Kept[r][i]; got != float32(1-float64(n)/60) {
				t.Fatalf("%d %%, KV head %d: drops %v, the best keeps %d of 60", r+1, i, got, n)
			}
		}
	}
	if !reflect.DeepEqual(want.Press, want.Kept) {
		t.Error("kvpress keeps other numbers than the array says")
	}
}

func TestLUKVRefuses(t *testing.T) {
	table := curveTable(2, 2, []int{8, 16}, func(l, h, p int) float64 { return float64(1 - p) })
	uneven := &scoring.Table{}
	for _, h := range table.Heads {
		if h.Layer == 0 || h.KVHead == 0 {
			uneven.Heads = append(uneven.Heads, h)
		}
	}
	bare := &scoring.Table{Heads: table.Of("cache-cut-8")}
	for want, t2 := range map[string]*scoring.Table{"as many KV heads in every layer; layer 0 has 2, layer 1 1": uneven, "--cut-curve auto": bare} {
		path := t.TempDir() + "/x.npy"
		if err := Write(t2, LUKV, path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Error("half a file")
		}
	}
}

// By hand: losses 7, 6.5, 4, 3 at 8, 16, 32 and 64 entries; the convex form
// leaves 16 out, so an entry is worth 3/24 up to 32 and 1/32 from there. An
// entry of the first layer takes (6 + 2)·2 bytes; the second's are not known.
func TestCurvesByHand(t *testing.T) {
	table := curveTable(2, 1, []int{8, 16, 32, 64}, func(l, h, p int) float64 { return []float64{7, 6.5, 4, 3}[p] })
	sizes := Options{Layers: shape.Model{{Heads: 2, KVHeads: 1, KeyDim: 6, ValueDim: 2}}}
	const header = "layer,kv_head,kept,bytes,loss,ci_low,ci_high,convex,per_entry,per_byte\n"
	csv, err := os.ReadFile(write(t, table, Curves, "curves.csv", sizes))
	if err != nil {
		t.Fatal(err)
	}
	const wantCSV = header +
		"0,0,8,128,7,6,8,7,,\n" +
		"0,0,16,256,6.5,5.5,7.5,6,0.125,0.0078125\n" +
		"0,0,32,512,4,3,5,4,0.125,0.0078125\n" +
		"0,0,64,1024,3,2,4,3,0.03125,0.001953125\n" +
		"1,0,8,,7,6,8,7,,\n" +
		"1,0,16,,6.5,5.5,7.5,6,0.125,\n" +
		"1,0,32,,4,3,5,4,0.125,\n" +
		"1,0,64,,3,2,4,3,0.03125,\n"
	if got := string(csv); got != wantCSV {
		t.Errorf("%s\nwant\n%s", got, wantCSV)
	}
	data, err := os.ReadFile(write(t, table, Curves, "curves.json", sizes))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Format string
		Meta   scoring.Meta
		Heads  []struct {
			Layer    int
			KVHead   int `json:"kv_head"`
			Kept     []int
			Bytes    []*int64
			Loss     []float64
			PerEntry []*float64 `json:"per_entry"`
			PerByte  []*float64 `json:"per_byte"`
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if file.Format != "headprof-curves/1" || file.Meta.Model != "made up" || len(file.Heads) != 2 {
		t.Fatalf("%s", data)
	}
	near := func(got *float64, want float64) bool { return got != nil && math.Abs(*got-want) < 1e-12 }
	h := file.Heads[0]
	if !reflect.DeepEqual(h.Kept, []int{8, 16, 32, 64}) || !reflect.DeepEqual(h.Loss, []float64{7, 6.5, 4, 3}) || *h.Bytes[3] != 1024 || h.PerEntry[0] != nil {
		t.Errorf("%s", data)
	}
	if !near(h.PerEntry[1], 0.125) || !near(h.PerEntry[2], 0.125) || !near(h.PerEntry[3], 0.03125) || !near(h.PerByte[2], 0.0078125) {
		t.Errorf("%s", data)
	}
	if h = file.Heads[1]; h.Layer != 1 || h.Bytes[0] != nil || h.PerByte[3] != nil || !near(h.PerEntry[3], 0.03125) {
		t.Errorf("%s", data)
	}
	rows, err := parquet.ReadFile[curveRow](write(t, table, Curves, "curves.parquet", sizes))
	if err != nil || len(rows) != 8 || rows[2].Kept != 32 || rows[2].Loss != 4 || !near(rows[2].PerByte, 0.0078125) || rows[6].Bytes != nil || rows[0].PerEntry != nil {
		t.Errorf("%+v, %v", rows, err)
	}
	if err := Write(table, Curves, t.TempDir()+"/curves.txt", sizes); err == nil || !strings.Contains(err.Error(), "its name must end in .csv, .json or .parquet") {
		t.Error(err)
	}
}

// A run that measured curves has them as tables.
func TestRunWritesItsCurves(t *testing.T) {
	table := curveTable(2, 1, []int{8, 16}, func(l, h, p int) float64 { return float64(l + 1 - p) })
	dir := t.TempDir()
	paths, err := WriteRun(dir, table, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(paths, " "); !strings.HasSuffix(got, dir+"/curves.parquet "+dir+"/curves.csv") {
		t.Error(got)
	}
}
