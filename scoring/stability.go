package scoring

import (
	"errors"
	"slices"

	"headprof/scoring/stats"
)

// Stability says how far a method's top-k heads would change had other
// needles and trials been drawn.
type Stability struct {
	Method  string
	K       int
	Needles int
	Trials  int
	// Overlap is the mean share of the top-k heads that a bootstrap resample's
	// top-k shares with them; OverlapLow its 5 % quantile over resamples.
	Overlap, OverlapLow float64
	// RankWidth is the mean width of the top-k heads' rank intervals, as a
	// share of all heads.
	RankWidth float64
}

// Bound is when a run counts as stable.
type Bound struct {
	Overlap    float64 // at least
	RankWidth  float64 // at most
	MinNeedles int     // fewer say nothing about other needles
}

// DefaultBound: in an average resample nine of ten top heads stay, and a top
// head's rank is known to within a tenth of all heads.
var DefaultBound = Bound{Overlap: 0.9, RankWidth: 0.1, MinNeedles: 4}

// Met reports whether s meets the bound.
func (b Bound) Met(s Stability) bool {
	return s.Needles >= b.MinNeedles && s.Overlap >= b.Overlap && s.RankWidth <= b.RankWidth
}

// Assess measures the stability of every method's k best heads (k ≤ 0: a
// tenth of all heads, at least one). It is a function of the passing trials and the
// options alone, so a run that asks it at fixed trial counts stops at the same
// count every time. Without a passing trial the result is empty.
func Assess(trials []TrialScore, k int, o Options) ([]Stability, error) {
	o = o.withDefaults()
	s, err := newSample(trials)
	if errors.Is(err, ErrNonePassed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if k <= 0 {
		k = DefaultTop(s.heads)
	}
	k = min(k, s.heads)
	d := o.bootstrap().Clusters(s.clusters, o.FixedNeedles)
	var out []Stability
	for _, method := range s.methods {
		scores := s.scores(method)
		heads := Options{}.heads(method, s.shape)
		describe(heads, scores, s.plan)
		resampled := d.Means(scores)
		intervals(heads, resampled, o.bootstrap())
		st := Stability{Method: method, K: k, Needles: len(s.clusters), Trials: len(s.trials)}
		top := make([]bool, len(heads))
		var width float64
		for i, h := range heads {
			if h.Rank <= k {
				top[i] = true
				width += float64(h.RankHigh - h.RankLow)
			}
		}
		st.RankWidth = width / float64(k) / float64(len(heads))
		overlaps := make([]float64, len(resampled))
		stats.Parallel(len(resampled), func(r int) {
			order := make([]int32, len(heads))
			ranking(resampled[r], order)
			same := 0
			for _, h := range order[:k] {
				if top[h] {
					same++
				}
			}
			overlaps[r] = float64(same) / float64(k)
		})
		st.Overlap = stats.Mean(overlaps)
		slices.Sort(overlaps)
		st.OverlapLow = stats.Quantile(overlaps, 0.05)
		out = append(out, st)
	}
	return out, nil
}
