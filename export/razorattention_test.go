package export

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headprof/scoring"
)

// razorTable has the scores of testdata/razorattention.py.
func razorTable() *scoring.Table {
	t := &scoring.Table{Meta: scoring.Meta{Model: "made up"}}
	for method, name := range []string{"echo", "induction"} {
		from := len(t.Heads)
		for l := range 10 {
			for h := range 4 {
				t.Heads = append(t.Heads, scoring.Head{Method: name, Layer: l, Head: h, KVHead: h / 2, Mean: float64((37*l+61*h+17*method)*29%101) / 8})
			}
		}
		scoring.Rerank(t.Heads[from:])
	}
	return t
}

// The expected heads are the output of testdata/razorattention.py.
func TestRazorAttention(t *testing.T) {
	type heads = map[string][]int
	for _, c := range []struct {
		o                          Options
		induction, echo, retrieval heads
	}{
		{Options{}, heads{"0": {1}, "4": {1}, "8": {1}}, heads{}, heads{"0": {1}, "4": {1}, "8": {1}}},
		{Options{InductionShare: new(0.125), EchoShare: new(0.1)}, heads{"0": {1}, "4": {1}}, heads{"7": {1}, "8": {0}}, heads{"0": {1}, "4": {1}, "7": {1}, "8": {0}}},
	} {
		var got struct {
			KVHeads   int   `json:"kv_heads"`
			Induction heads `json:"prefix_matching"`
			Echo      heads `json:"copying"`
			Retrieval heads `json:"retrieval_heads"`
		}
		data, err := os.ReadFile(write(t, razorTable(), RazorAttention, "razor.json", c.o))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if got.KVHeads != 20 || !reflect.DeepEqual(got.Induction, c.induction) || !reflect.DeepEqual(got.Echo, c.echo) || !reflect.DeepEqual(got.Retrieval, c.retrieval) {
			t.Errorf("%s", data)
		}
	}
}

func TestRazorAttentionRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "razor.json")
	half := razorTable()
	half.Heads = half.Of("echo")
	if err := Write(half, RazorAttention, path, Options{}); err == nil || !strings.Contains(err.Error(), "the profile has no induction") {
		t.Errorf("without induction: %v", err)
	}
	ungrouped := razorTable()
	for i := range ungrouped.Heads {
		ungrouped.Heads[i].KVHead = scoring.Unknown
	}
	if err := Write(ungrouped, RazorAttention, path, Options{}); !errors.Is(err, scoring.ErrKVHeads) {
		t.Errorf("without KV heads: %v", err)
	}
	if err := Write(razorTable(), RazorAttention, path, Options{EchoShare: new(1.5)}); err == nil {
		t.Error("a share of 1.5")
	}
	gaps := razorTable()
	gaps.Of("induction")[3].Mean, gaps.Of("induction")[8].Mean = math.NaN(), math.NaN()
	if err := Write(gaps, RazorAttention, path, Options{}); err == nil || !strings.Contains(err.Error(), "2 heads have no induction score") {
		t.Errorf("heads without a score: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused export left a file")
	}
	// None of the heads, or all, is a share.
	if err := Write(razorTable(), RazorAttention, path, Options{InductionShare: new(0.), EchoShare: new(1.)}); err != nil {
		t.Error(err)
	}
}
