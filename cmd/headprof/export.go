package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
)

func newExport() *cobra.Command {
	var o export.Options
	var format, out string
	var kvHeads int
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
			t, err := readTable(args[0])
			if err != nil {
				return err
			}
			if o.Method, err = methodOf(t, o.Method, args[0]); err != nil {
				return err
			}
			if kvHeads > 0 {
				if err := t.Regroup(kvHeads); err != nil {
					return usagef("--kv-heads: %w", err)
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
				return err
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
	fs.IntVar(&o.Sink, "sink", 0, "duoattention: sink_size (default 128)")
	fs.IntVar(&o.Recent, "recent", 0, "duoattention: recent_size (default 256)")
	fs.StringVar(&o.Reduce, "reduce", "max", "duoattention: a KV head's value from its group's: max or mean")
	fs.StringVar(&o.Scale, "scale", "max", "duoattention: divide by the largest (max) or spread ranks evenly (rank)")
	fs.IntVar(&o.Top, "top", 0, "qrhead: heads to list (default 16)")
	fs.IntVar(&kvHeads, "kv-heads", 0, "KV heads per layer, for score files that do not say (published headkv.json)")
	atLeast(fs, 1, "top", "kv-heads")
	return c
}
