package main

import (
	"github.com/spf13/cobra"

	"headprof/probe"
)

func newMerge() *cobra.Command {
	var f scoreFlags
	c := &cobra.Command{
		Use:   "merge DIR DIR... --model FILE --out DIR",
		Short: "Put the parts of a sharded run together",
		Long: `Put the folders of 'headprof score --shard 1/N' to 'N/N' together into one run's
folder, as if the run had been made in one go. The model is opened for its
shape only.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("two folders at least are needed, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			model, err := f.open()
			if err != nil {
				return err
			}
			defer model.Close()
			r, err := probe.Merge(f.out, args)
			if err != nil {
				return err
			}
			return f.finish(newSpeaker(cmd, f.quiet, f.json), model, r, aggregation(model, r.Manifest.Plan.Seed))
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	f.modelFlags.register(fs)
	fs.StringVar(&f.out, "out", "headprof-out", "`folder` of the whole run")
	fs.StringVar(&f.method, "method", "headkv-r2", "score method shown in table and heatmaps")
	fs.IntVar(&f.topK, "top", 0, "heads that count as top (default: a tenth of all)")
	fs.BoolVar(&f.quiet, "quiet", false, "print nothing but errors and warnings")
	fs.BoolVar(&f.json, "json", false, "print the result as JSON on stdout")
	atLeast(fs, 1, "top")
	return c
}
