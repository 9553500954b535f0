package scoring

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"headprof/scoring/stats"
)

// ConsensusMethod is the name under which a consensus is a method of a table.
const ConsensusMethod = "consensus"

// Consensus says which heads several rankings put on top. A head gets a vote of
// each ranking in whose top K it is with a score above 0.
type Consensus struct {
	Names   []string // of the rankings
	K       int
	AtLeast int  // votes that make a head a member
	KVHeads bool // the heads are KV heads
	// Heads are all compared heads: members first, then by mean rank, layer, head.
	Heads []ConsensusHead

	source []Ranking
	rows   [][][]int
}

// ConsensusHead is one head of a consensus.
type ConsensusHead struct {
	Layer, Head int // of KV heads, Head and KVHead are the same
	KVHead      int
	Window      int
	Votes       int
	VotedBy     []bool  // [ranking]
	MeanRank    float64 // over the rankings; 1 is the best, equal scores share their mean rank
	Score       float64 // Votes / rankings of members, 0 of others
	// Stability is the share of joint resamples in which the head is a member
	// too; NaN where no ranking's trials are known.
	Stability float64

	item int
}

// Agreed finds the heads that at least atLeast of the rankings put among their
// k best (k ≤ 0: a tenth of the heads, at least one; atLeast ≤ 0: a majority,
// more than half). Resamples are those of Agree.
func Agreed(rankings []Ranking, k, atLeast int, anyway bool, o Options) (*Consensus, error) {
	n := len(rankings)
	if atLeast <= 0 {
		atLeast = n/2 + 1
	}
	if atLeast > n {
		return nil, fmt.Errorf("at least %d votes are asked for, and there are %d rankings", atLeast, n)
	}
	j, err := newJoint(rankings, anyway, o)
	if err != nil {
		return nil, err
	}
	c := &Consensus{K: topSize(k, len(j.items)), AtLeast: atLeast, KVHeads: j.kvHeads, source: rankings, rows: j.rows}
	for _, r := range rankings {
		c.Names = append(c.Names, r.Name)
	}
	for i, h := range j.items {
		c.Heads = append(c.Heads, ConsensusHead{Layer: h.Layer, Head: h.Head, KVHead: h.KVHead, Window: h.Window, VotedBy: make([]bool, n), Stability: math.NaN(), item: i})
	}
	for r, scores := range j.point {
		ranks := AverageRanks(scores)
		for i, voted := range votes(scores, c.K) {
			h := &c.Heads[i]
			h.MeanRank += (float64(len(scores)+1) - ranks[i]) / float64(n)
			if h.VotedBy[r] = voted; voted {
				h.Votes++
			}
		}
	}
	for i := range c.Heads {
		if h := &c.Heads[i]; h.Votes >= atLeast {
			h.Score = float64(h.Votes) / float64(n)
		}
	}
	c.stability(j)
	slices.SortFunc(c.Heads, func(a, b ConsensusHead) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.MeanRank, b.MeanRank), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head))
	})
	return c, nil
}

// votes marks the k largest scores that are above 0.
func votes(scores []float64, k int) []bool {
	marks := topMarks(scores, k)
	for i, v := range scores {
		marks[i] = marks[i] && v > 0
	}
	return marks
}

func (c *Consensus) stability(j *joint) {
	if !slices.ContainsFunc(j.pool, func(p int) bool { return p >= 0 }) {
		return
	}
	members := make([][]bool, j.options.Resamples)
	stats.Parallel(len(members), func(r int) {
		count := make([]int, len(j.items))
		for _, scores := range j.resample(r) {
			if scores == nil {
				return
			}
			for i, voted := range votes(scores, c.K) {
				if voted {
					count[i]++
				}
			}
		}
		members[r] = make([]bool, len(count))
		for i, n := range count {
			members[r][i] = n >= c.AtLeast
		}
	})
	for i := range c.Heads {
		in, of := 0, 0
		for _, m := range members {
			if m != nil {
				of++
				if m[i] {
					in++
				}
			}
		}
		c.Heads[i].Stability = float64(in) / float64(of)
	}
}

// Voters names the rankings that vote for the head.
func (h ConsensusHead) Voters(names []string) []string {
	out := []string{}
	for i, voted := range h.VotedBy {
		if voted {
			out = append(out, names[i])
		}
	}
	return out
}

// Members are the heads with enough votes, best first.
func (c *Consensus) Members() []ConsensusHead {
	n := 0
	for n < len(c.Heads) && c.Heads[n].Votes >= c.AtLeast {
		n++
	}
	return c.Heads[:n]
}

// Table gives the consensus as a method of a table: Mean is the score, Rank the
// place among all heads. A consensus of KV heads is given to each query head of
// the first ranking that has query heads.
func (c *Consensus) Table(meta Meta) *Table {
	with := 0
	for i, r := range c.source {
		if hasQueryHeads(r.Heads) {
			with = i
			break
		}
	}
	t := &Table{Meta: meta}
	for _, h := range c.Heads {
		for _, row := range c.rows[with][h.item] {
			of := c.source[with].Heads[row]
			t.Heads = append(t.Heads, Head{
				Method: ConsensusMethod, Layer: of.Layer, Head: of.Head, KVHead: of.KVHead, Window: of.Window,
				Mean: h.Score, StdErr: math.NaN(), Low: math.NaN(), High: math.NaN(), Rank: len(t.Heads) + 1,
			})
		}
	}
	t.SetQuantity(Quantity{Method: ConsensusMethod, Label: fmt.Sprintf("share of %d rankings that put it in their top %d", len(c.Names), c.K)})
	var sum float64
	for _, h := range t.Heads {
		sum += h.Mean
	}
	for i := range t.Heads {
		if sum > 0 {
			t.Heads[i].Share = t.Heads[i].Mean / sum
		}
	}
	slices.SortFunc(t.Heads, func(a, b Head) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head))
	})
	return t
}

// hasQueryHeads reports whether rows tell of more query heads than KV heads.
func hasQueryHeads(heads []Head) bool {
	return slices.ContainsFunc(heads, func(h Head) bool { return h.Head != h.KVHead })
}
