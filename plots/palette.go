package plots

import (
	"image/color"
	"math"
	"slices"
)

func hex(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

// Ink colours.
var (
	white  = hex(0xffffff)
	black  = hex(0x111111)
	grey15 = hex(0x262626)
	grey25 = hex(0x404040)
	grey40 = hex(0x666666)
	grey60 = hex(0x999999)
	grey90 = hex(0xe6e6e6)
)

// Colours for kinds of things: Okabe and Ito, "Color Universal Design" (2008),
// told apart under all common colour vision deficiencies. Yellow is left out:
// it vanishes on white.
var (
	orange     = hex(0xe69f00)
	skyBlue    = hex(0x56b4e9)
	green      = hex(0x009e73)
	blue       = hex(0x0072b2)
	vermilion  = hex(0xd55e00)
	pink       = hex(0xcc79a7)
	seriesInks = []color.Color{blue, vermilion, green, pink, orange, skyBlue, grey25, grey60}
)

// rampSize is the number of steps of the sequential palette.
const rampSize = 256

// ramp is the sequential palette: near-white through teal and blue to a dark
// navy, so that heads at zero recede into the paper and a greyscale print keeps
// the order. Steps are equal in CIELAB (CIE 1976 ΔE), which makes it
// perceptually even; the order rests on lightness, which every kind of colour
// vision keeps.
var ramp = buildRamp()

// shade is the palette's colour at t in [0, 1]; values outside are clamped.
func shade(t float64) color.Color {
	i := int(math.Round(t * (rampSize - 1)))
	return ramp[max(0, min(rampSize-1, i))]
}

// Ramp is the sequential palette, from nothing to the largest.
func Ramp() []color.Color { return slices.Clone(ramp) }

// onShade is black or white, whichever is readable on shade(t).
func onShade(t float64) color.Color {
	if lightness(shade(t)) < 60 {
		return white
	}
	return grey15
}

// buildRamp walks a smooth curve through control points in OKLCh (Ottosson
// 2020) and samples it at equal distances in CIELAB.
func buildRamp() []color.Color {
	control := [][3]float64{ // lightness, chroma, hue in degrees
		{0.980, 0.010, 170}, {0.905, 0.055, 178}, {0.800, 0.090, 195},
		{0.680, 0.105, 220}, {0.550, 0.115, 242}, {0.420, 0.110, 262}, {0.290, 0.085, 282},
	}
	at := func(t float64) (r, g, b float64) {
		x := t * float64(len(control)-1)
		i := min(int(x), len(control)-2)
		f := x - float64(i)
		var v [3]float64
		for k := range v {
			// Catmull-Rom through four neighbours, end points repeated.
			p0, p1 := control[max(i-1, 0)][k], control[i][k]
			p2, p3 := control[i+1][k], control[min(i+2, len(control)-1)][k]
			v[k] = p1 + f*(p2-p0)/2 + f*f*(p0-2.5*p1+2*p2-0.5*p3) + f*f*f*(-p0+3*p1-3*p2+p3)/2
		}
		return okLChToLinear(v[0], v[1], v[2])
	}
	const fine = 4096
	far := make([]float64, fine+1)
	l0, a0, b0 := linearToLab(at(0))
	for i := 1; i <= fine; i++ {
		l, a, b := linearToLab(at(float64(i) / fine))
		far[i] = far[i-1] + math.Sqrt((l-l0)*(l-l0)+(a-a0)*(a-a0)+(b-b0)*(b-b0))
		l0, a0, b0 = l, a, b
	}
	out := make([]color.Color, rampSize)
	j := 0
	for i := range out {
		want := far[fine] * float64(i) / (rampSize - 1)
		for j < fine && far[j] < want {
			j++
		}
		r, g, b := at(float64(j) / fine)
		out[i] = color.NRGBA{R: gamma(r), G: gamma(g), B: gamma(b), A: 255}
	}
	return out
}

// okLChToLinear converts to linear sRGB in [0, 1], clipped.
func okLChToLinear(l, c, hue float64) (r, g, b float64) {
	h := hue * math.Pi / 180
	u, v := c*math.Cos(h), c*math.Sin(h)
	lc := l + 0.3963377774*u + 0.2158037573*v
	mc := l - 0.1055613458*u - 0.0638541728*v
	sc := l - 0.0894841775*u - 1.2914855480*v
	lc, mc, sc = lc*lc*lc, mc*mc*mc, sc*sc*sc
	clip := func(v float64) float64 { return max(0, min(1, v)) }
	return clip(4.0767416621*lc - 3.3077115913*mc + 0.2309699292*sc),
		clip(-1.2684380046*lc + 2.6097574011*mc - 0.3413193965*sc),
		clip(-0.0041960863*lc - 0.7034186147*mc + 1.7076147010*sc)
}

// gamma encodes a linear sRGB component in 8 bits.
func gamma(v float64) uint8 {
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * v))
}

// lightness is CIE L* (0 to 100) of an sRGB colour.
func lightness(c color.Color) float64 {
	r16, g16, b16, _ := c.RGBA()
	lin := func(v uint32) float64 {
		f := float64(v) / 0xffff
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	l, _, _ := linearToLab(lin(r16), lin(g16), lin(b16))
	return l
}

// linearToLab converts linear sRGB to CIE L*a*b* (D65).
func linearToLab(r, g, b float64) (l, aStar, bStar float64) {
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124564*r + 0.3575761*g + 0.1804375*b) / 0.95047)
	y := f(0.2126729*r + 0.7151522*g + 0.0721750*b)
	z := f((0.0193339*r + 0.1191920*g + 0.9503041*b) / 1.08883)
	return 116*y - 16, 500 * (x - y), 200 * (y - z)
}
