package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/probe"
	"headprof/probe/cases"
	"headprof/runner"
	"headprof/runner/chat"
	"headprof/scoring"
	"headprof/scoring/param"
)

type scoreFlags struct {
	modelFlags
	planFlags
	out, until, method, shard string
	topK                      int
	serve                     string
	noReuse, noDraft          bool
	quiet, json, perStep      bool
	every                     bool // --method all
	tasks                     []string
	statements                string
	maxLength, each           int
	params                    *param.Set // of the methods
}

func newScore() *cobra.Command {
	f := scoreFlags{params: scoring.Parameters()}
	c := &cobra.Command{
		Use:   "score",
		Short: "Run needle trials and score every attention head",
		Long: `Hide needles in long text, let the model answer questions about them, and score
every attention head by how much it looks at the evidence while it answers.

Without flags a small model inside the binary is profiled on its own text. The
run's folder (--out) holds a journal: a run that is killed continues when the
same command is given again.

--method names scores of other prompts as well, which headprof makes: several by
commas, or all. The built-in model's run without flags computes all of them.`,
		Example: `  headprof score
  headprof score --model model.gguf --out profile
  headprof score --model model.gguf --needles reasoning --lengths 512:8192:8 --count 0
  headprof score --model base.gguf --decode forced   # a model too weak to answer
  headprof score --model model.gguf --method all --out everything
  headprof score --model model.gguf --method taylor --tasks hotpotqa.jsonl   # a task's own profile`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	f.planFlags.register(fs)
	fs.StringVarP(&f.out, "out", "o", "headprof-out", "run `folder`: journal, tables and heatmaps")
	fs.StringVar(&f.until, "until", "", "stable: end the run when further trials no longer change the answer")
	fs.IntVar(&f.topK, "top-k", 0, "heads that count as top in the table and for --until stable (default: a tenth of all)")
	fs.StringVar(&f.method, "method", "headkv-r2", "score `method` to compute and show, or several by commas, or all; the first is shown in table and heatmaps. A run of needle trials computes all methods of theirs")
	pathsVar(fs, &f.tasks, "tasks", nil, "for scores of prompts and their answers, a task's in place of needle trials: what 'headprof eval --tasks' takes, such as ruler:vt,qa or JSONL `files`")
	fs.StringVar(&f.statements, "statements", "", "for truth: a JSONL `file` of statements: statement, label (true or false), group (default: a set of headprof's own)")
	fs.IntVar(&f.maxLength, "max-length", 0, "of --tasks, JSONL: longest prompt in tokens, cut in its middle (default: what the model holds)")
	fs.IntVar(&f.each, "each", 0, "of --tasks, JSONL: take the first so many lines of each file (default: all)")
	shardFlag(fs, &f.shard)
	fs.StringVar(&f.serve, "serve", "", "show the growing run to a browser at this `address`, such as :8080 (this machine alone) or 0.0.0.0:8080 (everyone who can reach it); read-only")
	fs.BoolVar(&f.perStep, "per-step", false, "also keep every head's score in each step of each answer: a folder of Parquet files, steps/, written while the run goes on")
	fs.BoolVar(&f.noReuse, "no-reuse", false, "compute every trial from its first token (slow; changes no result)")
	fs.BoolVar(&f.noDraft, "no-draft", false, "decode one token at a time (slow; changes no result)")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	fs.BoolVar(&f.json, "json", false, "print progress and result as JSON lines on stdout")
	paramFlags(fs, f.params)
	atLeast(fs, 1, "top-k", "max-length", "each")
	return c
}

func (f *scoreFlags) run(cmd *cobra.Command) error {
	methods, err := f.choose(cmd.Flags())
	if err != nil {
		return err
	}
	if think, err := chat.ParseThink(f.think); err == nil && think.Tokens == 0 {
		if _, thought := scoring.AnswerMethod(f.method); thought {
			return usagef("--method %s: this run has no steps of thinking; add --think N, with a model that thinks", f.method)
		}
	}
	if err := f.checkTasks(methods); err != nil {
		return err
	}
	if !methods.needles {
		if f.perStep {
			return usagef("--per-step is for scores of needle trials; %s has no steps", f.method)
		}
	}
	if len(methods.others) > 0 {
		if err := f.noCases(methods.others); err != nil {
			return err
		}
		if methods.needles && f.trials != "" {
			return usagef("--trials: a file holds prompts of one kind; run %s and the scores of needle trials apart", methods.others[0].Name())
		}
	}
	block := 0
	switch f.until {
	case "":
	case "stable":
		block = probe.StableBlock
		if f.shard != "" {
			return usagef("--until and --shard: a part of a plan cannot tell when the whole is stable; leave one of them out")
		}
	default:
		return usagef("--until %q: the only rule is stable", f.until)
	}
	part, said, err := resolveShard(f.shard, &f.out)
	if err != nil {
		return err
	}
	say := newSpeaker(cmd, f.quiet, f.json)
	if said != "" && !say.quiet {
		fmt.Fprintln(say.err, said)
	}
	if !methods.needles {
		return f.cases(cmd, methods.others, part, say)
	}

	model, err := f.open()
	if err != nil {
		return err
	}
	defer model.Close()
	e, err := probe.ModelOf(model)
	if err != nil {
		return err
	}
	var others *cases.Plan
	if len(methods.others) > 0 {
		if others, err = f.casePlan(cmd, model, e, methods.others, part); err != nil {
			return err
		}
	}
	plan, err := f.plan(model, e, cmd.Flags(), block)
	if err != nil {
		return err
	}
	if part.Of > 0 {
		if plan, err = plan.Shard(part.Which, part.Of); err != nil {
			return usagef("--shard: %w", err)
		}
	}
	cost, memory, err := fitMemory(model, plan, !f.noReuse)
	if err != nil {
		return err
	}
	say.start(model, plan, cost, memory, f.device)
	say.warn(plan.DepthWarnings())

	o := probe.Options{
		Dir: f.out, Version: version(), Chunk: f.chunk, NoReuse: f.noReuse, NoDraft: f.noDraft,
		Settings:    f.settings(model),
		Environment: map[string]string{"kernels": model.Kernels(), "platform": runtime.GOOS + "/" + runtime.GOARCH},
		Progress:    say.progress,
	}
	for _, m := range scoring.Methods() {
		if err := f.params.Fill(m); err != nil {
			return err
		}
		o.Methods = append(o.Methods, m)
	}
	if f.perStep {
		o.Steps = f.writeSteps(model, e)
	}
	aggregate := aggregation(model, f.seed)
	if f.until == "stable" {
		o.Settings["until"] = fmt.Sprintf("stable, top %d", f.top(model))
		o.Stop = probe.UntilStable(f.method, f.top(model), scoring.DefaultBound, plan.Needles(), f.seed)
	}
	if f.serve != "" {
		view, err := serveLive(f.serve, f.out, aggregate, func(r *probe.Result) scoring.Meta { return meta(model, r) })
		if err != nil {
			return err
		}
		defer view.close()
		if !say.quiet {
			fmt.Fprintf(say.err, "live view: %s\n", view.address)
		}
		o.Progress = func(p probe.Progress) {
			view.progress(p)
			say.progress(p)
		}
	}
	result, err := probe.Run(cmd.Context(), e, plan, o)
	done := 0
	if result != nil {
		done = result.Done
	}
	say.end(done)
	if errors.Is(err, probe.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return &exit{exitInterrupted, fmt.Errorf("interrupted after %d of %d trials; the journal in %s is intact. Continue with:\n  %s", result.Done, result.Total, f.out, resumeCommand(cmd))}
	}
	if err != nil {
		return err
	}
	var rest *probe.Result
	if others != nil {
		if rest, err = f.runCases(cmd, say, model, e, others, filepath.Join(f.out, casesFolder)); err != nil {
			return err
		}
	}
	return f.finish(say, model, result, rest, aggregate)
}

// finish aggregates, writes all artifacts and shows the result. rest are the
// cases of scores of other prompts; nil: none.
func (f *scoreFlags) finish(say *speaker, model *runner.Model, r, rest *probe.Result, o scoring.Options) error {
	o.Meta = meta(model, r)
	table, err := scoring.Aggregate(r.Scores, o)
	if err == nil && rest != nil {
		if table.Meta.Partial == "" {
			table.Meta.Partial = meta(model, rest).Partial
		}
		var of *scoring.Table
		if of, err = cases.Aggregate(rest.Scores, o); err == nil {
			table.Heads, table.Halves = append(table.Heads, of.Heads...), append(table.Halves, of.Halves...)
			r.Scores = append(r.Scores, rest.Scores...)
		}
	}
	if errors.Is(err, scoring.ErrNonePassed) {
		say.warn(r.Warnings())
		if f.shard != "" { // other shards may have trials that count: a scheduler must not run this one again
			return nil
		}
		journal := filepath.Join(f.out, "trials.jsonl")
		if r.Passed > 0 {
			return &exit{exitNoScore, fmt.Errorf("%s ran, but none counts: the evidence lies on the attention sink, so no head has a score; the trials are in %s", trialsText(r.Done), journal)}
		}
		return &exit{exitNoScore, fmt.Errorf("%s ran, but none passed, so no head has a score; what the model answered is in %s", trialsText(r.Done), journal)}
	}
	if err != nil {
		return err
	}
	return f.write(say, model, r, table)
}

// write writes all artifacts of a table and shows it.
func (f *scoreFlags) write(say *speaker, model *runner.Model, r *probe.Result, table *scoring.Table) error {
	paths, err := export.WriteRun(f.out, table, r.Scores, model.Shape())
	if err != nil {
		return err
	}
	say.forced = table.Meta.Decode == string(probe.Forced)
	pictures, problems := drawRun(f.out, table, r, f.method, f.topK)
	warnings := r.Warnings()
	for _, p := range problems {
		warnings = append(warnings, probe.Warning{Kind: "figure", Text: p})
	}
	say.warn(warnings)
	say.result(table, r, f.method, f.top(model), append(paths, pictures...))
	say.next(f.out, f.modelFlags.model)
	if methods := table.Methods(); len(methods) > len(scoring.Methods()) && !say.quiet && !say.json {
		fmt.Fprintf(say.err, "\nAlso scored: %s.\nShow one by --method, as in: headprof plot %s --method %s\n",
			strings.Join(slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return m == f.method }), ", "), quote(f.out), methods[len(methods)-1])
	}
	return nil
}

// top is the number of heads that count as top.
func (f *scoreFlags) top(m *runner.Model) int {
	if f.topK > 0 {
		return f.topK
	}
	return scoring.DefaultTop(m.Shape().Heads())
}

// aggregation gives what tables need to know of a model.
func aggregation(m *runner.Model, seed uint64) scoring.Options {
	return scoring.Options{Seed: seed, Shape: m.Shape()}
}

// meta says how a table came to be.
func meta(m *runner.Model, r *probe.Result) scoring.Meta {
	name := modelName(m)
	s := r.Manifest.Settings
	partial := ""
	if o := r.Manifest.Outcome; o != nil {
		partial = o.Partial.Text(o.Trials)
	}
	return scoring.Meta{Partial: partial, Thinking: r.ThinkingText(), Model: name, ModelSHA: r.Manifest.Model.SHA256, Decode: s["decode"], Judge: s["judge"], Fast: s[fastSetting] == fastOn, Trials: r.Done}
}

func deviceKind(m *runner.Model) string {
	if d := m.Device(); d == "cpu" || d == "plain" {
		return d // every CPU gives the same bytes
	}
	return m.Kernels()
}

// resumeCommand is the command line as it was given, ready for a shell.
func resumeCommand(*cobra.Command) string {
	args := os.Args
	words := []string{quote(args[0])}
	if dir := filepath.Dir(args[0]); filepath.Base(dir) == "exe" && strings.Contains(dir, "go-build") {
		words[0] = "go run ./cmd/headprof" // the program that go run made is gone by then
	}
	for _, a := range args[1:] {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// quote makes a word safe for a shell.
func quote(s string) string {
	safe := s != ""
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=+@%", r) {
			safe = false
		}
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printJSON writes one JSON line.
func printJSON(w io.Writer, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(w, "%s\n", b)
	}
}
