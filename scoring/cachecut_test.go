package scoring

import (
	"slices"
	"testing"
)

// The first two and the last three entries; where that is all, nothing is cut.
func TestCacheCutKeepsBothEnds(t *testing.T) {
	c := CacheCut{Sink: 2, Recent: 3}
	for cached, want := range map[int][]int32{0: nil, 4: nil, 5: nil, 6: {0, 1, 3, 4, 5}, 100: {0, 1, 97, 98, 99}} {
		if got := c.Keep(cached); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("of %d: %v, want %v", cached, got, want)
		}
	}
	if got := (CacheCut{Recent: 1}).Keep(3); !slices.Equal(got, []int32{2}) {
		t.Errorf("no first entries: %v", got)
	}
}

func TestProbeOf(t *testing.T) {
	for method, want := range map[string]Probe{"qrhead": Documents, QRHeadNDCG: Documents, "kvzip": Recital, "retrieval": Needles, "mine": Needles} {
		if got := ProbeOf(method); got != want {
			t.Errorf("%s is computed on %q, want %q", method, got, want)
		}
	}
}

// Shares of a budget cannot be negative.
func TestCountNegativeAsZero(t *testing.T) {
	table := &Table{Heads: append(profile(4, 1, 3, -1, 0, 1), uneven("m")...)}
	table.Heads[4].Mean = -5 // of another method
	if n := table.CountNegativeAsZero(""); n != 1 || table.Heads[1].Mean != 0 || table.Heads[0].Share != .75 || table.Heads[3].Share != .25 || table.Heads[4].Mean != -5 {
		t.Errorf("%d, %+v", n, table.Heads)
	}
	table.Heads[0].Share = .5
	if n := table.CountNegativeAsZero(""); n != 0 || table.Heads[0].Share != .5 {
		t.Errorf("nothing to change: %d, %+v", n, table.Heads[0])
	}
}

// Without evidence there is no mass, not 0/0.
func TestMassWithoutEvidence(t *testing.T) {
	if got := (R2Mass{}).Row([]float32{.5, .5}, 0, Span{1, 1}); got.Value != 0 || got.Key >= 0 {
		t.Errorf("%+v", got)
	}
}
