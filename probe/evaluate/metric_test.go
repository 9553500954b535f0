package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// By hand, where the published code has a branch of its own.
func TestMetricsByHand(t *testing.T) {
	// LongBench takes "Food" out, since it is part of the right "Food item"; two names are left.
	if got := classification("Food item or Date", "Food item", []string{"Food", "Food item", "Date"}); got != .5 {
		t.Errorf("two classes named: %v", got)
	}
	// Of the two longest common subsequences of "a b" and "b a" the package rouge
	// takes the one that leaves the longer beginning of the first: b. With the
	// sentence "b" nothing comes to it: half of the words on either side.
	if got := rougeL("b a.b", "a b", nil); math.Abs(got-.5) > 1e-6 {
		t.Errorf("a tie: %v", got)
	}
	if got := charWords("ab 北c1，d"); !slices.Equal(got, []string{"ab", "北", "c1", "，", "d"}) {
		t.Errorf("words %q", got)
	}
}

// Expected values: testdata/metrics.py, with the packages rouge, fuzzywuzzy and Levenshtein.
func TestMetricsEqualThePublishedPackages(t *testing.T) {
	data, err := os.ReadFile("testdata/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Metric, Output, Answer string
		Classes                []string
		Want                   float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	metrics := map[string]metric{
		"qaF1": qaF1, "qaF1Chinese": qaF1Chinese, "rougeL": rougeL, "rougeChinese": rougeChinese,
		"classification": classification, "retrieval": retrieval, "count": count, "codeSimilarity": codeSimilarity,
	}
	seen := map[string]int{}
	for _, c := range cases {
		seen[c.Metric]++
		if got := metrics[c.Metric](c.Output, c.Answer, c.Classes); math.Abs(got-c.Want) > 1e-9 {
			t.Errorf("%s(%q, %q) = %v, want %v", c.Metric, c.Output, c.Answer, got, c.Want)
		}
	}
	for name := range metrics {
		if seen[name] < 3 {
			t.Errorf("%s has %d cases", name, seen[name])
		}
	}
}
