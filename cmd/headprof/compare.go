package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"headprof/export/atomicfile"
	"headprof/scoring"
	"headprof/scoring/stats"
)

func newCompare() *cobra.Command {
	var f plotFlags
	var seed uint64
	var asJSON bool
	c := &cobra.Command{
		Use:   "compare A B...",
		Short: "Say how alike profiles rank the same heads",
		Long: `Compare the first profile with each of the others: Spearman's and Kendall's rank
correlation and how much of the top heads they share, with 95 % intervals over
heads. Any files that headprof reads will do: its own tables and folders,
published headkv.json, DuoAttention and QRHead files. Where one side scores KV
heads, the other's groups count by their best head.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("two profiles at least are needed, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := "", error(nil)
			if f.out != "" {
				if format, err = formatOf("", "--plot", f.out, "png", "svg", "pdf"); err != nil {
					return err
				}
			}
			type row struct {
				A, B         string
				AFast, BFast bool
				*scoring.Comparison
			}
			var rows []row
			first, err := readTable(args[0])
			if err != nil {
				return err
			}
			m, err := methodOf(first, f.method, args[0])
			if err != nil {
				return err
			}
			for _, path := range args[1:] {
				other, err := readTable(path)
				if err != nil {
					return err
				}
				om, err := methodOf(other, f.method, path)
				if err != nil {
					return err
				}
				x, err := scoring.Compare(wholeModel(first.Of(m), other.Of(om)), wholeModel(other.Of(om), first.Of(m)), f.top, scoring.Options{Seed: seed})
				if err != nil {
					return fmt.Errorf("%s and %s: %w", args[0], path, err)
				}
				rows = append(rows, row{args[0], path, first.Meta.Fast, other.Meta.Fast, x})
			}
			out := cmd.OutOrStdout()
			if atomicfile.IsStdout(f.out) {
				out = cmd.ErrOrStderr()
			}
			if asJSON {
				e := json.NewEncoder(out)
				for _, r := range rows {
					if err := e.Encode(map[string]any{"a": r.A, "b": r.B, "a_fast": r.AFast, "b_fast": r.BFast, "heads": r.Heads, "k": r.K, "spearman": estimateJSON(r.Spearman),
						"kendall": estimateJSON(r.Kendall), "overlap": estimateJSON(r.Overlap), "jaccard": estimateJSON(r.Jaccard)}); err != nil {
						return err
					}
				}
			}
			for _, r := range rows {
				if asJSON {
					break
				}
				fmt.Fprintf(out, "%s against %s\n", r.A, r.B)
				switch {
				case r.AFast && !r.BFast:
					fmt.Fprintf(out, "  %s was computed with %s, the other without\n", r.A, fastNote)
				case r.BFast && !r.AFast:
					fmt.Fprintf(out, "  %s was computed with %s, the other without\n", r.B, fastNote)
				}
				unit := "heads"
				if r.Reduced {
					unit = "KV heads (the best head of each group)"
				}
				fmt.Fprintf(out, "  %-22s %d %s\n", "compared", r.Heads, unit)
				fmt.Fprintf(out, "  %-22s %s\n", "Spearman", estimateText(r.Spearman))
				fmt.Fprintf(out, "  %-22s %s\n", "Kendall tau-b", estimateText(r.Kendall))
				fmt.Fprintf(out, "  %-22s %s\n", fmt.Sprintf("shared among top %d", r.K), estimateText(r.Overlap))
				fmt.Fprintf(out, "  %-22s %s\n", "Jaccard of the tops", estimateText(r.Jaccard))
			}
			if f.out == "" {
				return nil
			}
			f.kind, f.top = "compare", rows[0].K // the heads that the text counts as top
			fig, err := f.draw(args[:2])
			if err != nil {
				return err
			}
			return fig.SaveAs(f.out, format)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&f.out, "plot", "", "also draw the first two profiles into `file` (.png, .svg or .pdf; - is standard output)")
	c.Flags().StringVar(&f.method, "method", "", "score method (default: headkv-r2 or the file's own)")
	c.Flags().IntVar(&f.top, "top", 0, "heads that count as top (default: a tenth of all)")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of the bootstrap")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	atLeast(c.Flags(), 1, "top")
	return c
}

// wholeModel widens a list of top heads (QRHead's), which reaches no further
// than its last entry, to the layers and heads of the profile it is compared
// with: the heads that it does not name score 0.
func wholeModel(list, other []scoring.Head) []scoring.Head {
	if len(list) == 0 || list[0].Method != "qrhead" {
		return list
	}
	listed := map[[2]int]scoring.Head{}
	for _, h := range list {
		if h.Mean > 0 {
			listed[[2]int{h.Layer, h.Head}] = h
		}
	}
	var all []scoring.Head
	for _, h := range other {
		at := [2]int{h.Layer, h.Head}
		all = append(all, scoring.Head{Method: list[0].Method, Layer: h.Layer, Head: h.Head, KVHead: h.KVHead, Window: h.Window, Mean: listed[at].Mean})
		delete(listed, at)
	}
	if len(listed) > 0 {
		return list // it names heads that the other does not have
	}
	return all
}

func estimateText(e stats.Estimate) string {
	return fmt.Sprintf("%6.3f  [%.3f, %.3f]", e.Value, e.Low, e.High)
}

func estimateJSON(e stats.Estimate) map[string]any {
	return map[string]any{"value": finite(e.Value), "low": finite(e.Low), "high": finite(e.High)}
}
