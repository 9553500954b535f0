package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"headprof/needle"
)

// Decode says how a trial's answer comes about.
type Decode string

// The two answer modes.
const (
	Greedy Decode = "greedy" // the model's own answer, judged
	Forced Decode = "forced" // teacher forcing of the expected answer; every trial counts
)

// Rules say how trials are run and which of them count. They change results.
type Rules struct {
	Decode Decode
	Judge  needle.Judge // greedy only
	// Thinking lets the model think before it answers; nil: it answers at once.
	Thinking *Thinking
	// KeepSink counts trials whose evidence lies on the attention sink.
	KeepSink bool
}

// steps is the most decode steps a trial takes.
func (r Rules) steps(t *Trial) int {
	thinking := r.Thinking.Steps(r.Decode == Forced)
	if r.Decode == Forced {
		return thinking + len(t.AnswerIDs)
	}
	return thinking + max(1, r.Judge.MaxSteps(len(t.AnswerIDs), t.QuestionTokens))
}

func (r Rules) check() error {
	if err := r.Thinking.check(r.Decode); err != nil {
		return err
	}
	switch r.Decode {
	case Forced:
	case Greedy:
		if r.Judge == nil {
			return errors.New("greedy decoding needs a judge")
		}
	default:
		return fmt.Errorf("unknown answer mode %q; known are %s and %s", r.Decode, Greedy, Forced)
	}
	return nil
}

// Plan is trials in the order in which they run.
type Plan struct {
	Trials []*Trial
	Rules  Rules
	// Block is how many trials make a block, the last one perhaps excepted.
	// A block is a balanced sample of the plan, sorted inside for reuse; an
	// early stop is decided and shards are cut between blocks.
	Block int
	Seed  uint64
	// OneCache keeps no second cache for a haystack's beginning: a plan of
	// several blocks then needs less memory and computes more tokens. It
	// changes no result.
	OneCache bool
	// Hash identifies all trials, their order and blocks.
	Hash string
	// Params describe the plan for the manifest, by flag name.
	Params map[string]string

	listed      []*Trial
	all         int // trials of the whole plan, all shards
	shard, of   int // 1-based shard; of == 0: not sharded
	blockStarts []int
}

// PlanOptions say how trials become a plan.
type PlanOptions struct {
	Rules Rules
	// Block is the number of trials in a block; 0 makes one block of all,
	// which shares prefixes best.
	Block  int
	Seed   uint64
	Count  int // takes a balanced, seeded subset of that many trials; 0 takes all
	Params map[string]string
}

// NewPlan orders and checks trials for a model. They come from Grid.Trials or
// ReadTrials. Errors name the trial and what to change.
func NewPlan(m Model, trials []*Trial, o PlanOptions) (*Plan, error) {
	if err := o.Rules.check(); err != nil {
		return nil, err
	}
	if len(trials) == 0 {
		return nil, errors.New("the plan has no trials")
	}
	if o.Block < 0 || o.Count < 0 {
		return nil, errors.New("a plan's block and count cannot be negative")
	}
	if o.Count > 0 && o.Count < len(trials) {
		trials = reorder(trials, nil, o.Seed, o.Count)
	}
	listed := trials
	if o.Block > 0 && o.Block < len(trials) {
		trials = reorder(trials, families(trials), o.Seed, len(trials))
	}
	if !o.Rules.KeepSink {
		o.Rules.KeepSink = !slices.ContainsFunc(trials, func(t *Trial) bool { return !t.KeepSink })
	}
	p := &Plan{
		listed: listed, Trials: append([]*Trial(nil), trials...), Rules: o.Rules, Block: o.Block,
		Seed: o.Seed, Params: o.Params, all: len(trials),
	}
	if p.Block == 0 || p.Block > len(trials) {
		p.Block = len(trials)
	}
	for i := 0; i < len(p.Trials); i += p.Block {
		p.blockStarts = append(p.blockStarts, i)
		sortForReuse(p.Trials[i:min(i+p.Block, len(p.Trials))])
	}
	sum := sha256.New()
	fmt.Fprintln(sum, "plan 1", p.Block)
	for _, t := range p.Trials {
		prompt, err := t.Prompt()
		if err == nil {
			err = t.check(prompt, m, o.Rules.steps(t))
		}
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", t.ID, err)
		}
		if t.compose == nil {
			t.digest = digest(prompt, t)
			if len(t.Needle.Answers) == 0 {
				t.Needle.Answers = []string{strings.TrimSpace(m.Decode(t.AnswerIDs))}
			}
		}
		fmt.Fprintf(sum, "%q %d %x %v\n", t.ID, t.Index, t.digest, t.Also)
	}
	p.Hash = hex.EncodeToString(sum.Sum(nil))
	if err := CheckTokens(m); err != nil {
		return nil, err
	}
	return p, nil
}

// Listed are the plan's trials in the order in which they were given, of which
// every beginning is balanced. A plan made of them, written and read back, is
// this plan.
func (p *Plan) Listed() []*Trial { return p.listed }

// points gives the levels of the four factors that trials tell of themselves.
func points(trials []*Trial) []point {
	out := make([]point, len(trials))
	var levels [4]map[any]int32
	for f := range levels {
		levels[f] = map[any]int32{}
	}
	for i, t := range trials {
		for f, v := range [4]any{t.Haystack, t.Needle.ID, t.Length, t.Depth} {
			l, ok := levels[f][v]
			if !ok {
				l = int32(len(levels[f]))
				levels[f][v] = l
			}
			out[i][f] = l
		}
	}
	return out
}

// reorder puts trials in a balanced order, units together, and keeps the
// first count.
func reorder(trials []*Trial, units [][]int, seed uint64, count int) []*Trial {
	next := balanced(points(trials), units, seed)
	out := make([]*Trial, 0, count)
	for len(out) < count {
		i, ok := next()
		if !ok {
			break
		}
		out = append(out, trials[i])
	}
	return out
}

// Shard gives a part of the plan, whose hash stays the whole plan's: of a plan
// of one block a run of neighbours, so that all parts take about as long and
// share prefixes as one run does (see [Cut]); of a plan of several blocks every
// of-th, beginning with the shard-th.
func (p *Plan) Shard(shard, of int) (*Plan, error) {
	if p.of != 0 {
		return nil, errors.New("the plan is a shard already")
	}
	if shard < 1 || of < 1 || shard > of {
		return nil, fmt.Errorf("shard %d/%d: the first number must be within 1 to the second", shard, of)
	}
	if of > p.all {
		return nil, fmt.Errorf("shard %d/%d: the plan has only %d trials; use at most as many shards", shard, of, p.all)
	}
	q := *p
	q.Trials, q.blockStarts, q.shard, q.of = nil, nil, shard, of
	if len(p.blockStarts) == 1 {
		cost, err := p.EstimateCost(true)
		if err != nil {
			return nil, err
		}
		prompts := make([]int, len(p.Trials))
		for i, t := range p.Trials {
			prompts[i] = t.PromptTokens
		}
		starts := append(Cut(cost.PerTrial, prompts, of), len(p.Trials))
		q.blockStarts = []int{0}
		q.Trials = slices.Clone(p.Trials[starts[shard-1]:starts[shard]])
		return &q, nil
	}
	for b := shard - 1; b < len(p.blockStarts); b += of {
		q.blockStarts = append(q.blockStarts, len(q.Trials))
		start := p.blockStarts[b]
		q.Trials = append(q.Trials, p.Trials[start:min(start+p.Block, len(p.Trials))]...)
	}
	return &q, nil
}

// shardName is "2/8", or empty for a whole plan.
func (p *Plan) shardName() string {
	if p.of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", p.shard, p.of)
}

// Needles is the number of different needles among the plan's trials.
func (p *Plan) Needles() int {
	ids := map[string]bool{}
	for _, t := range p.Trials {
		ids[t.Needle.ID] = true
	}
	return len(ids)
}

// maxSteps is the most decode steps any trial takes.
func (p *Plan) maxSteps() (n int) {
	for _, t := range p.Trials {
		n = max(n, p.Rules.steps(t))
	}
	return n
}
