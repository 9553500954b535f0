package plots

import (
	"math"
	"strings"
	"testing"
)

func agreementExample() Agreement {
	nan := math.NaN()
	return Agreement{Meta: Meta{Model: "m"}, Names: []string{"headkv-r2", "retrieval", "kvzip"}, K: 10, Heads: 100,
		Spearman: [][]float64{{1, 0.87, -0.25}, {0.87, 1, nan}, {-0.25, nan, 1}},
		Low:      [][]float64{{1, 0.8, -0.3}, {0.8, 1, nan}, {-0.3, nan, 1}},
		High:     [][]float64{{1, 0.9, -0.2}, {0.9, 1, nan}, {-0.2, nan, 1}},
		Shared:   [][]int{{10, 7, 2}, {7, 10, 3}, {2, 3, 10}},
	}
}

func TestAgreementMap(t *testing.T) {
	f, err := AgreementMap(agreementExample())
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "Agreement of 3 rankings", "100 heads compared", "headkv-r2", "kvzip", "0.87", "[0.80, 0.90]", "−0.25", "7", "3",
		"below the diagonal: Spearman's rank correlation, in brackets its 95 % interval", "no correlation", "share of the top 10")
	for says, spoil := range map[string]func(*Agreement){
		"two rankings at least": func(a *Agreement) { a.Names = a.Names[:1] },
		"matrix of 2 rows":      func(a *Agreement) { a.Spearman = a.Spearman[:2] },
		"row of 1 values":       func(a *Agreement) { a.Shared[1] = []int{1} },
		"correlation of 2":      func(a *Agreement) { a.Spearman[1][0] = 2 },
		"11 of 10 top heads":    func(a *Agreement) { a.Shared[0][1] = 11 },
		"both its low":          func(a *Agreement) { a.High = nil },
	} {
		a := agreementExample()
		spoil(&a)
		if _, err := AgreementMap(a); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}
