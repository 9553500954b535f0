package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"headprof/probe"
	"headprof/probe/journal"
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
			model, err := f.open()
			if err != nil {
				return err
			}
			defer model.Close()
			dirs := matching(args)
			if kind := journalOf(dirs); kind != "" {
				return f.mergeEvaluation(cmd, kind, model, dirs, partial)
			}
			merge := probe.Merge
			if partial {
				merge = probe.MergePartial
			}
			r, err := merge(f.out, dirs)
			var lacks *journal.IncompleteError
			if errors.As(err, &lacks) {
				return &exit{exitIncomplete, err}
			}
			if err != nil {
				return err
			}
			if err := mergeSteps(f.out, r.Manifest, args); err != nil {
				return err
			}
			return f.finish(newSpeaker(cmd, f.quiet, f.json), model, r, nil, aggregation(model, r.Manifest.Plan.Seed))
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	fs.StringVarP(&f.out, "out", "o", "headprof-out", "`folder` of the whole run")
	fs.BoolVar(&partial, "partial", false, "merge what there is although shards are missing or unfinished; the profile is marked as partial")
	fs.StringVar(&f.method, "method", "headkv-r2", "score method shown in table and heatmaps")
	fs.IntVar(&f.topK, "top-k", 0, "heads that count as top (default: a tenth of all)")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	fs.BoolVar(&f.json, "json", false, "print the result as JSON on stdout")
	atLeast(fs, 1, "top-k")
	return c
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
