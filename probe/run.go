package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"headprof/scoring"
)

// ErrInterrupted says that a run was cancelled. Its journal holds all trials
// that ended; running the same command again continues.
var ErrInterrupted = errors.New("interrupted")

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
}

// Decision is an early stop.
type Decision struct {
	Trials int    `json:"after_trials"`
	Of     int    `json:"of"`
	Why    string `json:"why"`
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
	manifest := newManifest(m, p, o)
	var j *journal
	var records []*Record
	if o.Dir != "" {
		var err error
		if j, records, err = openJournal(o.Dir, manifest); err != nil {
			return nil, err
		}
		defer j.close()
		if err := matchRecords(o.Dir, records, p); err != nil {
			return nil, err
		}
	}
	r := &run{model: m, plan: p, options: o, journal: j, records: records}
	err := r.rest(ctx)
	if err == nil {
		manifest.Outcome = &Outcome{Trials: len(r.records), Stopped: r.stopped}
		for _, rec := range r.records {
			if rec.Pass {
				manifest.Outcome.Passed++
			}
		}
		if j != nil {
			err = manifest.write(o.Dir)
		}
	}
	result := newResult(manifest, r.records, p.Rules.KeepSink, p.points())
	var cerr error
	if result.Cost, cerr = estimate(p, p.Trials[:len(r.records)], !o.NoReuse); err == nil {
		err = cerr
	}
	return result, err
}

func newManifest(m Model, p *Plan, o Options) *Manifest {
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	var methods []string
	for _, method := range o.Methods {
		methods = append(methods, method.Name())
	}
	settings["methods"] = strings.Join(methods, ",")
	settings["decode"] = string(p.Rules.Decode)
	if p.Rules.Decode == Greedy {
		settings["judge"] = p.Rules.Judge.Name()
	}
	settings[sinkSetting] = sinkLeftOut
	if p.Rules.KeepSink {
		settings[sinkSetting] = sinkKept
	}
	return &Manifest{
		Format: manifestFormat, Version: o.Version,
		Model:    ManifestModel{Name: filepath.Base(m.Name()), SHA256: m.SHA256(), Layers: m.Layers(), Heads: m.Heads()},
		Plan:     ManifestPlan{Hash: p.Hash, Trials: p.all, Block: p.Block, Seed: p.Seed, Shard: p.shardName(), Params: p.Params},
		Settings: settings, Environment: o.Environment,
	}
}

// How a manifest says whether trials on the attention sink count.
const (
	sinkSetting = "sink trials"
	sinkKept    = "kept"
	sinkLeftOut = "left out"
)

// matchRecords checks that a journal holds the plan's first trials, in order,
// and that each line says of its trial what the plan says.
func matchRecords(dir string, records []*Record, p *Plan) error {
	path := filepath.Join(dir, journalName)
	if len(records) > len(p.Trials) {
		return fmt.Errorf("%s holds %d trials, more than the plan's %d; delete the folder or name another one with --out", path, len(records), len(p.Trials))
	}
	for i, r := range records {
		what := r.differsFrom(p.Trials[i])
		if what == "" {
			continue
		}
		return fmt.Errorf("%s:%d: %s; the journal was damaged, or lines are missing or out of order: restore it, or delete this line and all after it to run those trials again", path, i+1, what)
	}
	return nil
}

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

// run is a run in progress.
type run struct {
	model   Model
	plan    *Plan
	options Options
	journal *journal
	records []*Record
	stopped *Decision
}

// rest runs the trials that are left.
func (r *run) rest(ctx context.Context) error {
	trials := r.plan.Trials[len(r.records):]
	if r.stop() || len(trials) == 0 {
		return nil
	}
	cost, err := estimate(r.plan, trials, !r.options.NoReuse)
	if err != nil {
		return err
	}
	c := &clock{now: time.Now, start: time.Now(), report: r.options.Progress}
	c.current = Progress{Done: len(r.records), Resumed: len(r.records), Total: len(r.plan.Trials), TokensTotal: cost.Planned}
	for _, rec := range r.records {
		if rec.Pass {
			c.current.Passed++
		}
	}
	s, err := newSessions(r.model, r.plan, trials, !r.options.NoReuse, r.options.Chunk, c.computed)
	if err != nil {
		return err
	}
	defer s.close()
	a := &answerer{
		model: r.model, rules: r.plan.Rules, draft: !r.options.NoDraft, recall: recall{},
		observer: scoring.NewObserver(r.options.Methods, r.model.Layers(), r.model.Heads(), r.plan.maxSteps()),
	}
	for i, t := range trials {
		rec, decode, err := r.one(ctx, t, s, a)
		if err == nil && r.options.NoReuse {
			err = r.again(ctx, t, s, a, rec)
		}
		if err == nil && r.journal != nil {
			err = r.journal.append(rec)
		} else if err != nil && ctx.Err() != nil {
			return fmt.Errorf("%w after %d of %d trials", ErrInterrupted, len(r.records), len(r.plan.Trials))
		}
		if err != nil {
			return fmt.Errorf("trial %s: %w", t.ID, err)
		}
		s.done(i)
		r.records = append(r.records, rec)
		c.ended(rec, decode)
		if r.stop() {
			return nil
		}
	}
	return nil
}

// one runs a trial. decode is the time its answer took beyond the first step.
func (r *run) one(ctx context.Context, t *Trial, s *sessions, a *answerer) (rec *Record, decode time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	start := time.Now()
	prompt, err := t.Prompt()
	if err != nil {
		return nil, 0, err
	}
	session, err := s.ready(ctx, t, prompt)
	if err != nil {
		return nil, 0, err
	}
	ans, err := a.run(ctx, t, prompt, session, s)
	if err != nil {
		return nil, 0, err
	}
	rec = newRecord(t, r.plan.Rules, ans, r.model)
	rec.Seconds = float64(time.Since(start).Microseconds()) / 1e6
	return rec, ans.decode, nil
}

// again runs the further points with a trial's prompt, whose records must be
// the one that stands for them all.
func (r *run) again(ctx context.Context, t *Trial, s *sessions, a *answerer, rec *Record) error {
	for _, point := range t.Also {
		same, _, err := r.one(ctx, t, s, a)
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
func (r *run) stop() bool {
	n := len(r.records)
	if r.options.Stop == nil || n == 0 || n%r.plan.Block != 0 || n == len(r.plan.Trials) {
		return false
	}
	stop, why := r.options.Stop(newResult(nil, r.records, r.plan.Rules.KeepSink, 0).Scores)
	if stop {
		r.stopped = &Decision{Trials: n, Of: len(r.plan.Trials), Why: why}
	}
	return stop
}
