package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/arch"
	"headprof/scoring/allocate"
)

type budgetFlags struct {
	capacity                                          []int
	policy, level, reduce, method, model, kvType, out string
	params                                            allocate.Params
	kvHeads, headDim                                  int
	perKVHead                                         bool
}

func newBudget() *cobra.Command {
	var f budgetFlags
	c := &cobra.Command{
		Use:   "budget DIR|FILE",
		Short: "Turn scores into KV-cache budgets per head",
		Long: `Divide a KV cache over the heads of a profile by HeadKV's formula (arXiv
2410.19258, section 3.3), or evenly, or as a pyramid, or full and streaming
heads. Prints what was asked for and what the budgets really cost; --out writes
them as JSON, CSV or Parquet.

Capacity is what a cache gets on average, the window included. At level kv-head
(default) the query heads of a group share one budget and one cache, so the
bytes are real; level head keeps a cache per query head, as the published code
does, and takes the group's size as many times the memory.`,
		Example: `  headprof budget headprof-out --capacity 128 --out budget.json
  headprof budget headkv.json --capacity 64,128,256 --beta 1.2 --level head --out budgets.csv`,
		Args: exactly("a run's folder or a score file"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.OutOrStdout(), args[0]) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntSliceVar(&f.capacity, "capacity", []int{128}, "entries a cache gets on average, window included; several separated by commas")
	fs.Float64Var(&f.params.Beta, "beta", 1.2, "the larger, the less is divided by score; above 1")
	fs.IntVar(&f.params.Window, "window", 8, "last prompt tokens that are always kept (α)")
	fs.Float64Var(&f.params.Temp, "temp", 1, "exponent on the normalised scores")
	fs.StringVar(&f.level, "level", "kv-head", "what shares a budget: kv-head, head or layer")
	fs.StringVar(&f.policy, "policy", "headkv", strings.Join(allocate.Policies(), ", "))
	fs.StringVar(&f.reduce, "reduce", "", "a group's score from its heads': mean or max (default: mean, but max for top-heads)")
	fs.BoolVar(&f.params.Fit, "fit", false, "make the total equal the request exactly")
	fs.IntVar(&f.params.Context, "context", 0, "prompt length in tokens, for the share of the full cache")
	fs.IntVar(&f.params.Full, "full-heads", 0, "top-heads: caches kept whole (default: as many as the capacity pays for)")
	fs.IntVar(&f.params.Sink, "sink", 0, "top-heads: first tokens that a streaming head keeps (default 128)")
	fs.IntVar(&f.params.Recent, "recent", 0, "top-heads: last tokens that a streaming head keeps (default 256)")
	fs.StringVar(&f.method, "method", "", "score method (default: headkv-r2 or the file's own)")
	fs.StringVar(&f.model, "model", "", "the model `file`, for head sizes where the scores come without them")
	fs.IntVar(&f.kvHeads, "kv-heads", 0, "KV heads per layer, for score files that do not say (published headkv.json)")
	fs.IntVar(&f.headDim, "head-dim", 0, "elements of a cached key, for the size in bytes")
	fs.StringVar(&f.kvType, "kv-type", "f16", "number format of the cache that will be served: f16 or f32")
	fs.StringVar(&f.out, "out", "", "`file` ending in .json, .csv or .parquet")
	fs.BoolVar(&f.perKVHead, "per-kv-head", false, "write a row per KV head instead of one per query head")
	return c
}

func (f *budgetFlags) run(w io.Writer, path string) error {
	if err := f.check(); err != nil {
		return err
	}
	t, err := readTable(path)
	if err != nil {
		return err
	}
	method, err := methodOf(t, f.method, path)
	if err != nil {
		return err
	}
	if f.kvHeads > 0 {
		if err := t.Regroup(f.kvHeads); err != nil {
			return usagef("--kv-heads: %w", err)
		}
	}
	heads := t.Of(method)
	model := allocate.ModelOf(heads)
	if err := f.sizes(&model, path); err != nil {
		return err
	}
	var plans []*allocate.Plan
	for _, c := range f.capacity {
		p := f.params
		p.Capacity, p.Level, p.Reduce = c, allocate.Level(f.level), allocate.Reduce(f.reduce)
		plan, err := allocate.Make(f.policy, heads, model, p)
		if err != nil {
			return err
		}
		plans = append(plans, plan)
		f.print(w, plan, plan.Totals(p.Context))
	}
	if f.out == "" {
		return nil
	}
	o := export.BudgetOptions{PerKVHead: f.perKVHead, Model: t.Meta.Model, Method: method, Decode: t.Meta.Decode, Context: f.params.Context}
	if err := export.WriteBudgets(f.out, plans, o); err != nil {
		return err
	}
	fmt.Fprintln(w, f.out)
	return nil
}

func (f *budgetFlags) check() error {
	switch {
	case len(f.capacity) == 0:
		return usagef("--capacity names no number of entries")
	case f.params.Beta <= 1 || math.IsNaN(f.params.Beta) || math.IsInf(f.params.Beta, 0):
		return usagef("--beta %v: it must be above 1", f.params.Beta)
	case f.params.Window < 0:
		return usagef("--window %d is negative", f.params.Window)
	case f.kvType != "f16" && f.kvType != "f32":
		return usagef("--kv-type %q: known are f16 and f32", f.kvType)
	}
	for _, c := range f.capacity {
		if c <= f.params.Window {
			return usagef("--capacity %d leaves nothing beside the window of %d", c, f.params.Window)
		}
	}
	if f.params.Window == 0 {
		f.params.Window = -1 // allocate's spelling of none
	}
	return nil
}

// sizes fills in head sizes from the model file, the run's manifest or a flag.
func (f *budgetFlags) sizes(m *allocate.Model, path string) error {
	m.ElementBytes = map[string]int{"f16": 2, "f32": 4}[f.kvType]
	key, value := f.headDim, f.headDim
	if f.model != "" {
		s, err := runner.OpenSource(f.model)
		if err != nil {
			return err
		}
		defer s.Close()
		c, err := arch.Describe(s)
		if err != nil {
			return err
		}
		if len(c.Layers) != len(m.Layers) || c.Layers[0].Heads != m.Layers[0].Heads {
			return fmt.Errorf("%s has %d layers of %d heads, but the scores are of %d layers of %d", f.model, len(c.Layers), c.Layers[0].Heads, len(m.Layers), m.Layers[0].Heads)
		}
		key, value = c.Layers[0].HeadDim, c.Layers[0].ValueDim
	} else if man, err := probe.ReadManifest(path); key == 0 && err == nil {
		key, _ = strconv.Atoi(man.Environment["key_dim"])
		value, _ = strconv.Atoi(man.Environment["value_dim"])
	}
	for l := range m.Layers {
		m.Layers[l].KeyDim, m.Layers[l].ValueDim = key, value
	}
	return nil
}

func (f *budgetFlags) print(w io.Writer, p *allocate.Plan, t allocate.Totals) {
	least, most := math.MaxInt, 0
	for _, c := range p.Caches {
		least, most = min(least, c.Entries), max(most, c.Entries)
	}
	fmt.Fprintf(w, "%s, capacity %d, level %s: %d caches, %d to %d entries each, window included\n", p.Policy, p.Params.Capacity, f.level, t.Caches, least, most)
	size := func(bytes int64) string {
		if bytes == 0 {
			return ""
		}
		return " (" + bytesText(bytes) + ")"
	}
	fmt.Fprintf(w, "  requested  %12s entries%s\n", thousands(t.Requested), size(t.RequestedBytes))
	fmt.Fprintf(w, "  allocated  %12s entries%s", thousands(t.Entries), size(t.EntriesBytes))
	if d := t.Entries - t.Requested; d != 0 {
		fmt.Fprintf(w, ", %+d", d)
	}
	fmt.Fprintln(w)
	if t.Full > 0 {
		fmt.Fprintf(w, "  held       %12s entries%s of a %s-token prompt: %.2f %% of the full cache's %s entries%s\n", thousands(t.Held), size(t.HeldBytes),
			thousands(int64(p.Params.Context)), 100*t.Share, thousands(t.Full), size(t.FullBytes))
	}
}
