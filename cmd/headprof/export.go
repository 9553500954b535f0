package main

import (
	"fmt"
	"slices"
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
	var comments bool
	var names []string
	for _, f := range export.Formats() {
		names = append(names, string(f))
	}
	endings := map[string]string{"headkv": "headkv.json", "duoattention": "duoattention", "qrhead": "qrhead.yaml", "kvpress": "kvpress", "csv": "export.csv", "parquet": "export.parquet"}
	c := &cobra.Command{
		Use:   "export DIR|FILE --format FORMAT",
		Short: "Write a profile in the form that another tool loads",
		Long: `Write a run's scores, or any score file that headprof reads, for another tool:

  headkv        HeadKV's and Retrieval-Head's JSON
  duoattention  a folder with full_attention_heads.tsv and config.json
  kvpress       the same folder as kvpress's DuoAttentionPress reads it
  qrhead        QRHead's YAML list of heads
  csv, parquet  headprof's own tables

docs/downstream.md shows the lines that load each.`,
		Args: exactly("a run's folder or a score file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(names, format) {
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
			for name, set := range map[string]func(){
				"sink": func() { o.Sink = &sink }, "recent": func() { o.Recent = &recent }, "top": func() { o.Top = &top },
			} {
				if cmd.Flags().Changed(name) {
					set()
				}
			}
			switch export.Format(format) {
			case export.HeadKV, export.QRHead:
				// Both list query heads.
				if err := t.SpreadKVHeads(t.ShapeOr(profile.known)); err != nil {
					return explain(err)
				}
			case export.CSV:
				o.CSVMeta = "beside"
				if comments {
					o.CSVMeta = "comment"
				}
			}
			switch export.Format(format) {
			case export.HeadKV, export.DuoAttention, export.KVPress:
				profile.countUnlisted(t, args[0])
			case export.QRHead:
				if text := scoring.TieText(t.Of(o.Method), o.TopHeads()); text != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", args[0], text)
				}
			}
			if format == string(export.HeadKV) {
				if err := addTrials(t, args[0]); err != nil {
					return err
				}
			}
			if out == "" {
				out = beside(args[0], endings[format])
			}
			if folder := format == string(export.DuoAttention) || format == string(export.KVPress); folder && atomicfile.IsStdout(out) {
				return usagef("--out %s: %s is a folder, which standard output cannot hold", out, format)
			}
			if err := export.Write(t, export.Format(format), out, o); err != nil {
				return explain(err)
			}
			printPath(cmd, out)
			return nil
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&format, "format", "", strings.Join(names, ", "))
	fs.StringVar(&out, "out", "", "`file`, - for standard output, or folder for duoattention and kvpress (default: in the folder, or beside the file)")
	fs.StringVar(&o.Method, "method", "", "score method (default: headkv-r2 or the file's own)")
	fs.IntVar(&sink, "sink", 0, "duoattention: sink_size (default: the source's, else 128)")
	fs.IntVar(&recent, "recent", 0, "duoattention: recent_size (default: the source's, else 256)")
	fs.StringVar(&o.Reduce, "reduce", "max", "duoattention: a KV head's value from its group's: max or mean")
	fs.StringVar(&o.Scale, "scale", "max", "duoattention: divide by the largest (max) or spread ranks evenly (rank)")
	fs.IntVar(&top, "top", 0, "qrhead: heads to list (default 16)")
	fs.BoolVar(&comments, "comments", false, "csv: put the settings into a comment line instead of a .meta.json file beside the table")
	profile.register(fs)
	atLeast(fs, 1, "top")
	return c
}
