package tensor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sizes by hand: elements / block × bytes per block of the format's definition.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		t     Type
		shape []int
		want  int64
	}{
		{F32, nil, 4}, {F32, []int{3, 5}, 60}, {BF16, []int{7}, 14}, {Q4_0, []int{2, 64}, 2 * 2 * 18}, {Q6_K, []int{256}, 210}, {F8E4M3, []int{9}, 9},
	} {
		if got, err := Size(c.t, c.shape); got != c.want || err != nil {
			t.Errorf("%v %v: %d, %v; want %d", c.t, c.shape, got, err, c.want)
		}
	}
	for want, c := range map[string]struct {
		t     Type
		shape []int
	}{
		"type 99": {99, []int{1}}, "below 1": {F32, []int{4, 0}}, "too large": {F32, []int{1 << 40, 1 << 40}}, "blocks of 256": {Q4_K, []int{256, 32}},
		"blocks of 32": {Q8_0, nil},
	} {
		if n, err := Size(c.t, c.shape); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %d, %v", want, n, err)
		}
	}
}

// A mapped file shows its bytes, closes twice without harm, and nothing but a
// regular file is mapped.
func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, []byte("weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Map(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != "weights" {
		t.Errorf("it shows %q", m.Data)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Map(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}
