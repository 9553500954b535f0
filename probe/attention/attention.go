// Package attention runs prompts and hands out softmaxed attention rows of
// chosen positions, layers and heads, in order, a few positions at a time: never
// a whole prompt's.
package attention

import (
	"context"
	"fmt"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Prompt is one sequence and the positions whose rows are wanted.
type Prompt struct {
	ID   string
	IDs  []int32 // the prompt, and the answer's tokens
	Rows []int   // positions in IDs, ascending
}

// Text is a prompt before its rows are chosen.
type Text struct {
	ID       string
	IDs      []int32      // of the prompt
	Answer   []int32      // that is fed after it; nil: there is none
	Evidence scoring.Span // empty: none
}

// Choose selects a prompt's rows. Besides Select's forms over the prompt's
// positions rows may be "last" (the prompt's last token), "evidence" (the span's
// tokens) and "answer": the rows from which an answer that is fed is predicted,
// of the prompt's last token and of all the answer's tokens but the last.
func (t Text) Choose(rows string) (*Prompt, error) {
	n := len(t.IDs)
	if n == 0 {
		return nil, fmt.Errorf("prompt %s is empty", t.ID)
	}
	p := &Prompt{ID: t.ID, IDs: t.IDs}
	var err error
	p.Rows, err = choose(rows, n, map[string]func() (int, int, error){
		"last": func() (int, int, error) { return n - 1, n, nil },
		"evidence": func() (int, int, error) {
			if t.Evidence.End <= t.Evidence.Start {
				return 0, 0, fmt.Errorf("prompt %s has no evidence; only trials do", t.ID)
			}
			return t.Evidence.Start, t.Evidence.End, nil
		},
		"answer": func() (int, int, error) {
			if len(t.Answer) == 0 {
				return 0, 0, fmt.Errorf("prompt %s has no answer; only trials do", t.ID)
			}
			p.IDs = append(append([]int32{}, t.IDs...), t.Answer[:len(t.Answer)-1]...)
			return n - 1, n - 1 + len(t.Answer), nil
		},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// computed is how many tokens are computed: up to the last row.
func (p *Prompt) computed() int { return p.Rows[len(p.Rows)-1] + 1 }

// Plan is what is written.
type Plan struct {
	Prompts []*Prompt
	Layers  []int // ascending
	Heads   []int // of each of the layers, ascending; nil: every head that a layer has
}

// heads are the wanted heads of layer l.
func (p *Plan) heads(l shape.Layer) []int {
	if p.Heads != nil {
		return p.Heads
	}
	all := make([]int, l.Heads)
	for i := range all {
		all[i] = i
	}
	return all
}

// Check fails for what the model cannot give.
func (p *Plan) Check(m probe.Model) error {
	layers := m.Shape()
	for _, l := range p.Layers {
		if layers[l].Heads == 0 {
			return fmt.Errorf("layer %d has no attention; leave it out", l)
		}
		for _, h := range p.Heads {
			if h >= layers[l].Heads {
				return fmt.Errorf("layer %d has %d heads, so no head %d; leave it out, or choose other layers", l, layers[l].Heads, h)
			}
		}
	}
	for _, q := range p.Prompts {
		if n := q.computed(); n > m.Context() {
			return fmt.Errorf("prompt %s has %d tokens up to its last row, more than the model's context of %d; choose earlier rows or a shorter prompt", q.ID, n, m.Context())
		}
		for i, id := range q.IDs {
			if id < 0 || int(id) >= m.Vocabulary() {
				return fmt.Errorf("prompt %s: token %d at position %d is outside the vocabulary of %d; it was made for another model", q.ID, id, i, m.Vocabulary())
			}
		}
	}
	return nil
}

// Cost is what a plan takes.
type Cost struct {
	Tokens  int64 // computed
	Rows    int64 // written: positions × layers × heads
	Weights int64 // that are visible: windows and later positions left out
	Keys    int   // of the longest row
	Held    int64 // bytes of rows that are held at once
}

// Cost counts it.
func (p *Plan) Cost(layers shape.Model) Cost {
	var c Cost
	for _, q := range p.Prompts {
		c.Tokens += int64(q.computed())
		c.Keys = max(c.Keys, q.computed())
		for _, l := range p.Layers {
			n := int64(len(p.heads(layers[l])))
			c.Rows += n * int64(len(q.Rows))
			for _, position := range q.Rows {
				c.Weights += n * int64(position+1-first(layers[l], position))
			}
		}
	}
	c.Held = int64(p.positions(layers, c.Keys)) * p.perPosition(layers, c.Keys) * 4
	return c
}

// first is the first position that a row sees.
func first(l shape.Layer, position int) int {
	if l.Window > 0 {
		return max(0, position+1-l.Window)
	}
	return 0
}

// heldBytes bounds the rows that are held at once, if one position's do not
// take more.
const heldBytes = 96 << 20

// perPosition is how many weights of one position are held.
func (p *Plan) perPosition(layers shape.Model, keys int) int64 {
	n := 0
	for _, l := range p.Layers {
		n += len(p.heads(layers[l]))
	}
	return int64(n) * int64(keys)
}

// positions is how many positions' rows are held at once.
func (p *Plan) positions(layers shape.Model, keys int) int {
	return int(max(1, min(512, heldBytes/4/max(1, p.perPosition(layers, keys)))))
}

// Row is one row of softmaxed attention: the weights of positions First …
// First+len(Weights)−1, the row's own last. Weights is only valid during the call.
type Row struct {
	Prompt                int // its place in the plan
	Position, Layer, Head int
	First                 int
	Weights               []float32
}

// Run computes the plan and gives its rows to write, by prompt, position, layer
// and head. The rows' bytes do not depend on threads or chunks. done, if set, is
// called with the tokens computed so far.
func (p *Plan) Run(ctx context.Context, m probe.Model, write func(Row) error, done func(tokens int64)) error {
	layers := m.Shape()
	keys := p.Cost(layers).Keys
	held := &block{plan: p, layers: layers, at: make([][]int, len(layers)), keys: keys}
	n := 0
	for _, l := range p.Layers {
		held.at[l] = make([]int, layers[l].Heads)
		for h := range held.at[l] {
			held.at[l][h] = -1
		}
		for _, h := range p.heads(layers[l]) {
			held.at[l][h] = n
			n++
		}
	}
	held.heads = n
	held.weights = make([]float32, int64(p.positions(layers, keys))*p.perPosition(layers, keys))
	var tokens int64
	for i := range p.Prompts {
		err := p.prompt(ctx, m, i, held, write, func(n int) {
			tokens += int64(n)
			if done != nil {
				done(tokens)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) prompt(ctx context.Context, m probe.Model, index int, held *block, write func(Row) error, computed func(int)) error {
	q := p.Prompts[index]
	s, err := m.NewSession(q.computed())
	if err != nil {
		return err
	}
	defer s.Close()
	atOnce := p.positions(held.layers, held.keys)
	extend := func(to int, w probe.Watch) error {
		from := s.Len()
		if from == to {
			return nil
		}
		w.Progress = computed
		_, err := s.Extend(ctx, q.IDs[from:to], w)
		return err
	}
	for rows := q.Rows; len(rows) > 0; {
		run := 1 // of neighbouring positions
		for run < len(rows) && run < atOnce && rows[run] == rows[0]+run {
			run++
		}
		from, to := rows[0], rows[0]+run
		rows = rows[run:]
		if err := extend(from, probe.Watch{}); err != nil {
			return err
		}
		held.from = from
		if err := extend(to, probe.Watch{Blocks: &runner.Blocks{From: from, To: to, Wants: held.wants, Deliver: held.take}}); err != nil {
			return err
		}
		for position := from; position < to; position++ {
			for _, l := range p.Layers {
				for _, h := range p.heads(held.layers[l]) {
					begin := first(held.layers[l], position)
					if err := write(Row{index, position, l, h, begin, held.row(position, l, h)[begin : position+1]}); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// block holds the rows of some neighbouring positions: [position][head][key],
// heads counted over the chosen layers.
type block struct {
	plan    *Plan
	layers  shape.Model
	at      [][]int // [layer][head]: place among the chosen heads, −1: not chosen
	heads   int
	keys    int
	from    int // the first position
	weights []float32
}

func (b *block) wants(layer, head int) bool {
	return b.at[layer] != nil && b.at[layer][head] >= 0
}

func (b *block) row(position, layer, head int) []float32 {
	return b.weights[((position-b.from)*b.heads+b.at[layer][head])*b.keys:][:b.keys]
}

// take copies rows as they come, each to its own place.
func (b *block) take(r backend.RowBlock) {
	for i, position := range r.Positions {
		row := b.row(position, r.Layer, r.Head)[:position+1]
		clear(row[:r.First])
		copy(row[r.First:], r.Row(i))
	}
}
