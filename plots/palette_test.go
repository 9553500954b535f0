package plots

import (
	"image/color"
	"math"
	"testing"
)

func labOf(c color.Color) (l, a, b float64) {
	r, g, bl, _ := c.RGBA()
	lin := func(v uint32) float64 {
		f := float64(v) / 0xffff
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return linearToLab(lin(r), lin(g), lin(bl))
}

// CIELAB of the sRGB primaries under D65, as published in many tables (for
// instance Lindbloom's calculator).
func TestLab(t *testing.T) {
	for _, c := range []struct {
		rgb     uint32
		l, a, b float64
	}{{0xff0000, 53.24, 80.09, 67.20}, {0x00ff00, 87.73, -86.18, 83.18}, {0x0000ff, 32.30, 79.19, -107.86}, {0xffffff, 100, 0, 0}} {
		l, a, b := labOf(hex(c.rgb))
		if math.Abs(l-c.l) > 0.02 || math.Abs(a-c.a) > 0.02 || math.Abs(b-c.b) > 0.02 {
			t.Errorf("%06x: L*a*b* %.2f %.2f %.2f, want %.2f %.2f %.2f", c.rgb, l, a, b, c.l, c.a, c.b)
		}
	}
}

// The palette is perceptually even (equal ΔE between steps that lie 32
// apart, where rounding to 8 bits hardly counts) and runs from near white
// to dark without a turn.
func TestPaletteEven(t *testing.T) {
	lo, hi := math.Inf(1), 0.0
	last := 101.0
	for i := 0; i < rampSize; i++ {
		l, a, b := labOf(ramp[i])
		if l > last+0.3 { // 0.3: rounding to 8 bits
			t.Errorf("step %d is lighter than the one before: %.2f after %.2f", i, l, last)
		}
		last = l
		if i >= 32 {
			l0, a0, b0 := labOf(ramp[i-32])
			d := math.Sqrt((l-l0)*(l-l0) + (a-a0)*(a-a0) + (b-b0)*(b-b0))
			lo, hi = min(lo, d), max(hi, d)
		}
	}
	if hi/lo > 1.15 {
		t.Errorf("steps between ΔE %.2f and %.2f", lo, hi)
	}
	if first := lightness(ramp[0]); first < 95 {
		t.Errorf("zero is not near white: L* %.1f", first)
	}
	if last > 25 {
		t.Errorf("the top is not dark: L* %.1f", last)
	}
}

// Machado, Oliveira and Fernandes (2009), severity 1.0: what the three kinds
// of dichromats see, in linear RGB.
var dichromats = map[string][9]float64{
	"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
	"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	"tritanopia":   {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
}

// Whoever sees the palette sees its order, and the ring on every shade.
func TestPaletteForColourBlind(t *testing.T) {
	for kind, m := range dichromats {
		seen := func(c color.Color) (l, a, b float64) {
			r16, g16, b16, _ := c.RGBA()
			lin := func(v uint32) float64 { return math.Pow((float64(v)/0xffff+0.055)/1.055, 2.4) }
			r, g, bl := lin(r16), lin(g16), lin(b16)
			clip := func(v float64) float64 { return max(0, min(1, v)) }
			return linearToLab(clip(m[0]*r+m[1]*g+m[2]*bl), clip(m[3]*r+m[4]*g+m[5]*bl), clip(m[6]*r+m[7]*g+m[8]*bl))
		}
		rl, ra, rb := seen(ringInk)
		last := 101.0
		for i := 0; i < rampSize; i += 15 {
			l, a, b := seen(ramp[i])
			if l >= last-2 {
				t.Errorf("%s: step %d is not darker than step %d: L* %.1f after %.1f", kind, i, i-15, l, last)
			}
			last = l
			if d := math.Sqrt((l-rl)*(l-rl) + (a-ra)*(a-ra) + (b-rb)*(b-rb)); d < 30 {
				t.Errorf("%s: the ring is only ΔE %.1f from step %d", kind, d, i)
			}
		}
	}
}
