package main

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	htmlreport "headprof/plots/report"
	"headprof/probe"
	"headprof/probe/journal"
	"headprof/scoring"
)

// profileRun makes a page's run of a profile: a run's folder or a score file.
func (f *reportFlags) profileRun(path string) (*htmlreport.Run, []source, error) {
	t, err := f.profile.table(path)
	if err != nil {
		return nil, nil, err
	}
	shown, err := methodOf(t, f.method, path)
	if err != nil {
		return nil, nil, err
	}
	var trials []scoring.TrialScore
	result, err := probe.ReadRun(path)
	if err == nil {
		trials = result.Scores
	} else if trials, err = readTrials(path); err != nil {
		return nil, nil, err
	}
	steps, err := readSteps(path, trials)
	if err != nil {
		return nil, nil, err
	}
	r, rankings := f.describe(t, shown, path, result, trials, steps)
	return r, rankings, nil
}

// describe makes a page's run of a table and what it rests on; result,
// trials and steps are nil where they are not known.
func (f *reportFlags) describe(t *scoring.Table, shown, path string, result *probe.Result, trials []scoring.TrialScore, steps *stepGroups) (*htmlreport.Run, []source) {
	r := &htmlreport.Run{
		Name: filepath.Base(filepath.Clean(path)), Path: filepath.ToSlash(path), Model: t.Meta.Model, Top: f.top,
		Layers: f.layers(t, path), Made: madeFrom(path, "score"),
	}
	if r.Top == 0 {
		r.Top = scoring.DefaultTop(len(t.Of(shown)))
	}
	for _, n := range t.Notes {
		r.Warnings = append(r.Warnings, htmlreport.Warning{Text: n})
	}
	if result != nil {
		g := needleFigure(plotMeta(t, shown), result)
		r.Needles = &htmlreport.Grid{Lengths: g.Lengths, Depths: g.Depths, Trials: g.Trials, Passed: g.Passed}
		for _, w := range append(result.Warnings(), result.DepthWarnings()...) {
			r.Warnings = append(r.Warnings, htmlreport.Warning{Text: w.Text, Remedies: w.Remedies})
		}
	}
	if t.Meta.Fast {
		r.Warnings = append(r.Warnings, htmlreport.Warning{Text: "computed with " + fastNote + ": close to a run without, not equal to it"})
	}
	r.Facts = runFacts(t, shown)
	groups := newGroups(trials)
	r.Trials = groups.trials()
	if steps != nil && r.Trials != nil {
		r.Trials.StepCount = steps.trials
	}
	var rankings []source
	for i, name := range t.Methods() {
		rows := t.Of(name)
		m := reportMethod(t, rows, name)
		m.Default = name == shown
		groups.add(&m, rows)
		steps.into(&m, rows)
		r.Methods = append(r.Methods, m)
		s := source{scoring.Ranking{Heads: rows, PerKVHead: m.PerKVHead, Pool: t.Meta.ModelSHA}, htmlreport.Ranked{Method: i}}
		if len(trials) > 0 && slices.ContainsFunc(trials, func(x scoring.TrialScore) bool { return x.Pass && x.Scores[name] != nil }) {
			s.Trials = trials
		}
		rankings = append(rankings, s)
	}
	return r, rankings
}

// layers describes the model: from its file or flags, the manifest, or the table.
func (f *reportFlags) layers(t *scoring.Table, path string) []htmlreport.Layer {
	var out []htmlreport.Layer
	man, err := journal.ReadManifest(path)
	for l, s := range t.ShapeOr(f.profile.known) {
		layer := htmlreport.Layer{Heads: s.Heads, KVHeads: max(0, s.KVHeads), Window: max(0, s.Window)}
		if err == nil {
			if known := man.Layout(); l < len(known) && known[l].Heads == s.Heads {
				layer.KeyDim, layer.ValueDim = known[l].KeyDim, known[l].ValueDim
			}
		}
		out = append(out, layer)
	}
	if out != nil {
		return out
	}
	// Scores of KV heads alone: how many query heads share one is not known.
	for _, h := range t.Of(t.Methods()[0]) {
		for len(out) <= h.Layer {
			out = append(out, htmlreport.Layer{})
		}
		out[h.Layer].Heads = max(out[h.Layer].Heads, h.KVHead+1)
		out[h.Layer].KVHeads = out[h.Layer].Heads
	}
	return out
}

// runFacts are what a reader asks first.
func runFacts(t *scoring.Table, method string) (out []htmlreport.Fact) {
	add := func(name, value string) {
		if value != "" {
			out = append(out, htmlreport.Fact{Name: name, Value: value})
		}
	}
	switch m := t.Meta; {
	case m.Trials > 0 && m.Decode == string(probe.Forced):
		add("trials counted, answers fed", fmt.Sprintf("%d of %d", m.Passed, m.Trials))
	case m.Trials > 0:
		add("trials passed", fmt.Sprintf("%d of %d", m.Passed, m.Trials))
	case m.Passed > 0:
		add("trials counted", thousands(int64(m.Passed)))
	}
	if t.Meta.Needles > 0 {
		add("different needles", thousands(int64(t.Meta.Needles)))
	}
	for _, h := range t.Halves {
		if h.Method == method && !math.IsNaN(h.Corrected) {
			add("reliability of the ranking", fmt.Sprintf("%.2f", h.Corrected))
		}
	}
	return out
}

// reportMethod turns one method's rows into what the page shows.
func reportMethod(t *scoring.Table, rows []scoring.Head, name string) htmlreport.Method {
	q := t.Quantity(name)
	m := htmlreport.Method{Name: name, Label: axisLabel(q), PerKVHead: q.PerKVHead, Listed: t.IsList(name), HalfCorrelation: math.NaN(), Correct: math.NaN()}
	rows, m.Interval = withIntervals(rows, q.Interval)
	if d, err := scoring.Lookup(name); err == nil {
		m.Measures, m.Source = d.Measures, d.Source
	}
	for _, h := range rows {
		m.Mean, m.Low, m.High = append(m.Mean, h.Mean), append(m.Low, h.Low), append(m.High, h.High)
		m.Rank, m.RankLow, m.RankHigh = append(m.Rank, h.Rank), append(m.RankLow, h.RankLow), append(m.RankHigh, h.RankHigh)
		m.N = append(m.N, h.N)
	}
	for _, h := range t.Halves {
		if h.Method == name {
			m.HalfCorrelation, m.Correct, m.HalfUnit = h.Correlation, h.Corrected, h.Unit
		}
	}
	return m
}

// made says what a manifest tells of a run's making.
func made(m *journal.Manifest, command string) htmlreport.Made {
	facts := func(of map[string]string) (out []htmlreport.Fact) {
		for _, k := range slices.Sorted(maps.Keys(of)) {
			if of[k] != "" {
				out = append(out, htmlreport.Fact{Name: k, Value: of[k]})
			}
		}
		return out
	}
	out := htmlreport.Made{
		Command:  rebuilt(m, command),
		Plan:     append(facts(m.Plan.Params), htmlreport.Fact{Name: "seed", Value: fmt.Sprint(m.Plan.Seed)}, htmlreport.Fact{Name: "trials", Value: strconv.Itoa(m.Plan.Trials)}),
		Settings: append(facts(m.Settings), facts(m.Environment)...),
		Hashes:   []htmlreport.Fact{{Name: "model", Value: m.Model.Name}, {Name: "model, SHA-256", Value: m.Model.SHA256}, {Name: "plan", Value: m.Plan.Hash}, {Name: "headprof", Value: m.Version}},
	}
	if m.Plan.Shard != "" {
		out.Plan = append(out.Plan, htmlreport.Fact{Name: "shard", Value: m.Plan.Shard})
	}
	if m.Outcome != nil && m.Outcome.Stopped != nil {
		out.Settings = append(out.Settings, htmlreport.Fact{Name: "stopped early", Value: fmt.Sprintf("after %d of %d: %s", m.Outcome.Stopped.Trials, m.Outcome.Stopped.Of, m.Outcome.Stopped.Why)})
	}
	return out
}

// rebuilt is a command line that makes such a run, as far as the manifest tells.
func rebuilt(m *journal.Manifest, command string) string {
	words := []string{"headprof", command}
	if m.Model.Name != builtIn {
		words = append(words, "--model", quote(m.Model.Name))
	}
	flag := func(name, value, usual string) {
		if value != "" && value != usual {
			words = append(words, "--"+name, quote(value))
		}
	}
	defaults := map[string]string{"chat": "auto", "depths": "10", "needles": "retrieval,reasoning", "judge": "window", "tasks": "needle"}
	for _, k := range slices.Sorted(maps.Keys(m.Plan.Params)) {
		flag(k, m.Plan.Params[k], defaults[k])
	}
	for _, k := range []string{"decode", "judge"} {
		if m.Plan.Params[k] == "" {
			flag(k, m.Settings[k], map[string]string{"decode": "greedy", "judge": "window"}[k])
		}
	}
	flag("cache-type", m.Settings["kv-type"], kvNames[defaultKV])
	if m.Settings[fastSetting] == fastOn {
		words = append(words, "--int8")
	}
	if command == "ablate" {
		flag("method", m.Settings["method"], "headkv-r2")
	}
	return strings.Join(append(words, "--seed", fmt.Sprint(m.Plan.Seed)), " ")
}
