package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headprof/plots"
	"headprof/probe"
	"headprof/probe/evaluate"
	"headprof/scoring"
	"headprof/scoring/stats"
)

type ablateFlags struct {
	modelFlags
	taskFlags
	scores, method, out string
	shard               string
	heads               []int
	seeds               int
	ablations, controls []string
	quiet, json         bool
}

func newAblate() *cobra.Command {
	var f ablateFlags
	c := &cobra.Command{
		Use:   "ablate --scores DIR|FILE",
		Short: "Mask the top heads of a profile and measure what the answers lose",
		Long: `Mask the heads that a profile ranks highest, the same number of random heads of
the same layers (several draws), and the lowest ranked ones, and see what each
does to answers: pass rate and log-probability of the expected answer. Heads that
matter must hurt far more than random ones. Masked heads give zero from the
prompt's first token on.

Zero is what no head ever gives, and later heads make up for one that is gone
(self-repair, arXiv 2402.15390), so it is weak evidence alone. --ablation mean
gives a masked head's mean output in its place, resample what it gives in another
needle's prompt. --controls permuted masks the top heads of the same scores
shuffled within layers; patch-back masks the most heads asked for and gives fewer
of them their clean outputs back, the best ones against random ones.
docs/evaluation.md defines each.`,
		Example: `  headprof ablate --scores headprof-out
  headprof ablate --scores headprof-out --ablation all --controls all
  headprof ablate --model model.gguf --scores profile --heads 0,2,4,8,16 --random-seeds 5`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := c.Flags()
	f.modelFlags.register(fs)
	f.taskFlags.register(fs, 24)
	fs.StringVar(&f.scores, "scores", "", "profile: a run's `folder` or a score file")
	fs.StringVar(&f.method, "method", "", "score method that ranks the heads (default: headkv-r2 or the file's own)")
	fs.IntSliceVar(&f.heads, "heads", []int{0, 4, 8, 16}, "how many heads to mask")
	fs.IntVar(&f.seeds, "random-seeds", 3, "draws of random heads for each number")
	atLeast(fs, 0, "random-seeds")
	fs.StringSliceVar(&f.ablations, "ablation", []string{string(evaluate.Zero)}, "what masked heads give: zero, mean, resample, or all of these (mean and resample: on the CPU)")
	fs.StringSliceVar(&f.controls, "controls", []string{string(evaluate.ControlRandom), string(evaluate.ControlBottom)}, "what top heads are compared with: random, bottom, permuted, patch-back (on the CPU), or all of these")
	fs.StringVarP(&f.out, "out", "o", "headprof-ablate", "`folder`: journal, tables and plot")
	shardFlag(fs, &f.shard)
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	fs.BoolVar(&f.json, "json", false, "print progress and result as JSON lines on stdout")
	return c
}

func (f *ablateFlags) run(cmd *cobra.Command) error {
	if f.scores == "" {
		return usagef("missing --scores DIR|FILE, the profile to test; 'headprof score' makes one")
	}
	ablations, err := choices("--ablation", f.ablations, evaluate.Ablations())
	if err != nil {
		return err
	}
	controls, err := choices("--controls", f.controls, evaluate.Controls())
	if err != nil {
		return err
	}
	profile, err := readProfile(f.scores, cmd.ErrOrStderr())
	if err != nil {
		return err
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
	table, err := scoresFor(profile, f.scores, shapeOf(model.Config()), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	method, err := methodOf(table, f.method, f.scores)
	if err != nil {
		return err
	}
	rows := table.Of(method)
	masks, err := evaluate.Masks(rows, evaluate.MaskPlan{Counts: f.heads, Seeds: f.seeds, Seed: f.plan.seed, Ablations: ablations, Controls: controls})
	if err != nil {
		return usagef("--heads: %w", err)
	}
	items, err := f.items(model, e)
	if err != nil {
		return err
	}
	part, said, err := resolveShard(f.shard, &f.out)
	if err != nil {
		return err
	}
	say := newStepper(cmd, f.quiet, f.json, len(items)*len(masks), "runs")
	if said != "" {
		say.say("%s", said)
	}
	memory, err := evalMemory(model, items)
	if err != nil {
		return err
	}
	say.say("%s: %d prompts × %d masks, %s", model.Name(), len(items), len(masks), memory)
	for _, m := range masks {
		if tied := scoring.TieText(rows, len(m.Heads)); tied != "" && m.Choice == evaluate.Top && m.Ablation == ablations[0] {
			say.say("ties: %s", tied)
		}
	}
	settings := f.settings(model)
	settings["method"] = method
	end := say.begin()
	records, err := evaluate.Ablate(cmd.Context(), model, items, masks, evaluate.Options{
		Dir: f.out, Version: version(), Seed: f.plan.seed, Params: f.params(), Shard: part,
		Settings: settings, Progress: say.step,
	})
	end()
	if err := interrupted(cmd, err, f.out); err != nil {
		return err
	}
	if part.Of > 0 {
		return say.shardEnded(part, f.out)
	}
	return f.tables(cmd, modelName(model), method, records, masks, f.plan.seed, f.note(len(items)))
}

// tables writes and shows what the records of a whole run say.
func (f *ablateFlags) tables(cmd *cobra.Command, model, method string, records []*evaluate.Masked, masks []evaluate.Mask, seed uint64, note string) error {
	effects, err := evaluate.Effects(records, masks, seed)
	if err != nil {
		return err
	}
	paths, err := evaluate.WriteEffects(f.out, effects)
	if err != nil {
		return err
	}
	pictures, problems := drawAll(ablationDrawings(f.out, plots.Meta{Model: model, Method: method, Note: note}, effects))
	warnFigures(cmd, f.json, problems)
	return f.result(cmd, effects, append(paths, pictures...))
}

func (f *ablateFlags) result(cmd *cobra.Command, effects []evaluate.Effect, paths []string) error {
	w := cmd.OutOrStdout()
	if f.json {
		for _, e := range effects {
			printJSON(w, map[string]any{"event": "row", "choice": e.Choice, "heads": e.Heads, "seed": e.Seed, "n": e.N, "pass_rate": finite(e.Score.Value),
				"answer_logprob": finite(e.LogProb.Value), "answer_logprob_change": finite(e.LogProbChange.Value),
				"answer_logprob_change_low": finite(e.LogProbChange.Low), "answer_logprob_change_high": finite(e.LogProbChange.High), "masked": e.Masked, "ablation": e.Ablation, "restored": e.Restored,
				"answer_logprob_against_random": finite(e.AgainstRandom.Value), "answer_logprob_against_random_low": finite(e.AgainstRandom.Low), "answer_logprob_against_random_high": finite(e.AgainstRandom.High)})
		}
		printJSON(w, map[string]any{"event": "result", "files": paths})
		return nil
	}
	if f.quiet {
		return nil
	}
	for line := range strings.Lines(evaluate.AblationMarkdown(effects)) {
		if !strings.HasPrefix(line, "|---") {
			fmt.Fprint(w, line)
		}
	}
	if !slices.ContainsFunc(effects, func(e evaluate.Effect) bool { return e.Ablation != evaluate.Zero }) {
		fmt.Fprintf(cmd.ErrOrStderr(), "\nHeads that give zero are weak evidence alone: --ablation all --controls all adds other outputs, the profile permuted, and heads restored\n")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "\nWritten:\n")
	for _, p := range paths {
		fmt.Fprintf(cmd.ErrOrStderr(), "  %s\n", p)
	}
	return nil
}

// choices reads a flag that lists names of a kind, or says all.
func choices[T ~string](flag string, names []string, known []T) ([]T, error) {
	if slices.Equal(names, []string{allMethods}) {
		return known, nil
	}
	out := []T{} // none is not the default
	for _, name := range names {
		switch {
		case !slices.Contains(known, T(name)):
			return nil, usagef("%s %s: known are %s, or all", flag, name, joined(known))
		case slices.Contains(out, T(name)):
			return nil, usagef("%s names %s twice", flag, name)
		}
		out = append(out, T(name))
	}
	return out, nil
}

func joined[T ~string](names []T) string {
	var all []string
	for _, n := range names {
		all = append(all, string(n))
	}
	return strings.Join(all, ", ")
}

// ablationDrawings are pass rate and log-probability change for each choice of
// heads, in one figure; every line begins without a mask. Further ablations and
// patch-back have a panel each.
func ablationDrawings(dir string, m plots.Meta, effects []evaluate.Effect) []drawing {
	a := plots.Ablation{Meta: m, Interval: "95 % bootstrap interval over needles (random: and draws)"}
	var none evaluate.Effect
	var ablations []evaluate.Ablation
	for _, e := range effects {
		switch {
		case e.Choice == evaluate.None:
			none = e
		case !slices.Contains(ablations, e.Ablation):
			ablations = append(ablations, e.Ablation)
		}
	}
	point := func(x int, v stats.Estimate) plots.Point {
		return plots.Point{X: float64(x), Y: v.Value, Low: v.Low, High: v.High}
	}
	for i, ablation := range ablations {
		p := plots.AblationPanel{}
		if len(ablations) > 1 || ablation != evaluate.Zero {
			p.Name = string(ablation) + " ablation"
		}
		for _, choice := range []evaluate.Choice{evaluate.Top, evaluate.Random, evaluate.Bottom, evaluate.Permuted} {
			rate := plots.Line{Name: string(choice), Points: []plots.Point{point(0, none.Score)}}
			change := plots.Line{Name: string(choice), Points: []plots.Point{{}}}
			for _, e := range effects {
				if e.Ablation == ablation && e.Choice == choice && e.Seed == 0 {
					rate.Points = append(rate.Points, point(e.Heads, e.Score))
					change.Points = append(change.Points, point(e.Heads, e.LogProbChange))
				}
			}
			if len(rate.Points) > 1 {
				sortPoints(rate.Points)
				sortPoints(change.Points)
				if i == 0 {
					a.PassRate = append(a.PassRate, rate)
				}
				p.Lines = append(p.Lines, change)
			}
		}
		switch {
		case len(p.Lines) == 0:
		case i == 0:
			a.LogProb, a.Name = p.Lines, p.Name
		default:
			a.More = append(a.More, p)
		}
	}
	if back := patchBackPanel(effects, point); len(back.Lines) > 0 {
		a.More = append(a.More, back)
	}
	if len(a.PassRate) == 0 {
		return nil
	}
	return []drawing{{filepath.Join(dir, "ablate.png"), func() (*plots.Figure, error) { return plots.Ablate(a) }}}
}

// patchBackPanel is log-probability change by heads restored: from none, which
// masks all that are listed, to all of them.
func patchBackPanel(effects []evaluate.Effect, point func(int, stats.Estimate) plots.Point) plots.AblationPanel {
	p := plots.AblationPanel{Name: "patch-back", X: "masked heads restored"}
	for _, choice := range []evaluate.Choice{evaluate.Restored, evaluate.RestoredRandom} {
		l := plots.Line{Name: string(choice)}
		var listed evaluate.Effect
		for _, e := range effects {
			if e.Choice == choice && e.Seed == 0 {
				listed = e
				l.Points = append(l.Points, point(e.Restored, e.LogProbChange))
			}
		}
		if l.Points == nil {
			continue
		}
		for _, e := range effects {
			if e.Choice == evaluate.Top && e.Ablation == listed.Ablation && e.Heads == listed.Heads {
				l.Points = append(l.Points, point(0, e.LogProbChange))
			}
		}
		l.Points = append(l.Points, plots.Point{X: float64(listed.Heads)})
		sortPoints(l.Points)
		p.Lines = append(p.Lines, l)
	}
	return p
}

func sortPoints(p []plots.Point) {
	slices.SortStableFunc(p, func(a, b plots.Point) int { return cmp.Compare(a.X, b.X) })
}

// makeDir makes a folder for artifacts.
func makeDir(dir string) error { return os.MkdirAll(dir, 0o777) }
