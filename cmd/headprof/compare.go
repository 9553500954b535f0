package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// compareFlags are what compare is told.
type compareFlags struct {
	plotFlags
	seed           uint64
	json           bool
	atLeast        int
	file, majority string // --out, --consensus
	failUnder      string
	rows           []pair // the first profile against each of the others
}

func newCompare() *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare A B... | compare A --method M,N...|all",
		Short: "Compare how profiles or methods rank the same heads",
		Long: `Compare the first profile with each of the others: Spearman's and Kendall's rank
correlation and how much of the top heads they share, with 95 % intervals over
heads. Any files that headprof reads will do: its own tables and folders,
published headkv.json, DuoAttention and QRHead files. Where one side scores KV
heads, the other's groups count by their best head. Of a list of heads (QRHead's)
only the overlap of the tops is known, over as many heads as it lists.

Of three or more rankings (profiles, or methods of one or more profiles: --method
a,b,c or all) also the matrix of all pairs, with intervals of a joint bootstrap:
methods that share trials are compared on the same resampled needles. And their
consensus: the heads that at least --at-least of them put on top. --out writes
both as a file; --consensus writes a profile that other commands read.

What differs in the making of the profiles is said. Rankings without a common
meaning (query heads and KV heads, other shapes, models with other tokenizers)
are refused unless --mix is given.

--fail-under is for CI: with exit code 5 it says that the heads of a profile
drifted from the first one's. The lower end of the interval counts, so that few
heads or a shaky ranking do not pass by chance.`,
		Example: `  headprof compare profile other.json
  headprof compare base new --fail-under spearman=0.95,top=0.8
  headprof compare profile --method all --out agreement.json --plot agreement.svg
  headprof compare day1 day2 --method headkv-r2,retrieval --at-least 3 --consensus heads.csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 && !(len(args) == 1 && f.severalMethods()) {
				return usagef("two profiles at least are needed, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var bounds []bound
			if f.failUnder != "" {
				var err error
				if bounds, err = parseBounds(f.failUnder); err != nil {
					return err
				}
				if f.severalMethods() {
					return usagef("--fail-under compares profiles by one method; give one to --method")
				}
			}
			if err := f.run(cmd, args); err != nil {
				return err
			}
			return drifted(f.rows, bounds)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&f.out, "plot", "", "also draw two profiles against each other, or the matrix of more rankings, into `file` (.png, .svg or .pdf; - is standard output)")
	c.Flags().StringVar(&f.method, "method", "", "score method, several by commas, or all (default: headkv-r2 or the file's own)")
	c.Flags().IntVar(&f.top, "top-k", 0, "heads that count as top (default: a tenth of all)")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the bootstrap")
	c.Flags().StringVarP(&f.file, "out", "o", "", "write matrix and consensus into `file` (.json), or the matrix's pairs as a table (.csv, .parquet; - is standard output)")
	c.Flags().IntVar(&f.atLeast, "at-least", 0, "rankings that must put a head on top to make it a head of the consensus (default: more than half)")
	c.Flags().StringVar(&f.majority, "consensus", "", "write the consensus as a profile into `file` (.csv or .parquet): its score is the share of the rankings that vote for a head")
	c.Flags().StringVar(&f.failUnder, "fail-under", "", "end with exit code 5 where a `measure` is under its bound, as in spearman=0.95,top=0.8; measures: spearman, kendall, top (shared among the top), jaccard")
	c.Flags().BoolVar(&f.mix, "mix", false, "compare what has no common meaning: query heads with KV heads, other shapes, other tokenizers")
	f.profile.register(c.Flags())
	c.Flags().BoolVar(&f.json, "json", false, "print JSON lines")
	atLeast(c.Flags(), 1, "top-k", "at-least")
	return c
}

func (f *compareFlags) severalMethods() bool {
	return f.method == allMethods || strings.Contains(f.method, ",")
}

func (f *compareFlags) run(cmd *cobra.Command, args []string) error {
	format, fileFormat, consensusFormat, err := "", "", "", error(nil)
	for _, x := range []struct {
		flag, path string
		format     *string
		known      []string
	}{
		{"--plot", f.out, &format, []string{"png", "svg", "pdf"}},
		{"--out", f.file, &fileFormat, []string{"json", "csv", "parquet"}},
		{"--consensus", f.majority, &consensusFormat, []string{"csv", "parquet"}},
	} {
		if x.path != "" {
			if *x.format, err = formatOf("", x.flag, x.path, x.known...); err != nil {
				return err
			}
		}
	}
	f.profile.notes = cmd.ErrOrStderr()
	profiles, err := f.profile.openRanked(args, f.method)
	if err != nil {
		return err
	}
	rankings, lists := 0, ""
	for _, r := range profiles {
		rankings += len(r.methods)
		if r.isList() {
			lists = r.path
		}
	}
	out := cmd.OutOrStdout()
	for _, path := range []string{f.out, f.file, f.majority} {
		if atomicfile.IsStdout(path) {
			out = cmd.ErrOrStderr()
		}
	}
	var rows []pair
	if !f.severalMethods() {
		if rows, err = f.pairs(profiles); err != nil {
			return err
		}
		f.printPairs(out, rows)
		f.rows = rows
	}
	asked := f.file != "" || f.majority != "" || f.atLeast > 0
	matrix := rankings > 2 || f.severalMethods() || asked
	if lists != "" && !asked && !f.severalMethods() {
		matrix = false // of lists only pairs are known
	}
	if rankings < 2 {
		return usagef("%s holds scores of %s alone; two rankings at least are needed", args[0], profiles[0].methods[0])
	}
	if !matrix {
		if f.out == "" {
			return nil
		}
		f.kind, f.top = "compare", rows[0].K // the heads that the text counts as top
		fig, err := f.draw(args[:2])
		if err != nil {
			return err
		}
		return fig.SaveAs(f.out, format)
	}
	a, err := agree(profiles, f.top, f.atLeast, f.mix, f.seed)
	if err != nil {
		return err
	}
	if f.json {
		data, err := json.Marshal(a.file())
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", data)
	} else {
		if rows != nil { // said with the pairs
			a.differences = nil
		}
		a.print(out)
	}
	if f.file != "" {
		if err := a.file().Write(f.file, fileFormat); err != nil {
			return err
		}
	}
	if f.majority != "" {
		t := a.consensus.Table(consensusMeta(profiles))
		if err := export.Write(t, export.Format(consensusFormat), f.majority, export.Options{CSVMeta: "beside"}); err != nil {
			return err
		}
	}
	if f.out != "" {
		fig, err := agreementFigure(a.Agreement, modelOfAll(profiles), "")
		if err != nil {
			return err
		}
		return fig.SaveAs(f.out, format)
	}
	return nil
}

// pair is the first profile against another.
type pair struct {
	a, b *ranked
	*scoring.Comparison
}

// pairs compares the first profile with each of the others.
func (f *compareFlags) pairs(profiles []*ranked) ([]pair, error) {
	if err := checkMix(profiles, f.mix); err != nil {
		return nil, err
	}
	var rows []pair
	for _, other := range profiles[1:] {
		x, err := scoring.CompareSides(profiles[0].side(f.profile.known), other.side(f.profile.known), f.top, scoring.Options{Seed: f.seed})
		if err != nil {
			return nil, explain(fmt.Errorf("%s and %s: %w", profiles[0].path, other.path, err))
		}
		rows = append(rows, pair{profiles[0], other, x})
	}
	return rows, nil
}

func (f *compareFlags) printPairs(out io.Writer, rows []pair) {
	if f.json {
		for _, r := range rows {
			line := map[string]any{"a": r.a.path, "b": r.b.path, "a_fast": fastJSON(r.a.profile.Rows().Meta), "b_fast": fastJSON(r.b.profile.Rows().Meta), "heads": r.Heads, "k": r.K, "spearman": estimateJSON(r.Spearman),
				"kendall": estimateJSON(r.Kendall), "overlap": estimateJSON(r.Overlap), "jaccard": estimateJSON(r.Jaccard), "shared": r.Shared, "listed": r.Listed, "reduced": r.Reduced, "a_tied": r.TieA, "b_tied": r.TieB}
			if d := differences(r.a, r.b); len(d) > 0 {
				line["differences"] = d
			}
			printJSON(out, line)
		}
		return
	}
	for _, r := range rows {
		fmt.Fprintf(out, "%s against %s\n", r.a.path, r.b.path)
		for _, d := range differences(r.a, r.b) {
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
		for _, t := range [][2]string{{r.a.path, r.TieA}, {r.b.path, r.TieB}} {
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
}

// side is the profile's one method as comparison of pairs takes it; known is
// the model's shape where a flag tells it.
func (r *ranked) side(known scoring.Shape) scoring.Side {
	t, m := r.profile.Rows(), r.methods[0]
	s := scoring.Side{Heads: t.Of(m), PerKVHead: t.Quantity(m).PerKVHead, Model: known}
	if r.profile.List != nil {
		s.List = true
		if s.Model == nil {
			s.Model = r.profile.List.Model
		}
	} else if t.IsList(m) {
		s.List = true
		if s.Model == nil {
			s.Model = t.Shape(m)
		}
		s.Heads = scoring.Scored(s.Heads)
	}
	return s
}

// consensusMeta says of a consensus what all its profiles say.
func consensusMeta(profiles []*ranked) scoring.Meta {
	m := profiles[0].profile.Rows().Meta
	out := scoring.Meta{Model: m.Model, ModelSHA: m.ModelSHA, Decode: m.Decode, Judge: m.Judge, Fast: m.Fast, FastUnknown: m.FastUnknown}
	for _, r := range profiles[1:] {
		x := r.profile.Rows().Meta
		if x.ModelSHA != m.ModelSHA {
			out.ModelSHA = ""
		}
		if x.Model != m.Model {
			out.Model = ""
		}
		if x.Decode != m.Decode {
			out.Decode = ""
		}
		if x.Judge != m.Judge {
			out.Judge = ""
		}
		if x.Fast != m.Fast || x.FastUnknown {
			out.Fast, out.FastUnknown = false, true
		}
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
