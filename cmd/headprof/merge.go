package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"headprof/probe"
	"headprof/probe/cases"
	"headprof/probe/journal"
	"headprof/runner"
)

func newMerge() *cobra.Command {
	var f scoreFlags
	var partial bool
	c := &cobra.Command{
		Use:   "merge DIR DIR... --model FILE --out DIR",
		Short: "Put the parts of a sharded run together",
		Long: `Put the folders of 'headprof score --shard 1/N' to 'N/N' (or of eval or ablate)
together into one run's folder, as if the run had been made in one go. The model is opened for its
shape only.

Where shards are missing, unfinished, doubled or of another run, the message
says which and how to run them again (for Slurm and Kubernetes), and the exit
code is 4. --partial makes a profile of what is there; tables and figures say so.`,
		Example: `  headprof merge runs/*-of-16 --model model.gguf --out profile`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 {
				return usagef("missing the shards' folders")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, done, named, err := published(cmd.Context(), args)
			if err != nil {
				return err
			}
			defer done()
			return named(f.merge(cmd, dirs, partial))
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	fs.StringVarP(&f.out, "out", "o", "headprof-out", "`folder` of the whole run")
	fs.BoolVar(&partial, "partial", false, "merge what there is although shards are missing or unfinished; the profile is marked as partial")
	fs.StringVar(&f.method, "method", "headkv-r2", "score method shown in table and heatmaps; of a run without it another")
	fs.IntVar(&f.topK, "top-k", 0, "heads that count as top (default: a tenth of all)")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	fs.BoolVar(&f.json, "json", false, "print the result as JSON on stdout")
	atLeast(fs, 1, "top-k")
	return c
}

// merge puts the shards of dirs together, of whatever command they are.
func (f *scoreFlags) merge(cmd *cobra.Command, dirs []string, partial bool) error {
	model, err := f.open()
	if err != nil {
		return err
	}
	defer model.Close()
	if kind := journalOf(dirs); kind != "" {
		return f.mergeEvaluation(cmd, kind, model, dirs, partial)
	}
	say := newSpeaker(cmd, f.quiet, f.json)
	if slices.ContainsFunc(dirs, holdsCases) {
		r, err := f.mergeCases(model, f.out, dirs, partial)
		if err != nil {
			return err
		}
		return f.finishCases(say, model, r, aggregation(model, r.Manifest.Plan.Seed))
	}
	r, rest, err := f.mergeScores(model, dirs, partial)
	if err != nil {
		return err
	}
	if err := mergeSteps(f.out, r.Manifest, dirs); err != nil {
		return err
	}
	return f.finish(say, model, r, rest, aggregation(model, r.Manifest.Plan.Seed))
}

// mergeScores puts shards of needle trials together and, where they have some,
// their cases of other scores; else rest is nil. Nothing is written before both
// are whole.
func (f *scoreFlags) mergeScores(model *runner.Model, dirs []string, partial bool) (r, rest *probe.Result, err error) {
	merge := probe.Merge
	if partial {
		merge = probe.MergePartial
	}
	if _, err := merge("", dirs); err != nil {
		return nil, nil, incomplete(err)
	}
	var others []string
	for _, dir := range dirs {
		if dir := filepath.Join(dir, casesFolder); holdsCases(dir) {
			others = append(others, dir)
		}
	}
	if len(others) > 0 {
		if rest, err = f.mergeCases(model, filepath.Join(f.out, casesFolder), others, partial); err != nil {
			return nil, nil, err
		}
	}
	r, err = merge(f.out, dirs)
	return r, rest, incomplete(err)
}

// mergeCases puts the shards of a run of cases together.
func (f *scoreFlags) mergeCases(model *runner.Model, out string, dirs []string, partial bool) (*probe.Result, error) {
	if err := sameModel(model, dirs); err != nil {
		return nil, err
	}
	r, err := cases.Merge(out, dirs, model.Shape(), partial)
	return r, incomplete(err)
}

// holdsCases tells whether a folder is of a run of cases.
func holdsCases(dir string) bool {
	m, err := journal.ReadManifest(dir)
	return err == nil && cases.Holds(m)
}

// incomplete gives a merge that lacks shards its exit code.
func incomplete(err error) error {
	var lacks *journal.IncompleteError
	if errors.As(err, &lacks) {
		return &exit{exitIncomplete, err}
	}
	return err
}

// sameModel refuses folders of another model's run.
func sameModel(model *runner.Model, dirs []string) error {
	sum, err := model.Source().SHA256()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if m, err := journal.ReadManifest(dir); err == nil && m.Model.SHA256 != sum {
			return fmt.Errorf("%s is a run of %s; give that model with --model", dir, m.Model.Name)
		}
	}
	return nil
}

// matching puts the folders that match in place of patterns, which no shell has
// resolved where a scheduler starts the command itself. A pattern that matches
// nothing stays.
func matching(args []string) (out []string) {
	for _, a := range args {
		found, err := filepath.Glob(a)
		if _, there := os.Stat(a); err != nil || len(found) == 0 || there == nil {
			found = []string{a}
		}
		out = append(out, found...)
	}
	return out
}
