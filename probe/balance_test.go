package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// gridPoints lists all points of a grid, the last factor fastest.
func gridPoints(a, b, c, d int32) (out []point) {
	for i := range a * b * c * d {
		out = append(out, point{i / (b * c * d), i / (c * d) % b, i / d % c, i % d})
	}
	return out
}

// An order must never change from version to version: it is part of a plan's
// hash. Expected orders are those of a program in Python, written from the
// description (SplitMix64, Fisher-Yates, 512 drawn at a time, exact fractions).
func TestBalancedOrderIsTheDescribedOne(t *testing.T) {
	order := func(points []point, units [][]int, seed uint64) (out []int) {
		next := balanced(points, units, seed)
		for i, ok := next(); ok; i, ok = next() {
			out = append(out, i)
		}
		return out
	}
	points := gridPoints(2, 3, 2, 3)
	want := []int{0, 35, 10, 26, 22, 12, 27, 13, 5, 19, 8, 33, 20, 9, 31, 17, 4, 24, 7, 21, 14, 34, 29, 18, 15, 2, 25, 11, 30, 1, 23, 16, 6, 28, 3, 32}
	if got := order(points, nil, 5); !reflect.DeepEqual(got, want) {
		t.Errorf("single points: %v", got)
	}
	var units [][]int // 0 1, 2, 3 4, 5, …
	for i := 0; i < 36; i += 3 {
		units = append(units, []int{i, i + 1}, []int{i + 2})
	}
	want = []int{27, 28, 14, 0, 1, 35, 26, 15, 16, 18, 19, 11, 23, 6, 7, 33, 34, 2, 3, 4, 32, 24, 25, 17, 30, 31, 5, 9, 10, 20, 21, 22, 8, 12, 13, 29}
	if got := order(points, units, 5); !reflect.DeepEqual(got, want) {
		t.Errorf("units: %v", got)
	}
	// Factors of one level have no pairs.
	want = []int{5, 13, 19, 1, 12, 15, 9, 3, 16, 2, 8, 11, 17, 4, 10, 7, 18, 14, 6, 0}
	if got := order(gridPoints(1, 4, 1, 5), nil, 3); !reflect.DeepEqual(got, want) {
		t.Errorf("factors of one level: %v", got)
	}
	// More units than are drawn at a time.
	var text []string
	for _, i := range order(gridPoints(3, 10, 5, 4), nil, 9) {
		text = append(text, strconv.Itoa(i))
	}
	sum := sha256.Sum256([]byte(strings.Join(text, ",")))
	if got := hex.EncodeToString(sum[:]); got != "bb49c24f029180a3b55f1dffea60631411326f5ae89001cbd89e79a33f17eb00" {
		t.Errorf("600 points: %s, beginning with %v", got, text[:8])
	}
}
