package evaluate

import (
	"context"
	"fmt"

	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner"
)

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
	a, err := newAblation(m, e, items, masks, o.Seed)
	if err != nil {
		return nil, err
	}
	defer a.close()
	own := o.Shard.items(len(items) * len(masks))
	at := func(i int) (Mask, *Item) { return masks[own[i]/len(items)], items[own[i]%len(items)] }
	man := base(e, hash(items), len(items)*len(masks), o)
	total := len(own)
	for _, k := range masks {
		man.Settings["mask "+k.Name()] = k.list()
	}
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
			return a.item(ctx, masks[own[i]/len(items)], own[i]%len(items))
		},
	}
	if o.Progress != nil {
		j.Ended = func(done []*Masked) { o.Progress(len(done), total, resumed, nil) }
	}
	return j.Do(ctx)
}
