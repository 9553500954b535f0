package evaluate

import (
	"fmt"

	"headprof/scoring/stats"
)

// Cached is one policy's results over a run's prompts.
type Cached struct {
	Records []*Record
	Variant Variant
}

// results are the variant's, by prompt.
func (c Cached) results() (map[string]*Result, error) {
	out := map[string]*Result{}
	for _, r := range c.Records {
		for i := range r.Results {
			if v := r.Results[i]; v.Policy == c.Variant.Policy && v.Capacity == c.Variant.Capacity {
				out[r.Item] = &r.Results[i]
			}
		}
	}
	if len(out) != len(c.Records) || len(out) == 0 {
		return nil, fmt.Errorf("policy %s, capacity %d has %d of %d prompts", c.Variant.Policy, c.Variant.Capacity, len(out), len(c.Records))
	}
	return out, nil
}

// Contrast is the answer's log-probability under one cache less that under
// another, in nats, prompt by prompt; of several others, less their mean.
// Intervals resample groups of prompts, and the others as well.
func Contrast(of Cached, others []Cached, seed uint64) (stats.Estimate, error) {
	own, err := of.results()
	if err != nil {
		return stats.Unknown(), err
	}
	var against []map[string]*Result
	for _, o := range others {
		rs, err := o.results()
		if err != nil {
			return stats.Unknown(), err
		}
		for _, r := range of.Records {
			if rs[r.Item] == nil || len(rs) != len(own) {
				return stats.Unknown(), fmt.Errorf("policies %s and %s ran on other prompts", of.Variant.Policy, o.Variant.Policy)
			}
		}
		against = append(against, rs)
	}
	groups := stats.Groups(len(of.Records), func(i int) string { return of.Records[i].Group })
	return stats.Default(seed).Estimates([]int{len(groups), len(against)}, func(picks [][]int) []float64 {
		var sum float64
		n := 0
		for _, d := range picks[1] {
			for _, g := range picks[0] {
				for _, i := range groups[g] {
					item := of.Records[i].Item
					sum += own[item].LogProb - against[d][item].LogProb
					n++
				}
			}
		}
		return []float64{sum / float64(n)}
	})[0], nil
}
