package kvcache

import (
	"errors"

	"headprof/scoring"
)

func init() {
	register(Declaration{
		Name: "headkv-permuted", Order: 75, PerHead: true, Method: "headkv-r2", Control: true, Source: "control for headkv-r2",
		Keeps: "select the head's budget: as `headkv-r2`, from the same scores with each layer's KV heads shuffled by `--permute-seed`",
		New:   func() Preset { return &Permuted{HeadKV: HeadKV{method: "headkv-r2"}} },
	})
}

// Permuted is HeadKV by a profile that knows what layers are worth and not
// which of their heads is which: every layer has the budgets of HeadKV's,
// dealt out to its KV heads at random. What HeadKV gains over it is due to heads.
type Permuted struct {
	HeadKV
	Seed int `param:"permute-seed" default:"1" min:"0" help:"which of the shuffles of each layer's KV heads"`
}

// For implements Preset.
func (p Permuted) For(prompt Prompt) (Policy, error) {
	rows, err := prompt.rows(p.method)
	if err != nil {
		return nil, err
	}
	several := false
	for _, l := range prompt.Model.Layers {
		several = several || l.KVHeads > 1
	}
	if !several {
		return nil, errors.New("every layer of the model has one KV head, so there is nothing to permute within layers")
	}
	return p.by(scoring.Permuted(rows, true, uint64(p.Seed)), prompt)
}
