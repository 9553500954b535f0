package parquetfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
)

func files(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(paths) != 17 {
		t.Fatal(paths, err)
	}
	out := map[string][]byte{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = data
	}
	return out
}

// Files by the writers that people use, with their defaults and their common
// switches; testdata/make.py says what they hold.
func TestFilesOfOtherWriters(t *testing.T) {
	for name, data := range files(t) {
		f, err := Open(data, 1000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.Rows != 120 || f.Has("nested") || f.Has("element") || !f.Has("bool") {
			t.Errorf("%s: %d rows, %v", name, f.Rows, f.columns)
		}
		column := func(c string) *Values {
			v, err := f.Column(c)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, c, err)
			}
			return v
		}
		ints, longs, doubles, floats, texts, bools := column("int"), column("long"), column("double"), column("float"), column("text"), column("bool")
		for i := range f.Rows {
			missing, silent := i%5 == 0, i%7 == 0
			if ints.Ints[i] != int64(i*7%50) ||
				longs.Null[i] != missing || !missing && longs.Ints[i] != int64(i)*1e9 ||
				math.Abs(doubles.Floats[i]-math.Sin(float64(i))) > 1e-15 || floats.Floats[i] != float64(i)/4 ||
				texts.Null[i] != silent || !silent && texts.Strings[i] != fmt.Sprintf("n%d", i%9) ||
				bools.Bools[i] != (i%3 == 0) {
				t.Fatalf("%s: row %d is wrong", name, i)
			}
		}
		if f.Has("half") {
			none, decimals, halves := column("none"), column("decimal"), column("half")
			for i := range f.Rows {
				if !none.Null[i] || decimals.Floats[i] != float64(i)/8 || halves.Floats[i] != float64(i)/4 {
					t.Fatalf("%s: row %d holds %v, %v", name, i, decimals.Floats[i], halves.Floats[i])
				}
			}
		}
		if _, err := Open(data, 119); err == nil {
			t.Error("more rows than the limit")
		}
		if _, err := f.Column("none of this name"); err == nil {
			t.Error("an absent column")
		}
	}
}

// The example of the format's specification (Encodings.md, DELTA_BINARY_PACKED):
// 7 5 3 1 2 3 4 5 is packed as first value 7, minimal delta -2 and the deltas
// above it, 0 0 0 3 3 3 3, in two bits each.
func TestDeltasOfTheSpecification(t *testing.T) {
	packed := []byte{128, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b11000000, 0b00111111, 0, 0, 0, 0, 0, 0, 'x'}
	got, rest, err := deltas(packed, 8, true)
	if err != nil || !slices.Equal(got, []int64{7, 5, 3, 1, 2, 3, 4, 5}) || string(rest) != "x" {
		t.Errorf("%v, %q, %v", got, rest, err)
	}
	for n := range len(packed) - 1 {
		if _, _, err := deltas(packed[:n], 8, true); err == nil {
			t.Errorf("cut to %d bytes", n)
		}
	}
	if _, _, err := deltas(packed, 7, true); err == nil {
		t.Error("another number of values")
	}
	// A 32-bit column's sums wrap at 32 bits.
	wrapped := []byte{128, 1, 4, 2, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 0, 0, 0, 0} // 2^31 - 1, then + 1
	if got, _, err := deltas(wrapped, 2, true); err != nil || got[1] != math.MinInt32 {
		t.Errorf("%v, %v", got, err)
	}
	if got, _, err := deltas(wrapped, 2, false); err != nil || got[1] != 1<<31 {
		t.Errorf("%v, %v", got, err)
	}
}

// Hadoop's LZ4 puts both sizes, big-endian, before each block; older Arrow
// wrote the block alone under the same codec.
func TestBothKindsOfLZ4(t *testing.T) {
	text := []byte(strings.Repeat("layer, head, score; ", 40))
	block := func(part []byte) []byte {
		out := make([]byte, lz4.CompressBlockBound(len(part)))
		n, err := lz4.CompressBlock(part, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out[:n]
	}
	var framed []byte
	for _, part := range [][]byte{text[:300], text[300:]} {
		packed := block(part)
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(part)))
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(packed)))
		framed = append(framed, packed...)
	}
	for name, body := range map[string][]byte{"framed": framed, "bare": block(text)} {
		if got, err := decompress(codecLZ4, body, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := decompress(codecLZ4, body, len(text)-1); err == nil {
			t.Errorf("%s: another size", name)
		}
	}
	if _, err := decompress(3, framed, len(text)); err == nil || !strings.Contains(err.Error(), "Brotli") {
		t.Errorf("LZO: %v", err)
	}
}

// Half floats: values of IEEE 754-2008's binary16.
func TestHalfFloats(t *testing.T) {
	for bits, want := range map[uint16]float64{0: 0, 1: 0x1p-24, 0x03ff: 1023 * 0x1p-24, 0x0400: 0x1p-14, 0x3555: 0.333251953125, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1)} {
		if got := half(bits); got != want {
			t.Errorf("%#x: %v, want %v", bits, got, want)
		}
	}
	if !math.IsNaN(half(0x7e00)) {
		t.Error("NaN")
	}
}

// Cut anywhere, a file is refused: its footer stands at the end.
func TestCutFiles(t *testing.T) {
	for name, data := range files(t) {
		for n := 0; n < len(data); n += 1 + len(data)/200 {
			if _, err := Open(data[:n], 1000); err == nil {
				t.Errorf("%s opened when cut to %d of %d bytes", name, n, len(data))
			}
		}
	}
}

// FuzzFile reads every column of whatever opens.
func FuzzFile(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		file, err := Open(data, 1<<20)
		if err != nil {
			return
		}
		for name := range file.columns {
			v, err := file.Column(name)
			if err != nil {
				continue
			}
			n := max(len(v.Ints), len(v.Floats), len(v.Strings), len(v.Bools))
			if n != file.Rows && file.Rows > 0 || v.Null != nil && len(v.Null) != file.Rows {
				t.Fatalf("%d values in %d rows", n, file.Rows)
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("%d bytes took %v", len(data), d)
		}
	})
}
