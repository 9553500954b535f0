package cases

import (
	"cmp"
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/scoring"
)

// words are token ids of the built-in model's words, of which no three in a
// row occur twice.
func words(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(20 + i*i*7%60)
	}
	return out
}

// lossOf is −log P(id) by a row of logits, in nats, and its gradient by them:
// the softmax, less 1 at id.
func lossOf(logits []float32, id int32) (loss float64, gradient []float64) {
	var sum float64
	for _, x := range logits {
		sum += math.Exp(float64(x))
	}
	for _, x := range logits {
		gradient = append(gradient, math.Exp(float64(x))/sum)
	}
	gradient[id]--
	return math.Log(sum) - float64(logits[id]), gradient
}

// spoken is log P(answer) by a session that holds the prompt but its last
// token, one token at a time.
func spoken(t *testing.T, s *runner.Session, prompt, answer []int32) float64 {
	t.Helper()
	feed, sum := prompt[len(prompt)-1], 0.
	for _, id := range answer {
		logits, err := s.Extend(t.Context(), []int32{feed}, runner.Watch{Logits: []int{s.Len()}})
		if err != nil {
			t.Fatal(err)
		}
		loss, _ := lossOf(logits[0], id)
		sum, feed = sum-loss, id
	}
	return sum
}

// cached is a session that holds tokens, with room for an answer.
func cached(t *testing.T, tokens []int32) *runner.Session {
	t.Helper()
	m, _ := engine(t)
	s, err := m.NewSession(len(tokens) + 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if len(tokens) > 0 {
		if _, err := s.Extend(t.Context(), tokens, runner.Watch{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// only runs one method.
func only(t *testing.T, c Case, m scoring.Named) map[string]Values {
	t.Helper()
	_, e := engine(t)
	if err := Check(e, c); err != nil {
		t.Fatal(err)
	}
	got, err := Run(t.Context(), e, c, []scoring.Named{m})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Head by head in a session of its own, as docs/method.md says: the prompt but
// its last token with whole caches, then one head's cache keeps its first and
// last positions, and the answer is spelled out.
func TestCacheCutByDefinition(t *testing.T) {
	m, _ := engine(t)
	prompt, reply := words(40), []int32{31, 44, 27}
	first30 := make([]int32, 30)
	for i := range first30 {
		first30[i] = int32(i)
	}
	for name, c := range map[string]struct {
		method       scoring.CacheCut
		sink, recent *int
		keep         []int32 // of the cached positions 0 … 38; nil: nothing is cut
	}{
		"the method's":  {scoring.CacheCut{Sink: 2, Recent: 5}, nil, nil, []int32{0, 1, 34, 35, 36, 37, 38}},
		"the case's":    {scoring.CacheCut{Sink: 9, Recent: 9}, new(1), new(3), []int32{0, 36, 37, 38}},
		"no sink":       {scoring.CacheCut{Sink: 2, Recent: 2}, new(0), nil, []int32{37, 38}},
		"nothing":       {scoring.CacheCut{Sink: 2, Recent: 2}, new(0), new(0), []int32{}},
		"all but one":   {scoring.CacheCut{Sink: 30, Recent: 8}, nil, nil, append(first30, 31, 32, 33, 34, 35, 36, 37, 38)},
		"all":           {scoring.CacheCut{Sink: 30, Recent: 9}, nil, nil, nil},
		"more than all": {scoring.CacheCut{Sink: 4, Recent: 4}, nil, new(99), nil},
	} {
		got := only(t, &answer{ID: "a", Prompt: prompt, Answer: reply, Sink: c.sink, Recent: c.recent}, &c.method)["cache-cut"]
		if len(got) != len(m.Shape()) {
			t.Fatalf("%s: %d layers", name, len(got))
		}
		whole, largest := spoken(t, cached(t, prompt[:39]), prompt, reply), 0.
		for l := range got {
			if len(got[l]) != m.Shape()[l].KVHeads {
				t.Fatalf("%s: layer %d has %d values", name, l, len(got[l]))
			}
			for h, v := range got[l] {
				want := 0.
				if c.keep != nil {
					s := cached(t, prompt[:39])
					if err := s.Cache().Keep(l, h, c.keep); err != nil {
						t.Fatal(err)
					}
					want = whole - spoken(t, s, prompt, reply)
				}
				if !(math.Abs(v-want) <= 2e-5) {
					t.Errorf("%s: layer %d, head %d: %v, want %v", name, l, h, v, want)
				}
				largest = max(largest, math.Abs(want))
			}
		}
		if c.keep != nil && largest < 1e-3 {
			t.Errorf("%s: the largest effect is %g: the case tests nothing", name, largest)
		}
	}
}

// At each point of the curve a head keeps so many tokens of the prompt, the last
// one, which is still to be fed, among them: the first and last, or the
// observation window's 8 and those that it attends to most (mean over its rows
// and the group's heads, maximum over 7 positions), in a session of its own.
func TestCurveByDefinition(t *testing.T) {
	m, _ := engine(t)
	prompt, reply := words(40), []int32{31, 44, 27}
	rows := attention(t, prompt)
	whole := spoken(t, cached(t, prompt[:39]), prompt, reply)
	selected := func(l, h, n int) []int32 {
		group := m.Shape()[l].Heads / m.Shape()[l].KVHeads
		mean := make([]float64, 32)
		for i := range mean {
			for q := h * group; q < (h+1)*group; q++ {
				for p := 32; p < 40; p++ {
					mean[i] += rows[l][q][p][i]
				}
			}
		}
		pooled := make([]float64, 32)
		order := make([]int32, 32)
		for i := range mean {
			order[i] = int32(i)
			pooled[i] = slices.Max(mean[max(0, i-3):min(32, i+4)])
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(pooled[b], pooled[a]) })
		keep := slices.Clone(order[:n])
		slices.Sort(keep)
		return append(keep, 32, 33, 34, 35, 36, 37, 38)
	}
	for name, c := range map[string]struct {
		method scoring.CacheCut
		keep   func(l, h, point int) []int32 // of the cached positions 0 … 38
	}{
		"streaming": {scoring.CacheCut{Sink: 3, Recent: 5, Curve: "8,20,40", By: "streaming"}, func(_, _, point int) []int32 {
			if point == 8 {
				return []int32{0, 1, 2, 35, 36, 37, 38}
			}
			return []int32{0, 1, 2, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38}
		}},
		"snapkv": {scoring.CacheCut{Sink: 3, Recent: 5, Curve: "8,20,40", By: "snapkv"}, func(l, h, point int) []int32 { return selected(l, h, point-8) }},
	} {
		got := only(t, &answer{ID: "a", Prompt: prompt, Answer: reply}, &c.method)
		if len(got) != 4 {
			t.Fatalf("%s: %d scores", name, len(got))
		}
		for _, point := range []int{8, 20, 40} {
			largest := 0.
			for l, row := range got[scoring.PointName(point)] {
				for h, v := range row {
					want := 0.
					if point < 40 {
						s := cached(t, prompt[:39])
						if err := s.Cache().Keep(l, h, c.keep(l, h, point)); err != nil {
							t.Fatal(err)
						}
						want = whole - spoken(t, s, prompt, reply)
					}
					if !(math.Abs(v-want) <= 2e-5) {
						t.Errorf("%s, %d entries, layer %d, head %d: %v, want %v", name, point, l, h, v, want)
					}
					largest = max(largest, math.Abs(v))
				}
			}
			if (largest < 1e-3) != (point == 40) {
				t.Errorf("%s, %d entries: the largest effect is %g", name, point, largest)
			}
		}
		// What is cut at once with a curve changes no bit of cache-cut.
		c.method.Curve = "none"
		if alone := only(t, &answer{ID: "a", Prompt: prompt, Answer: reply}, &c.method); !reflect.DeepEqual(alone["cache-cut"], got["cache-cut"]) || len(alone) != 1 {
			t.Errorf("%s: cache-cut with a curve %v, without %v", name, got["cache-cut"], alone["cache-cut"])
		}
	}
}

// The sum over positions and dimensions of output times gradient, in plain
// loops over what the engine's gradient gives; its own tests hold it to finite
// differences.
func TestTaylorByDefinition(t *testing.T) {
	m, _ := engine(t)
	prompt, reply := words(30), []int32{31, 44, 27}
	got := run(t, &answer{ID: "a", Prompt: prompt, Answer: reply})
	all := make([][8]float64, len(m.Shape()))
	own := make([][8]float64, len(m.Shape()))
	if err := m.Backward(t.Context(), slices.Concat(prompt, reply[:2]), runner.Gradient{
		Positions: []int{29, 30, 31},
		Loss: func(position int, logits []float32) {
			_, gradient := lossOf(logits, reply[position-29])
			for i, g := range gradient {
				logits[i] = float32(g)
			}
		},
		Heads: func(h backend.HeadGradients) {
			for k := range h.Heads { // [positions][8 heads][32]
				position, head := h.Positions[k/256], k/32%8
				x := float64(h.Heads[k]) * float64(h.Gradients[k])
				all[h.Layer][head] += x
				if position == 29 || position == 30 || position == 31 {
					own[h.Layer][head] += x
				}
			}
		},
	}); err != nil {
		t.Fatal(err)
	}
	same(t, "taylor", got["taylor"], 1e-6, func(l, h int) float64 { return math.Abs(all[l][h]) })
	same(t, "taylor-answer", got["taylor-answer"], 1e-6, func(l, h int) float64 { return math.Abs(own[l][h]) })
	if len(got) != 5 || len(got["taylor"][0]) != 8 {
		t.Errorf("%d tables, %d heads in the first layer", len(got), len(got["taylor"][0]))
	}
}

// Of an answer of one token the gate of taylor-answer stands at the prompt's
// last token alone: what the loss changes as a head's output there grows and
// shrinks by a hundredth, forward only.
func TestTaylorAnswerIsAGatesSlope(t *testing.T) {
	_, e := engine(t)
	c := &answer{ID: "a", Prompt: words(30), Answer: []int32{31}}
	s, err := e.NewSession(30)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	outputs, err := (&pass{model: e, session: s, layers: e.Shape()}).outputs(t.Context(), c.Prompt, 29)
	if err != nil {
		t.Fatal(err)
	}
	var gates []runner.Branch
	for l := range outputs {
		for h := range outputs[l] {
			for _, gate := range []float32{1.01, .99} {
				z := slices.Clone(outputs[l][h])
				for j := range z {
					z[j] *= gate
				}
				gates = append(gates, runner.Branch{Layer: l, Head: h, Output: z})
			}
		}
	}
	loss := make([]float64, len(gates))
	if err := cached(t, c.Prompt[:29]).Branches(t.Context(), c.Prompt[29:], gates, func(b int, logits [][]float32) error {
		if b >= 0 {
			loss[b], _ = lossOf(logits[0], 31)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// A loss has float32's noise of some 5e-6, divided by 0.02.
	same(t, "taylor-answer", run(t, c)["taylor-answer"], 5e-4, func(l, h int) float64 {
		at := 2 * (l*8 + h)
		return math.Abs(loss[at]-loss[at+1]) / .02
	})
}

func TestAnswersAndSwapsThatMakeNoSense(t *testing.T) {
	_, e := engine(t)
	a := func(change func(c *answer)) Case {
		c := &answer{ID: "a", Prompt: words(5), Answer: []int32{31}, Sink: new(0), Recent: new(0)}
		change(c)
		return c
	}
	s := func(change func(c *swap)) Case {
		c := &swap{ID: "s", Clean: words(5), Corrupted: words(5), Answer: []int32{31}}
		change(c)
		return c
	}
	limit := e.Context()
	for _, c := range []struct {
		name string
		c    Case
		want string
	}{
		{"an answer", a(func(*answer) {}), ""},
		{"without a prompt", a(func(c *answer) { c.Prompt = nil }), `"prompt_ids" is missing`},
		{"without an answer", a(func(c *answer) { c.Answer = []int32{} }), `"answer_ids" is missing`},
		{"a negative sink", a(func(c *answer) { c.Sink = new(-1) }), `"sink" is -1`},
		{"a negative rest", a(func(c *answer) { c.Recent = new(-2) }), `"recent" is -2`},
		{"the method's sink and rest", a(func(c *answer) { c.Sink, c.Recent = nil, nil }), ""},
		{"a token of another model", a(func(c *answer) { c.Answer[0] = int32(e.Vocabulary()) }), "outside the vocabulary"},
		{"the context, the answer's last token not counted", a(func(c *answer) { c.Prompt = make([]int32, limit) }), ""},
		{"two tokens of an answer", a(func(c *answer) { c.Prompt, c.Answer = make([]int32, limit), []int32{1, 2} }), "more than the model's context"},
		{"a swap", s(func(*swap) {}), ""},
		{"without a clean prompt", s(func(c *swap) { c.Clean = nil }), `"clean_ids" is missing`},
		{"of two lengths", s(func(c *swap) { c.Corrupted = words(6) }), `"clean_ids" holds 5 tokens and "corrupted_ids" 6`},
		{"without its answer", s(func(c *swap) { c.Answer = nil }), `"answer_ids" is missing`},
		{"the context in a swap", s(func(c *swap) { c.Clean, c.Corrupted = make([]int32, limit), make([]int32, limit) }), ""},
		{"two tokens of a swap's answer", s(func(c *swap) {
			c.Clean, c.Corrupted, c.Answer = make([]int32, limit), make([]int32, limit), []int32{1, 2}
		}), "more than the model's context"},
	} {
		if err := Check(e, c.c); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// Computed for an answer: its prompt and what is fed of the answer; for a
	// swap the clean prompt, too.
	if got := (&answer{Prompt: words(5), Answer: []int32{1, 2, 3}}).Tokens(); got != 7 {
		t.Errorf("an answer: %d tokens, want 5 and 2", got)
	}
	if c := (&swap{Clean: words(5), Corrupted: words(5), Answer: []int32{1, 2, 3}}); c.Tokens() != 12 || c.longest() != 7 {
		t.Errorf("a swap: %d tokens, %d at once, want 12 and 7", c.Tokens(), c.longest())
	}
}

// forward is an engine without gradients, and whole one without branches.
type (
	forward struct{ probe.Model }
	whole   struct{ probe.Model }
	plain   struct{ probe.Session }
)

func (w whole) NewSession(n int) (probe.Session, error) {
	s, err := w.Model.NewSession(n)
	return plain{s}, err
}

func TestEnginesThatCannot(t *testing.T) {
	_, e := engine(t)
	list := map[scoring.Probe]Case{
		scoring.Answers: &answer{ID: "a", Prompt: words(40), Answer: []int32{31}, Sink: new(1), Recent: new(1)},
		scoring.Swaps:   &swap{ID: "s", Clean: words(9), Corrupted: append([]int32{77}, words(9)[1:]...), Answer: []int32{31}},
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, kind := range []scoring.Probe{scoring.Answers, scoring.Swaps} {
		for _, m := range scoring.MethodsOf(kind) {
			d, err := scoring.Lookup(m.Name())
			if err != nil {
				t.Fatal(err)
			}
			gradient := d.Gradient
			for name, c := range map[string]struct {
				ctx   context.Context
				model probe.Model
				want  string
			}{
				"no gradients": {t.Context(), forward{e}, map[bool]string{true: "this model gives no gradients"}[gradient]},
				"no branches":  {t.Context(), whole{e}, map[bool]string{true: "this model gives no gradients", false: "this model cannot cut caches or patch heads"}[gradient]},
				"cancelled":    {stopped, e, "canceled"},
			} {
				got, err := Run(c.ctx, c.model, list[kind], []scoring.Named{m})
				if c.want == "" && (err != nil || got[m.Name()] == nil) || c.want != "" && (err == nil || got != nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%s, %s: %v, %v, want %q", m.Name(), name, got, err, c.want)
				}
			}
		}
	}
}
