package evaluate

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/scoring/allocate"
)

// Options say how an evaluation is run.
type Options struct {
	Dir      string // the run's folder; empty keeps everything in memory
	Version  string // of headprof, for the manifest
	Seed     uint64
	Params   map[string]string // describe the tasks in the manifest, by flag name
	Settings map[string]string // further settings that change results, by flag name
	Shard    Shard             // the part of the items to run
	NoReuse  bool              // prefill every prompt from its first token: honest times to the first token
	Progress func(done, total, resumed int, last *Record)
}

// Record is one item's line in eval.jsonl.
type Record struct {
	Item         string   `json:"item"`
	Task         string   `json:"task"`
	Group        string   `json:"group"`
	Length       int      `json:"length,omitempty"`
	Depth        float64  `json:"depth"`
	PromptTokens int      `json:"prompt_tokens"`
	AnswerTokens int      `json:"answer_tokens"`
	Full         Size     `json:"full"` // what a whole cache of the prompt holds
	Results      []Result `json:"results"`
	// Times differ from run to run; nothing else does.
	Times Prefill `json:"times"`
}

// Size is a cache's extent, all layers and KV heads together.
type Size struct {
	Entries int64 `json:"entries"` // of these, a sliding window's own only
	Bytes   int64 `json:"bytes"`   // keys and values of Entries
}

// Result is what one variant made of an item.
type Result struct {
	Policy   string  `json:"policy"`
	Capacity int     `json:"capacity,omitempty"`
	Score    float64 `json:"score"`
	LogProb  float64 `json:"answer_logprob"` // of the whole answer, in nats
	IDs      []int32 `json:"ids"`            // generated, an end of sequence included
	Text     string  `json:"text"`           // the part that was judged
	Kept     Size    `json:"kept"`           // once the whole prompt was fed
	// Allocated is the memory that the cache takes for it, in bytes: tiles are
	// filled up only in part.
	Allocated int64 `json:"allocated"`
	Times     Steps `json:"times"`
}

// Prefill is how long a prompt took to compute.
type Prefill struct {
	Computed int     `json:"computed"` // tokens; the others were there from the prompt before
	Seconds  float64 `json:"seconds"`
}

// Steps is how long a variant took.
type Steps struct {
	Compress float64 `json:"compress"` // seconds
	First    float64 `json:"first"`    // seconds, of the step that gives the first token
	Decode   float64 `json:"decode"`   // seconds of further steps of one token each
	Steps    int     `json:"steps"`    // how many those were
}

// Kind is the kind of run that evaluates caches: one record per prompt.
var Kind = journal.Kind[Record]{File: "eval.jsonl", Items: "prompts", ID: func(r *Record) string { return r.Item }}

// evaluator runs items one after another.
type evaluator struct {
	model    *runner.Model
	engine   probe.Model
	cache    allocate.Model
	shape    shape.Model
	setting  Setting
	variants []Variant
	noReuse  bool
	prefix   probe.Prefix[*runner.Session]
}

func newEvaluator(m *runner.Model, e probe.Model, s Setting, vs []Variant) *evaluator {
	c := m.Config()
	element := 2
	if m.Options().KV == backend.KVF32 {
		element = 4
	}
	ev := &evaluator{model: m, engine: e, cache: CacheModel(c, element), shape: c.Shape(), setting: s, variants: vs}
	ev.prefix.Open = m.NewSession
	return ev
}

// Run evaluates all items under all variants, or those that the folder does
// not hold yet. Records come in the items' order.
func Run(ctx context.Context, m *runner.Model, items []*Item, s Setting, vs []Variant, o Options) ([]*Record, error) {
	e, err := probe.ModelOf(m)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("there is nothing to evaluate: the tasks hold no item")
	}
	if err := probe.CheckTokens(e); err != nil {
		return nil, err
	}
	longest := 0
	for _, it := range items {
		if err := it.check(e); err != nil {
			return nil, err
		}
		longest = max(longest, len(it.Prompt))
	}
	ev := newEvaluator(m, e, s, vs)
	ev.noReuse = o.NoReuse
	if err := s.check(vs, ev.cache, longest); err != nil {
		return nil, err
	}
	defer ev.prefix.Close()
	resumed := 0
	man := manifest(e, hash(items), len(items), s, vs, o)
	if o.Shard.Of > 0 {
		var own []*Item
		for _, i := range o.Shard.items(len(items)) {
			own = append(own, items[i])
		}
		items = own
	}
	j := journal.Run[Record]{
		Kind: Kind, Dir: o.Dir, Manifest: man, Items: len(items),
		Name: func(i int) string { return items[i].ID },
		Differs: func(i int, r *Record) string {
			if len(r.Results) != len(vs) {
				return fmt.Sprintf("%d results for %d policies and capacities", len(r.Results), len(vs))
			}
			return differs(r.Item, items[i].ID)
		},
		Start: func(done []*Record) error { resumed = len(done); return nil },
		Item:  func(ctx context.Context, i int) (*Record, error) { return ev.item(ctx, items[i]) },
	}
	if o.Progress != nil {
		j.Ended = func(done []*Record) { o.Progress(len(done), len(items), resumed, done[len(done)-1]) }
	}
	return j.Do(ctx)
}

// prefill computes a prompt, from what it shares with the last one, and
// observes its window. The session stays the evaluator's.
func (ev *evaluator) prefill(ctx context.Context, prompt []int32) (*runner.Session, *kvcache.Observer, Prefill, error) {
	observer, err := kvcache.NewObserver(ev.setting.Selection(), len(prompt), ev.shape)
	if err != nil {
		return nil, nil, Prefill{}, err
	}
	watched := observer.Positions()
	start := time.Now()
	if ev.noReuse {
		ev.prefix.Close()
	}
	s, shared, err := ev.prefix.Ready(prompt, watched[0])
	if err != nil {
		return nil, nil, Prefill{}, err
	}
	// The window goes in one call, so that only one layer's rows are open at a time.
	_, err = s.Extend(ctx, prompt[shared:watched[0]], runner.Watch{})
	if err == nil {
		_, err = s.Extend(ctx, prompt[watched[0]:], runner.Watch{Attention: watched, Rows: observer.Row})
	}
	if err != nil {
		ev.prefix.Close()
	}
	return s, observer, Prefill{len(prompt) - shared, time.Since(start).Seconds()}, err
}

// item evaluates one prompt: one prefill, and a fork of it for each variant.
func (ev *evaluator) item(ctx context.Context, it *Item) (*Record, error) {
	base, observer, times, err := ev.prefill(ctx, it.Prompt)
	if err != nil {
		return nil, err
	}
	r := &Record{
		Item: it.ID, Task: it.Task, Group: it.Group, Length: it.Length, Depth: it.Depth,
		PromptTokens: len(it.Prompt), AnswerTokens: len(it.AnswerIDs), Times: times,
		Full: ev.size(func(int, int) int { return len(it.Prompt) }),
	}
	r.Results = make([]Result, len(ev.variants))
	for from := 0; from < len(ev.variants); from += ev.together() {
		some := ev.variants[from:min(len(ev.variants), from+ev.together())]
		err := runner.Together(ctx, len(some), func(ctx context.Context, i int, extend runner.ExtendFunc) error {
			res, err := ev.variant(ctx, it, some[i], base, observer, extend)
			if err != nil {
				return fmt.Errorf("policy %s, capacity %d: %w", some[i].Policy, some[i].Capacity, err)
			}
			r.Results[from+i] = *res
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// mostTogether bounds the variants that answer side by side, whose caches are
// in memory at once.
const mostTogether = 8

// together is how many variants answer side by side: one where times count.
func (ev *evaluator) together() int {
	if ev.noReuse {
		return 1
	}
	return mostTogether
}

// size adds up entries that a token can still see, and their bytes.
func (ev *evaluator) size(entries func(layer, kvHead int) int) Size {
	var s Size
	for l, layer := range ev.cache.Layers {
		if !layer.Stores() {
			continue
		}
		for h := range layer.KVHeads {
			n := entries(l, h)
			if layer.Window > 0 {
				n = min(n, layer.Window)
			}
			s.Entries += int64(n)
			s.Bytes += int64(n) * int64(layer.KeyDim+layer.ValueDim) * int64(ev.cache.ElementBytes)
		}
	}
	return s
}

// compressed forks all but the prompt's last token and applies a variant.
func (ev *evaluator) compressed(it *Item, v Variant, base *runner.Session, observer *kvcache.Observer) (*runner.Session, error) {
	policy, err := ev.setting.policy(v, ev.cache, len(it.Prompt))
	if err != nil {
		return nil, err
	}
	s, err := base.Fork(len(it.Prompt) - 1)
	if err != nil {
		return nil, err
	}
	if !kvcache.Watches(policy) {
		observer = nil
	}
	if err := kvcache.Compress(s.Cache(), ev.shape, policy, observer, len(it.Prompt)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (ev *evaluator) variant(ctx context.Context, it *Item, v Variant, base *runner.Session, observer *kvcache.Observer, compute runner.ExtendFunc) (*Result, error) {
	out := &Result{Policy: v.Policy, Capacity: v.Capacity}
	start := time.Now()
	s, err := ev.compressed(it, v, base, observer)
	if err != nil {
		return nil, err
	}
	defer func() { s.Close() }()
	out.Times.Compress = time.Since(start).Seconds()
	last := it.Prompt[len(it.Prompt)-1:]
	prompted := false
	extend := func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
		if prompted {
			rows, took, err := compute(ctx, s, tokens, lastLogits(s, tokens, steps))
			out.Times.Decode += took.Seconds()
			out.Times.Steps++
			return rows, err
		}
		// The prompt's last token alone: it is timed, and what it leaves is measured.
		prompted = true
		rows, took, err := compute(ctx, s, last, lastLogits(s, last, 1))
		if err != nil {
			return nil, err
		}
		out.Times.First = took.Seconds()
		out.Kept, out.Allocated = ev.size(s.Cache().Entries), allocated(s)
		more, _, err := compute(ctx, s, tokens[1:], lastLogits(s, tokens[1:], steps-1))
		return append(rows, more...), err
	}
	a, err := it.answer(ctx, ev.engine, last, extend, func(n int) error {
		f, err := s.Fork(s.Len() - n) // a cache without some entries cannot be truncated
		if err == nil {
			s.Close()
			s = f
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out.LogProb, out.Score, out.Text, out.IDs = a.logProb, a.score, a.text, a.ids
	return out, nil
}

// allocated is the memory of a session's cache, which on the host does not
// depend on what was computed before.
func allocated(s *runner.Session) int64 {
	if c, ok := s.Cache().(*kvcache.Host); ok {
		return c.Needed()
	}
	return s.Bytes()
}

// extend is [probe.Decoding]'s Extend in a session.
func extend(s *runner.Session) func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
	return func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
		return s.Extend(ctx, tokens, lastLogits(s, tokens, steps))
	}
}

// lastLogits asks for the logits of the last of tokens that are to follow a session's.
func lastLogits(s *runner.Session, tokens []int32, steps int) runner.Watch {
	at := make([]int, steps)
	for i := range at {
		at[i] = s.Len() + len(tokens) - steps + i
	}
	return runner.Watch{Logits: at}
}

// environment is for a manifest's reader.
func environment(m map[string]string) map[string]string {
	out := map[string]string{"platform": runtime.GOOS + "/" + runtime.GOARCH}
	for k, v := range m {
		out[k] = v
	}
	return out
}
