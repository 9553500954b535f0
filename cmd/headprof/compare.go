package main

import (
	"encoding/json"
	"fmt"
	"math"

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
heads, the other's groups count by their best head. Of a list of heads (QRHead's)
only the overlap of the tops is known, over as many heads as it lists.`,
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
				AMeta, BMeta scoring.Meta
				*scoring.Comparison
			}
			var rows []row
			f.profile.notes = cmd.ErrOrStderr()
			first, err := f.side(args[0])
			if err != nil {
				return err
			}
			for _, path := range args[1:] {
				other, err := f.side(path)
				if err != nil {
					return err
				}
				x, err := scoring.CompareSides(first.Side, other.Side, f.top, scoring.Options{Seed: seed})
				if err != nil {
					return explain(fmt.Errorf("%s and %s: %w", args[0], path, err))
				}
				rows = append(rows, row{args[0], path, first.meta, other.meta, x})
			}
			out := cmd.OutOrStdout()
			if atomicfile.IsStdout(f.out) {
				out = cmd.ErrOrStderr()
			}
			if asJSON {
				e := json.NewEncoder(out)
				for _, r := range rows {
					if err := e.Encode(map[string]any{"a": r.A, "b": r.B, "a_fast": fastJSON(r.AMeta), "b_fast": fastJSON(r.BMeta), "heads": r.Heads, "k": r.K, "spearman": estimateJSON(r.Spearman),
						"kendall": estimateJSON(r.Kendall), "overlap": estimateJSON(r.Overlap), "jaccard": estimateJSON(r.Jaccard), "shared": r.Shared, "listed": r.Listed, "reduced": r.Reduced, "a_tied": r.TieA, "b_tied": r.TieB}); err != nil {
						return err
					}
				}
			}
			for _, r := range rows {
				if asJSON {
					break
				}
				fmt.Fprintf(out, "%s against %s\n", r.A, r.B)
				for _, d := range differences(r.A, r.AMeta, r.B, r.BMeta) {
					fmt.Fprintf(out, "  %s\n", d)
				}
				unit := "heads"
				if r.Reduced {
					unit = "KV heads (the best head of each group)"
				}
				if r.Listed {
					fmt.Fprintf(out, "  %-22s %d %s that are listed; of the others the list says nothing, so there are no rank correlations or intervals\n", "compared", r.Heads, unit)
				} else {
					fmt.Fprintf(out, "  %-22s %d %s\n", "compared", r.Heads, unit)
					fmt.Fprintf(out, "  %-22s %s\n", "Spearman", estimateText(r.Spearman))
					fmt.Fprintf(out, "  %-22s %s\n", "Kendall tau-b", estimateText(r.Kendall))
				}
				fmt.Fprintf(out, "  %-22s %s, %d of %d\n", fmt.Sprintf("shared among top %d", r.K), estimateText(r.Overlap), r.Shared, r.K)
				fmt.Fprintf(out, "  %-22s %s\n", "Jaccard of the tops", estimateText(r.Jaccard))
				for _, t := range [][2]string{{r.A, r.TieA}, {r.B, r.TieB}} {
					if t[1] != "" {
						fmt.Fprintf(out, "  %-22s %s: %s\n", "tied", t[0], t[1])
					}
				}
				for _, e := range []stats.Estimate{r.Spearman, r.Kendall, r.Overlap, r.Jaccard} {
					if scoring.Outside(e) {
						fmt.Fprintf(out, "  %-22s an estimate lies outside its interval: resamples leave out a third of the heads, and where few heads or ties decide they agree more or less than the whole\n", "intervals")
						break
					}
				}
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
	f.profile.register(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	atLeast(c.Flags(), 1, "top")
	return c
}

// side is one profile of a comparison with what is known of its making.
type side struct {
	scoring.Side
	meta scoring.Meta
}

func (f *plotFlags) side(path string) (*side, error) {
	p, err := f.profile.read(path)
	if err != nil {
		return nil, err
	}
	t := p.Rows()
	m, err := methodOf(t, f.method, path)
	if err != nil {
		return nil, err
	}
	s := &side{scoring.Side{Heads: t.Of(m), PerKVHead: t.Quantity(m).PerKVHead, Model: f.profile.known}, t.Meta}
	if p.List != nil {
		s.List = true
		if s.Model == nil {
			s.Model = p.List.Model
		}
	} else if t.IsList(m) {
		s.List = true
		if s.Model == nil {
			s.Model = t.Shape(m)
		}
		s.Heads = scoring.Scored(s.Heads)
	}
	return s, nil
}

// differences says how two profiles were made differently, as far as both tell.
func differences(a string, am scoring.Meta, b string, bm scoring.Meta) (out []string) {
	if !am.FastUnknown && !bm.FastUnknown && am.Fast != bm.Fast {
		fast := a
		if bm.Fast {
			fast = b
		}
		out = append(out, fmt.Sprintf("%s was computed with %s, the other without", fast, fastNote))
	}
	if am.Decode != "" && bm.Decode != "" && am.Decode != bm.Decode {
		out = append(out, fmt.Sprintf("%s was decoded %s, %s %s", a, am.Decode, b, bm.Decode))
	}
	return out
}

// fastJSON is null where a file does not tell.
func fastJSON(m scoring.Meta) any {
	if m.FastUnknown {
		return nil
	}
	return m.Fast
}

func estimateText(e stats.Estimate) string {
	if math.IsNaN(e.Low) {
		return fmt.Sprintf("%6.3f", e.Value)
	}
	return fmt.Sprintf("%6.3f  [%.3f, %.3f]", e.Value, e.Low, e.High)
}

func estimateJSON(e stats.Estimate) map[string]any {
	m := map[string]any{"value": finite(e.Value), "low": finite(e.Low), "high": finite(e.High)}
	if scoring.Outside(e) {
		m["outside"] = true
	}
	return m
}
