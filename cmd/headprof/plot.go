package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/plots"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

type plotFlags struct {
	kind, out, format, method, title string
	top, capacity                    int
	mix                              bool
	profile                          profileFlags
}

// kinds of figures, and what each needs.
var kinds = []string{"heads", "ranking", "layers", "needle", "compare", "agreement", "budget", "curves"}

func newPlot() *cobra.Command {
	var f plotFlags
	c := &cobra.Command{
		Use:   "plot DIR|FILE [DIR|FILE...]",
		Short: "Draw a profile: heatmap, ranking, needle grid, layers, comparison, agreement, budgets, curves",
		Long: `Draw a run's folder or any score file that headprof reads (its own tables,
published headkv.json, DuoAttention and QRHead files) as PNG, SVG or PDF.

  heads      score of every head, top heads ringed
  ranking    sorted scores with intervals
  layers     share of the score by layer
  needle     pass rate by depth and length (needs a run's folder)
  compare    two profiles against each other (needs two)
  agreement  how alike several profiles or methods (--method a,b,c or all) rank
             the heads, or a file of 'headprof compare --out FILE.json'
  budget     KV-cache entries per head (needs a file of 'headprof budget')
  curves     what each KV head's cache is worth by entries kept (needs a profile
             of 'headprof score --method cache-cut --cut-curve auto')`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case !slices.Contains(kinds, f.kind):
				return usagef("--kind %q: known are %s", f.kind, strings.Join(kinds, ", "))
			case len(args) == 0:
				return usagef("missing a run's folder or a score file")
			case f.kind == "compare" && len(args) != 2:
				return usagef("--kind compare needs two profiles, not %d", len(args))
			case f.kind != "compare" && f.kind != "agreement" && len(args) > 1:
				return usagef("unexpected argument %q", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("kind") && isBudget(args[0]) {
				f.kind = "budget"
			}
			if f.out == "" {
				f.out = beside(args[0], f.kind+".png")
			}
			format, err := formatOf(f.format, "--out", f.out, "png", "svg", "pdf")
			if err != nil {
				return err
			}
			fig, err := f.draw(args)
			if err != nil {
				return err
			}
			if err := fig.SaveAs(f.out, format); err != nil {
				return err
			}
			printPath(cmd, f.out)
			return nil
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&f.kind, "kind", "heads", strings.Join(kinds, ", "))
	c.Flags().StringVarP(&f.out, "out", "o", "", "`file` ending in .png, .svg or .pdf, or - for standard output (default: KIND.png in the folder, or beside the file)")
	c.Flags().StringVar(&f.format, "format", "", "png, svg or pdf (default: by the file's ending; png on standard output)")
	c.Flags().StringVar(&f.method, "method", "", "score method; agreement: several by commas, or all (default: headkv-r2 or the file's own)")
	c.Flags().IntVar(&f.top, "top-k", 0, "heads that count as top: marked, named and counted (default: a twentieth of all, at least 5 and at most 20; agreement: a tenth)")
	c.Flags().BoolVar(&f.mix, "mix", false, "agreement: compare what has no common meaning, as 'headprof compare --mix'")
	c.Flags().StringVar(&f.title, "title", "", "title in place of the figure's own")
	f.profile.register(c.Flags())
	c.Flags().IntVar(&f.capacity, "capacity", 0, "which capacity of a budget file that holds several")
	atLeast(c.Flags(), 1, "top-k", "capacity")
	return c
}

func (f *plotFlags) draw(args []string) (*plots.Figure, error) {
	if f.kind == "budget" {
		return f.budget(args[0])
	}
	if f.kind == "compare" {
		return f.compare(args[0], args[1])
	}
	if f.kind == "agreement" {
		return f.agreement(args)
	}
	if f.kind == "curves" {
		t, err := f.profile.table(args[0])
		if err != nil {
			return nil, err
		}
		c, err := curvesFigure(t, f.top)
		if err != nil {
			return nil, explain(fmt.Errorf("%s: %w", args[0], err))
		}
		c.Title = f.title
		return plots.CacheCurves(c)
	}
	t, method, err := f.read(args[0])
	if err != nil {
		return nil, err
	}
	h := headsFigure(t, method, f.top)
	h.Title = f.title
	switch f.kind {
	case "ranking":
		return plots.Ranking(h)
	case "layers":
		return plots.Layers(h)
	case "needle":
		r, err := readRun(args[0])
		if err != nil {
			return nil, err
		}
		return plots.Needle(needleFigure(h.Meta, r))
	}
	return plots.HeadMap(h)
}

func (f *plotFlags) read(path string) (t *scoring.Table, method string, err error) {
	if t, err = f.profile.table(path); err != nil {
		return nil, "", err
	}
	method, err = methodOf(t, f.method, path)
	return t, method, err
}

// compare draws two profiles of one model, of which one may be a list of top
// heads or score KV heads.
func (f *plotFlags) compare(a, b string) (*plots.Figure, error) {
	paths := [2]string{a, b}
	var profiles [2]*export.Profile
	for i, path := range paths {
		var err error
		if profiles[i], err = f.profile.read(path); err != nil {
			return nil, err
		}
	}
	var tables [2]*scoring.Table
	var methods [2]string
	for i, p := range profiles {
		// A list is drawn on the other profile's model.
		if other := profiles[1-i].Table; p.List != nil && p.List.Model == nil && other != nil {
			p.List.Model = other.ShapeOr(nil)
		}
		var err error
		if tables[i], err = whole(p, paths[i]); err != nil {
			return nil, err
		}
		if methods[i], err = methodOf(tables[i], f.method, paths[i]); err != nil {
			return nil, err
		}
		tables[i].Heads = tables[i].Of(methods[i])
	}
	x, y, mx, my := tables[0], tables[1], methods[0], methods[1]
	hx, hy := headsFigure(x, mx, f.top), headsFigure(y, my, f.top)
	if hx.Layers == hy.Layers && hx.Heads != hy.Heads {
		if !scoring.KnowsKVHeads(x.Heads) || !scoring.KnowsKVHeads(y.Heads) {
			return nil, explain(fmt.Errorf("%s and %s: %w", a, b, scoring.ErrKVHeads))
		}
		if hx.Heads > hy.Heads {
			x.ReduceToKVHeads(mx)
			hx = headsFigure(x, mx, hx.Top)
		} else {
			y.ReduceToKVHeads(my)
			hy = headsFigure(y, my, hy.Top)
		}
	}
	hx.Title = f.title
	return plots.Compare(hx, hy)
}

// agreement draws a file of compare, or profiles and methods.
func (f *plotFlags) agreement(paths []string) (*plots.Figure, error) {
	if len(paths) == 1 {
		if a, err := export.ReadAgreement(paths[0]); err == nil {
			return agreementFigure(a, "", f.title)
		} else if strings.HasSuffix(paths[0], ".json") && !errors.Is(err, fs.ErrNotExist) {
			if _, other := export.Read(paths[0]); other != nil {
				return nil, err
			}
		}
	}
	profiles, err := f.profile.openRanked(paths, f.method)
	if err != nil {
		return nil, err
	}
	rankings := 0
	for _, r := range profiles {
		rankings += len(r.methods)
	}
	if rankings < 2 {
		return nil, usagef("--kind agreement needs two rankings at least: several profiles, --method a,b,c or all, or a file of 'headprof compare --out FILE.json'")
	}
	a, err := agree(profiles, f.top, 0, f.mix, 1)
	if err != nil {
		return nil, err
	}
	return agreementFigure(a.Agreement, modelOfAll(profiles), f.title)
}

func (f *plotFlags) budget(path string) (*plots.Figure, error) {
	all, err := export.ReadBudgets(path)
	if err != nil {
		return nil, err
	}
	var capacities []string
	for _, b := range all {
		if f.capacity == b.Capacity || f.capacity == 0 && len(all) == 1 {
			if b.Model == "" {
				b.Model = filepath.Base(path)
			}
			return plots.BudgetMap(budgetFigure(b, f.title))
		}
		capacities = append(capacities, fmt.Sprint(b.Capacity))
	}
	if f.capacity == 0 {
		return nil, usagef("%s holds budgets of several capacities: say which with --capacity: %s", path, strings.Join(capacities, ", "))
	}
	return nil, usagef("%s has no capacity %d; it has %s", path, f.capacity, strings.Join(capacities, ", "))
}

// isBudget says whether a file holds budgets and no scores.
func isBudget(path string) bool {
	if _, err := export.Read(path); err == nil {
		return false
	}
	_, err := export.ReadBudgets(path)
	return err == nil
}

// onePerKVHead tells a table of KV heads, whose head is the first of its group,
// from one of query heads: no KV head has two rows, and heads are skipped.
func onePerKVHead(rows []allocate.Budget) bool {
	seen, skipped := map[[2]int]bool{}, false
	for _, r := range rows {
		at := [2]int{r.Layer, r.KVHead}
		if seen[at] {
			return false
		}
		seen[at] = true
		skipped = skipped || r.Head > r.KVHead
	}
	return skipped
}

// budgetFigure turns a budget's rows into what plots draws.
func budgetFigure(b export.Budgets, title string) plots.Budget {
	p := plots.Budget{
		Meta:   plots.Meta{Model: b.Model, Method: b.Method, Title: title},
		Policy: b.Policy, Level: string(b.Level), Beta: b.Beta, Capacity: b.Capacity, PerKV: b.PerKVHead,
	}
	p.PerKV = p.PerKV || onePerKVHead(b.Heads)
	kv := 0
	for i := range b.Heads {
		r := &b.Heads[i]
		if p.PerKV {
			r.Head = r.KVHead // it was the group's first
		}
		p.Layers, p.Heads, kv = max(p.Layers, r.Layer+1), max(p.Heads, r.Head+1), max(kv, r.KVHead+1)
	}
	if kv > 0 && p.Heads%kv == 0 {
		p.KVGroup = p.Heads / kv
	}
	p.Entries = make([][]int, p.Layers)
	for l := range p.Entries {
		p.Entries[l] = make([]int, p.Heads)
		for h := range p.Entries[l] {
			p.Entries[l][h] = plots.Absent
		}
	}
	equal := p.KVGroup > 1 // do all heads of each group keep the same?
	of := map[[2]int]int{}
	for _, r := range b.Heads {
		p.Entries[r.Layer][r.Head] = r.Entries
		at := [2]int{r.Layer, r.KVHead}
		if n, ok := of[at]; ok && n != r.Entries {
			equal = false
		}
		of[at] = r.Entries
	}
	switch {
	case p.PerKV || p.KVGroup <= 1:
	case b.Level != "":
		p.Shared = b.Level != allocate.Head
	case equal:
		p.Shared, p.Level = true, "kv-head (assumed)"
	default:
		p.Level = "head"
	}
	return p
}
