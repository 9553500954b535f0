package probe

import (
	"errors"
	"math"
)

// Argmax is the token with the largest logit; of equal ones the lowest id. It
// is an error if none is finite.
func Argmax(logits []float32) (int32, error) {
	best := -1
	for i, v := range logits {
		if v == v && (best < 0 || v > logits[best]) {
			best = i
		}
	}
	if best < 0 || math.IsInf(float64(logits[best]), 0) {
		return 0, errors.New("the model gave no finite logits (its weights may hold NaN or infinity); check the file with headprof inspect")
	}
	return int32(best), nil
}

// Candidate is a token and its logit. In JSON it is [id, logit].
type Candidate struct {
	ID    int32
	Logit float32
}

// top gives the n largest logits, the largest first; ties by lowest id.
func top(logits []float32, n int) []Candidate {
	var best []Candidate
	for i, v := range logits {
		if v != v || len(best) == n && v <= best[n-1].Logit {
			continue
		}
		if len(best) < n {
			best = append(best, Candidate{})
		}
		at := len(best) - 1
		for ; at > 0 && best[at-1].Logit < v; at-- {
			best[at] = best[at-1]
		}
		best[at] = Candidate{int32(i), v}
	}
	return best
}

// LogProbability is log softmax(logits)[id], in nats, computed in float64.
func LogProbability(logits []float32, id int32) float64 {
	largest := math.Inf(-1)
	for _, v := range logits {
		largest = math.Max(largest, float64(v))
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - largest)
	}
	return float64(logits[id]) - largest - math.Log(sum)
}

// Rounded keeps six decimals: exponentials differ in their last bits between
// processors, and a journal should not.
func Rounded(v float64) float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return -math.MaxFloat64 // JSON knows no infinity
	}
	return math.Round(v*1e6) / 1e6
}
