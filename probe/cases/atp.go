package cases

import (
	"context"
	"math"
	"slices"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/scoring"
)

// estimate is a method that takes patching to first order: a change of a head's
// output at the prompts' last token times the gradient by it.
type estimate struct {
	values Values
	change func(layer, head, j int, z float32) float64 // of element j, which is z in the corrupted prompt
	drop   bool                                        // of the gradients that leave out a layer, too
}

// attribute computes estimates, in one way back.
func (c *swap) attribute(ctx context.Context, r *pass, methods []scoring.Named, out map[string]Values) error {
	if len(methods) == 0 {
		return nil
	}
	last := len(c.Clean) - 1
	outputs, err := r.outputs(ctx, c.Clean, last)
	if err != nil {
		return err
	}
	whole := func(layer, head, j int, z float32) float64 {
		return float64(outputs[layer][head][j]) - float64(z)
	}
	var estimates []*estimate
	for _, m := range methods {
		e := &estimate{values: r.grid(), change: whole}
		switch m.(type) {
		case *scoring.AtPQuery:
			e.change, err = c.replaced(ctx, r, func(x *attended, clean *attended) { x.query = clean.query })
		case *scoring.AtPKey:
			e.change, err = c.replaced(ctx, r, func(x *attended, clean *attended) { x.keys = clean.keys })
		case *scoring.AtPDrop:
			e.drop = true
		}
		if err != nil {
			return err
		}
		estimates, out[m.Name()] = append(estimates, e), e.values
	}
	return r.backward(ctx, c.Corrupted, c.Answer, runner.Gradient{
		Drop: slices.ContainsFunc(estimates, func(e *estimate) bool { return e.drop }),
		Heads: func(h backend.HeadGradients) {
			if i, ok := slices.BinarySearch(h.Positions, last); ok {
				for _, e := range estimates {
					e.add(h, i, len(r.layers))
				}
			}
		},
	})
}

// add adds what row i of a layer's gradients says.
func (e *estimate) add(h backend.HeadGradients, i, layers int) {
	if h.Without >= 0 && !e.drop {
		return
	}
	// A layer below the head's own changes nothing when it is left out.
	counts := 1
	if h.Without < 0 {
		counts = h.Layer
	}
	width := h.Attention.ValueDim
	for head := range h.Attention.Heads {
		var sum float64
		for j, at := 0, (i*h.Attention.Heads+head)*width; j < width; j++ {
			sum -= float64(e.change(h.Layer, head, j, h.Heads[at+j]) * float64(h.Gradients[at+j])) // the loss is −log P
		}
		if e.drop {
			sum = math.Abs(sum) * float64(counts) / float64(max(1, layers-1))
		}
		e.values[h.Layer][head] += sum
	}
}

// attended is what one layer's attention takes for the last token of a prompt.
type attended struct {
	attention    backend.Attention
	sinks        []float32
	query        []float32 // [Heads·KeyDim]
	keys, values []float32 // [positions × KVHeads·dimension]
}

// attendedBy computes tokens and gives what each layer's attention takes for the last of them.
func (r *pass) attendedBy(ctx context.Context, tokens []int32) ([]attended, error) {
	out := make([]attended, len(r.layers))
	if err := r.session.Truncate(0); err != nil {
		return nil, err
	}
	_, err := r.session.Extend(ctx, tokens, probe.Watch{Inputs: func(in backend.AttentionInputs) {
		x := &out[in.Layer]
		x.attention, x.sinks = in.Attention, slices.Clone(in.Sinks)
		width := in.Attention.Heads * in.Attention.KeyDim
		x.query = append(x.query[:0], in.Queries[len(in.Queries)-width:]...)
		x.keys, x.values = append(x.keys, in.Keys...), append(x.values, in.Values...)
	}})
	return out, err
}

// replaced gives what the heads' outputs at the last token of the corrupted
// prompt change by as something in it is replaced by what the clean one has.
func (c *swap) replaced(ctx context.Context, r *pass, replace func(x, clean *attended)) (func(layer, head, j int, z float32) float64, error) {
	clean, err := r.attendedBy(ctx, c.Clean)
	if err != nil {
		return nil, err
	}
	corrupted, err := r.attendedBy(ctx, c.Corrupted)
	if err != nil {
		return nil, err
	}
	changes := make([][][]float64, len(corrupted))
	for l := range corrupted {
		x := corrupted[l]
		if x.query == nil { // a layer without attention
			continue
		}
		before := x.outputs()
		replace(&x, &clean[l])
		changes[l] = x.outputs()
		for h := range before {
			for j, z := range before[h] {
				changes[l][h][j] -= z
			}
		}
	}
	return func(layer, head, j int, _ float32) float64 { return changes[layer][head][j] }, nil
}

// outputs are the heads' outputs, [head][ValueDim].
func (x *attended) outputs() [][]float64 {
	a := x.attention
	out := make([][]float64, a.Heads)
	n := len(x.keys) / (a.KVHeads * a.KeyDim)
	first := 0
	if a.Window > 0 {
		first = max(0, n-a.Window)
	}
	if a.Chunk > 0 {
		first = max(first, (n-1)/a.Chunk*a.Chunk)
	}
	scale := float64(a.Scale) * float64(a.Temperature.Factor(n-1))
	logits := make([]float64, n-first)
	for h := range out {
		kv := h / (a.Heads / a.KVHeads)
		top := math.Inf(-1)
		if x.sinks != nil {
			top = float64(x.sinks[h])
		}
		for i := range logits {
			var sum float64
			for j, q := range x.query[h*a.KeyDim:][:a.KeyDim] {
				sum += float64(q) * float64(x.keys[((first+i)*a.KVHeads+kv)*a.KeyDim+j])
			}
			logits[i] = sum * scale
			if limit := float64(a.SoftCap); limit > 0 {
				logits[i] = limit * math.Tanh(logits[i]/limit)
			}
			top = max(top, logits[i])
		}
		total := 0.
		if x.sinks != nil {
			total = math.Exp(float64(x.sinks[h]) - top)
		}
		out[h] = make([]float64, a.ValueDim)
		for i, s := range logits {
			w := math.Exp(s - top)
			total += w
			for j, v := range x.values[((first+i)*a.KVHeads+kv)*a.ValueDim:][:a.ValueDim] {
				out[h][j] += float64(w * float64(v))
			}
		}
		for j := range out[h] {
			out[h][j] /= total
		}
	}
	return out
}
