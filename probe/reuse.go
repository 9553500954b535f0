package probe

import (
	"context"
	"fmt"
)

// Cost is what a plan's prefills cost, in tokens.
type Cost struct {
	Naive   int64 // each trial, duplicates included, from token 0
	Planned int64 // with shared prefixes computed once
	Peak    int64 // the most tokens held in caches at once, answers included
	// PerTrial is the planned tokens of each trial to run, in order.
	PerTrial []int
}

// move is how a trial's session is made ready: from the working session, or
// as a fork of the haystack's base after growing it.
type move struct {
	keep   int // tokens of the prompt that need no computing
	base   bool
	growTo int // length of the base afterwards
	cost   int // tokens to compute, base's growth included
}

// ledger decides moves. It knows only lengths and ids, so that the same
// decisions can be made ahead of a run, to count tokens, and during it.
type ledger struct {
	reuse bool
	bases map[string]int // length of each haystack's base; absent: none is kept
	last  []int32        // what the working session holds
}

func (l *ledger) next(t *Trial, prompt []int32) move {
	if !l.reuse {
		return move{cost: len(prompt) * (1 + len(t.Also))}
	}
	// The last prompt token is always computed: its logits are needed.
	limit := len(prompt) - 1
	shared := min(commonPrefix(l.last, prompt), limit)
	m := move{keep: shared}
	if length, kept := l.bases[t.Haystack]; kept {
		if sharedPrefix := min(t.SharedPrefix, limit); sharedPrefix > shared {
			m = move{keep: sharedPrefix, base: true, growTo: max(length, sharedPrefix)}
			m.cost = m.growTo - length
			l.bases[t.Haystack] = m.growTo
		}
	}
	m.cost += len(prompt) - m.keep
	l.last = prompt
	return m
}

func commonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// baseUse is how long a haystack's base is worth keeping: until the trial at
// index last.
type baseUse struct{ last int }

// chooseBases decides for which haystacks a base session pays: a second copy
// of the cache is kept only where later trials would otherwise compute the
// haystack's beginning again.
func (p *Plan) chooseBases(trials []*Trial, reuse bool) (map[string]baseUse, error) {
	uses := map[string]baseUse{}
	if !reuse || p.OneCache {
		return uses, nil
	}
	plain := ledger{reuse: true}
	seen := map[string]int{} // longest shared prefix computed so far
	waste := map[string]int{}
	last := map[string]int{}
	for i, t := range trials {
		if t.SharedPrefix == 0 {
			continue
		}
		prompt, err := t.Prompt()
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", t.ID, err)
		}
		m := plain.next(t, prompt)
		if again := min(t.SharedPrefix, seen[t.Haystack]) - m.keep; again > 0 {
			waste[t.Haystack] += again
			last[t.Haystack] = i
		}
		seen[t.Haystack] = max(seen[t.Haystack], t.SharedPrefix)
	}
	for h, n := range waste {
		// A fork copies; for a few tokens it is not worth the memory.
		if n >= 64 {
			uses[h] = baseUse{last[h]}
		}
	}
	return uses, nil
}

// EstimateCost counts the tokens that running trials in this order takes.
func (p *Plan) EstimateCost(reuse bool) (Cost, error) { return estimate(p, p.Trials, reuse) }

func estimate(p *Plan, trials []*Trial, reuse bool) (Cost, error) {
	var c Cost
	uses, err := p.chooseBases(trials, reuse)
	if err != nil {
		return c, err
	}
	l := newLedger(uses, reuse)
	for i, t := range trials {
		prompt, err := t.Prompt()
		if err != nil {
			return c, fmt.Errorf("trial %s: %w", t.ID, err)
		}
		m := l.next(t, prompt)
		c.PerTrial = append(c.PerTrial, m.cost)
		c.Planned += int64(m.cost)
		c.Naive += int64(len(prompt)) * int64(1+len(t.Also))
		held := int64(len(prompt) + p.Rules.steps(t))
		for _, n := range l.bases {
			held += int64(n)
		}
		c.Peak = max(c.Peak, held)
		l.drop(uses, i)
	}
	return c, nil
}

func newLedger(uses map[string]baseUse, reuse bool) *ledger {
	l := &ledger{reuse: reuse, bases: map[string]int{}}
	for h := range uses {
		l.bases[h] = 0
	}
	return l
}

// drop forgets bases that no trial after i needs, and names them.
func (l *ledger) drop(uses map[string]baseUse, i int) (dropped []string) {
	for h, u := range uses {
		if _, kept := l.bases[h]; kept && u.last <= i {
			delete(l.bases, h)
			dropped = append(dropped, h)
		}
	}
	return dropped
}

// sessions holds the caches of a run: one base per haystack where that pays,
// and the one that trials are run in.
type sessions struct {
	model    Model
	capacity int
	chunk    int
	ledger   *ledger
	uses     map[string]baseUse
	bases    map[string]Session
	work     Session
	computed func(tokens int) // told after each chunk
}

func newSessions(m Model, p *Plan, trials []*Trial, reuse bool, chunk int, computed func(int)) (*sessions, error) {
	uses, err := p.chooseBases(trials, reuse)
	if err != nil {
		return nil, err
	}
	s := &sessions{model: m, chunk: chunk, ledger: newLedger(uses, reuse), uses: uses, bases: map[string]Session{}, computed: computed}
	for _, t := range trials {
		s.capacity = max(s.capacity, t.PromptTokens+p.Rules.steps(t))
	}
	return s, nil
}

// ready gives the session to run a trial in. It holds a beginning of the
// prompt, at most all tokens but the last.
func (s *sessions) ready(ctx context.Context, t *Trial, prompt []int32) (Session, error) {
	m := s.ledger.next(t, prompt)
	if m.base {
		base := s.bases[t.Haystack]
		if base == nil {
			var err error
			if base, err = s.model.NewSession(s.capacity); err != nil {
				return nil, err
			}
			s.bases[t.Haystack] = base
		}
		if n := base.Len(); n < m.growTo {
			if err := s.prefill(ctx, base, prompt[n:m.growTo]); err != nil {
				return nil, err
			}
		}
		s.closeWork()
		work, err := base.Fork(m.keep)
		if err != nil {
			return nil, err
		}
		s.work = work
		return work, nil
	}
	if s.work != nil && m.keep > 0 {
		return s.work, s.work.Truncate(m.keep)
	}
	if s.work != nil && s.ledger.reuse {
		return s.work, s.work.Truncate(0)
	}
	s.closeWork()
	work, err := s.model.NewSession(s.capacity)
	if err != nil {
		return nil, err
	}
	s.work = work
	return work, nil
}

// prefill extends a session by tokens, a chunk at a time.
func (s *sessions) prefill(ctx context.Context, to Session, tokens []int32) error {
	for len(tokens) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := nextChunk(len(tokens), s.chunk)
		if _, err := to.Extend(ctx, tokens[:n], Watch{}); err != nil {
			return err
		}
		s.computed(n)
		tokens = tokens[n:]
	}
	return nil
}

// nextChunk cuts n tokens into pieces of about equal size, none above chunk.
func nextChunk(n, chunk int) int {
	pieces := (n + chunk - 1) / chunk
	return (n + pieces - 1) / pieces
}

// done frees bases that no trial after index i needs.
func (s *sessions) done(i int) {
	for _, h := range s.ledger.drop(s.uses, i) {
		if b := s.bases[h]; b != nil {
			b.Close()
			delete(s.bases, h)
		}
	}
}

func (s *sessions) closeWork() {
	if s.work != nil {
		s.work.Close()
		s.work = nil
	}
}

func (s *sessions) close() {
	s.closeWork()
	for _, b := range s.bases {
		b.Close()
	}
	s.bases = nil
}
