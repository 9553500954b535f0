package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"headprof/probe/journal"
	"headprof/scoring"
	"headprof/scoring/param"
)

// ErrInterrupted is [journal.ErrInterrupted].
var ErrInterrupted = journal.ErrInterrupted

// trialKind is the kind of run that this package makes.
var trialKind = journal.Kind[Record]{
	File: "trials.jsonl", Items: "trials",
	ID:     func(r *Record) string { return r.ID },
	Check:  func(m *journal.Manifest, r *Record) error { return r.check(m.Layout()) },
	Passed: func(r *Record) bool { return r.Pass },
	CutOff: (*Record).cut,
}

// ReadRun reads a run's folder, finished or not. It takes no lock: a trial
// that is being written is not seen.
func ReadRun(dir string) (*Result, error) {
	m, records, err := trialKind.ReadFolder(dir)
	if err != nil {
		return nil, err
	}
	return newResult(m, records, m.Settings[sinkSetting] == sinkKept, 0), nil
}

// Merge puts the shards of one plan together into a run's folder; see
// [journal.Kind.Merge]. An empty out writes nothing.
func Merge(out string, dirs []string) (*Result, error) {
	return merged(trialKind.Merge(out, dirs))
}

// MergePartial is Merge that makes do with what missing and unfinished shards
// leave; see [journal.Kind.MergePartial].
func MergePartial(out string, dirs []string) (*Result, error) {
	return merged(trialKind.MergePartial(out, dirs))
}

func merged(m *journal.Manifest, records []*Record, err error) (*Result, error) {
	if err != nil {
		return nil, err
	}
	r := newResult(m, records, m.Settings[sinkSetting] == sinkKept, 0)
	r.Total = r.Done
	return r, nil
}

// Options say how a plan is run. What they hold beyond Stop, Methods and
// Settings changes the time a run takes and nothing else.
type Options struct {
	// Dir is the run's folder; empty keeps everything in memory.
	Dir     string
	Version string // of headprof, for the manifest
	// Settings are further settings that change results (chat, KV format, …),
	// by flag name; a folder with other values is refused.
	Settings map[string]string
	// Environment is for the reader of a manifest: CPU, kernels, threads.
	Environment map[string]string
	Methods     []scoring.Method // nil: all
	Chunk       int              // tokens computed at once; 0: 512
	NoReuse     bool             // run every trial from token 0, identical prompts each time
	NoDraft     bool             // decode one token at a time
	// Stop is asked after each block whether further trials are needed. It
	// must depend on its argument alone, so that a resumed run stops where an
	// uninterrupted one does.
	Stop     func(scores []scoring.TrialScore) (stop bool, why string)
	Progress func(Progress) // called from Run's goroutine
	// Steps, if set, is given the scores of each of a trial's steps before the
	// trial's record enters the journal. The trial runs again where it fails, or
	// where the process ends in between.
	Steps func(*Record, []Step) error
}

// defaultChunk is how many tokens are computed at once.
const defaultChunk = 512

// Run runs a plan's trials, or those that its folder does not hold yet. The
// result is the same however often the run was cut off in between. With
// ErrInterrupted, and with errors of storage or engine, the result holds the
// trials that ended.
func Run(ctx context.Context, m Model, p *Plan, o Options) (*Result, error) {
	if o.Methods == nil {
		o.Methods = scoring.Methods()
	}
	if o.Chunk <= 0 {
		o.Chunk = defaultChunk
	}
	if o.Stop != nil && p.of > 1 {
		return nil, errors.New("a shard cannot stop early, because it does not see the other shards' trials; leave out --until or --shard")
	}
	r := &run{model: m, plan: p, options: o}
	defer r.close()
	manifest := newManifest(m, p, o)
	j := &journal.Run[Record]{
		Kind: trialKind, Dir: o.Dir, Manifest: manifest, Items: len(p.Trials),
		Name:    func(i int) string { return "trial " + p.Trials[i].ID },
		Differs: func(i int, rec *Record) string { return rec.differsFrom(p.Trials[i]) },
		Start:   r.start, Item: r.item, Ended: r.ended,
	}
	if o.Stop != nil {
		j.Stop = r.stop
	}
	records, err := j.Do(ctx)
	if records == nil {
		return nil, err
	}
	result := newResult(manifest, records, p.Rules.KeepSink, p.points())
	var cerr error
	if result.Cost, cerr = estimate(p, p.Trials[:len(records)], !o.NoReuse); err == nil {
		err = cerr
	}
	return result, err
}

func newManifest(m Model, p *Plan, o Options) *journal.Manifest {
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	var methods []string
	for _, method := range o.Methods {
		methods = append(methods, method.Name())
		AddParameters(settings, method)
	}
	settings["methods"] = strings.Join(methods, ",")
	if o.Steps != nil {
		settings[StepsSetting] = "on"
	}
	settings["decode"] = string(p.Rules.Decode)
	if p.Rules.Decode == Greedy {
		settings["judge"] = p.Rules.Judge.Name()
	}
	if p.Rules.Thinking != nil {
		settings[ThinkSetting] = strconv.Itoa(p.Rules.Thinking.Tokens)
	}
	settings[sinkSetting] = sinkLeftOut
	if p.Rules.KeepSink {
		settings[sinkSetting] = sinkKept
	}
	model := ManifestModel(m)
	model.Name = filepath.Base(model.Name)
	return &journal.Manifest{
		Format: journal.Format, Version: o.Version,
		Model:    model,
		Plan:     journal.Plan{Hash: p.Hash, Trials: p.all, Block: p.Block, Seed: p.Seed, Shard: p.shardName(), Params: p.Params},
		Settings: settings, Environment: o.Environment,
	}
}

// AddParameters adds a method's parameters to a manifest's settings.
func AddParameters(settings map[string]string, method scoring.Named) {
	for _, v := range param.Values(method) {
		settings[v.Name] = v.Text
	}
}

// How a manifest says whether trials on the attention sink count.
const (
	sinkSetting = "sink trials"
	sinkKept    = "kept"
	sinkLeftOut = "left out"
)

// differsFrom says in what a journal's line differs from the plan's trial.
func (r *Record) differsFrom(t *Trial) string {
	switch {
	case r.ID != t.ID:
		return fmt.Sprintf("the trial is %q, the plan's is %q", r.ID, t.ID)
	case r.Index != t.Index:
		return fmt.Sprintf("trial %q has index %d, the plan's has %d", t.ID, r.Index, t.Index)
	case r.Length != t.Length || r.Depth != t.Depth:
		return fmt.Sprintf("trial %q has length %d and depth %v, the plan's has %d and %v", t.ID, r.Length, r.Depth, t.Length, t.Depth)
	case r.PromptTokens != t.PromptTokens:
		return fmt.Sprintf("trial %q has a prompt of %d tokens, the plan's has %d", t.ID, r.PromptTokens, t.PromptTokens)
	case r.Span != [2]int{t.Span.Start, t.Span.End}:
		return fmt.Sprintf("trial %q has the span %v, the plan's has [%d %d]", t.ID, r.Span, t.Span.Start, t.Span.End)
	case !slices.Equal(r.AnswerIDs, t.AnswerIDs):
		return fmt.Sprintf("trial %q has the answer ids %v, the plan's has %v", t.ID, r.AnswerIDs, t.AnswerIDs)
	case !slices.Equal(r.Also, t.Also):
		return fmt.Sprintf("trial %q stands for other points of the plan (also)", t.ID)
	}
	return ""
}

// run is a run in progress: the procedure that turns trials into records.
type run struct {
	model    Model
	plan     *Plan
	options  Options
	first    int // trials done when it started
	sessions *sessions
	answerer *answerer
	clock    *clock
	decode   time.Duration // of the last trial
}

// start prepares for the trials that are left.
func (r *run) start(done []*Record) error {
	r.first = len(done)
	left := r.plan.Trials[r.first:]
	cost, err := estimate(r.plan, left, !r.options.NoReuse)
	if err != nil {
		return err
	}
	r.clock = &clock{now: time.Now, start: time.Now(), report: r.options.Progress}
	r.clock.current = Progress{Done: len(done), Resumed: len(done), Total: len(r.plan.Trials), TokensTotal: cost.Planned}
	for _, rec := range done {
		if rec.Pass {
			r.clock.current.Passed++
		}
		if rec.cut() {
			r.clock.current.CutOff++
		}
	}
	r.answerer = &answerer{
		model: r.model, rules: r.plan.Rules, draft: !r.options.NoDraft, recall: recall{},
		perStep:  r.options.Steps != nil,
		observer: scoring.NewObserver(r.options.Methods, r.model.Shape(), r.plan.maxSteps()),
	}
	r.sessions, err = newSessions(r.model, r.plan, left, !r.options.NoReuse, r.options.Chunk, r.clock.computed)
	return err
}

func (r *run) close() {
	if r.sessions != nil {
		r.sessions.close()
	}
}

// item runs a trial, and where prompts are not reused the further points with its prompt.
func (r *run) item(ctx context.Context, i int) (*Record, error) {
	t := r.plan.Trials[i]
	rec, decode, err := r.one(ctx, t)
	if err == nil && r.options.NoReuse {
		err = r.again(ctx, t, rec)
	}
	r.decode = decode
	return rec, err
}

func (r *run) ended(done []*Record) {
	r.sessions.done(len(done) - 1 - r.first)
	r.clock.ended(done[len(done)-1], r.decode)
}

// one runs a trial. decode is the time its answer took beyond the first step.
func (r *run) one(ctx context.Context, t *Trial) (rec *Record, decode time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	prompt, err := t.Prompt()
	if err != nil {
		return nil, 0, err
	}
	session, err := r.sessions.ready(ctx, t, prompt)
	if err != nil {
		return nil, 0, err
	}
	ans, err := r.answerer.run(ctx, t, prompt, session, r.sessions)
	if err != nil {
		return nil, 0, err
	}
	rec = newRecord(t, r.plan.Rules, ans, r.model)
	rec.Seconds = float64(time.Since(start).Microseconds()) / 1e6
	if r.options.Steps != nil {
		err = r.options.Steps(rec, ans.each(r.model))
	}
	return rec, ans.decode, err
}

// again runs the further points with a trial's prompt, whose records must be
// the one that stands for them all.
func (r *run) again(ctx context.Context, t *Trial, rec *Record) error {
	for _, point := range t.Also {
		same, _, err := r.one(ctx, t)
		if err != nil {
			return err
		}
		rec.Seconds, same.Seconds = rec.Seconds+same.Seconds, 0
		once := *rec
		once.Seconds = 0
		if !reflect.DeepEqual(same, &once) {
			return fmt.Errorf("point %s has the same prompt and got another result: the engine is not deterministic; please report this with the output of 'headprof devices --json'", point.ID)
		}
	}
	return nil
}

// stop asks whether to end early, where the count of trials says to ask.
func (r *run) stop(done []*Record) *journal.Stop {
	n := len(done)
	if n%r.plan.Block != 0 {
		return nil
	}
	stop, why := r.options.Stop(newResult(nil, done, r.plan.Rules.KeepSink, 0).Scores)
	if !stop {
		return nil
	}
	return &journal.Stop{Trials: n, Of: len(r.plan.Trials), Why: why}
}
