package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"headprof/export/textfile"
	"headprof/probe"
	"headprof/probe/cases"
	"headprof/probe/evaluate"
	"headprof/runner"
	"headprof/runner/chat"
	"headprof/scoring"
)

// noCases says which flags a run of cases has no use for.
func (f *scoreFlags) noCases(others []scoring.Declaration) error {
	name := others[0].Name()
	switch {
	case f.until != "":
		return usagef("--until is for needle trials; --method %s takes --count cases", name)
	case f.preset != "":
		return usagef("--preset is for needle trials, not for --method %s", name)
	case f.count < 0:
		return usagef("--count %d is negative", f.count)
	}
	return nil
}

// cases runs methods that need other prompts than needle trials, and no others.
func (f *scoreFlags) cases(cmd *cobra.Command, methods []scoring.Declaration, part evaluate.Shard, say *speaker) error {
	model, err := f.open()
	if err != nil {
		return err
	}
	defer model.Close()
	e, err := probe.ModelOf(model)
	if err != nil {
		return err
	}
	plan, err := f.casePlan(cmd, model, e, methods, part)
	if err != nil {
		return err
	}
	result, err := f.runCases(cmd, say, model, e, plan, f.out)
	if err != nil {
		return err
	}
	return f.finishCases(say, model, result, aggregation(model, f.seed))
}

// finishCases aggregates cases, writes all artifacts and shows the result. A
// shard may have no case of the method to show: another is.
func (f *scoreFlags) finishCases(say *speaker, model *runner.Model, r *probe.Result, o scoring.Options) error {
	o.Meta = meta(model, r)
	table, err := cases.Aggregate(r.Scores, o)
	if err != nil {
		return err
	}
	if all := table.Methods(); !slices.Contains(all, f.method) {
		f.method = all[0]
	}
	return f.write(say, model, r, table)
}

// casePlan reads or makes the cases of methods, or a part of them. It leaves f
// as it is.
func (f *scoreFlags) casePlan(cmd *cobra.Command, m *runner.Model, e probe.Model, methods []scoring.Declaration, part evaluate.Shard) (*cases.Plan, error) {
	own := *f // the lengths of cases are not those of needle trials
	plan := &cases.Plan{Seed: f.seed, Params: f.planFlags.params()}
	methods, err := f.without(m, methods)
	if err != nil {
		return nil, err
	}
	if f.statements != "" {
		plan.Params["statements"] = filepath.Base(f.statements)
	}
	for _, d := range methods {
		method := d.New()
		if err := f.params.Fill(method); err != nil {
			return nil, err
		}
		plan.Methods = append(plan.Methods, method)
	}
	if len(f.tasks) > 0 {
		plan.Cases, plan.Params, err = own.taskCases(m, e)
	} else {
		plan.Cases, err = own.caseList(cmd, m, e, methods)
	}
	if err != nil {
		return nil, err
	}
	if err := plan.Check(e); err != nil {
		return nil, err
	}
	if err := plan.Fit(); err != nil {
		return nil, usagef("--%w", err)
	}
	if part.Of == 0 {
		return plan, nil
	}
	if plan, err = plan.Shard(part.Which, part.Of, e.Shape()); err != nil {
		return nil, usagef("--shard: %w", err)
	}
	return plan, nil
}

// runCases runs a plan of cases in a folder.
func (f *scoreFlags) runCases(cmd *cobra.Command, say *speaker, model *runner.Model, e probe.Model, plan *cases.Plan, dir string) (*probe.Result, error) {
	tokens := 0
	for _, c := range plan.Cases {
		tokens += c.Tokens()
	}
	if !f.quiet && !f.json {
		fmt.Fprintf(say.err, "%s: %d cases, %s tokens to compute, on %s (%s)\n", model.Name(), len(plan.Cases), thousands(int64(tokens)), f.device, model.Kernels())
	}
	if err := holdGradients(model, plan); err != nil {
		return nil, err
	}
	start, last := time.Now(), time.Now()
	result, err := plan.Do(cmd.Context(), e, cases.Options{
		Dir: dir, Version: version(), Settings: f.settings(model), NoReuse: f.noReuse,
		Environment: map[string]string{"kernels": model.Kernels(), "platform": runtime.GOOS + "/" + runtime.GOARCH},
		Ended: func(done, total, computed int) {
			switch {
			case f.json:
				printJSON(say.out, map[string]any{"event": "progress", "done": done, "total": total})
			case !f.quiet && (done == total || time.Since(last) > 10*time.Second):
				last = time.Now()
				seconds := time.Since(start).Seconds()
				left := seconds / float64(computed) * float64(tokens-computed)
				fmt.Fprintf(say.err, "%d of %d cases, %.0f tokens/s, about %s left\n", done, total, float64(computed)/seconds, time.Duration(left*float64(time.Second)).Round(time.Second))
			}
		},
	})
	if errors.Is(err, probe.ErrInterrupted) {
		return nil, &exit{exitInterrupted, fmt.Errorf("interrupted after %d of %d cases; the journal in %s is intact. Continue with:\n  %s", result.Done, result.Total, dir, resumeCommand(cmd))}
	}
	return result, err
}

// holdGradients has garbage collected before a run that takes gradients needs
// more than what these need.
func holdGradients(m *runner.Model, plan *cases.Plan) error {
	gradient, drop, longest := false, false, 1
	for _, method := range plan.Methods {
		if d, err := scoring.Lookup(method.Name()); err == nil && d.Gradient {
			gradient = true
		}
		if _, ok := method.(*scoring.AtPDrop); ok {
			drop = true
		}
	}
	if !gradient {
		return nil
	}
	for _, c := range plan.Cases {
		longest = max(longest, c.Tokens())
	}
	need, err := m.BackwardMemory(longest, drop)
	if err == nil {
		holdGarbage(need)
	}
	return err
}

// caseList reads or makes the cases.
func (f *scoreFlags) caseList(cmd *cobra.Command, m *runner.Model, e probe.Model, methods []scoring.Declaration) ([]cases.Case, error) {
	var kinds []scoring.Probe
	for _, d := range methods {
		if len(kinds) == 0 || kinds[len(kinds)-1] != d.Probe {
			kinds = append(kinds, d.Probe)
		}
	}
	if f.trials != "" {
		if len(kinds) > 1 {
			return nil, usagef("--trials: a file holds cases of one kind, and these methods need cases of the kinds %v", kinds)
		}
		file, err := textfile.Open(f.trials)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return cases.Read(f.trials, file, kinds[0])
	}
	var out []cases.Case
	var source cases.Source
	done := map[scoring.Probe]bool{}
	for _, k := range kinds {
		if done[k] {
			continue
		}
		done[k] = true
		if k == scoring.Answers || k == scoring.Swaps {
			list, err := f.trialCases(cmd, m, e, k)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
			continue
		}
		if source.Tokenizer == nil {
			var err error
			if source, err = f.source(m, e); err != nil {
				return nil, err
			}
		}
		if k == scoring.Statements {
			list, err := f.statementCases(source)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
			continue
		}
		list, err := cases.Generate(k, source)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// trialCases makes cases of needle trials.
func (f *scoreFlags) trialCases(cmd *cobra.Command, m *runner.Model, e probe.Model, kind scoring.Probe) ([]cases.Case, error) {
	p := f.planFlags
	if p.count == defaultCount {
		p.count = casesOf(m)
	}
	trials, err := p.list(m, e, cmd.Flags())
	if err != nil {
		return nil, err
	}
	return cases.FromTrials(kind, trials)
}

// casesOf is the number of cases of each kind unless --count says otherwise.
// Those of the built-in model are fewer, so that its first run is short.
func casesOf(m *runner.Model) int {
	if m.Name() == builtIn {
		return 12
	}
	return 24
}

// source is what cases are made of.
func (f *scoreFlags) source(m *runner.Model, e probe.Model) (cases.Source, error) {
	tiny := m.Name() == builtIn
	answers := f.planFlags
	if think, err := chat.ParseThink(f.think); err == nil && think.Tokens > 0 {
		answers.think = "off" // these prompts hold their answers
		if _, err := answers.frame(m); errors.Is(err, chat.ErrNoSwitch) {
			answers.think = "template"
		}
	}
	frame, err := answers.frame(m)
	if err != nil {
		return cases.Source{}, err
	}
	t := m.Tokenizer()
	s := cases.Source{Tokenizer: e, Frame: frame, Vocabulary: e.Vocabulary(), Seed: f.seed, Count: f.count}
	if s.Count == 0 || s.Count == defaultCount {
		s.Count = casesOf(m)
	}
	if bos, add := t.BOS(); add {
		s.BOS = []int32{bos}
	}
	s.Plain = func(id int32) bool {
		text := t.Text(id)
		return !t.IsControl(id) && !t.IsEnd(id) && strings.TrimSpace(text) != "" && utf8.ValidString(text)
	}
	if f.lengths == "" {
		f.lengths = defaultLengths(e.Context(), len(frame.Prefix)+len(frame.Suffix)+128, tiny)
	}
	if s.Lengths, err = probe.ParseLengths(f.lengths); err != nil {
		return s, usagef("--lengths: %w", err)
	}
	if s.Needles, err = f.needleSets(tiny); err != nil {
		return s, err
	}
	s.Haystack, err = f.haystack(tiny)
	return s, err
}
