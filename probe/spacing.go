package probe

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits on what a plan may ask for, checked before anything is allocated.
const (
	maxLength = 1 << 24 // tokens of one context
	maxPoints = 10_000  // lengths or depths of one plan
	maxTrials = 1_000_000
)

// ParseLengths reads context lengths in tokens: "512:4096:8" is 8 lengths
// spaced linearly from 512 to 4096 and rounded (half to even, as NumPy does);
// "512,1024" lists them. Repeated lengths are an error.
func ParseLengths(s string) ([]int, error) {
	bad := func(why string) error {
		return fmt.Errorf("lengths %q: %s; write FROM:TO:COUNT (512:4096:8) or a list (512,1024)", s, why)
	}
	var values []float64
	if parts := strings.Split(s, ":"); len(parts) > 1 {
		if len(parts) != 3 {
			return nil, bad("three numbers are needed around two colons")
		}
		var n [3]int
		for i, p := range parts {
			v, err := strconv.Atoi(strings.TrimSpace(p))
			if err != nil {
				return nil, bad(fmt.Sprintf("%q is not a whole number", p))
			}
			n[i] = v
		}
		if n[0] > n[1] {
			return nil, bad(fmt.Sprintf("%d is larger than %d", n[0], n[1]))
		}
		if n[2] < 1 || n[2] > maxPoints {
			return nil, bad(fmt.Sprintf("the count %d is not within 1 to %d", n[2], maxPoints))
		}
		values = linear(float64(n[0]), float64(n[1]), n[2])
	} else {
		for _, p := range strings.Split(s, ",") {
			v, err := strconv.Atoi(strings.TrimSpace(p))
			if err != nil {
				return nil, bad(fmt.Sprintf("%q is not a whole number", p))
			}
			values = append(values, float64(v))
		}
	}
	if len(values) > maxPoints {
		return nil, bad(fmt.Sprintf("more than %d lengths", maxPoints))
	}
	lengths := make([]int, len(values))
	seen := map[int]bool{}
	for i, v := range values {
		if v < 0 || v > maxLength {
			return nil, bad(fmt.Sprintf("%.0f is not within 0 to %d", v, maxLength))
		}
		lengths[i] = int(v)
		if seen[lengths[i]] {
			return nil, bad(fmt.Sprintf("%d is a duplicate", lengths[i]))
		}
		seen[lengths[i]] = true
	}
	return lengths, nil
}

// ParseDepths reads needle depths in percent: a single whole number is a
// count, spaced linearly from 0 to 100 and rounded ("10" is 0 11 22 33 44 56
// 67 78 89 100); "0,50,100" lists them; "50%" is one depth.
func ParseDepths(s string) ([]float64, error) {
	bad := func(why string) error {
		return fmt.Errorf("depths %q: %s; write a count (10), a list of percentages (0,50,100), or one percentage with its sign (50%%)", s, why)
	}
	text := strings.TrimSpace(s)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > maxPoints {
			return nil, bad(fmt.Sprintf("the count is not within 1 to %d", maxPoints))
		}
		return distinct(linear(0, 100, n)), nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxPoints {
		return nil, bad(fmt.Sprintf("more than %d depths", maxPoints))
	}
	var depths []float64
	for _, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(p), "%"), 64)
		if err != nil {
			return nil, bad(fmt.Sprintf("%q is not a number", p))
		}
		if !(v >= 0 && v <= 100) {
			return nil, bad(fmt.Sprintf("%v is not within 0 to 100", v))
		}
		depths = append(depths, v)
	}
	if d := distinct(depths); len(d) < len(depths) {
		return nil, bad("a depth is a duplicate")
	}
	return depths, nil
}

// linear gives n numbers spaced evenly over [from, to], rounded half to even.
func linear(from, to float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from
		if n > 1 {
			out[i] = math.RoundToEven(from + float64(float64(i)*((to-from)/float64(n-1)))) // no fused multiply-add
		}
	}
	return out
}

func distinct(values []float64) []float64 {
	seen := map[float64]bool{}
	var out []float64
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}
