package probe

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"headprof/needle"
)

// Grid is a plan's shape: every needle in every haystack at every length and
// depth.
type Grid struct {
	Haystacks []*needle.Haystack
	Needles   []needle.Needle
	Lengths   []int
	Depths    []float64
	Frame     needle.Frame
	Buffer    int // see needle.Options
	// KeepBefore is the fewest haystack tokens before a needle; see KeepBefore.
	KeepBefore int
	// Count takes a balanced, seeded subset of that many points; 0 takes all.
	Count int
	Seed  uint64
	// Duplicates counts points with the same prompt as often as they occur,
	// as the published code does; else they count once. They run once anyway.
	Duplicates bool
	// Published places needles as the published code does; see
	// needle.Options.
	Published bool
	KeepSink  bool // see Trial
}

// KeepBefore is how many haystack tokens a plan keeps before its needles, so
// that no evidence lies on the attention sink of a sequence without a prefix.
func KeepBefore(f needle.Frame) int {
	if len(f.Prefix) > 0 {
		return 0
	}
	return 8
}

// Trials composes the grid. Trials come in a balanced, seeded order: any
// beginning of it holds lengths, depths, needles and haystacks about equally
// often. Their Index is the canonical order.
func (g Grid) Trials(tok needle.Tokenizer) ([]*Trial, error) {
	sizes := []int{len(g.Haystacks), len(g.Needles), len(g.Lengths), len(g.Depths)}
	total := 1
	for i, n := range sizes {
		if n == 0 {
			return nil, fmt.Errorf("the plan has no %s", []string{"haystacks", "needles", "lengths", "depths"}[i])
		}
		if total *= n; total > maxTrials {
			return nil, fmt.Errorf("the plan has more than %d trials; use fewer lengths, depths or needles", maxTrials)
		}
	}
	if g.Count < 0 {
		return nil, fmt.Errorf("--count %d is negative", g.Count)
	}
	names := map[string]bool{}
	for _, n := range g.Needles {
		if names[n.ID] {
			return nil, fmt.Errorf("two needles have the id %q; ids must differ", n.ID)
		}
		names[n.ID] = true
	}
	count := total
	if g.Count > 0 {
		count = min(g.Count, total)
	}
	levels := make([]point, total)
	for i := range levels {
		rest := i
		for f := 3; f >= 0; f-- {
			levels[i][f] = int32(rest % sizes[f])
			rest /= sizes[f]
		}
	}
	var trials []*Trial
	same := map[[32]byte]*Trial{}
	next := balanced(levels, nil, g.Seed)
	points, kept := 0, 0
	for points < count {
		i, ok := next()
		if !ok {
			break
		}
		t, err := g.trial(tok, levels[i])
		if err != nil {
			return nil, err
		}
		t.Index = i
		if first, ok := same[t.digest]; ok {
			if g.Duplicates {
				first.Also = append(first.Also, Point{t.ID, t.Length, t.Depth})
				points++
			}
			continue
		}
		if kept += t.PromptTokens; kept > keptTokens {
			t.prompt = nil
		}
		same[t.digest] = t
		trials = append(trials, t)
		points++
	}
	for _, t := range trials {
		slices.SortFunc(t.Also, func(a, b Point) int {
			return cmp.Or(cmp.Compare(a.Length, b.Length), cmp.Compare(a.Depth, b.Depth))
		})
	}
	return trials, nil
}

func (g Grid) trial(tok needle.Tokenizer, at point) (*Trial, error) {
	h, n := g.Haystacks[at[0]], g.Needles[at[1]]
	length, depth := g.Lengths[at[2]], g.Depths[at[3]]
	compose := func() (*needle.Prompt, error) {
		return needle.Compose(tok, h, n, needle.Options{
			Length: length, Depth: depth, Buffer: g.Buffer, KeepBefore: min(g.KeepBefore, length), Published: g.Published, Frame: g.Frame,
		})
	}
	p, err := compose()
	if err != nil {
		return nil, err
	}
	id := n.ID + "/" + strconv.Itoa(length) + "/" + strconv.FormatFloat(depth, 'g', -1, 64)
	if len(g.Haystacks) > 1 {
		id = h.ID() + "/" + id
	}
	t := &Trial{
		ID: id, Needle: n, Haystack: h.ID(), Length: length, Depth: depth,
		Span: p.Span, AnswerIDs: p.AnswerIDs, QuestionTokens: p.QuestionTokens,
		PromptTokens: len(p.IDs), SharedPrefix: len(g.Frame.Prefix) + p.Insertion, Sink: p.SinkRisk,
		Placement: p.Placement, KeepSink: g.KeepSink,
		prompt: p.IDs, compose: compose, composed: true,
	}
	if d, ok := p.RealDepth(); ok {
		t.RealDepth = &d
	}
	t.digest = digest(p.IDs, t)
	return t, nil
}

// digest identifies what a trial runs: its prompt, span and answer, and whose
// answer it is.
func digest(prompt []int32, t *Trial) (sum [32]byte) {
	buf := make([]byte, 0, 4*(len(prompt)+len(t.AnswerIDs)+4))
	put := func(v int32) { buf = binary.LittleEndian.AppendUint32(buf, uint32(v)) }
	put(int32(len(prompt)))
	for _, id := range prompt {
		put(id)
	}
	put(int32(t.Span.Start))
	put(int32(t.Span.End))
	for _, id := range t.AnswerIDs {
		put(id)
	}
	buf = append(buf, t.Needle.ID...)
	for _, a := range t.Needle.Answers {
		buf = append(append(buf, 0), a...)
	}
	return sha256.Sum256(buf)
}
