package evaluate

import (
	"context"
	"math/rand/v2"
	"slices"

	"headprof/runner"
	"headprof/runner/backend"
)

// recording holds outputs of some heads, by position. A position that is
// computed again replaces what it held.
type recording struct {
	heads   [][]bool // [layer][head]
	outputs map[HeadID][][]float32
	prompt  int // tokens of the prompt, and of all
	tokens  int
}

// take is a session's [runner.Watch.Outputs].
func (r *recording) take(o backend.Outputs) {
	if r.outputs == nil {
		r.outputs = map[HeadID][][]float32{}
	}
	a := o.Attention
	for h, wanted := range r.heads[o.Layer] {
		if !wanted {
			continue
		}
		id := HeadID{o.Layer, h}
		rows := r.outputs[id]
		for i, p := range o.Positions {
			for len(rows) <= p {
				rows = append(rows, nil)
			}
			rows[p] = slices.Clone(o.Heads[(i*a.Heads+h)*a.ValueDim:][:a.ValueDim])
		}
		r.outputs[id] = rows
	}
}

func (r *recording) at(layer, head, position int) []float32 {
	return r.outputs[HeadID{layer, head}][position]
}

// alignedTo gives outputs for a prompt of n tokens so that both prompts end
// together: position p takes that of p − n + prompt, or the nearest there is.
func (r *recording) alignedTo(n int) func(layer, head, position int) []float32 {
	return func(layer, head, position int) []float32 {
		return r.at(layer, head, max(0, min(position-n+r.prompt, r.tokens-1)))
	}
}

// record computes an item's prompt and expected answer, and keeps what heads give.
func record(ctx context.Context, m *runner.Model, it *Item, heads [][]bool) (*recording, error) {
	tokens := slices.Concat(it.Prompt, it.AnswerIDs[:len(it.AnswerIDs)-1])
	r := &recording{heads: heads, prompt: len(it.Prompt), tokens: len(tokens)}
	return r, outputsOf(ctx, m, tokens, r.take)
}

// outputsOf computes tokens and delivers every head's outputs at every position.
func outputsOf(ctx context.Context, m *runner.Model, tokens []int32, deliver func(backend.Outputs)) error {
	s, err := m.NewSession(len(tokens))
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Extend(ctx, tokens, runner.Watch{Outputs: deliver, AllOutputs: true})
	return err
}

// means are every head's mean output, [layer][head][ValueDim].
type means [][][]float32

func (m means) at(layer, head, _ int) []float32 { return m[layer][head] }

// mostReferences bounds the prompts that means are taken over.
const mostReferences = 16

// meanOutputs is the mean over all tokens of the prompts, or of 16 of them,
// evenly spaced. Sums run in the order of positions, so that chunks and threads
// change no byte.
func meanOutputs(ctx context.Context, m *runner.Model, items []*Item) (means, error) {
	sums := make([][][]float64, len(m.Shape()))
	n, count := min(len(items), mostReferences), 0
	for i := range n {
		prompt := items[i*len(items)/n].Prompt
		count += len(prompt)
		err := outputsOf(ctx, m, prompt, func(o backend.Outputs) {
			a := o.Attention
			if sums[o.Layer] == nil {
				sums[o.Layer] = make([][]float64, a.Heads)
				for h := range a.Heads {
					sums[o.Layer][h] = make([]float64, a.ValueDim)
				}
			}
			for p := range o.Positions {
				for h, sum := range sums[o.Layer] {
					for d, x := range o.Heads[(p*a.Heads+h)*a.ValueDim:][:a.ValueDim] {
						sum[d] += float64(x)
					}
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	out := make(means, len(sums))
	for l := range sums {
		for _, sum := range sums[l] {
			mean := make([]float32, len(sum))
			for d, x := range sum {
				mean[d] = float32(x / float64(count))
			}
			out[l] = append(out[l], mean)
		}
	}
	return out, nil
}

// partners draws for each item one of another group: of its task and length
// where there is one, else of its task, else any. nil: all items are of one group.
func partners(items []*Item, seed uint64) []int {
	out := make([]int, len(items))
	for i, it := range items {
		var best []int
		nearest := 0
		for j, other := range items {
			if other.Group == it.Group {
				continue
			}
			c := 1
			if other.Task == it.Task {
				if c = 2; other.Length == it.Length {
					c = 3
				}
			}
			if c > nearest {
				best, nearest = nil, c
			}
			if c == nearest {
				best = append(best, j)
			}
		}
		if best == nil {
			return nil
		}
		out[i] = best[rand.New(rand.NewPCG(seed, uint64(i))).IntN(len(best))]
	}
	return out
}
