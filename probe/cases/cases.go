// Package cases runs the score methods that need other prompts than needle
// trials: documents with a query, a repeated sequence, a text and the request
// to repeat it, plain text, few-shot tasks, an instruction with and without an
// injected one.
//
// A Case is one such prompt with its spans, as token ids. It is read from a
// line of JSON, or made from texts by the generator of its kind. Run computes
// it and gives one value per layer and head for every method asked for. Rows of
// attention are reduced as they come and never kept; every reduction is
// independent of the order in which rows arrive, so values have the same bytes
// on any number of threads.
package cases

import (
	"context"
	"fmt"

	"headprof/probe"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Values are a method's value per [layer][query head], or [layer][KV head]
// where the method's declaration says so.
type Values [][]float64

// Case is a prompt to run. The methods of one kind share its passes.
type Case interface {
	// Name is the case's id.
	Name() string
	// Kind says which methods can be computed.
	Kind() scoring.Probe
	// Tokens is how many tokens are computed.
	Tokens() int
	// check fails for spans and token ids that make no sense, in words that
	// name the field.
	check() error
	// longest is the largest number of tokens in the cache at once.
	longest() int
	// ids are all sequences of token ids.
	ids() [][]int32
	// run computes the values of methods.
	run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error)
}

// Check says whether a model can run a case.
func Check(m probe.Model, c Case) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("case %s: %w", c.Name(), err)
	}
	if n := c.longest(); n > m.Context() {
		return fmt.Errorf("case %s has %d tokens, more than the model's context of %d; make it shorter: --lengths up to %d, or in a file of cases fewer tokens (a smaller period of a repeated sequence)", c.Name(), n, m.Context(), m.Context())
	}
	for _, ids := range c.ids() {
		for i, id := range ids {
			if id < 0 || int(id) >= m.Vocabulary() {
				return fmt.Errorf("case %s: token %d at position %d is outside the vocabulary of %d; the case was made for another model", c.Name(), id, i, m.Vocabulary())
			}
		}
	}
	return nil
}

// Run computes a case that Check has passed.
func Run(ctx context.Context, m probe.Model, c Case, methods []scoring.Named) (map[string]Values, error) {
	return compute(ctx, m, c, methods, false)
}

// compute computes a case. noReuse computes each of its prompts from the first token.
func compute(ctx context.Context, m probe.Model, c Case, methods []scoring.Named, noReuse bool) (map[string]Values, error) {
	s, err := m.NewSession(c.longest())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return c.run(ctx, &pass{model: m, session: s, layers: m.Shape(), noReuse: noReuse}, methods)
}

// pass is a session in which one case runs.
type pass struct {
	model   probe.Model
	session probe.Session
	layers  shape.Model
	noReuse bool
}

// reuse leaves the session no more than the first n tokens, which a further
// prompt of the case begins with, and says how many it left.
func (r *pass) reuse(n int) (int, error) {
	if r.noReuse {
		n = 0
	}
	return n, r.session.Truncate(n)
}

// grid makes a table of zeros, one value per query head.
func (r *pass) grid() Values {
	v := make(Values, len(r.layers))
	for l := range v {
		v[l] = make([]float64, r.layers[l].Heads)
	}
	return v
}

// kvGrid makes a table of zeros, one value per KV head.
func (r *pass) kvGrid() Values {
	v := make(Values, len(r.layers))
	for l := range v {
		v[l] = make([]float64, r.layers[l].Caches())
	}
	return v
}

// each fills a table head by head.
func (r *pass) each(value func(layer, head int) float64) Values {
	v := r.grid()
	for l := range v {
		for h := range v[l] {
			v[l][h] = value(l, h)
		}
	}
	return v
}

// grouped reduces query heads to the KV heads that they read.
func (r *pass) grouped(v Values, reduce func(group []float64) float64) Values {
	out := make(Values, len(v))
	for l := range v {
		layer := r.layers[l]
		if layer.KVHeads == 0 || !layer.Stores() {
			continue
		}
		groups := make([][]float64, layer.KVHeads)
		for from, heads := range v { // its own heads, and those of layers that read its cache
			if r.layers.Source(from) != l {
				continue
			}
			for h, x := range heads {
				groups[r.layers[from].KVHead(h)] = append(groups[r.layers[from].KVHead(h)], x)
			}
		}
		out[l] = make([]float64, layer.KVHeads)
		for g := range out[l] {
			out[l][g] = reduce(groups[g])
		}
	}
	return out
}

// span is [start, end) as cases write it.
type span [2]int

func (s span) scoring() scoring.Span { return scoring.Span{Start: s[0], End: s[1]} }

// within fails unless the span is not empty and lies in n positions.
func (s span) within(n int, field string) error {
	if s[0] < 0 || s[1] <= s[0] || s[1] > n {
		return fmt.Errorf("%q is [%d, %d); it must be a range of at least one of %d positions", field, s[0], s[1], n)
	}
	return nil
}

func spans(list []span) []scoring.Span {
	out := make([]scoring.Span, len(list))
	for i, s := range list {
		out[i] = s.scoring()
	}
	return out
}

// sharedPrefix is the length of the longest common beginning.
func sharedPrefix(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
