package cases

import (
	"context"
	"errors"
	"fmt"
	"math"

	"headprof/probe"
	"headprof/runner/backend"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// plainText is a few texts: duo-on-the-fly.
type plainText struct {
	ID        string    `json:"id"`
	Samples   [][]int32 `json:"samples"`
	Positions *int      `json:"q_len,omitempty"` // of the mean query and key; else the method's own
}

func (c *plainText) Name() string        { return c.ID }
func (c *plainText) Kind() scoring.Probe { return scoring.PlainText }
func (c *plainText) ids() [][]int32      { return c.Samples }

func (c *plainText) longest() (n int) {
	for _, s := range c.Samples {
		n = max(n, len(s))
	}
	return n
}

func (c *plainText) Tokens() (n int) {
	for _, s := range c.Samples {
		n += len(s)
	}
	return n
}

func (c *plainText) check() error {
	if len(c.Samples) == 0 {
		return errors.New(`"samples" holds no text; give at least one list of token ids`)
	}
	for i, s := range c.Samples {
		if len(s) == 0 {
			return fmt.Errorf(`"samples" is empty at index %d; each needs at least one token`, i)
		}
	}
	if c.Positions != nil && (*c.Positions < 1 || *c.Positions > maxPositions) {
		return fmt.Errorf(`"q_len" is %d; it must lie between 1 and %d`, *c.Positions, maxPositions)
	}
	return nil
}

const maxPositions = 1_000_000

func (c *plainText) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	out := map[string]Values{}
	for _, m := range methods {
		duo, ok := m.(*scoring.Duo)
		if !ok {
			continue
		}
		n := duo.Positions
		if c.Positions != nil {
			n = *c.Positions
		}
		sum := r.grid()
		for _, ids := range c.Samples {
			means, err := r.means(ctx, ids)
			if err != nil {
				return nil, err
			}
			for l := range sum {
				for h := range sum[l] {
					sum[l][h] += scoring.DuoOnTheFly(means[l].logits(h, n))
				}
			}
		}
		heads := r.each(func(l, h int) float64 { return sum[l][h] / float64(len(c.Samples)) })
		out[m.Name()] = r.grouped(heads, stats.Mean)
	}
	return out, nil
}

// meanVectors are one layer's queries and keys before their rotation, summed
// over positions, lowest first.
type meanVectors struct {
	queries, keys []float64
	tokens        int
	rope          backend.Rope
	attention     backend.Attention
}

// means runs ids in the empty session and sums each layer's queries and keys.
func (r *pass) means(ctx context.Context, ids []int32) ([]meanVectors, error) {
	if err := r.session.Truncate(0); err != nil {
		return nil, err
	}
	out := make([]meanVectors, len(r.layers))
	_, err := r.session.Extend(ctx, ids, probe.Watch{Projections: func(p backend.Projections) {
		m, a := &out[p.Layer], p.Attention
		m.rope, m.attention = p.Rope, a
		m.queries = addRows(m.queries, p.Queries, a.Heads*a.KeyDim)
		m.keys = addRows(m.keys, p.Keys, a.KVHeads*a.KeyDim)
		m.tokens += len(p.Keys) / (a.KVHeads * a.KeyDim)
	}})
	return out, err
}

// addRows adds rows of so many numbers to sum.
func addRows(sum []float64, rows []float32, width int) []float64 {
	if sum == nil {
		sum = make([]float64, width)
	}
	for ; len(rows) > 0; rows = rows[width:] {
		for i, x := range rows[:width] {
			sum[i] += float64(x)
		}
	}
	return sum
}

// logits gives the scaled products of head h's mean query at the last of n
// positions and its mean key at each of them.
func (m *meanVectors) logits(h, n int) []float64 {
	d := m.attention.KeyDim
	kv := h / (m.attention.Heads / m.attention.KVHeads)
	mean := func(sum []float64, position int) []float64 {
		x := make([]float64, d)
		for i := range x {
			x[i] = sum[i] / float64(m.tokens)
		}
		m.rope.Rotate(x, position)
		return x
	}
	query := mean(m.queries[h*d:], n-1)
	out := make([]float64, n)
	for i := range out {
		for j, k := range mean(m.keys[kv*d:], i) {
			out[i] += float64(query[j] * k)
		}
		out[i] *= float64(m.attention.Scale)
		if limit := float64(m.attention.SoftCap); limit > 0 {
			out[i] = limit * math.Tanh(out[i]/limit)
		}
	}
	return out
}
