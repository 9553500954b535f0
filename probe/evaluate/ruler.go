package evaluate

import (
	"fmt"

	"headprof/needle"
	"headprof/probe"
)

// RulerOptions say which of RULER's tasks are made.
type RulerOptions struct {
	Kinds    []needle.RulerKind
	Lengths  []int // tokens of prompt and generated answer together
	Count    int   // prompts of each kind, the lengths in turn
	Seed     uint64
	Haystack *needle.Haystack
	Needles  []needle.Needle // facts of qa
	Frame    needle.Frame
}

// Ruler makes items of RULER's tasks. The score is RULER's.
func Ruler(m probe.Model, o RulerOptions) ([]*Item, error) {
	var items []*Item
	for _, kind := range o.Kinds {
		for k, length := range o.Lengths {
			for i := k; i < o.Count; i += len(o.Lengths) {
				t, err := needle.Ruler(m, kind, needle.RulerOptions{
					Length: length, Haystack: o.Haystack, Needles: o.Needles, Frame: o.Frame, Seed: o.Seed, Index: i,
				})
				if err != nil {
					return nil, err
				}
				it := &Item{
					ID: fmt.Sprintf("ruler-%s-%d-%03d", kind, length, i), Task: "ruler-" + string(kind), Length: length,
					Prompt: t.IDs, AnswerIDs: t.AnswerIDs[:min(len(t.AnswerIDs), maxAnswer)], MaxTokens: t.MaxTokens,
					Score: func(steps []needle.Step) (float64, string) {
						out := textOf(steps)
						if t.Any {
							return matchPart(out, t.Answers), out
						}
						return matchAll(out, t.Answers), out
					},
				}
				it.Group = it.ID
				if len(t.Depths) == 1 {
					it.Depth = t.Depths[0]
				}
				items = append(items, it)
			}
		}
	}
	return items, nil
}
