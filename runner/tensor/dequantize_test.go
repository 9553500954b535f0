package tensor

import (
	"encoding/json"
	"math"
	"testing"

	"headprof/fixtures/reference"
)

// golden holds values of the `gguf` and `ml_dtypes` Python packages; see
// testdata/generate.py.
type golden struct {
	Cases []struct {
		Type         string
		Data, Values []byte
	}
	Rounding struct {
		Values    []byte
		F16, BF16 []uint16
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	if err := json.Unmarshal(reference.Unzip(t, "testdata/dequantize.json.gz"), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	Dequantize(out, b, F32)
	return out
}

// Every format gives the reference's values to the bit.
func TestDequantizeEqualsGGUFPackage(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range readGolden(t).Cases {
		seen[c.Type] = true
		typ := Type(0)
		for candidate, l := range layouts {
			if l.name == c.Type {
				typ = candidate
			}
		}
		want := floats(c.Values)
		got := make([]float32, len(want))
		Dequantize(got, c.Data, typ)
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s element %d: got %g, want %g", c.Type, i, got[i], want[i])
				break
			}
		}
	}
	for _, f := range Formats() {
		if !seen[f.String()] {
			t.Errorf("no reference values for %s", f)
		}
	}
}

// Rounding to 16 bits equals NumPy's and ml_dtypes'.
func TestRounding(t *testing.T) {
	r := readGolden(t).Rounding
	for i, v := range floats(r.Values) {
		if got := F32ToF16(v); got != r.F16[i] {
			t.Errorf("F32ToF16(%g) = %#04x, want %#04x", v, got, r.F16[i])
		}
		if got := F32ToBF16(v); got != r.BF16[i] {
			t.Errorf("F32ToBF16(%g) = %#04x, want %#04x", v, got, r.BF16[i])
		}
	}
}

// Every 16-bit pattern survives the way to float32 and back; NaNs stay NaNs.
func TestSixteenBitRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if f := F16ToF32(h); f != f {
			if back := F32ToF16(f); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Errorf("half NaN %#04x came back as %#04x", h, back)
			}
		} else if back := F32ToF16(f); back != h {
			t.Errorf("half %#04x came back as %#04x", h, back)
		}
		if f := BF16ToF32(h); f != f {
			if g := BF16ToF32(F32ToBF16(f)); g == g {
				t.Errorf("bfloat16 NaN %#04x came back as %g", h, g)
			}
		} else if back := F32ToBF16(f); back != h {
			t.Errorf("bfloat16 %#04x came back as %#04x", h, back)
		}
	}
	if f := F8E4M3ToF32(0xff); f == f {
		t.Errorf("F8_E4M3 0xff is %g, want NaN", f)
	}
}
