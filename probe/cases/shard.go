package cases

import (
	"errors"
	"fmt"
	"strings"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Shard gives a part of the plan, neighbours in its order, cut so that all
// parts take about as long (see [probe.Cut]). A case, whose prompts share what
// they begin with, is never divided. The hash stays the whole plan's.
func (p *Plan) Shard(shard, of int, layers shape.Model) (*Plan, error) {
	switch {
	case p.of != 0:
		return nil, errors.New("the plan is a shard already")
	case shard < 1 || shard > of:
		return nil, fmt.Errorf("shard %d/%d: the first number must be within 1 to the second", shard, of)
	case of > len(p.Cases):
		return nil, fmt.Errorf("shard %d/%d: the plan has only %d cases; use at most as many shards", shard, of, len(p.Cases))
	}
	costs := make([]int, len(p.Cases))
	for i, c := range p.Cases {
		costs[i] = cost(c, p.Methods, layers)
	}
	starts := append(probe.Cut(costs, costs, of), len(p.Cases))
	q := *p
	q.whole, q.shard, q.of, q.first = p.Cases, shard, of, starts[shard-1]
	q.Cases = p.Cases[q.first:starts[shard]]
	return &q, nil
}

func (p *Plan) shardName() string {
	if p.of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", p.shard, p.of)
}

// priced is a Case that costs more than its tokens.
type priced interface {
	// cost is what methods take, in tokens of a plain prefill.
	cost(methods []scoring.Named, layers shape.Model) int
}

func cost(c Case, methods []scoring.Named, layers shape.Model) int {
	if p, ok := c.(priced); ok {
		return p.cost(methods, layers)
	}
	return c.Tokens()
}

// backwardCost is what a gradient takes, the forward pass included, in tokens
// of a plain prefill per token; docs/performance.md has the measurement.
const backwardCost = 4

func (c *answer) cost(methods []scoring.Named, layers shape.Model) int {
	forward, back := 0, 0
	for _, m := range methods {
		switch m.(type) {
		case *scoring.CacheCut:
			forward = len(c.Prompt) + branchCost(layers.KVHeads(), len(c.Answer))
		case *scoring.Taylor, *scoring.KVGrad, *scoring.KVGradCache:
			back = backwardCost * c.longest() // one way back for all
		}
	}
	return forward + back
}

func (c *swap) cost(methods []scoring.Named, layers shape.Model) int {
	forward, back := 0, 0
	for _, m := range methods {
		switch m.(type) {
		case *scoring.Patch:
			forward += len(c.Clean) + len(c.Corrupted) - sharedPrefix(c.Clean, c.Corrupted) + branchCost(layers.Heads(), len(c.Answer))
		case *scoring.AtPDrop:
			back = len(c.Clean) + backwardCost*c.longest()*(len(layers)+1)/2
		default:
			back = max(back, len(c.Clean)+backwardCost*c.longest())
		}
	}
	return forward + back
}

// branchCost is that of computing some tokens again in as many variants as
// there are heads: each the layers from its own on, half of them on average.
func branchCost(heads, tokens int) int { return heads * tokens / 2 }

// Merge puts the shards of a plan together into a run's folder; see
// [journal.Kind.Merge]. An empty out writes nothing. partial makes do with what
// missing and unfinished shards leave.
func Merge(out string, dirs []string, layers shape.Model, partial bool) (*probe.Result, error) {
	merge := kind(layers).Merge
	if partial {
		merge = kind(layers).MergePartial
	}
	m, records, err := merge(out, dirs)
	if err != nil {
		return nil, err
	}
	return newResult(m, records, len(records), layers), nil
}

// Holds tells whether a folder is of a run of cases.
func Holds(m *journal.Manifest) bool {
	for _, name := range strings.Split(m.Settings["methods"], ",") {
		if d, err := scoring.Lookup(name); err == nil && d.Probe != scoring.Needles {
			return true
		}
	}
	return false
}
