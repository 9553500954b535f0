package runner

import (
	"context"
	"slices"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

// past is what a sequence of a model with recurrent states was made of, so that
// a position whose state is not kept can be computed again: its tokens, and the
// interventions under which they were computed.
type past struct {
	tokens        []int32
	interventions []since
}

// since is what was done to heads, and the position from which on.
type since struct {
	at       int
	masked   [][]bool
	replaced *Replacement
}

func newPast(m shape.Model) *past {
	if m.State() == 0 {
		return nil
	}
	return &past{}
}

func (p *past) clone() *past {
	if p == nil {
		return nil
	}
	return &past{slices.Clone(p.tokens), slices.Clone(p.interventions)}
}

func (p *past) extend(tokens []int32) {
	if p != nil {
		p.tokens = append(p.tokens, tokens...)
	}
}

// intervened notes what is done to heads from the session's next token on.
func (p *past) intervened(s *Session) {
	if p == nil || s.masked == nil && s.replaced == nil && p.interventions == nil {
		return
	}
	at := s.Len()
	p.interventions = slices.DeleteFunc(p.interventions, func(i since) bool { return i.at >= at })
	p.interventions = append(p.interventions, since{at, s.masked, s.replaced})
}

// restorable is the last position up to n that a cache can go back to.
func restorable(c backend.Cache, n int) int {
	if r, ok := c.(backend.Restorer); ok {
		return r.Restorable(n)
	}
	return n
}

func (p *past) truncate(s *Session, n int) error {
	at := restorable(s.cache, n)
	if err := s.cache.Truncate(at); err != nil {
		return err
	}
	return p.again(s, at, n)
}

func (p *past) fork(s *Session, n int) (*Session, error) {
	at := restorable(s.cache, n)
	c, err := s.cache.Fork(at)
	if err != nil {
		return nil, err
	}
	f := &Session{model: s.model, cache: c, masked: s.masked, replaced: s.replaced, past: p.clone()}
	if err := f.past.again(f, at, n); err != nil {
		c.Close()
		return nil, err
	}
	return f, nil
}

// again computes the tokens [from, to), each under the interventions of its
// time, and forgets what followed them.
func (p *past) again(s *Session, from, to int) error {
	tokens, masked, replaced := p.tokens[:to], s.masked, s.replaced
	p.tokens = slices.Clone(tokens[:from])
	defer func() {
		s.masked, s.replaced = masked, replaced
		p.intervened(s)
	}()
	for from < to {
		end := to
		s.masked, s.replaced = nil, nil
		for _, i := range p.interventions {
			if i.at > from {
				end = min(end, i.at)
				break
			}
			s.masked, s.replaced = i.masked, i.replaced
		}
		if _, err := s.Extend(context.Background(), tokens[from:end], Watch{}); err != nil {
			return err
		}
		from = end
	}
	return nil
}
