package cases

import (
	"slices"
	"strings"
	"testing"

	"headprof/scoring"
)

// priceless are cases of as many tokens.
func priceless(tokens ...int) (out []Case) {
	for i, n := range tokens {
		out = append(out, &fewShot{ID: string(rune('a' + i)), IDs: make([]int32, n), Labels: []span{{0, 1}}})
	}
	return out
}

// Neighbours, of about as many tokens: 9, 9 and 8.
func TestShardsOfCases(t *testing.T) {
	_, e := engine(t)
	p := &Plan{Cases: priceless(3, 3, 3, 9, 2, 2, 4), Methods: scoring.MethodsOf(scoring.FewShot)}
	var parts []string
	for i := range 3 {
		s, err := p.Shard(i+1, 3, e.Shape())
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for k, c := range s.Cases {
			names += c.Name()
			if p.Cases[s.first+k].Name() != c.Name() {
				t.Errorf("shard %d: case %s is not number %d of the plan", i+1, c.Name(), s.first+k)
			}
		}
		parts = append(parts, names)
		if _, err := s.Shard(1, 2, e.Shape()); err == nil {
			t.Error("a shard of a shard")
		}
	}
	if want := []string{"abc", "d", "efg"}; !slices.Equal(parts, want) {
		t.Errorf("%v, want %v", parts, want)
	}
	for want, c := range map[string][2]int{"only 7 cases": {8, 8}, "within 1 to the second": {3, 2}} {
		if _, err := p.Shard(c[0], c[1], e.Shape()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
}

// By hand, of a model of 4 layers with 8 heads on 4 KV heads: an answer of 3
// tokens in 16 branches costs 24 tokens, in 32 branches 48.
func TestPredictedCosts(t *testing.T) {
	_, e := engine(t)
	if n := e.Shape(); n.Heads() != 32 || n.KVHeads() != 16 {
		t.Fatalf("%d heads on %d", n.Heads(), n.KVHeads())
	}
	a := &answer{Prompt: words(10), Answer: words(3)}
	s := &swap{Clean: words(10), Corrupted: slices.Concat(words(6), []int32{1, 2, 3, 4}), Answer: words(3)}
	for _, c := range []struct {
		c       Case
		methods []scoring.Named
		want    int
	}{
		{a, []scoring.Named{&scoring.CacheCut{}}, 10 + 24},
		{a, []scoring.Named{&scoring.CacheCut{}, &scoring.Taylor{}}, 10 + 24 + 4*12},
		{s, []scoring.Named{&scoring.Patch{}}, 10 + 4 + 48},
		{s, []scoring.Named{&scoring.AtP{}, &scoring.AtPQuery{}}, 10 + 4*12},
		{s, []scoring.Named{&scoring.AtPDrop{}, &scoring.AtP{}}, 10 + 4*12*5/2},
		{priceless(7)[0], scoring.MethodsOf(scoring.FewShot), 7},
	} {
		if got := cost(c.c, c.methods, e.Shape()); got != c.want {
			t.Errorf("%T, %d methods: %d, want %d", c.c, len(c.methods), got, c.want)
		}
	}
}
