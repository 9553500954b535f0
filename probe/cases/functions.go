package cases

import (
	"context"
	"errors"
	"fmt"
	"math"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/shape"
	"headprof/scoring"
)

// functions are few-shot prompts of a task with right labels, and others with
// shuffled ones and the right answer to each: icl-causal.
type functions struct {
	group string // what it was made of

	ID       string    `json:"id"`
	Clean    [][]int32 `json:"clean_ids"`
	Shuffled [][]int32 `json:"shuffled_ids"`
	Answers  [][]int32 `json:"answer_ids"`
}

func (c *functions) Group() string       { return c.group }
func (c *functions) Name() string        { return c.ID }
func (c *functions) Kind() scoring.Probe { return scoring.Functions }

func (c *functions) ids() [][]int32 {
	var all [][]int32
	for _, list := range [][][]int32{c.Clean, c.Shuffled, c.Answers} {
		all = append(all, list...)
	}
	return all
}

func (c *functions) longest() (n int) {
	for _, p := range c.Clean {
		n = max(n, len(p))
	}
	for i, p := range c.Shuffled {
		n = max(n, len(p)+len(c.Answers[i])-1)
	}
	return n
}

func (c *functions) Tokens() (n int) {
	for _, p := range c.Clean {
		n += len(p)
	}
	for i, p := range c.Shuffled {
		n += len(p) + len(c.Answers[i]) - 1
	}
	return n
}

func (c *functions) cost(_ []scoring.Named, layers shape.Model) int {
	n := c.Tokens()
	for _, a := range c.Answers {
		n += branchCost(layers.Heads(), len(a))
	}
	return n
}

func (c *functions) check() error {
	if len(c.Shuffled) != len(c.Answers) {
		return fmt.Errorf(`"shuffled_ids" holds %d prompts and "answer_ids" %d answers; each prompt needs the right answer to it`, len(c.Shuffled), len(c.Answers))
	}
	for _, f := range []struct {
		name string
		list [][]int32
	}{{"clean_ids", c.Clean}, {"shuffled_ids", c.Shuffled}, {"answer_ids", c.Answers}} {
		if len(f.list) == 0 {
			return fmt.Errorf("%q is missing or empty; it holds lists of token ids", f.name)
		}
		for i, ids := range f.list {
			if len(ids) == 0 {
				return fmt.Errorf("%q is empty at index %d; each needs at least one token", f.name, i)
			}
		}
	}
	return nil
}

func (c *functions) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	out := map[string]Values{}
	for _, m := range methods {
		if _, ok := m.(*scoring.ICLCausal); !ok {
			continue
		}
		v, err := c.effects(ctx, r)
		if err != nil {
			return nil, err
		}
		out[m.Name()] = v
	}
	return out, nil
}

// effects gives each head's mean effect over the shuffled prompts.
func (c *functions) effects(ctx context.Context, r *pass) (Values, error) {
	means, err := r.meanOutputs(ctx, c.Clean)
	if err != nil {
		return nil, err
	}
	var patches []runner.Branch
	for l, heads := range means {
		for h, z := range heads {
			patches = append(patches, runner.Branch{Layer: l, Head: h, Output: z})
		}
	}
	out := r.grid()
	for i, prompt := range c.Shuffled {
		answer, last := c.Answers[i], len(prompt)-1
		if err := r.session.Truncate(0); err != nil {
			return nil, err
		}
		if _, err := r.session.Extend(ctx, prompt[:last], probe.Watch{}); err != nil {
			return nil, err
		}
		plain := 0.0
		err := r.branches(ctx, fed(prompt, answer), patches, func(branch int, logits [][]float32) {
			if p := math.Exp(logProbability(logits, answer)); branch < 0 {
				plain = p
			} else {
				out[patches[branch].Layer][patches[branch].Head] += (p - plain) / float64(len(c.Shuffled))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// meanOutputs gives each head's mean output at the prompts' last tokens.
func (r *pass) meanOutputs(ctx context.Context, prompts [][]int32) ([][][]float32, error) {
	var sum [][][]float64
	for _, p := range prompts {
		z, err := r.outputs(ctx, p, len(p)-1)
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum = make([][][]float64, len(z))
		}
		for l, heads := range z {
			if sum[l] == nil {
				sum[l] = make([][]float64, len(heads))
			}
			for h, x := range heads {
				if sum[l][h] == nil {
					sum[l][h] = make([]float64, len(x))
				}
				for j, v := range x {
					sum[l][h][j] += float64(v)
				}
			}
		}
	}
	out := make([][][]float32, len(sum))
	for l, heads := range sum {
		out[l] = make([][]float32, len(heads))
		for h, x := range heads {
			out[l][h] = make([]float32, len(x))
			for j, v := range x {
				out[l][h][j] = float32(v / float64(len(prompts)))
			}
		}
	}
	return out, nil
}

// Prompts of a generated case of functions.
const (
	cleanPrompts    = 10
	shuffledPrompts = 5
)

func (m *maker) functions(i, _ int) (Case, error) {
	task := tasks[i%len(tasks)]
	c := &functions{ID: fmt.Sprintf("functions-%03d", i), group: task.name}
	for range cleanPrompts {
		ids, _ := m.demonstrations(task, m.random.Perm(len(task.pairs)), 0)
		c.Clean = append(c.Clean, ids)
	}
	for range shuffledPrompts {
		order := m.random.Perm(len(task.pairs))
		ids, _ := m.demonstrations(task, order, 1)
		c.Shuffled = append(c.Shuffled, ids)
		p := &prompt{m: m}
		p.add(" " + task.pairs[order[len(order)-1]][1])
		c.Answers = append(c.Answers, p.ids)
	}
	if len(c.Answers[0]) == 0 {
		return nil, errors.New("an answer has no tokens")
	}
	return c, nil
}

// demonstrations makes a few-shot prompt of a task's pairs in an order, the
// last of which is asked for, and gives the labels' spans. The label of a
// demonstration is that of the one so many places on.
func (m *maker) demonstrations(task task, order []int, shift int) (ids []int32, labels []span) {
	p := &prompt{m: m, ids: append([]int32(nil), m.BOS...)}
	shots := order[:len(order)-1]
	for k, at := range shots {
		p.add(task.pairs[at][0] + " ->")
		labels = append(labels, p.add(" "+task.pairs[shots[(k+shift)%len(shots)]][1]))
		p.add("\n")
	}
	p.add(task.pairs[order[len(order)-1]][0] + " ->")
	return p.ids, labels
}
