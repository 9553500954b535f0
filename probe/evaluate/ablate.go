package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Choice says which heads a mask takes.
type Choice string

// Choices of heads. Random ones come from the layers of the top ones, so that
// what differs is the head and not the layer.
const (
	None   Choice = "none"
	Top    Choice = "top"
	Random Choice = "random"
	Bottom Choice = "bottom"
)

// HeadID names a query head.
type HeadID struct{ Layer, Head int }

func (h HeadID) String() string { return fmt.Sprintf("%d-%d", h.Layer, h.Head) }

// Mask is a set of heads whose output is zero, in the prefill and after.
type Mask struct {
	Choice Choice
	Heads  []HeadID // by layer, then head
	Seed   int      // of random choices, from 1
	// Elsewhere counts random heads from other layers: the top heads' own
	// layers had no more.
	Elsewhere int
}

// Name tells masks of one ablation apart.
func (m Mask) Name() string {
	switch m.Choice {
	case None:
		return "none"
	case Random:
		return fmt.Sprintf("random-%d-%d", len(m.Heads), m.Seed)
	}
	return fmt.Sprintf("%s-%d", m.Choice, len(m.Heads))
}

// Masks lists what to try: nothing, and for each count the top heads, as many
// random ones for each seed, and the bottom ones. rows are one method's. Heads
// of equal score rank by layer, then head.
func Masks(rows []scoring.Head, counts []int, seeds int, seed uint64) ([]Mask, error) {
	ranked := slices.Clone(rows)
	slices.SortStableFunc(ranked, func(a, b scoring.Head) int { return cmp.Compare(b.Mean, a.Mean) })
	out := []Mask{{Choice: None}}
	seen := map[int]bool{0: true}
	for _, n := range counts {
		if n < 0 || 2*n > len(ranked) {
			return nil, fmt.Errorf("%d heads cannot be masked against as many others: the model has %d", n, len(ranked))
		}
		if seen[n] {
			continue
		}
		seen[n] = true
		out = append(out, Mask{Choice: Top, Heads: ids(ranked[:n])})
		for s := 1; s <= seeds; s++ {
			m := Mask{Choice: Random, Seed: s}
			m.Heads, m.Elsewhere = randomHeads(ranked, n, rand.New(rand.NewPCG(seed, uint64(n)<<32+uint64(s))))
			out = append(out, m)
		}
		out = append(out, Mask{Choice: Bottom, Heads: ids(ranked[len(ranked)-n:])})
	}
	return out, nil
}

func ids(rows []scoring.Head) []HeadID {
	out := make([]HeadID, len(rows))
	for i, r := range rows {
		out[i] = HeadID{r.Layer, r.Head}
	}
	sortHeads(out)
	return out
}

func sortHeads(h []HeadID) {
	slices.SortFunc(h, func(a, b HeadID) int { return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head)) })
}

// randomHeads draws, for each of the n top heads, another head of its layer
// that is not among them; where a layer has none left, one of any layer.
func randomHeads(ranked []scoring.Head, n int, rng *rand.Rand) (heads []HeadID, elsewhere int) {
	free := map[int][]HeadID{} // by layer
	var layers []int
	for _, r := range ranked[n:] {
		if free[r.Layer] == nil {
			layers = append(layers, r.Layer)
		}
		free[r.Layer] = append(free[r.Layer], HeadID{r.Layer, r.Head})
	}
	slices.Sort(layers)
	for _, l := range layers {
		sortHeads(free[l])
	}
	draw := func(layer int) HeadID {
		of := free[layer]
		i := rng.IntN(len(of))
		h := of[i]
		free[layer] = slices.Delete(slices.Clone(of), i, i+1)
		return h
	}
	for _, t := range ids(ranked[:n]) {
		if len(free[t.Layer]) > 0 {
			heads = append(heads, draw(t.Layer))
		} else {
			elsewhere++
		}
	}
	for range elsewhere {
		var left []int // a layer for each of its free heads: all heads are equally likely
		for _, l := range layers {
			for range free[l] {
				left = append(left, l)
			}
		}
		heads = append(heads, draw(left[rng.IntN(len(left))]))
	}
	sortHeads(heads)
	return heads, elsewhere
}

// Masked is one line of ablate.jsonl: one item under one mask.
type Masked struct {
	Mask    string  `json:"mask"`
	Item    string  `json:"item"`
	Group   string  `json:"group"`
	Score   float64 `json:"score"`
	LogProb float64 `json:"answer_logprob"`
	Tokens  int     `json:"answer_tokens"`
	Text    string  `json:"text"`
}

// AblationKind is the kind of run that masks heads: one record per prompt and mask.
var AblationKind = journal.Kind[Masked]{File: "ablate.jsonl", Items: "runs", ID: func(r *Masked) string { return r.Mask + " " + r.Item }}

// Ablate runs all items under all masks, mask by mask, or those that the
// folder does not hold yet.
func Ablate(ctx context.Context, m *runner.Model, items []*Item, masks []Mask, o Options) ([]*Masked, error) {
	e, err := probe.ModelOf(m)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("there is nothing to run: the tasks hold no item")
	}
	if err := probe.CheckTokens(e); err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := it.check(e); err != nil {
			return nil, err
		}
	}
	own := o.Shard.items(len(items) * len(masks))
	at := func(i int) (Mask, *Item) { return masks[own[i]/len(items)], items[own[i]%len(items)] }
	man := base(e, hash(items), len(items)*len(masks), o)
	total := len(own)
	for _, k := range masks {
		man.Settings["mask "+k.Name()] = k.list()
	}
	var a ablation
	defer a.prefix.Close()
	resumed := 0
	j := journal.Run[Masked]{
		Kind: AblationKind, Dir: o.Dir, Manifest: man, Items: total,
		Name: func(i int) string { k, it := at(i); return it.ID + ", mask " + k.Name() },
		Differs: func(i int, r *Masked) string {
			k, it := at(i)
			return differs(AblationKind.ID(r), k.Name()+" "+it.ID)
		},
		Start: func(done []*Masked) error { resumed = len(done); return nil },
		Item: func(ctx context.Context, i int) (*Masked, error) {
			k, it := at(i)
			return a.item(ctx, m, e, k, it)
		},
	}
	if o.Progress != nil {
		j.Ended = func(done []*Masked) { o.Progress(len(done), total, resumed, nil) }
	}
	return j.Do(ctx)
}

func (m Mask) list() string {
	var names []string
	for _, h := range m.Heads {
		names = append(names, h.String())
	}
	return strings.Join(names, " ")
}

// grid lays a mask out as the engine takes it; nil for none.
func (m Mask) grid(layers shape.Model) [][]bool {
	if len(m.Heads) == 0 {
		return nil
	}
	out := make([][]bool, len(layers))
	for l := range layers {
		out[l] = make([]bool, layers[l].Heads)
	}
	for _, h := range m.Heads {
		out[h.Layer][h.Head] = true
	}
	return out
}

// ablation keeps the session of one mask, so that its items share prefixes.
type ablation struct {
	prefix probe.Prefix[*runner.Session]
	mask   string
}

func (a *ablation) item(ctx context.Context, m *runner.Model, e probe.Model, k Mask, it *Item) (*Masked, error) {
	if a.mask != k.Name() {
		a.prefix.Close()
		a.mask = k.Name()
		a.prefix.Open = func(tokens int) (*runner.Session, error) {
			s, err := m.NewSession(tokens + it.MaxTokens)
			if err != nil {
				return nil, err
			}
			s.Mask(k.grid(m.Shape()))
			return s, nil
		}
	}
	s, shared, err := a.prefix.Ready(it.Prompt, len(it.Prompt)-1)
	if err != nil {
		return nil, err
	}
	out, err := it.answer(ctx, e, it.Prompt[shared:], extend(s), func(n int) error { return s.Truncate(s.Len() - n) })
	if err != nil {
		return nil, err
	}
	return &Masked{Mask: k.Name(), Item: it.ID, Group: it.Group, Tokens: len(it.AnswerIDs), Score: out.score, LogProb: out.logProb, Text: out.text}, nil
}
