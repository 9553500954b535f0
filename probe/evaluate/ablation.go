package evaluate

import (
	"context"
	"errors"
	"slices"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/shape"
)

// ablation runs items under masks. The session of one mask is kept, so that
// its items share prefixes.
type ablation struct {
	model  *runner.Model
	engine probe.Model
	shape  shape.Model
	items  []*Item

	mask     string
	prefix   probe.Prefix[*runner.Session]
	clean    probe.Prefix[*runner.Session] // runs beside it without a mask, where heads are restored
	restored *recording                    // what clean's heads give

	means    means // computed once they are needed
	partners []int // of each item, the item whose outputs stand in; nil: no mask resamples
}

func newAblation(m *runner.Model, e probe.Model, items []*Item, masks []Mask, seed uint64) (*ablation, error) {
	a := &ablation{model: m, engine: e, shape: m.Shape(), items: items}
	a.clean.Open = m.NewSession
	for _, k := range masks {
		if k.ablation() == Zero && len(k.Restored) == 0 {
			continue
		}
		if err := m.CheckReplace(); err != nil {
			return nil, err
		}
		if k.ablation() == Resample && a.partners == nil {
			if a.partners = partners(items, seed); a.partners == nil {
				return nil, errors.New("resample ablation takes a head's output from the prompt of another needle or document, and all prompts are of one; take more needles (--generate, --count), or leave out resample")
			}
		}
	}
	return a, nil
}

func (a *ablation) close() {
	a.prefix.Close()
	a.clean.Close()
}

// item answers item i under a mask.
func (a *ablation) item(ctx context.Context, k Mask, i int) (*Masked, error) {
	it := a.items[i]
	if a.mask != k.Name() || k.ablation() == Resample { // another prompt's outputs belong to one item
		if err := a.begin(ctx, k, i); err != nil {
			return nil, err
		}
	}
	s, shared, err := a.prefix.Ready(it.Prompt, len(it.Prompt)-1)
	if err != nil {
		return nil, err
	}
	extend, forget := extend(s), func(n int) error { return s.Truncate(s.Len() - n) }
	if a.restored != nil {
		if extend, forget, shared, err = a.beside(s, it, shared); err != nil {
			return nil, err
		}
	}
	out, err := it.answer(ctx, a.engine, it.Prompt[shared:], extend, forget)
	if err != nil {
		return nil, err
	}
	return &Masked{Mask: k.Name(), Item: it.ID, Group: it.Group, Tokens: len(it.AnswerIDs), Score: out.score, LogProb: out.logProb, Text: out.text}, nil
}

// begin prepares sessions under a mask, for item i where that matters.
func (a *ablation) begin(ctx context.Context, k Mask, i int) error {
	a.close()
	a.mask, a.restored = k.Name(), nil
	off := slices.DeleteFunc(slices.Clone(k.Heads), func(h HeadID) bool { return slices.Contains(k.Restored, h) })
	var replaced []HeadID
	var instead func(layer, head, position int) []float32
	switch k.ablation() {
	case Mean:
		if a.means == nil {
			var err error
			if a.means, err = meanOutputs(ctx, a.model, a.items); err != nil {
				return err
			}
		}
		replaced, off, instead = off, nil, a.means.at
	case Resample:
		other, err := record(ctx, a.model, a.items[a.partners[i]], grid(off, a.shape))
		if err != nil {
			return err
		}
		replaced, off, instead = off, nil, other.alignedTo(len(a.items[i].Prompt))
	}
	if len(k.Restored) > 0 {
		a.restored = &recording{heads: grid(k.Restored, a.shape)}
		others := instead
		instead = func(layer, head, position int) []float32 {
			if a.restored.heads[layer][head] {
				return a.restored.at(layer, head, position)
			}
			return others(layer, head, position)
		}
		replaced = slices.Concat(replaced, k.Restored)
	}
	a.prefix.Open = func(tokens int) (*runner.Session, error) {
		s, err := a.model.NewSession(tokens + a.items[i].MaxTokens)
		if err != nil {
			return nil, err
		}
		s.Mask(grid(off, a.shape))
		if len(replaced) > 0 {
			s.Replace(&runner.Replacement{Heads: grid(replaced, a.shape), Output: instead})
		}
		return s, nil
	}
	return nil
}

// beside extends a session without a mask by the same tokens ahead of the
// masked one, which takes the restored heads' outputs from it.
func (a *ablation) beside(s *runner.Session, it *Item, shared int) (extendBoth func(ctx context.Context, tokens []int32, steps int) ([][]float32, error), forget func(n int) error, both int, err error) {
	clean, held, err := a.clean.Ready(it.Prompt, len(it.Prompt)-1)
	if err != nil {
		return nil, nil, 0, err
	}
	both = min(shared, held)
	cut := func(n int) error { return errors.Join(s.Truncate(n), clean.Truncate(n)) }
	masked := extend(s)
	return func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
		w := lastLogits(clean, tokens, steps)
		w.Outputs = a.restored.take
		if _, err := clean.Extend(ctx, tokens, w); err != nil {
			return nil, err
		}
		return masked(ctx, tokens, steps)
	}, func(n int) error { return cut(s.Len() - n) }, both, cut(both)
}
