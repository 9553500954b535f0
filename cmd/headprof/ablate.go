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
prompt's first token on.`,
		Example: `  headprof ablate --scores headprof-out
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
	masks, err := evaluate.Masks(rows, f.heads, f.seeds, f.plan.seed)
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
		if tied := scoring.TieText(rows, len(m.Heads)); tied != "" && m.Choice == evaluate.Top {
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
				"answer_logprob_change_low": finite(e.LogProbChange.Low), "answer_logprob_change_high": finite(e.LogProbChange.High), "masked": e.Masked})
		}
		printJSON(w, map[string]any{"event": "result", "files": paths})
		return nil
	}
	if f.quiet {
		return nil
	}
	fmt.Fprint(w, strings.ReplaceAll(evaluate.AblationMarkdown(effects), "|---|---|---|---|---|\n", ""))
	fmt.Fprintf(cmd.ErrOrStderr(), "\nWritten:\n")
	for _, p := range paths {
		fmt.Fprintf(cmd.ErrOrStderr(), "  %s\n", p)
	}
	return nil
}

// ablationDrawings are pass rate and log-probability change for each choice of
// heads, in one figure; every line begins without a mask.
func ablationDrawings(dir string, m plots.Meta, effects []evaluate.Effect) []drawing {
	a := plots.Ablation{Meta: m, Interval: "95 % bootstrap interval over needles (random: and draws)"}
	var none evaluate.Effect
	for _, e := range effects {
		if e.Choice == evaluate.None {
			none = e
		}
	}
	point := func(x int, v stats.Estimate) plots.Point {
		return plots.Point{X: float64(x), Y: v.Value, Low: v.Low, High: v.High}
	}
	for _, choice := range []evaluate.Choice{evaluate.Top, evaluate.Random, evaluate.Bottom} {
		rate := plots.Line{Name: string(choice), Points: []plots.Point{point(0, none.Score)}}
		change := plots.Line{Name: string(choice), Points: []plots.Point{{}}}
		for _, e := range effects {
			if e.Choice == choice && e.Seed == 0 {
				rate.Points = append(rate.Points, point(e.Heads, e.Score))
				change.Points = append(change.Points, point(e.Heads, e.LogProbChange))
			}
		}
		if len(rate.Points) > 1 {
			sortPoints(rate.Points)
			sortPoints(change.Points)
			a.PassRate, a.LogProb = append(a.PassRate, rate), append(a.LogProb, change)
		}
	}
	if len(a.PassRate) == 0 {
		return nil
	}
	return []drawing{{filepath.Join(dir, "ablate.png"), func() (*plots.Figure, error) { return plots.Ablate(a) }}}
}

func sortPoints(p []plots.Point) {
	slices.SortStableFunc(p, func(a, b plots.Point) int { return cmp.Compare(a.X, b.X) })
}

// makeDir makes a folder for artifacts.
func makeDir(dir string) error { return os.MkdirAll(dir, 0o777) }
