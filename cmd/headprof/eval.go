package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/plots"
	"headprof/probe"
	"headprof/probe/evaluate"
	"headprof/runner"
	"headprof/scoring/stats"
)

type evalFlags struct {
	modelFlags
	taskFlags
	policies             []string
	capacities           []int
	setting              evaluate.Setting
	scores, method, out  string
	shard                string
	decodeOnly, repeat   int
	noReuse, quiet, json bool
}

func newEval() *cobra.Command {
	f := evalFlags{setting: evaluate.DefaultSetting()}
	c := &cobra.Command{
		Use:   "eval",
		Short: "Try smaller KV caches: accuracy, memory and speed per policy and capacity",
		Long: `Run tasks with each eviction policy at each capacity and tabulate the score, the
log-probability of the expected answer, the share of the cache that was kept and
its bytes. Each prompt is computed once; every policy compresses its own copy of
that cache after the prompt and before its last token.

Policies: full, streaming, snapkv, pyramidkv, adasnapkv, and with --scores also
headkv-r2, headkv-r and duoattention, and where the profile holds curves
(score --method cache-cut --cut-curve auto) marginal; where it is named also
headkv-permuted, the control: the same scores with each layer's KV heads shuffled.
docs/evaluation.md explains each, every column of the tables, and the forms of
task files.

The folder (--out) holds a journal: a run that is killed continues when the same
command is given again.`,
		Example: `  headprof eval
  headprof eval --model model.gguf --scores profile --capacity 64,128,256
  headprof eval --model model.gguf --tasks hotpotqa.jsonl,qasper.jsonl --each 50
  headprof eval --model model.gguf --lengths 8000 --capacity 128 --decode-only 64`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := c.Flags()
	f.modelFlags.register(fs)
	f.taskFlags.register(fs, 24)
	fs.StringSliceVar(&f.policies, "policy", nil, "policies (default: all that the flags allow, but controls such as headkv-permuted)")
	fs.IntSliceVar(&f.capacities, "capacity", []int{64, 128, 256}, "cache entries per KV head on average, window included")
	fs.StringVar(&f.scores, "scores", "", "profile for headkv and duoattention: a run's `folder` or a score file")
	fs.StringVar(&f.method, "method", "", "of --scores: the `method` by which policies that need a profile allocate, in place of the one each is named after; also consensus")
	paramFlags(fs, f.setting.Params)
	fs.StringVarP(&f.out, "out", "o", "headprof-eval", "`folder`: journal, tables and plots")
	shardFlag(fs, &f.shard)
	fs.IntVar(&f.decodeOnly, "decode-only", 0, "instead: decode so many tokens after the first prompt with each cache, and measure speed and memory")
	fs.IntVar(&f.repeat, "repeat", 3, "--decode-only: measurements of each cache; the median is given")
	fs.BoolVar(&f.noReuse, "no-reuse", false, "compute every prompt from its first token: slow, but times to the first token are measured, not scaled")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	fs.BoolVar(&f.json, "json", false, "print progress and result as JSON lines on stdout")
	atLeast(fs, 1, "decode-only", "repeat")
	return c
}

func (f *evalFlags) run(cmd *cobra.Command) error {
	var profile *export.Profile
	if f.scores != "" {
		var err error
		if profile, err = readProfile(f.scores, cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	if f.method != "" {
		if profile == nil {
			return usagef("--method %s is a method of a profile; name one with --scores", f.method)
		}
		if err := onlyMethod(profile, f.method, f.scores); err != nil {
			return err
		}
	}
	if f.policies == nil {
		for _, p := range evaluate.Policies() {
			if f.method != "" && p == "headkv-r" {
				continue // with one method it is headkv-r2
			}
			if evaluate.NeedsCurves(p) && (profile == nil || profile.Rows().CurvePoints() == nil) {
				continue
			}
			if !evaluate.IsControl(p) && (f.scores != "" || !evaluate.NeedsScores(p)) {
				f.policies = append(f.policies, p)
			}
		}
	}
	variants, err := evaluate.Variants(f.policies, f.capacities)
	if err != nil {
		return usagef("--capacity: %w", err)
	}
	if err := f.setting.Check(variants); err != nil {
		return usagef("--capacity: %w", err)
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
	if f.scores != "" {
		if f.setting.Scores, err = scoresFor(profile, f.scores, shapeOf(model.Config()), cmd.ErrOrStderr()); err != nil {
			return err
		}
		if only := f.setting.Scores.Only(); only != "" {
			notes := profileFlags{notes: cmd.ErrOrStderr()}
			notes.countNegative(f.setting.Scores, only, f.scores)
		}
	}
	items, err := f.items(model, e)
	if err != nil {
		return err
	}
	if f.decodeOnly > 0 {
		if f.shard != "" {
			return usagef("--shard and --decode-only: a measurement of one prompt has no parts; leave one of them out")
		}
		return f.speed(cmd, model, items, variants)
	}
	part, said, err := resolveShard(f.shard, &f.out)
	if err != nil {
		return err
	}
	say := f.progress(cmd, len(items), "prompts")
	if said != "" {
		say.say("%s", said)
	}
	memory, err := evalMemory(model, items)
	if err != nil {
		return err
	}
	say.say("%s: %d prompts × %d caches, %s", model.Name(), len(items), len(variants), memory)
	end := say.begin()
	records, err := evaluate.Run(cmd.Context(), model, items, f.setting, variants, evaluate.Options{
		Dir: f.out, Version: version(), Seed: f.plan.seed, Params: f.params(), NoReuse: f.noReuse, Shard: part,
		Settings: f.settings(model), Progress: say.step,
	})
	end()
	if err := interrupted(cmd, err, f.out); err != nil {
		return err
	}
	if part.Of > 0 {
		return say.shardEnded(part, f.out)
	}
	return f.tables(cmd, modelName(model), records, f.setting.Beta(), f.plan.seed, f.note)
}

// tables writes and shows what the records of a whole run say.
func (f *evalFlags) tables(cmd *cobra.Command, model string, records []*evaluate.Record, beta float64, seed uint64, note func(prompts int) string) error {
	rows := evaluate.Rows(records, beta, seed)
	timings := evaluate.Timings(records)
	paths, err := evaluate.Write(f.out, rows, timings)
	if err != nil {
		return err
	}
	pictures, problems := drawAll(evalDrawings(f.out, model, rows, note))
	warnFigures(cmd, f.json, problems)
	return f.result(cmd, rows, timings, append(paths, pictures...))
}

// interrupted turns an interruption into its exit code and a way to go on.
func interrupted(cmd *cobra.Command, err error, dir string) error {
	if errors.Is(err, probe.ErrInterrupted) {
		return &exit{exitInterrupted, fmt.Errorf("%w; the journal in %s is intact. Continue with:\n  %s", err, dir, resumeCommand(cmd))}
	}
	return err
}

func modelName(m *runner.Model) string {
	if n := m.Config().Name; n != "" {
		return n
	}
	return strings.TrimSuffix(filepath.Base(m.Name()), ".gguf")
}

// evalMemory makes the model ready for its prompts and predicts the peak: the
// longest prompt's cache, twice where a policy keeps nearly all of it, and
// scratch. Where not even one cache fits, the run is refused.
func evalMemory(m *runner.Model, items []*evaluate.Item) (string, error) {
	longest := 0
	for _, it := range items {
		longest = max(longest, len(it.Prompt)+it.MaxTokens)
	}
	have := availableMemory()
	var need runner.Memory
	for _, cached := range []int{2 * longest, longest} {
		var err error
		if need, err = m.Memory(cached, longest); err != nil {
			return "", err
		}
		if fits(need, have) {
			return "memory " + memoryText(need), makeReady(m, need, cached, longest, have)
		}
	}
	return "", tooLarge(m, need, longest, longest, have)
}

// stepper reports steps to people on stderr, or to machines on stdout.
type stepper struct {
	err, out    io.Writer
	quiet, json bool
	what        string
	total       int
	start       time.Time
	beat        *heartbeat // nil where nobody reads
	done        int
	resumed     int
	tenth       int // of the steps, as of the last line
}

func (f *evalFlags) progress(cmd *cobra.Command, total int, what string) *stepper {
	return newStepper(cmd, f.quiet, f.json, total, what)
}

func newStepper(cmd *cobra.Command, quiet, asJSON bool, total int, what string) *stepper {
	return &stepper{err: cmd.ErrOrStderr(), out: cmd.OutOrStdout(), quiet: quiet || asJSON, json: asJSON, what: what, total: total, start: time.Now()}
}

// begin starts the lines of progress; the function it gives ends them.
func (s *stepper) begin() (end func()) {
	if s.quiet {
		return func() {}
	}
	s.beat = newHeartbeat(s.err, s.line)
	return s.beat.stop
}

func (s *stepper) line() string {
	text := fmt.Sprintf("%d/%d %s", s.done, s.total, s.what)
	if s.done < s.total {
		text += ", " + durationText(time.Since(s.start)) + " so far"
		if s.done > s.resumed {
			left := time.Since(s.start) / time.Duration(s.done-s.resumed) * time.Duration(s.total-s.done)
			text += ", " + durationText(left) + " left"
		}
	}
	return text
}

func (s *stepper) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.err, format+"\n", args...)
	}
}

func (s *stepper) step(done, total, resumed int, last *evaluate.Record) {
	if s.json {
		line := map[string]any{"event": "step", "done": done, "total": total}
		if last != nil {
			line["item"] = last.Item
		}
		printJSON(s.out, line)
		return
	}
	if s.beat == nil {
		return
	}
	s.beat.change(func() bool {
		s.done, s.total, s.resumed = done, total, resumed
		tenth := 10 * done / max(1, total)
		more := tenth > s.tenth || done == total
		s.tenth = tenth
		return more
	})
}

// shardEnded tells what remains to be done with a part of a run.
func (s *stepper) shardEnded(part evaluate.Shard, dir string) error {
	if s.json {
		printJSON(s.out, map[string]any{"event": "result", "shard": part.String(), "folder": dir})
		return nil
	}
	s.say("shard %s is done, in %s; when all are, put them together with 'headprof merge'", part, dir)
	return nil
}

// result shows the table.
func (f *evalFlags) result(cmd *cobra.Command, rows []evaluate.Row, timings []evaluate.Timing, paths []string) error {
	if f.json {
		for i, r := range rows {
			printJSON(cmd.OutOrStdout(), map[string]any{"event": "row", "task": r.Task, "policy": r.Policy, "capacity": r.Capacity, "n": r.N,
				"score": finite(r.Score.Value), "score_low": finite(r.Score.Low), "score_high": finite(r.Score.High), "answer_logprob": finite(r.LogProb.Value),
				"share_kept": r.Share, "cache_bytes": r.Bytes, "allocated_bytes": r.Allocated,
				"decode_tokens_per_second": finite(timings[i].DecodeRate), "first_token_seconds": timings[i].FirstToken})
		}
		printJSON(cmd.OutOrStdout(), map[string]any{"event": "result", "files": paths})
		return nil
	}
	if f.quiet {
		return nil
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%-18s %-13s %8s %8s  %-16s %9s %8s %10s %9s %8s\n", "task", "policy", "capacity", "score %", "95 % interval", "logprob", "kept %", "allocated", "decode/s", "first s")
	for i, r := range rows {
		interval, rate := "", ""
		if !math.IsNaN(r.Score.Low) {
			interval = fmt.Sprintf("[%.1f, %.1f]", 100*r.Score.Low, 100*r.Score.High)
		}
		if !math.IsNaN(timings[i].DecodeRate) {
			rate = fmt.Sprintf("%.1f", timings[i].DecodeRate)
		}
		capacity := "whole"
		if r.Capacity > 0 {
			capacity = fmt.Sprint(r.Capacity)
		}
		fmt.Fprintf(w, "%-18s %-13s %8s %8.1f  %-16s %9.2f %8.2f %10s %9s %8.2f\n", r.Task, r.Policy, capacity, 100*r.Score.Value, interval, r.LogProb.Value, 100*r.Share, bytesText(int64(r.Allocated)), rate, timings[i].FirstToken)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "\nWritten:\n")
	for _, p := range paths {
		fmt.Fprintf(cmd.ErrOrStderr(), "  %s\n", p)
	}
	return nil
}

// evalDrawings are score and answer log-probability against the share kept, a
// pair of figures per task.
func evalDrawings(dir, model string, rows []evaluate.Row, note func(prompts int) string) []drawing {
	byTask := map[string][]evaluate.Row{}
	var tasks []string
	for _, r := range rows {
		if byTask[r.Task] == nil {
			tasks = append(tasks, r.Task)
		}
		byTask[r.Task] = append(byTask[r.Task], r)
	}
	var all []drawing
	for _, task := range tasks {
		for _, d := range []struct {
			ending, label string
			of            func(evaluate.Row) stats.Estimate
			by            float64
		}{
			{"", "score, %", func(r evaluate.Row) stats.Estimate { return r.Score }, 100},
			{"-logprob", "answer log-probability, nats", func(r evaluate.Row) stats.Estimate { return r.LogProb }, 1},
		} {
			p := plots.Evaluation{Meta: plots.Meta{Model: model, Note: note(byTask[task][0].N)}, Task: task, Label: d.label, Full: plots.Point{Y: math.NaN()}}
			for _, r := range byTask[task] {
				v := d.of(r)
				q := plots.Point{X: r.Share, Y: d.by * v.Value, Low: d.by * v.Low, High: d.by * v.High}
				if r.Policy == "full" {
					p.Full = q
					continue
				}
				if n := len(p.Lines); n == 0 || p.Lines[n-1].Name != r.Policy {
					p.Lines = append(p.Lines, plots.Line{Name: r.Policy})
				}
				l := &p.Lines[len(p.Lines)-1]
				l.Points = append(l.Points, q)
			}
			if len(p.Lines) == 0 {
				continue
			}
			for i := range p.Lines {
				sortPoints(p.Lines[i].Points)
			}
			name := "eval" + d.ending + ".png"
			if len(tasks) > 1 {
				name = "eval-" + fileName(task) + d.ending + ".png"
			}
			all = append(all, drawing{filepath.Join(dir, name), func() (*plots.Figure, error) { return plots.Eval(p) }})
		}
	}
	return all
}

// fileName makes a task's name safe for a file.
func fileName(task string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, task)
}

// speed measures decoding alone.
func (f *evalFlags) speed(cmd *cobra.Command, m *runner.Model, items []*evaluate.Item, vs []evaluate.Variant) error {
	longest := items[0]
	for _, it := range items {
		if len(it.Prompt) > len(longest.Prompt) {
			longest = it
		}
	}
	say := f.progress(cmd, len(vs)*f.repeat, "measurements")
	say.say("%s: a prompt of %d tokens, %d decoded with each of %d caches, %d times", m.Name(), len(longest.Prompt), f.decodeOnly, len(vs), f.repeat)
	end := say.begin()
	speeds, err := evaluate.MeasureSpeed(cmd.Context(), m, longest, f.setting, vs, f.decodeOnly, f.repeat, func(done, total int) { say.step(done, total, 0, nil) })
	end()
	if err != nil {
		return err
	}
	if err := makeDir(f.out); err != nil {
		return err
	}
	path, err := evaluate.WriteSpeeds(f.out, speeds)
	if err != nil {
		return err
	}
	base := speeds[0]
	for _, s := range speeds {
		if s.Policy == "full" {
			base = s
		}
	}
	w := cmd.OutOrStdout()
	if f.json {
		for _, s := range speeds {
			printJSON(w, map[string]any{"event": "speed", "policy": s.Policy, "capacity": s.Capacity, "prompt_tokens": s.PromptTokens, "decode_tokens_per_second": s.Rate(),
				"ratio": s.Rate() / base.Rate(), "cache_bytes": s.Kept.Bytes, "allocated_bytes": s.Allocated, "resident_bytes": s.Resident, "anonymous_bytes": s.Anonymous})
		}
		return nil
	}
	fmt.Fprintf(w, "%-13s %8s %10s %8s %11s %8s %11s %11s\n", "policy", "capacity", "decode/s", "ratio", "allocated", "ratio", "resident", "anonymous")
	for _, s := range speeds {
		capacity := "whole"
		if s.Capacity > 0 {
			capacity = fmt.Sprint(s.Capacity)
		}
		fmt.Fprintf(w, "%-13s %8s %10.2f %8.2f %11s %8.4f %11s %11s\n", s.Policy, capacity, s.Rate(), s.Rate()/base.Rate(), bytesText(s.Allocated), float64(s.Allocated)/float64(base.Allocated), bytesText(s.Resident), bytesText(s.Anonymous))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "\nWritten:\n  %s\n", path)
	return nil
}
