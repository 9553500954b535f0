package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/runner/arch"
	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/allocate"
	"headprof/scoring/param"
)

type budgetFlags struct {
	capacity                            []int
	params                              *param.Set
	profile                             profileFlags
	policy, method, kvType, out, format string
	headDim                             int
	perKVHead, comments, mix            bool
}

func newBudget() *cobra.Command {
	f := budgetFlags{params: allocate.Parameters()}
	c := &cobra.Command{
		Use:   "budget DIR|FILE [DIR|FILE...]",
		Short: "Turn scores into KV-cache budgets per head",
		Long: `Divide a KV cache over the heads of a profile by HeadKV's formula (arXiv
2410.19258, section 3.3), or evenly, or as a pyramid, or full and streaming
heads, or by marginal utility (curves of 'headprof score --method cache-cut
--cut-curve auto'). Prints what was asked for and what the budgets really cost;
--out writes them as JSON, CSV or Parquet.

Of several profiles the consensus is divided: the heads in the top tenth of more
than half of them, as 'headprof compare --consensus' writes it. What differs in
their making is said.

Capacity is what a cache gets on average, the window included. At level kv-head
(default) the query heads of a group share one budget and one cache, so the
bytes are real; level head keeps a cache per query head, as the published code
does, and takes the group's size as many times the memory.`,
		Example: `  headprof budget headprof-out --capacity 128 --out budget.json
  headprof budget headkv.json --capacity 64,128,256 --beta 1.2 --level head --out budgets.csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("missing a run's folder or a score file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntSliceVar(&f.capacity, "capacity", []int{128}, "entries a cache gets on average, window included; several separated by commas")
	fs.StringVar(&f.policy, "policy", "headkv", strings.Join(allocate.Policies(), ", "))
	paramFlags(fs, f.params)
	fs.StringVar(&f.method, "method", "", "score method, or consensus: the heads in the top tenth of most of the profile's methods (default: headkv-r2 or the file's own)")
	f.profile.register(fs)
	fs.IntVar(&f.headDim, "head-dim", 0, "elements of a cached key, for the size in bytes")
	fs.StringVar(&f.kvType, "cache-type", "f16", "number format of the cache that will be served: f16 or f32")
	fs.StringVarP(&f.out, "out", "o", "", "`file` ending in .json, .csv or .parquet, or - for standard output")
	fs.StringVar(&f.format, "format", "", "json, csv or parquet (default: by the file's ending; json on standard output)")
	fs.BoolVar(&f.perKVHead, "per-kv-head", false, "write a row per KV head instead of one per query head")
	fs.BoolVar(&f.comments, "comments", false, "CSV: put the settings into a comment line instead of a .meta.json file beside the table")
	fs.BoolVar(&f.mix, "mix", false, "take a --model whose tokenizer is not that of the profile's model")
	atLeast(fs, 1, "head-dim")
	return c
}

func (f *budgetFlags) run(cmd *cobra.Command, paths []string) error {
	path := paths[0]
	var shared allocate.Params
	if err := f.params.Fill(&shared); err != nil {
		return err
	}
	if err := f.check(shared.Window); err != nil {
		return err
	}
	w, format := cmd.OutOrStdout(), ""
	if f.out != "" {
		var err error
		if format, err = formatOf(f.format, "--out", f.out, "json", "csv", "parquet"); err != nil {
			return err
		}
		if atomicfile.IsStdout(f.out) {
			w = cmd.ErrOrStderr()
		}
	}
	policy, err := allocate.New(f.policy)
	if err != nil {
		return err
	}
	t, err := f.table(paths)
	if err != nil {
		return err
	}
	if err := f.streamingOf(t, cmd.Flags()); err != nil {
		return err
	}
	if err := f.params.Fill(policy); err != nil {
		return err
	}
	asked := f.method
	if len(paths) > 1 {
		path, asked = strings.Join(paths, ", "), scoring.ConsensusMethod
	}
	if m, ok := policy.(*allocate.Marginal); ok {
		if asked != "" {
			return usagef("--method %s: marginal divides by the curves of cache-cut; leave --method out", asked)
		}
		if m.Curves, err = t.Curves(); err != nil {
			return explain(fmt.Errorf("%s: %w", path, err))
		}
		asked = scoring.PointName(m.Curves[0].Kept[0])
	}
	method, err := methodOf(t, asked, path)
	if err != nil {
		return err
	}
	f.profile.countUnlisted(t, path)
	marginal := f.policy == allocate.Marginal{}.Name()
	if !marginal {
		f.profile.countNegative(t, method, path)
	}
	if f.profile.known != nil {
		if err := t.SpreadKVHeads(f.profile.known); err != nil {
			return explain(err)
		}
	}
	o := export.BudgetOptions{PerKVHead: f.perKVHead, Model: t.Meta.Model, Method: method, Decode: t.Meta.Decode, CSVMeta: "beside"}
	if marginal {
		o.Method = scoring.CacheCut{}.Name()
	}
	if f.comments {
		o.CSVMeta = "comment"
	}
	if t.Quantity(method).PerKVHead {
		o.NoHeads = true
		if shared.Level == allocate.Head || f.out != "" && !f.perKVHead {
			return explain(fmt.Errorf("%s: budgets of query heads: %w; or write a table of KV heads with --per-kv-head", path, scoring.ErrQueryHeads))
		}
	}
	known, err := f.layers(path, t.Of(method))
	if err != nil {
		return err
	}
	for i, h := range t.Heads {
		if h.Method == method && h.KVHead == scoring.Unknown && known != nil && !known[h.Layer].Stores() {
			t.Heads[i].KVHead = known[h.Layer].KVHead(h.Head)
		}
	}
	if !scoring.KnowsKVHeads(t.Of(method)) {
		if shared.Level != allocate.Head || f.perKVHead {
			return explain(fmt.Errorf("%s: budgets at level %s: %w", path, shared.Level, scoring.ErrKVHeads))
		}
		o.NoKVHeads = true
		for i, h := range t.Heads {
			t.Heads[i].KVHead = h.Head // a cache per query head, whatever it shares
		}
	}
	if slices.ContainsFunc(known, func(l shape.Layer) bool { return l.Kind == shape.Latent }) {
		fmt.Fprintln(notesTo(f.profile.notes), "the model has latent caches, one entry per token for all heads of a layer: what follows are budgets of layers, which every head of a layer has")
	}
	heads := t.Of(method)
	model := allocate.ModelOf(heads)
	f.sizes(&model, known)
	context := 0
	if shared.Context != nil {
		context = *shared.Context
	}
	var plans []*allocate.Plan
	for _, c := range f.capacity {
		p := shared
		p.Capacity = c
		plan, err := allocate.Make(policy, heads, model, p)
		if err != nil {
			return err
		}
		plans = append(plans, plan)
		printPlan(w, plan, context)
	}
	if f.out == "" {
		return nil
	}
	o.Context, o.Format = context, format
	if err := export.WriteBudgets(f.out, plans, o); err != nil {
		return err
	}
	printPath(cmd, f.out)
	return nil
}

// table reads a profile, or the consensus of several.
func (f *budgetFlags) table(paths []string) (*scoring.Table, error) {
	if len(paths) == 1 {
		return f.profile.table(paths[0])
	}
	if f.policy == (allocate.Marginal{}).Name() {
		return nil, usagef("marginal divides by the curves of one profile, not of %d", len(paths))
	}
	profiles, err := f.profile.openRanked(paths, f.method)
	if err != nil {
		return nil, err
	}
	a, err := agree(profiles, 0, 0, f.mix, 1)
	if err != nil {
		return nil, err
	}
	for _, d := range a.differences {
		fmt.Fprintln(notesTo(f.profile.notes), d)
	}
	c := a.consensus
	if len(c.Members()) == 0 {
		return nil, fmt.Errorf("%s: no head is in the top %d of at least %d of %d rankings, so there is no consensus; 'headprof compare --at-least' and '--top-k' make it wider", strings.Join(paths, ", "), c.K, c.AtLeast, len(c.Names))
	}
	return c.Table(consensusMeta(profiles)), nil
}

// streamingOf takes the sizes of a streaming head's cache from the source, where
// it names them and no flag does.
func (f *budgetFlags) streamingOf(t *scoring.Table, fs *pflag.FlagSet) error {
	s := t.Meta.Streaming
	if s == nil {
		return nil
	}
	sink, recent := s.Sink, s.Recent
	if s.DeploySink != nil {
		sink = *s.DeploySink
	}
	if s.DeployRecent != nil {
		recent = *s.DeployRecent
	}
	for name, size := range map[string]int{"sink": sink, "recent": recent} {
		if fs.Changed(name) {
			continue
		}
		if err := f.params.Put(name, strconv.Itoa(size)); err != nil {
			return fmt.Errorf("the source's %s: %w", name, err)
		}
	}
	return nil
}

func (f *budgetFlags) check(window int) error {
	switch {
	case len(f.capacity) == 0:
		return usagef("--capacity names no number of entries")
	case f.kvType != "f16" && f.kvType != "f32":
		return usagef("--cache-type %q: known are f16 and f32", f.kvType)
	}
	for _, c := range f.capacity {
		if c <= window {
			return usagef("--capacity %d leaves nothing beside the window of %d", c, window)
		}
		if err := allocate.CheckCapacity(c, window); err != nil {
			return usagef("--%w", err)
		}
	}
	return nil
}

// layers is what the model file or the run's manifest says of the model; nil
// where neither does.
func (f *budgetFlags) layers(path string, heads []scoring.Head) (shape.Model, error) {
	scored := allocate.ModelOf(heads).Layers
	if f.profile.model == "" {
		if man, err := journal.ReadManifest(path); err == nil && sameHeads(man.Layout(), upTo(scored, man.Layout())) {
			return man.Layout(), nil
		}
		return nil, nil
	}
	s, err := runner.OpenSource(f.profile.model)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := f.compareModel(s, path); err != nil {
		return nil, err
	}
	c, err := arch.Describe(s)
	if err != nil {
		return nil, err
	}
	known := c.Shape()
	if scored = upTo(scored, known); len(known) != len(scored) {
		return nil, fmt.Errorf("%s has %s, but the scores are of %s", f.profile.model, known, scored)
	}
	return known, nil
}

// sizes fills in which layers share a cache, and head sizes: what is known of
// the model, or a flag's.
func (f *budgetFlags) sizes(m *allocate.Model, known shape.Model) {
	m.ElementBytes = map[string]int{"f16": 2, "f32": 4}[f.kvType]
	for l := range m.Layers {
		to := &m.Layers[l]
		to.KeyDim, to.ValueDim = f.headDim, f.headDim
		if known == nil {
			continue
		}
		to.Shares, to.Kind = known[l].Shares, known[l].Kind
		if f.profile.model != "" || f.headDim == 0 {
			to.KeyDim, to.ValueDim = known[l].KeyDim, known[l].ValueDim
		}
	}
}

// compareModel says how the model file differs from the model that a profile is
// of, and refuses a model of another vocabulary.
func (f *budgetFlags) compareModel(s runner.Source, path string) error {
	of, err := manifestOf(path)
	if err != nil || of == nil {
		return err
	}
	t, err := runner.LoadTokenizer(s, "")
	if err != nil {
		return err
	}
	different, sameTokens := modelDifferences(path, of, f.profile.model, runner.Weights(s), t.Digest())
	if !sameTokens && !f.mix {
		return usagef("%s and %s: %w; --mix makes the budgets all the same", path, f.profile.model, errOtherTokens)
	}
	for _, d := range different {
		fmt.Fprintf(notesTo(f.profile.notes), "%s\n", d)
	}
	return nil
}

// upTo adds the model's last layers to those of scores where they have no
// attention, and so no scores.
func upTo(scored, known shape.Model) shape.Model {
	for len(scored) < len(known) && !known[len(scored)].Attends() {
		scored = append(scored, shape.Layer{})
	}
	return scored
}

// sameHeads tells whether two models have the same query heads.
func sameHeads(a, b shape.Model) bool {
	return slices.EqualFunc(a, b, func(x, y shape.Layer) bool { return x.Heads == y.Heads })
}

// printPlan says what was asked for and what the budgets cost.
func printPlan(w io.Writer, p *allocate.Plan, context int) {
	t := p.Totals(context)
	low, high := math.MaxInt, 0
	for _, c := range p.Caches {
		low, high = min(low, c.Entries), max(high, c.Entries)
	}
	fmt.Fprintf(w, "%s, capacity %d, level %s: %d caches, %d to %d entries each, window included\n", p.Policy, p.Params.Capacity, p.Params.Level, t.Caches, low, high)
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
			thousands(int64(context)), 100*t.Share, thousands(t.Full), size(t.FullBytes))
	}
	printCapped(w, p)
}

// printCapped says what sliding windows take off the budgets, and where.
func printCapped(w io.Writer, p *allocate.Plan) {
	caches, entries := 0, int64(0)
	var layers []int
	windows := map[int]bool{}
	for _, c := range p.Caches {
		if c.Capped == 0 {
			continue
		}
		caches++
		entries += int64(c.Capped)
		windows[p.Model.Layers[c.Layer].Window] = true
		if len(layers) == 0 || layers[len(layers)-1] != c.Layer {
			layers = append(layers, c.Layer)
		}
	}
	if caches == 0 {
		return
	}
	what := "are given to none; --fit hands them to the other caches"
	switch {
	case p.Params.Fit:
		what = "go to the other caches"
	case p.Policy == "top-heads":
		what = "are given to none"
	}
	sizes := slices.Sorted(maps.Keys(windows))
	window := fmt.Sprintf("sliding window of %d tokens", sizes[0])
	if len(sizes) > 1 {
		window = fmt.Sprintf("sliding windows of %d to %d tokens", sizes[0], sizes[len(sizes)-1])
	}
	fmt.Fprintf(w, "  capped     %12s entries: %d of %d caches would get more than their %s holds (%s); these entries %s\n",
		thousands(entries), caches, len(p.Caches), window, layerRanges(layers), what)
}

// layerRanges writes ascending layers as "layers 0 to 4, 6".
func layerRanges(layers []int) string {
	var parts []string
	for i := 0; i < len(layers); {
		j := i
		for j+1 < len(layers) && layers[j+1] == layers[j]+1 {
			j++
		}
		part := strconv.Itoa(layers[i])
		if j > i {
			part += " to " + strconv.Itoa(layers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	if len(layers) == 1 {
		return "layer " + parts[0]
	}
	return "layers " + strings.Join(parts, ", ")
}
