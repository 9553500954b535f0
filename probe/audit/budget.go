package audit

import (
	"fmt"
	"strings"

	"headprof/probe/evaluate"
	"headprof/scoring/stats"
)

const budgetQuestion = "Does its cache budget pay?"

// Caches are what was measured at one capacity, at equal entries.
type Caches struct {
	Full, Even, File evaluate.Cached
	Permuted         []evaluate.Cached // none: nothing to permute
	Ours             evaluate.Cached   // the measured profile's
	Own              *evaluate.Cached  // the file's own policy (DuoAttention's), nil: none
}

// Budget asks whether the file's budget is worth its heads: yes where answers
// keep more log-probability than with the same entries spread evenly, and than
// with the budget dealt out to other heads of each layer; partly where only the
// first holds, or there is nothing to permute; no where an even spread keeps more.
func Budget(c Caches, seed uint64, commands []string) (Question, error) {
	q := Question{ID: "budget", Question: budgetQuestion, Verdict: NotShown, Commands: commands}
	kept := func(x evaluate.Cached) (share, bytes float64) {
		for _, r := range x.Records {
			for _, res := range r.Results {
				if res.Policy == x.Variant.Policy && res.Capacity == x.Variant.Capacity {
					share += float64(res.Kept.Bytes) / float64(r.Full.Bytes)
					bytes += float64(res.Kept.Bytes)
				}
			}
		}
		n := float64(len(x.Records))
		return share / n, bytes / n
	}
	share, bytes := kept(c.File)
	q.Numbers = append(q.Numbers, exactly("kept of a full cache", share, "share"), exactly("kept of a full cache", bytes, "bytes"))
	against := func(name string, others ...evaluate.Cached) (stats.Estimate, error) {
		e, err := evaluate.Contrast(c.File, others, seed)
		q.Numbers = append(q.Numbers, Number{"answer's log-probability less that of " + name, e, "nats"})
		return e, err
	}
	full, err := against("a full cache", c.Full)
	if err != nil {
		return q, err
	}
	even, err := against("the same entries spread evenly (SnapKV)", c.Even)
	if err != nil {
		return q, err
	}
	said := []string{text(even, 1) + " against an even spread"}
	permuted := stats.Unknown()
	if len(c.Permuted) > 0 {
		if permuted, err = against("the budget permuted within layers", c.Permuted...); err != nil {
			return q, err
		}
		said = append(said, text(permuted, 1)+" against the budget permuted within layers")
	}
	ours, err := against("the budget of scores measured now", c.Ours)
	if err != nil {
		return q, err
	}
	said = append(said, text(ours, 1)+" against the budget of scores measured now")
	if c.Own != nil {
		e, err := evaluate.Contrast(*c.Own, []evaluate.Cached{c.Even}, seed)
		if err != nil {
			return q, err
		}
		share, _ := kept(*c.Own)
		q.Numbers = append(q.Numbers, exactly("kept by its own policy ("+c.Own.Variant.Policy+")", share, "share"),
			Number{"its own policy's log-probability less that of entries spread evenly", e, "nats"})
	}
	switch {
	case even.High < 0:
		q.Verdict = No
	case even.Low > 0 && permuted.Low > 0:
		q.Verdict = Yes
	case even.Low > 0:
		q.Verdict = Partly
	}
	q.Because = fmt.Sprintf("At %d entries a head, %.1f %% of a full cache, answers change by %s nats: %s.", c.File.Variant.Capacity, 100*share, text(full, 1), strings.Join(said, ", "))
	if len(c.Permuted) == 0 {
		q.Because += " With one KV head a layer there is nothing to permute."
	}
	return q, nil
}
