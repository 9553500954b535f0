package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Record is one case's line in trials.jsonl.
type Record struct {
	ID     string                     `json:"id"`
	Index  int                        `json:"index"`
	Probe  string                     `json:"probe"`
	Group  string                     `json:"group"` // cases of one group are resampled together
	Tokens int                        `json:"tokens"`
	Scores map[string][][]probe.Score `json:"scores"` // [layer][query head or KV head]
	// Seconds is the only field that differs from run to run.
	Seconds float64 `json:"seconds"`
}

// Plan is a run of cases, in order.
type Plan struct {
	Cases   []Case
	Methods []scoring.Named   // with their parameters
	Params  map[string]string // what the cases were made from, for the manifest
	Seed    uint64

	whole     []Case // a shard: the cases of the whole plan
	shard, of int    // 1-based shard; of == 0: not sharded
	first     int    // the shard's first case in the whole plan
}

// Options say how a plan is run.
type Options struct {
	Dir         string            // the run's folder
	Version     string            // of headprof
	Settings    map[string]string // further settings that change results
	Environment map[string]string
	NoReuse     bool                          // compute every prompt from its first token; changes no result
	Ended       func(done, total, tokens int) // after each case
}

// kind is the kind of run that this package makes.
func kind(layers shape.Model) journal.Kind[Record] {
	return journal.Kind[Record]{
		File: "trials.jsonl", Items: "cases",
		ID:     func(r *Record) string { return r.ID },
		Passed: func(*Record) bool { return true },
		Check:  func(_ *journal.Manifest, r *Record) error { return r.check(layers) },
	}
}

// check says what is wrong with a record that was read back.
func (r *Record) check(layers shape.Model) error {
	if r.ID == "" || len(r.Scores) == 0 {
		return fmt.Errorf(`"id" or "scores" is missing`)
	}
	for method, rows := range r.Scores {
		if len(rows) != len(layers) {
			return fmt.Errorf("scores of %s have %d layers, the model has %d", method, len(rows), len(layers))
		}
		for l, row := range rows {
			want := layers[l].Heads
			if scoring.OfKVHeads(method) {
				want = layers[l].Caches()
			}
			if len(row) != want {
				return fmt.Errorf("scores of %s, layer %d, have %d values, the model %d", method, l, len(row), want)
			}
		}
	}
	return nil
}

// serves is a Case that some methods of its kind cannot be computed from.
type serves interface {
	// serves says what is missing where none of methods can be.
	serves(methods []scoring.Named) error
}

// Check says whether a model can run the plan's cases, and whether each holds
// what at least one of the methods needs.
func (p *Plan) Check(m probe.Model) error {
	for _, c := range p.Cases {
		if err := Check(m, c); err != nil {
			return err
		}
		if s, ok := c.(serves); ok {
			if err := s.serves(p.Methods); err != nil {
				return fmt.Errorf("case %s: %w", c.Name(), err)
			}
		}
	}
	return nil
}

// Fit decides parameters of methods that depend on the longest prompt.
func (p *Plan) Fit() error {
	longest := 0
	for _, c := range p.Cases {
		if a, ok := c.(*answer); ok {
			longest = max(longest, len(a.Prompt))
		}
	}
	for _, m := range p.Methods {
		if c, ok := m.(*scoring.CacheCut); ok {
			if err := c.Fit(longest); err != nil {
				return err
			}
		}
	}
	return nil
}

// Do runs the cases that the folder does not hold yet. With
// journal.ErrInterrupted the result holds those that ended.
func (p *Plan) Do(ctx context.Context, m probe.Model, o Options) (*probe.Result, error) {
	byProbe := map[scoring.Probe][]scoring.Named{}
	names := []string{}
	for _, method := range p.Methods {
		d, err := scoring.Lookup(method.Name())
		if err != nil {
			return nil, err
		}
		byProbe[d.Probe] = append(byProbe[d.Probe], method)
		names = append(names, method.Name())
	}
	if err := p.Check(m); err != nil {
		return nil, err
	}
	manifest, err := p.manifest(m, o, names)
	if err != nil {
		return nil, err
	}
	tokens := 0
	run := journal.Run[Record]{
		Kind: kind(m.Shape()), Dir: o.Dir, Manifest: manifest, Items: len(p.Cases),
		Name: func(i int) string { return "case " + p.Cases[i].Name() },
		Differs: func(i int, r *Record) string {
			if c := p.Cases[i]; r.ID != c.Name() {
				return fmt.Sprintf("the case is %q, the plan's is %q", r.ID, c.Name())
			}
			return ""
		},
		Item: func(ctx context.Context, i int) (*Record, error) {
			start := time.Now()
			c := p.Cases[i]
			values, err := compute(ctx, m, c, byProbe[c.Kind()], o.NoReuse)
			if err != nil {
				return nil, err
			}
			if len(values) == 0 {
				return nil, fmt.Errorf("it lacks what %s needs", strings.Join(names, ", "))
			}
			tokens += c.Tokens()
			return newRecord(c, p.first+i, values, time.Since(start)), nil
		},
		Ended: func(done []*Record) {
			if o.Ended != nil {
				o.Ended(len(done), len(p.Cases), tokens)
			}
		},
	}
	records, err := run.Do(ctx)
	return newResult(manifest, records, len(p.Cases), m.Shape()), err
}

func newResult(m *journal.Manifest, records []*Record, total int, layers shape.Model) *probe.Result {
	r := &probe.Result{Manifest: m, Total: total, Done: len(records), Passed: len(records), Counted: len(records)}
	for _, rec := range records {
		r.Scores = append(r.Scores, rec.trialScore(layers))
	}
	return r
}

func newRecord(c Case, index int, values map[string]Values, took time.Duration) *Record {
	r := &Record{
		ID: c.Name(), Index: index, Probe: string(c.Kind()), Group: groupOf(c), Tokens: c.Tokens(),
		Scores: map[string][][]probe.Score{}, Seconds: float64(took.Microseconds()) / 1e6,
	}
	for method, layers := range values {
		rows := make([][]probe.Score, len(layers))
		for l, row := range layers {
			rows[l] = make([]probe.Score, len(row))
			for h, v := range row {
				rows[l][h] = probe.Score(v)
			}
		}
		r.Scores[method] = rows
	}
	return r
}

func groupOf(c Case) string {
	if g, ok := c.(Group); ok && g.Group() != "" {
		return g.Group()
	}
	return c.Name()
}

// trialScore gives the record as aggregation sees it: a KV head's value is
// that of each query head that reads it.
func (r *Record) trialScore(layers shape.Model) scoring.TrialScore {
	t := scoring.TrialScore{ID: r.ID, Needle: r.Group, Length: r.Tokens, Pass: true, Scores: map[string][][]float64{}}
	for method, rows := range r.Scores {
		kv := scoring.OfKVHeads(method)
		out := make([][]float64, len(rows))
		for l := range rows {
			out[l] = make([]float64, layers[l].Heads)
			for h := range out[l] {
				from, at := l, h
				if kv {
					from, at = layers.Source(l), layers[l].KVHead(h)
				}
				out[l][h] = float64(rows[from][at])
			}
		}
		t.Scores[method] = out
	}
	return t
}

// manifest describes the run. The hash is that of all token ids and spans,
// those of other shards included.
func (p *Plan) manifest(m probe.Model, o Options, names []string) (*journal.Manifest, error) {
	hash := sha256.New()
	all := p.Cases
	if p.of > 0 {
		all = p.whole
	}
	for _, c := range all {
		line, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		hash.Write(append(line, '\n'))
	}
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings["methods"] = strings.Join(names, ",")
	for _, method := range p.Methods {
		probe.AddParameters(settings, method)
	}
	model := probe.ManifestModel(m)
	model.Name = filepath.Base(model.Name)
	return &journal.Manifest{
		Format: journal.Format, Version: o.Version, Model: model,
		Plan:     journal.Plan{Hash: hex.EncodeToString(hash.Sum(nil)), Trials: len(all), Block: max(1, len(all)), Seed: p.Seed, Shard: p.shardName(), Params: p.Params},
		Settings: settings, Environment: o.Environment,
	}, nil
}

// Aggregate makes one table of a result whose cases are of several kinds: the
// cases of each kind are resampled on their own.
func Aggregate(scores []scoring.TrialScore, o scoring.Options) (*scoring.Table, error) {
	var order []string
	groups := map[string][]scoring.TrialScore{}
	for _, t := range scores {
		key := strings.Join(slices.Sorted(maps.Keys(t.Scores)), ",")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], t)
	}
	var whole *scoring.Table
	for _, key := range order {
		t, err := scoring.Aggregate(groups[key], o)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = t
			continue
		}
		whole.Heads, whole.Halves = append(whole.Heads, t.Heads...), append(whole.Halves, t.Halves...)
		whole.Meta.Trials += t.Meta.Trials
		whole.Meta.Passed += t.Meta.Passed
		whole.Meta.Needles += t.Meta.Needles
	}
	if whole == nil {
		return nil, scoring.ErrNonePassed
	}
	return whole, nil
}
