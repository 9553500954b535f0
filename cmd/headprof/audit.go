package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/probe/audit"
	"headprof/probe/evaluate"
	"headprof/scoring"
)

type auditFlags struct {
	modelFlags
	taskFlags
	scores, method, out string
	heads               []int
	capacity, draws     int
	quiet, json         bool

	file   string
	values []string // of the model's and tasks' flags that were given, for the commands that are run
	common []string // of these, what score takes as well
}

func newAudit() *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "audit HEADFILE --model FILE",
		Short: "Say whether a file of head scores holds for a model",
		Long: `Judge a file of head scores, a published one or one's own, for a model: does its
shape fit; do its scores agree with scores measured now; do answers need its top
heads (masked, against random heads of the same layers, the profile permuted,
and restored again); what does its cache budget cost and save at a capacity,
against an even spread, the budget permuted and that of the measured scores.

HEADFILE is anything that headprof reads: HeadKV's or Retrieval-Head's JSON, a
DuoAttention folder, a QRHead list, a table, a run's folder. The answers stand on
one page, audit.md and audit.json in --out, with a verdict for each question and
the commands that repeat it: audit runs those (score, ablate, eval), each in a
folder of its own there, and continues them when it is run again. docs/audit.md
states the rules of the verdicts.

A file whose shape does not fit is an error; the page says what does not.`,
		Example: `  headprof audit headkv.json --model model.gguf
  headprof audit duo-folder --model model.gguf --scores profile --capacity 64
  headprof audit qrhead.yaml --model model.gguf --lengths 512,1024 --count 24`,
		Args: exactly("HEADFILE, the file of head scores to judge"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := c.Flags()
	f.modelFlags.register(fs)
	f.taskFlags.register(fs, 12)
	fs.StringVar(&f.scores, "scores", "", "compare with this profile (a run's `folder`) in place of measuring one")
	fs.StringVar(&f.method, "method", "", "of HEADFILE: the score `method` to judge, where it holds several (default: headkv-r2 or the file's own)")
	fs.IntSliceVar(&f.heads, "heads", nil, "how many heads to mask (default: half of the listed heads or of a tenth of all, and all of these)")
	fs.IntVar(&f.draws, "random-seeds", 3, "draws of random heads and of permuted budgets")
	fs.IntVar(&f.capacity, "capacity", 32, "cache entries per KV head on average, window included")
	fs.StringVarP(&f.out, "out", "o", "headprof-audit", "`folder`: the page, and a folder for each command that is run")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	fs.BoolVar(&f.json, "json", false, "print the page as JSON on stdout")
	atLeast(fs, 1, "random-seeds", "capacity")
	return c
}

func (f *auditFlags) run(cmd *cobra.Command, path string) error {
	f.file = path
	f.values, f.common = f.given(cmd.Flags())
	profile, err := readProfile(path, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	p := &audit.Page{Format: "headprof-audit/1", File: path, Command: f.command(os.Args[1], os.Args[2:]...)}
	if p.Method, err = methodOf(profile.Rows(), f.method, path); err != nil {
		return err
	}
	facts := describe(profile, p.Method)
	model, err := f.open()
	if err != nil {
		return err
	}
	p.Model = modelName(model)
	if p.SHA256, err = model.Source().SHA256(); err != nil {
		model.Close()
		return err
	}
	shape, replaces := shapeOf(model.Config()), model.CheckReplace()
	model.Close()
	table, problem := scoresFor(profile, path, shape, io.Discard)
	p.Questions = append(p.Questions, audit.Shape(facts, problem, []string{f.command("compare", path, path, "--model", f.model)}))
	if f.model == "" {
		p.Questions[0].Commands = []string{}
	}
	if problem != nil {
		if err := f.write(cmd, p); err != nil {
			return err
		}
		return problem
	}
	if err := f.ask(cmd, p, table, shape, replaces); err != nil {
		return err
	}
	return f.write(cmd, p)
}

// ask runs the commands that the questions rest on.
func (f *auditFlags) ask(cmd *cobra.Command, p *audit.Page, table *scoring.Table, shape scoring.Shape, replaces error) error {
	scores, commands, err := f.measure(cmd, p.Method, replaces)
	if err != nil {
		return err
	}
	agreements, err := f.agreements(cmd, p.Method, scores, shape)
	if err != nil {
		return err
	}
	p.Questions = append(p.Questions, audit.Scores(agreements, append(commands, f.compare(table, p.Method, scores, agreements)...)))

	args := []string{"--scores", f.file, "--method", p.Method, "--heads", f.counts(table, p.Method), "--random-seeds", strconv.Itoa(f.draws)}
	if replaces == nil {
		args = append(args, "--ablation", "all", "--controls", "all")
	} else {
		args = append(args, "--controls", "random,bottom,permuted")
	}
	command, err := f.headprof(cmd, "ablate", "ablation", append(args, f.values...))
	if err != nil {
		return err
	}
	effects, err := evaluate.ReadEffects(filepath.Join(f.out, "ablation"))
	if err != nil {
		return err
	}
	p.Questions = append(p.Questions, audit.Cause(effects, []string{command}))
	if replaces == nil {
		p.Questions = append(p.Questions, audit.PatchBack(effects, []string{command}))
	} else {
		p.Questions = append(p.Questions, audit.NoPatchBack("Restoring heads needs the CPU (--device cpu)."))
	}
	budget, err := f.budget(cmd, p.Method, scores, singleKVHeads(shape))
	if err != nil {
		return err
	}
	p.Questions = append(p.Questions, budget)
	return nil
}

// fewestTrials are measured however few prompts are asked for: fewer do not
// rank heads.
const fewestTrials = 20

// measure measures scores to compare with: those of needle trials, and the
// file's own method where this program computes it.
func (f *auditFlags) measure(cmd *cobra.Command, method string, replaces error) (folder string, commands []string, err error) {
	if f.scores != "" {
		return f.scores, nil, nil
	}
	methods := []string{"headkv-r2"}
	if own := ownMethod(method); own != "" && replaces == nil {
		methods = append(methods, own)
	}
	count := f.plan.count
	if count > 0 { // 0: all
		count = max(count, fewestTrials)
	}
	command, err := f.headprof(cmd, "score", "scores", append([]string{"--method", strings.Join(methods, ","), "--decode", "forced", "--count", strconv.Itoa(count)}, f.common...))
	return filepath.Join(f.out, "scores"), []string{command}, err
}

// ownMethod is the score of other prompts than needle trials that measures what
// a file's method does: DuoAttention's gates learn what cache-cut measures.
func ownMethod(method string) string {
	if method == "duoattention" {
		return "cache-cut"
	}
	if d, err := scoring.Lookup(method); err == nil && d.Probe != scoring.Needles {
		return method
	}
	return ""
}

// agreements compares the file with the measured scores of its own method and
// of those that published files hold.
func (f *auditFlags) agreements(cmd *cobra.Command, method, scores string, shape scoring.Shape) ([]audit.Agreement, error) {
	side := func(path, method string) (scoring.Side, error) {
		x := profileFlags{known: shape, notes: io.Discard}
		r, err := x.openRanked([]string{path}, method)
		if err != nil {
			return scoring.Side{}, err
		}
		return r[0].side(shape), nil
	}
	file, err := side(f.file, method)
	if err != nil {
		return nil, err
	}
	measured, err := readProfile(scores, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	var out []audit.Agreement
	has := measured.Rows().Methods()
	for _, m := range []string{method, ownMethod(method), "headkv-r2", "retrieval"} {
		if !slices.Contains(has, m) || slices.ContainsFunc(out, func(a audit.Agreement) bool { return a.Method == m }) {
			continue
		}
		other, err := side(scores, m)
		if err != nil {
			return nil, err
		}
		c, err := scoring.CompareSides(file, other, 0, scoring.Options{Seed: 1})
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", f.file, scores, err)
		}
		a := audit.Agreement{Method: m, Comparison: c, Of: shape.Heads()}
		if c.Reduced || file.PerKVHead {
			a.Of = 0
			for _, l := range shape {
				a.Of += l.KVHeads
			}
		}
		out = append(out, a)
	}
	if out == nil {
		return nil, fmt.Errorf("%s holds scores of %s; to compare with %s it needs headkv-r2, retrieval or the file's own method ('headprof score' makes the first two)", scores, strings.Join(has, ", "), f.file)
	}
	return out, nil
}

// compare are the commands that show agreements, as far as compare takes them:
// with the file's own method, and with the default one.
func (f *auditFlags) compare(t *scoring.Table, method, scores string, all []audit.Agreement) (commands []string) {
	usual, err := methodOf(t, "", f.file)
	for _, a := range all {
		args := []string{f.file, scores}
		switch {
		case a.Method == method:
			args = append(args, "--method", method)
		case a.Method != "headkv-r2" || err != nil || usual != method:
			continue
		}
		if f.model != "" {
			args = append(args, "--model", f.model)
		}
		commands = append(commands, f.command("compare", args...))
	}
	return commands
}

// budget runs the file's budget beside others at one capacity.
func (f *auditFlags) budget(cmd *cobra.Command, method, scores string, oneKVHead bool) (audit.Question, error) {
	var commands []string
	run := func(folder string, args ...string) ([]*evaluate.Record, error) {
		command, err := f.headprof(cmd, "eval", folder, slices.Concat(args, []string{"--fit", "--capacity", strconv.Itoa(f.capacity)}, f.values))
		if err != nil {
			return nil, err
		}
		commands = append(commands, command)
		_, records, err := evaluate.Kind.ReadFolder(filepath.Join(f.out, folder))
		return records, err
	}
	of := func(records []*evaluate.Record, policy string) evaluate.Cached {
		v := evaluate.Variant{Policy: policy, Capacity: f.capacity}
		if policy == "full" {
			v.Capacity = 0
		}
		return evaluate.Cached{Records: records, Variant: v}
	}
	policies := []string{"full", "snapkv", "headkv-r2"}
	if !oneKVHead {
		policies = append(policies, "headkv-permuted")
	}
	duo := method == "duoattention"
	if duo {
		policies = append(policies, "duoattention")
	}
	own := []string{"--scores", f.file, "--method", method}
	records, err := run("cache", append(own, "--policy", strings.Join(policies, ","))...)
	if err != nil {
		return audit.Question{}, err
	}
	c := audit.Caches{Full: of(records, "full"), Even: of(records, "snapkv"), File: of(records, "headkv-r2")}
	if duo {
		o := of(records, "duoattention")
		c.Own = &o
	}
	if !oneKVHead {
		c.Permuted = append(c.Permuted, of(records, "headkv-permuted"))
		for d := 2; d <= f.draws; d++ {
			more, err := run(fmt.Sprintf("cache-permuted-%d", d), append(own, "--policy", "headkv-permuted", "--permute-seed", strconv.Itoa(d))...)
			if err != nil {
				return audit.Question{}, err
			}
			c.Permuted = append(c.Permuted, of(more, "headkv-permuted"))
		}
	}
	measured, err := export.Read(scores)
	if err != nil {
		return audit.Question{}, err
	}
	by, err := methodOf(measured.Rows(), "", scores)
	if err != nil {
		return audit.Question{}, err
	}
	ours, err := run("cache-ours", "--scores", scores, "--method", by, "--policy", "headkv-r2")
	if err != nil {
		return audit.Question{}, err
	}
	c.Ours = of(ours, "headkv-r2")
	return audit.Budget(c, f.plan.seed, commands)
}

// counts is --heads, or its default: a tenth of the heads or those listed, and
// half as many.
func (f *auditFlags) counts(t *scoring.Table, method string) string {
	counts := f.heads
	if len(counts) == 0 {
		rows := t.Of(method)
		n := scoring.DefaultTop(len(rows))
		if listed := t.Quantity(method).Listed; listed > 0 {
			n = listed
		}
		n = max(1, min(n, len(rows)/2))
		if half := n / 2; half > 0 {
			counts = append(counts, half)
		}
		counts = append(counts, n)
	}
	var words []string
	for _, n := range counts {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// describe says what a file holds.
func describe(p *export.Profile, method string) string {
	t := p.Rows()
	rows := t.Of(method)
	layers := 0
	perLayer := map[int]int{}
	for _, h := range rows {
		layers = max(layers, h.Layer+1)
		perLayer[h.Layer]++
	}
	unit := "query heads"
	if t.Quantity(method).PerKVHead {
		unit = "KV heads"
	}
	if p.List != nil {
		return fmt.Sprintf("It lists %d heads, all of them in the model.", len(rows))
	}
	least, most := len(rows), 0
	for _, n := range perLayer {
		least, most = min(least, n), max(most, n)
	}
	each := strconv.Itoa(most)
	if least != most {
		each = fmt.Sprintf("%d to %d", least, most)
	}
	return fmt.Sprintf("It scores %d %s: %d layers of %s.", len(rows), unit, layers, each)
}

func singleKVHeads(s scoring.Shape) bool {
	return !slices.ContainsFunc(s, func(l scoring.LayerShape) bool { return l.KVHeads > 1 })
}

// given are the flags of model and tasks that were given, ready for other
// commands; common those that score has under the same meaning. Score keeps its
// own needles and seed: a profile must not see those it is tried on.
func (f *auditFlags) given(fs *pflag.FlagSet) (values, common []string) {
	var own auditFlags
	forwarded := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.modelFlags.register(forwarded)
	ofModel := map[string]bool{}
	forwarded.VisitAll(func(x *pflag.Flag) { ofModel[x.Name] = true })
	own.taskFlags.register(forwarded, 12)
	shared := []string{"lengths", "depths", "haystack", "chat", "chat-var", "judge", "buffer"}
	add := func(x *pflag.Flag) {
		words := []string{x.Value.String()}
		switch v := x.Value.(type) {
		case *paths:
			words = *v.to
		case pflag.SliceValue:
			words = v.GetSlice()
		}
		for _, w := range words {
			word := "--" + x.Name
			pair := []string{word, w}
			if x.Value.Type() == "bool" {
				pair = []string{word + "=" + w}
			}
			values = append(values, pair...)
			if ofModel[x.Name] || slices.Contains(shared, x.Name) {
				common = append(common, pair...)
			}
		}
	}
	fs.VisitAll(func(x *pflag.Flag) {
		if forwarded.Lookup(x.Name) != nil && (x.Changed || x.Name == "count") {
			add(x)
		}
	})
	return values, common
}

func (f *auditFlags) command(name string, args ...string) string {
	words := []string{"headprof", name}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// headprof runs another command of this program into a folder of its own, and
// gives its command line.
func (f *auditFlags) headprof(cmd *cobra.Command, name, folder string, args []string) (string, error) {
	args = append(slices.Clone(args), "--out", filepath.Join(f.out, folder))
	line := f.command(name, args...)
	notes := cmd.ErrOrStderr()
	if f.quiet || f.json {
		args = append(args, "--quiet")
	} else {
		fmt.Fprintln(notes, line)
	}
	root := newRoot()
	root.SetArgs(append([]string{name}, args...))
	root.SetOut(io.Discard)
	root.SetErr(notes)
	err := root.ExecuteContext(cmd.Context())
	var e *exit
	if errors.As(err, &e) && e.code == exitInterrupted {
		return line, err
	}
	if err != nil {
		return line, fmt.Errorf("%s: %w", line, err)
	}
	return line, nil
}

// write writes the page and shows it.
func (f *auditFlags) write(cmd *cobra.Command, p *audit.Page) error {
	if err := makeDir(f.out); err != nil {
		return err
	}
	data, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	pages := []string{filepath.Join(f.out, "audit.md"), filepath.Join(f.out, "audit.json")}
	if err := atomicfile.WriteBytes(pages[0], []byte(p.Markdown())); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(pages[1], append(data, '\n')); err != nil {
		return err
	}
	switch {
	case f.json:
		printJSON(cmd.OutOrStdout(), p)
	case !f.quiet:
		for _, q := range p.Questions {
			fmt.Fprintf(cmd.OutOrStdout(), "%-46s %-9s %s\n", q.Question, q.Verdict, q.Because)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "\nWritten:\n  %s\n  %s\n", pages[0], pages[1])
	}
	return nil
}
