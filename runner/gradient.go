package runner

import (
	"context"
	"fmt"
	"slices"

	"headprof/runner/backend"
	"headprof/runner/backward"
	"headprof/runner/cpu"
)

// Gradient says which loss goes back through a sequence, and who sees it.
type Gradient struct {
	// Positions are those whose logits the loss depends on, ascending.
	Positions []int
	// Loss receives the logits of a position and replaces them by the loss's
	// gradient by them. It is called in ascending order of positions.
	Loss func(position int, logits []float32)
	// Heads receives the heads' outputs and the gradients by them: of each layer
	// from the last positions to the first. The last layers come first, a few at a
	// time, whose calls take turns.
	Heads func(backend.HeadGradients)
	// Drop takes, beside the gradient, one for each layer that leaves out what goes
	// through that layer's addition to the residual stream, for the layers below
	// it (GradDrop, arXiv 2403.00745). Heads receives them with Without. It costs
	// half as many ways back as there are layers.
	Drop bool
	// Weighed receives what every row's attention weights times the gradients by
	// them come to, in the order of Heads; nil: they are not asked for.
	Weighed func(backend.WeighedGradients)
}

// backChunk is how many tokens go back at once, a multiple of attention's
// blocks of rows. It is no option: sums over positions follow it.
const backChunk = 288

// backLayers is how many layers go back together, so that only the first one's
// input is kept. Results do not follow it.
const backLayers = 2

// Backward computes tokens and takes the gradient of a loss back through them,
// down to the outputs of the first layer's heads. Beside the cache it holds
// every second layer's input [layers/2 × tokens × width] and the gradients by
// two layers' keys and values and by their input; with Drop, every layer's input
// and as many gradients. A layer's other values are computed again, chunk by
// chunk. Results do not depend on threads or on the chunk of Options.
func (m *Model) Backward(ctx context.Context, tokens []int32, g Gradient) error {
	if why := m.config.NoGradient; why != "" {
		return fmt.Errorf("gradients are not computed for family %q: %s; leave scores that need them out", m.config.Family, why)
	}
	s, err := m.NewSession(len(tokens))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.check(tokens); err != nil {
		return err
	}
	w := &way{m: m, s: s, g: g, tokens: tokens, width: m.config.Width, together: backLayers}
	if g.Drop {
		w.together = 1 // each layer is left out once
	}
	if err := w.forth(ctx); err != nil {
		return err
	}
	for end := len(m.config.Layers); end > 0; {
		from := (end - 1) / w.together * w.together
		if g.Drop && from > 0 { // below layer 0 there are no heads
			w.paths = append(w.paths, path{from, slices.Clone(w.paths[0].grad)})
		}
		for i := range w.paths {
			if p := &w.paths[i]; p.without != from {
				if err := w.layers(ctx, from, end, p); err != nil {
					return err
				}
			}
		}
		w.inputs[from] = nil
		for l := from; m.stream != nil && l < end; l++ {
			m.stream.done(l)
		}
		end = from
	}
	return nil
}

// path is a gradient by the residual stream on its way back.
type path struct {
	without int       // the layer that it does not go through; −1: none
	grad    []float32 // by the current layer's output [tokens × width]
}

// BackwardMemory is Memory for Backward of so many tokens; drop is Gradient.Drop.
func (m *Model) BackwardMemory(tokens int, drop bool) (Memory, error) {
	need, err := m.MemoryOf(tokens, tokens, watchedRows)
	c := m.config
	kept := (len(c.Layers)+backLayers-1)/backLayers + 1
	if drop {
		kept = 2*len(c.Layers) + 1
	}
	inputs := int64(kept) * int64(tokens) * int64(c.Width)
	var layer, wide int64 // gradients by keys and values; a row's values, and as many gradients
	for _, l := range c.Layers {
		keys := int64(l.KVHeads) * int64(l.KeyDim+l.ValueDim)
		layer = max(layer, 2*int64(tokens)*keys) // those of the layer before may not be collected yet
		ff := max(l.FeedForward, c.Used*c.ExpertWidth+c.SharedWidth)
		wide = max(wide, 2*(int64(6*c.Width)+3*int64(ff)+3*keys+3*int64(l.Heads)*int64(l.KeyDim+l.ValueDim)))
	}
	need.Scratch += 4 * (inputs + backLayers*(layer+min(backChunk, int64(tokens))*wide) + cpu.AttendBackFloats)
	return need, err
}

// way is a sequence's way forth and back.
type way struct {
	m        *Model
	s        *Session
	g        Gradient
	tokens   []int32
	width    int
	together int         // layers that go back at once
	inputs   [][]float32 // [layer][tokens × width], of the first layer of those
	// paths are the gradient and, of Drop, those that leave a layer out.
	paths []path
}

// begin starts a step of at most so many tokens from position first on.
func (w *way) begin(c backend.Cache, first, most int) (backend.Differentiator, int, error) {
	n := min(most, len(w.tokens)-first)
	o, err := w.m.backend.Begin(c, n, nil)
	if err != nil {
		return nil, 0, err
	}
	d, ok := o.(backend.Differentiator)
	if !ok {
		return nil, 0, errNoGradients(w.m)
	}
	return d, n, nil
}

func errNoGradients(m *Model) error {
	return fmt.Errorf("device %s does not compute gradients; use --device cpu", m.Device())
}

// forth computes the sequence, keeps every layer's input, and takes the loss
// back to the last layer's output.
func (w *way) forth(ctx context.Context) error {
	layers := len(w.m.config.Layers)
	w.inputs = make([][]float32, layers)
	for l := 0; l < layers; l += w.together {
		w.inputs[l] = make([]float32, len(w.tokens)*w.width)
	}
	w.paths = []path{{-1, make([]float32, len(w.tokens)*w.width)}}
	const chunk = 512 // results do not follow it
	for first := 0; first < len(w.tokens); first += chunk {
		o, n, err := w.begin(w.s.cache, first, chunk)
		if err != nil {
			return err
		}
		live := within(w.g.Positions, first, n)
		x := o.Keep(w.m.arch.Embed(o, w.tokens[first:first+n]))
		for l := range layers {
			if err := ctx.Err(); err != nil {
				return err
			}
			if w.inputs[l] != nil {
				copy(w.inputs[l][first*w.width:], o.Read(x))
			}
			x = w.m.layer(o, l, x, live)
		}
		if len(live) > 0 {
			w.loss(o, x, live)
		}
		if err := o.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// loss takes the loss back through the logits of a chunk's live rows.
func (w *way) loss(o backend.Differentiator, x backend.Value, live []int) {
	t := backward.New(o)
	in := t.Input(len(live), w.width, o.Read(x))
	y := w.m.arch.Logits(t, in)
	v := w.m.config.Vocab
	grads := append([]float32(nil), t.Read(y)...)
	for i, r := range live {
		w.g.Loss(o.Position(r), grads[i*v:][:v])
	}
	t.Back(y, grads)
	for i, r := range live {
		copy(w.paths[0].grad[o.Position(r)*w.width:], t.Gradient(in, i))
	}
}

// layers goes back through the layers [from, end): p.grad becomes the gradient
// by the first one's input.
func (w *way) layers(ctx context.Context, from, end int, p *path) error {
	m := w.m
	keys, values := make([][]float32, end), make([][]float32, end)
	for l := from; l < end; l++ {
		a := m.config.Layers[l]
		keys[l], values[l] = make([]float32, len(w.tokens)*a.KVHeads*a.KeyDim), make([]float32, len(w.tokens)*a.KVHeads*a.ValueDim)
	}
	for first := (len(w.tokens) - 1) / backChunk * backChunk; first >= 0; first -= backChunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := w.s.cache.Fork(first)
		if err != nil {
			return err
		}
		o, n, err := w.begin(c, first, backChunk)
		if err != nil {
			return err
		}
		t := backward.New(o)
		t.Keys, t.Values, t.Ends = keys, values, from == 0
		if w.g.Heads != nil {
			t.Heads = func(h backend.HeadGradients) {
				h.Without = p.without
				w.g.Heads(h)
			}
		}
		if p.without < 0 {
			t.Weighed = w.g.Weighed
		}
		x := t.Input(n, w.width, w.inputs[from][first*w.width:])
		var rows []int
		grad := p.grad[first*w.width:][:n*w.width]
		if end == len(m.config.Layers) {
			rows = within(w.g.Positions, first, n)
			grad = nil
			for _, r := range rows {
				grad = append(grad, p.grad[(first+r)*w.width:][:w.width]...)
			}
		}
		y := backend.Value(x)
		for l := from; l < end; l++ {
			live := rows
			if l < end-1 {
				live = nil
			}
			y = m.arch.Layer(t, l, y, live)
		}
		t.Back(y, grad)
		for r := range n {
			copy(p.grad[(first+r)*w.width:], t.Gradient(x, r))
		}
		o.EndLayer()
		if err := o.Flush(); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}
