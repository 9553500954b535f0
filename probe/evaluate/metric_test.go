package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

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
