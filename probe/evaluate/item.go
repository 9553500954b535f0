// Package evaluate measures what a smaller KV cache, or a masked head, does to
// a model's answers: tasks × eviction policies × capacities, and ablations.
// Both are kinds of run of package probe: items that are answered by
// one function, records in a journal, and rows with bootstrap intervals.
package evaluate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"headprof/needle"
	"headprof/probe"
)

// Item is one prompt of a task and how its answer is judged.
type Item struct {
	ID     string
	Task   string
	Group  string // what is resampled together: items of one needle share its words
	Length int    // context length in tokens; 0 where it has no meaning
	Depth  float64

	Prompt    []int32
	AnswerIDs []int32 // the expected answer, teacher-forced for its log-probability
	MaxTokens int     // most tokens to generate
	// Stop says whether generation is over after the last step; ends of
	// sequence stop in any case. nil: never before.
	Stop func(steps []needle.Step) bool
	// Score judges what was generated, 0 to 1. text is the part that was compared.
	Score func(steps []needle.Step) (score float64, text string)
}

// check says what is wrong with an item for a model, if anything.
func (it *Item) check(m probe.Model) error {
	switch {
	case len(it.Prompt) < 2:
		return fmt.Errorf("%s: the prompt has %d tokens; at least 2 are needed", it.ID, len(it.Prompt))
	case len(it.AnswerIDs) == 0:
		return fmt.Errorf("%s: the answer has no tokens", it.ID)
	case it.MaxTokens < 1:
		return fmt.Errorf("%s: no token may be generated", it.ID)
	}
	if need := len(it.Prompt) + max(len(it.AnswerIDs), it.MaxTokens); need > m.Context() {
		return fmt.Errorf("%s: %d tokens of prompt and answer are over the model's limit of %d; use shorter --lengths or --max-length", it.ID, need, m.Context())
	}
	for _, ids := range [][]int32{it.Prompt, it.AnswerIDs} {
		for _, id := range ids {
			if id < 0 || int(id) >= m.Vocabulary() {
				return fmt.Errorf("%s: token %d is outside the model's vocabulary of %d", it.ID, id, m.Vocabulary())
			}
		}
	}
	return nil
}

// Needles makes items of composed needle trials. The score is the judge's
// pass, 1 or 0. Trials keep their order, which shares prefixes best.
func Needles(m probe.Model, trials []*probe.Trial, judge needle.Judge) ([]*Item, error) {
	items := make([]*Item, len(trials))
	for i, t := range trials {
		prompt, err := t.Prompt()
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", t.ID, err)
		}
		items[i] = &Item{
			ID: t.ID, Task: "needle", Group: t.Needle.ID, Length: t.Length, Depth: t.Depth,
			Prompt: prompt, AnswerIDs: t.AnswerIDs, MaxTokens: max(1, judge.MaxSteps(len(t.AnswerIDs), t.QuestionTokens)),
			Stop: func(steps []needle.Step) bool { return judge.Stop(t.Needle, len(t.AnswerIDs), steps) },
			Score: func(steps []needle.Step) (float64, string) {
				v := judge.Judge(t.Needle, len(t.AnswerIDs), steps)
				if v.Pass {
					return 1, v.Text
				}
				return 0, v.Text
			},
		}
		if t.Needle.Kind != "" {
			items[i].Task += "-" + string(t.Needle.Kind)
		}
	}
	return items, nil
}

// answered is what a model made of an item.
type answered struct {
	logProb float64 // of the expected answer, teacher-forced, in nats
	ids     []int32 // generated greedily, an end of sequence included
	score   float64
	text    string // the part that was judged
}

// answer feeds what a session lacks of an item's prompt, and the expected answer
// as a draft: its steps give the log-probability, and the beginning of the
// model's own answer as far as it is the same. extend and forget are those of
// [probe.Decoding].
func (it *Item) answer(ctx context.Context, m probe.Model, feed []int32, extend func(ctx context.Context, tokens []int32, steps int) ([][]float32, error), forget func(n int) error) (*answered, error) {
	out := &answered{}
	first := true // the call that carries the answer
	d := probe.Decoding{
		Model: m, Forget: forget, Limit: it.MaxTokens,
		Extend: func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
			rows, err := extend(ctx, tokens, steps)
			if first && err == nil {
				first = false
				for i, row := range rows {
					out.logProb += probe.LogProbability(row, it.AnswerIDs[i])
				}
			}
			return rows, err
		},
		Draft: func([]int32, bool) []int32 {
			if !first {
				return nil
			}
			return it.AnswerIDs[:len(it.AnswerIDs)-1]
		},
		Stop: func(steps []needle.Step) bool {
			return steps[len(steps)-1].End || it.Stop != nil && it.Stop(steps)
		},
	}
	steps, err := d.Greedy(ctx, feed)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		out.ids = append(out.ids, s.ID)
	}
	out.score, out.text = it.Score(steps)
	out.score, out.logProb = probe.Rounded(out.score), probe.Rounded(out.logProb)
	return out, nil
}

// hash identifies items and their order.
func hash(items []*Item) string {
	h := sha256.New()
	for _, it := range items {
		fmt.Fprintf(h, "%q %q %q %d %d %d\n", it.ID, it.Task, it.Group, it.MaxTokens, len(it.Prompt), len(it.AnswerIDs))
		binary.Write(h, binary.LittleEndian, it.Prompt)
		binary.Write(h, binary.LittleEndian, it.AnswerIDs)
	}
	return hex.EncodeToString(h.Sum(nil))
}
