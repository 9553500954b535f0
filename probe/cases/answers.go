package cases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/scoring"
)

// answer is a prompt and the answer to it: cache-cut, taylor.
type answer struct {
	group string // what it was made of

	ID     string     `json:"id"`
	Prompt []int32    `json:"prompt_ids"`
	Answer []int32    `json:"answer_ids"`
	Needle needleName `json:"needle,omitempty"` // trials of one needle are resampled together
	Sink   *int       `json:"sink,omitempty"`   // cache-cut; else the method's own
	Recent *int       `json:"recent,omitempty"` // cache-cut; else the method's own
}

// NewAnswer makes a case of a prompt and its expected answer.
func NewAnswer(id, group string, prompt, reply []int32) Case {
	return &answer{ID: id, group: group, Prompt: prompt, Answer: reply}
}

// Group implements Group.
func (c *answer) Group() string {
	if c.group == "" {
		return c.Needle.id()
	}
	return c.group
}

func (c *answer) Name() string        { return c.ID }
func (c *answer) Kind() scoring.Probe { return scoring.Answers }
func (c *answer) longest() int        { return len(c.Prompt) + len(c.Answer) - 1 }
func (c *answer) Tokens() int         { return c.longest() }
func (c *answer) ids() [][]int32      { return [][]int32{c.Prompt, c.Answer} }

func (c *answer) check() error {
	switch {
	case len(c.Prompt) == 0:
		return errors.New(`"prompt_ids" is missing or empty; it holds the prompt`)
	case len(c.Answer) == 0:
		return errors.New(`"answer_ids" is missing or empty; it holds the expected answer`)
	case c.Sink != nil && *c.Sink < 0:
		return fmt.Errorf(`"sink" is %d; it must not be negative`, *c.Sink)
	case c.Recent != nil && *c.Recent < 0:
		return fmt.Errorf(`"recent" is %d; it must not be negative`, *c.Recent)
	}
	return nil
}

func (c *answer) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	out := map[string]Values{}
	for _, m := range methods {
		switch m := m.(type) {
		case *scoring.CacheCut:
			values, err := c.cut(ctx, r, *m)
			if err != nil {
				return nil, err
			}
			maps.Copy(out, values)
		}
	}
	if err := c.gradients(ctx, r, methods, out); err != nil {
		return nil, err
	}
	return out, nil
}

// gradients computes the methods that take one, in one way back.
func (c *answer) gradients(ctx context.Context, r *pass, methods []scoring.Named, out map[string]Values) error {
	var g runner.Gradient
	var finish []func()
	weighed := r.grid()
	for _, m := range methods {
		switch m.(type) {
		case *scoring.Taylor:
			all, own := r.grid(), r.grid()
			g.Heads = func(h backend.HeadGradients) { c.taylor(h, all, own) }
			finish = append(finish, func() {
				magnitude := func(v Values) Values {
					return r.each(func(l, h int) float64 { return math.Abs(v[l][h]) })
				}
				out[m.Name()], out[scoring.TaylorAnswer] = magnitude(all), magnitude(own)
			})
		case *scoring.KVGrad, *scoring.KVGradCache:
			g.Weighed = func(w backend.WeighedGradients) {
				for i, x := range w.Sums {
					weighed[w.Layer][i%len(weighed[w.Layer])] += x
				}
			}
			_, query := m.(*scoring.KVGrad)
			finish = append(finish, func() {
				if out[m.Name()] = weighed; !query {
					out[m.Name()] = r.grouped(weighed, sum)
				}
			})
		}
	}
	if finish == nil {
		return nil
	}
	if err := r.backward(ctx, c.Prompt, c.Answer, g); err != nil {
		return err
	}
	for _, f := range finish {
		f()
	}
	return nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// taylor adds to each head's score with a gate at all positions, and to that
// with one at the positions that predict the answer.
func (c *answer) taylor(h backend.HeadGradients, all, own Values) {
	width, last := h.Attention.ValueDim, len(c.Prompt)-1
	for i, p := range h.Positions {
		for head := range h.Attention.Heads {
			at := (i*h.Attention.Heads + head) * width
			var sum float64
			for j, x := range h.Heads[at:][:width] {
				sum += float64(x) * float64(h.Gradients[at+j])
			}
			all[h.Layer][head] += sum
			if p >= last {
				own[h.Layer][head] += sum
			}
		}
	}
}

// backward takes −log P(answer) back; g says who sees it.
func (r *pass) backward(ctx context.Context, prompt, answer []int32, g runner.Gradient) error {
	d, ok := r.model.(probe.Differentiator)
	if !ok {
		return errors.New("this model gives no gradients: its engine computes forward only")
	}
	last := len(prompt) - 1
	positions := make([]int, len(answer))
	for i := range positions {
		positions[i] = last + i
	}
	g.Positions = positions
	g.Loss = func(position int, logits []float32) { surprise(logits, answer[position-last]) }
	return d.Backward(ctx, slices.Concat(prompt, answer[:len(answer)-1]), g)
}

// surprise replaces logits by the gradient of −log softmax(logits)[id].
func surprise(logits []float32, id int32) {
	largest := math.Inf(-1)
	for _, x := range logits {
		largest = max(largest, float64(x))
	}
	var sum float64
	for _, x := range logits {
		sum += math.Exp(float64(x) - largest)
	}
	for i, x := range logits {
		logits[i] = float32(math.Exp(float64(x)-largest) / sum)
	}
	logits[id]--
}

// cut gives each KV head's cache-cut, and the points of its curve: by the names
// of the scores, [layer][KV head].
func (c *answer) cut(ctx context.Context, r *pass, m scoring.CacheCut) (map[string]Values, error) {
	if c.Sink != nil {
		m.Sink = *c.Sink
	}
	if c.Recent != nil {
		m.Recent = *c.Recent
	}
	points, err := m.Points()
	if err != nil {
		return nil, err
	}
	out := map[string]Values{m.Name(): r.kvGrid()}
	for _, k := range points {
		out[scoring.PointName(k)] = r.kvGrid()
	}
	var cuts []runner.Branch
	var of []Values // of a cut, where its value goes
	add := func(into Values, layer, head int, keep []int32) {
		cuts, of = append(cuts, runner.Branch{Layer: layer, KVHead: head, Keep: keep}), append(of, into)
	}
	cached := len(c.Prompt) - 1
	if keep := m.Keep(cached); keep != nil {
		for l, a := range r.layers {
			for h := range a.Caches() {
				add(out[m.Name()], l, h, keep)
			}
		}
	}
	observer, err := c.observe(ctx, r, m, points)
	if err != nil {
		return nil, err
	}
	for _, k := range points {
		if k >= len(c.Prompt) {
			break // it keeps all, and loses nothing
		}
		policy, err := curvePolicy(m, k, observer)
		if err != nil {
			return nil, err
		}
		if err := c.kept(r, policy, observer, func(layer, head int, keep []int32) { add(out[scoring.PointName(k)], layer, head, keep) }); err != nil {
			return nil, err
		}
	}
	if len(cuts) == 0 {
		return out, nil
	}
	if observer == nil {
		if err := r.reach(ctx, c.Prompt[:cached]); err != nil {
			return nil, err
		}
	}
	whole := 0.0
	return out, r.branches(ctx, fed(c.Prompt, c.Answer), cuts, func(branch int, logits [][]float32) {
		if p := logProbability(logits, c.Answer); branch < 0 {
			whole = p
		} else {
			of[branch][cuts[branch].Layer][cuts[branch].KVHead] = whole - p
		}
	})
}

// fed are the prompt's last token and the answer's but its last: the tokens
// that predict the answer.
func fed(prompt, answer []int32) []int32 {
	return append([]int32{prompt[len(prompt)-1]}, answer[:len(answer)-1]...)
}

// logProbability is that of an answer, whose token t row t of logits predicts.
func logProbability(logits [][]float32, answer []int32) float64 {
	sum := 0.0
	for t, id := range answer {
		sum += probe.LogProbability(logits[t], id)
	}
	return sum
}

// reach makes the session hold just these tokens.
func (r *pass) reach(ctx context.Context, tokens []int32) error {
	if err := r.session.Truncate(0); err != nil {
		return err
	}
	_, err := r.session.Extend(ctx, tokens, probe.Watch{})
	return err
}

// branches is runner.Session.Branches of the pass's session.
func (r *pass) branches(ctx context.Context, tokens []int32, list []runner.Branch, each func(branch int, logits [][]float32)) error {
	b, ok := r.session.(probe.Brancher)
	if !ok {
		return errors.New("this model cannot cut caches or patch heads: its engine computes whole sequences only")
	}
	return b.Branches(ctx, tokens, list, func(i int, logits [][]float32) error { each(i, logits); return nil })
}
