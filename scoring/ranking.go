package scoring

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"headprof/scoring/stats"
)

// Ranking is one ranking of a model's heads: a profile's scores under one
// method.
type Ranking struct {
	Name  string
	Heads []Head // rows of one method, by layer and head
	// PerKVHead: the method scores KV heads. Rows are KV heads, or query heads
	// that repeat their KV head's score.
	PerKVHead bool
	// Trials are those that Heads' scores are means of; of them, those that
	// passed count. nil: not known.
	Trials []TrialScore
	// Pool names the prompts: trials of one ID in one pool are the same prompt,
	// and are resampled together.
	Pool string
}

// ErrNoCommonMeaning says that rankings are of things that do not correspond.
var ErrNoCommonMeaning = errors.New("they have no common meaning")

// alignment says which rows of each ranking stand for the same head.
type alignment struct {
	kvHeads bool
	items   []Head    // Layer, Head, KVHead and Window of what is compared
	rows    [][][]int // [ranking][item]: rows of Ranking.Heads
}

type site struct{ layer, head int }

// align finds the heads that all rankings score. Rankings of KV heads among
// rankings of query heads, and rankings of other shapes, are refused unless
// anyway: groups of query heads then count by their best head, and only heads
// that exist in all rankings are compared.
func align(rankings []Ranking, anyway bool) (*alignment, error) {
	a := &alignment{}
	var ofKV, ofHeads string
	for _, r := range rankings {
		if r.PerKVHead {
			ofKV = r.Name
		} else {
			ofHeads = r.Name
		}
	}
	if ofKV != "" && ofHeads != "" && !anyway {
		return nil, fmt.Errorf("%s scores KV heads and %s scores query heads: %w", ofKV, ofHeads, ErrNoCommonMeaning)
	}
	a.kvHeads = ofKV != ""
	sites := make([]map[site][]int, len(rankings))
	for i, r := range rankings {
		if len(r.Heads) == 0 {
			return nil, fmt.Errorf("%s has no scores", r.Name)
		}
		if a.kvHeads && !KnowsKVHeads(r.Heads) {
			return nil, fmt.Errorf("%s: %w", r.Name, ErrKVHeads)
		}
		sites[i] = map[site][]int{}
		for row, h := range r.Heads {
			at := site{h.Layer, h.Head}
			if a.kvHeads {
				at.head = h.KVHead
			}
			sites[i][at] = append(sites[i][at], row)
		}
		if !anyway && !sameSites(sites[0], sites[i]) {
			return nil, fmt.Errorf("%s scores %s, %s %s: %w", rankings[0].Name, describeShape(rankings[0].Heads), r.Name, describeShape(r.Heads), ErrNoCommonMeaning)
		}
	}
	a.rows = make([][][]int, len(rankings))
	for at, rows := range sites[0] {
		h := rankings[0].Heads[rows[0]]
		if a.kvHeads {
			h.Head = h.KVHead
		}
		known := true
		for i, r := range rankings {
			known = known && slices.ContainsFunc(sites[i][at], func(row int) bool { return !math.IsNaN(r.Heads[row].Mean) })
		}
		if known {
			a.items = append(a.items, Head{Layer: h.Layer, Head: h.Head, KVHead: h.KVHead, Window: h.Window})
		}
	}
	slices.SortFunc(a.items, func(x, y Head) int {
		return cmp.Or(cmp.Compare(x.Layer, y.Layer), cmp.Compare(x.Head, y.Head))
	})
	if len(a.items) < 2 {
		return nil, fmt.Errorf("only %d heads have a score in every ranking; at least 2 are needed", len(a.items))
	}
	for i := range rankings {
		for _, h := range a.items {
			a.rows[i] = append(a.rows[i], sites[i][site{h.Layer, h.Head}])
		}
	}
	return a, nil
}

func sameSites(a, b map[site][]int) bool {
	if len(a) != len(b) {
		return false
	}
	for at := range a {
		if _, ok := b[at]; !ok {
			return false
		}
	}
	return true
}

// reduce gives the items' scores of one ranking from its rows': the best of
// each item's rows.
func (a *alignment) reduce(i int, rows []float64) []float64 {
	out := make([]float64, len(a.items))
	for n, of := range a.rows[i] {
		out[n] = math.NaN()
		for _, row := range of {
			if v := rows[row]; !(v <= out[n]) && v == v {
				out[n] = v
			}
		}
	}
	return out
}

// pools finds which rankings share trials, directly or through others, and
// draws the resamples of each such set.
func (j *joint) pools() error {
	type trialID struct{ pool, id string }
	owner := map[trialID]int{} // the pool of each trial
	var needles []map[string]string
	j.pool, j.trials = make([]int, len(j.rankings)), make([][][]float64, len(j.rankings))
	for i, r := range j.rankings {
		j.pool[i] = -1
		counted := passing(r.Trials)
		if len(counted) < 2 { // one trial says nothing of others
			continue
		}
		at := len(needles)
		needles = append(needles, map[string]string{})
		for _, t := range counted {
			if p, ok := owner[trialID{r.Pool, t.ID}]; ok && p != at {
				// Join what was there with this ranking's pool.
				for id, n := range needles[p] {
					needles[at][id] = n
				}
				for id, q := range owner {
					if q == p {
						owner[id] = at
					}
				}
				for q := range j.pool[:i] {
					if j.pool[q] == p {
						j.pool[q] = at
					}
				}
				needles[p] = nil
			}
			owner[trialID{r.Pool, t.ID}] = at
			if _, ok := needles[at][t.ID]; !ok {
				needles[at][t.ID] = t.Needle
			}
		}
		j.pool[i] = at
	}
	j.draws = make([]stats.Draws, len(needles))
	b, drawn := j.options.bootstrap(), 0
	for p, of := range needles {
		if of == nil {
			continue
		}
		ids := make([]string, 0, len(of))
		for id := range of {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		place := map[string]int{}
		for n, id := range ids {
			place[id] = n
		}
		own := b // pools are drawn independently of each other
		own.Seed ^= uint64(drawn) * 0x9e3779b97f4a7c15
		drawn++
		j.draws[p] = own.Clusters(stats.Groups(len(ids), func(n int) string { return of[ids[n]] }), j.options.FixedNeedles)
		for i, r := range j.rankings {
			if j.pool[i] != p {
				continue
			}
			j.trials[i] = make([][]float64, len(ids))
			for _, t := range passing(r.Trials) {
				var row []float64
				for _, layer := range t.Scores[r.Heads[0].Method] {
					row = append(row, layer...)
				}
				if len(row) != len(r.Heads) {
					return fmt.Errorf("%s scores %d heads, its trial %q %d", r.Name, len(r.Heads), t.ID, len(row))
				}
				j.trials[i][place[t.ID]] = row
			}
		}
	}
	return nil
}

func passing(trials []TrialScore) []TrialScore {
	var out []TrialScore
	for _, t := range trials {
		if t.Pass {
			out = append(out, t)
		}
	}
	return out
}
