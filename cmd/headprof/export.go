package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/scoring"
)

func newExport() *cobra.Command {
	var o export.Options
	var format, out string
	var profile profileFlags
	var sink, recent, top int
	var echo, induction float64
	var comments bool
	var names []string
	var about strings.Builder
	for _, d := range export.Declarations() {
		names = append(names, string(d.Format))
		fmt.Fprintf(&about, "  %-12s  %s\n", d.Format, d.About)
	}
	c := &cobra.Command{
		Use:   "export DIR|FILE --format FORMAT",
		Short: "Write a profile in the form that another tool loads",
		Long: `Write a run's scores, or any score file that headprof reads, for another tool:

` + about.String() + `
docs/downstream.md shows the lines that load each.`,
		Args: exactly("a run's folder or a score file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := export.Lookup(export.Format(format))
			if err != nil {
				return usagef("--format %q: known are %s", format, strings.Join(names, ", "))
			}
			profile.notes = cmd.ErrOrStderr()
			t, err := profile.table(args[0])
			if err != nil {
				return err
			}
			if o.Method, err = methodOf(t, o.Method, args[0]); err != nil {
				return err
			}
			for flag, share := range map[string]float64{"echo-share": echo, "induction-share": induction} {
				if !(share >= 0 && share <= 1) {
					return usagef("--%s %v: it is a share, from 0 to 1", flag, share)
				}
			}
			o.EchoShare, o.InductionShare = &echo, &induction
			for name, set := range map[string]func(){
				"sink": func() { o.Sink = &sink }, "recent": func() { o.Recent = &recent }, "top-k": func() { o.Top = &top },
			} {
				if cmd.Flags().Changed(name) {
					set()
				}
			}
			if d.QueryHeads {
				if err := t.SpreadKVHeads(t.ShapeOr(profile.known)); err != nil {
					return explain(err)
				}
			}
			if d.Comments {
				o.CSVMeta = "beside"
				if comments {
					o.CSVMeta = "comment"
				}
			}
			if d.Complete {
				profile.countUnlisted(t, args[0])
			}
			if d.Listed {
				if text := scoring.TieText(t.Of(o.Method), o.TopHeads()); text != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", args[0], text)
				}
			}
			if d.Trials {
				if err := addTrials(t, args[0]); err != nil {
					return err
				}
			}
			if o.Layers, err = profile.layout(args[0]); err != nil {
				return err
			}
			if out == "" {
				out = beside(args[0], d.Output)
			}
			if d.Folder && atomicfile.IsStdout(out) {
				return usagef("--out %s: %s is a folder, which standard output cannot hold", out, format)
			}
			if err := export.Write(t, d.Format, out, o); err != nil {
				return explain(err)
			}
			printPath(cmd, out)
			return nil
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&format, "format", "", strings.Join(names, ", "))
	fs.StringVarP(&out, "out", "o", "", "`file`, - for standard output, or folder for duoattention and kvpress (default: in the folder, or beside the file)")
	fs.StringVar(&o.Method, "method", "", "score method, or consensus: the heads in the top tenth of most of the profile's methods (default: headkv-r2 or the file's own)")
	fs.IntVar(&sink, "sink", 0, "duoattention: sink_size (default: the source's, else 128)")
	fs.IntVar(&recent, "recent", 0, "duoattention: recent_size (default: the source's, else 256)")
	fs.StringVar(&o.Reduce, "reduce", "max", "duoattention: a KV head's value from its group's: max or mean")
	fs.StringVar(&o.Scale, "scale", "max", "duoattention: divide by the largest (max) or spread ranks evenly (rank)")
	fs.IntVar(&top, "top-k", 0, "qrhead: heads to list (default 16)")
	fs.Float64Var(&echo, "echo-share", 0.01, "razorattention: share of the KV heads taken by echo score")
	fs.Float64Var(&induction, "induction-share", 0.14, "razorattention: share of the KV heads taken by induction score")
	fs.BoolVar(&comments, "comments", false, "csv: put the settings into a comment line instead of a .meta.json file beside the table")
	profile.register(fs)
	atLeast(fs, 1, "top-k")
	return c
}
