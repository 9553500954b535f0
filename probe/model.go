package probe

import (
	"context"
	"fmt"

	"headprof/needle"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/runner/shape"
	"headprof/runner/tokenizer"
)

// ModelOf makes a run's model of the built-in engine's. It reads the whole
// file once, for the manifest's SHA-256.
func ModelOf(m *runner.Model) (Model, error) {
	sum, err := m.Source().SHA256()
	if err != nil {
		return nil, err
	}
	return &builtIn{m, m.Tokenizer(), sum}, nil
}

// ManifestModel describes a model for a manifest.
func ManifestModel(m Model) journal.Model {
	s := m.Shape()
	j := journal.Model{Name: m.Name(), SHA256: m.SHA256(), Layers: len(s), Heads: s.MaxHeads(), Shape: s}
	if b, ok := m.(*builtIn); ok {
		j.Weights, j.Tokenizer = runner.Weights(b.model.Source()), b.Digest()
	}
	return j
}

// tokenProblem is a Model whose tokenizer can fail on a text.
type tokenProblem interface {
	Problem() error
}

// CheckTokens fails where a model's tokenizer had to give up on a text, so that
// the ids it gave are of no use; see tokenizer.Problem.
func CheckTokens(m Model) error {
	if t, ok := m.(tokenProblem); ok {
		if err := t.Problem(); err != nil {
			return fmt.Errorf("%s: %w", m.Name(), err)
		}
	}
	return nil
}

var _ needle.Continuer = (*builtIn)(nil)

// builtIn is the built-in engine behind Model.
type builtIn struct {
	model *runner.Model
	*tokenizer.Tokenizer
	sum string
}

func (b *builtIn) Encode(text string) []needle.Token { return converted(b.Tokenizer.Encode(text)) }

// EncodeInside is for text that continues other text; see needle.Continuer.
func (b *builtIn) EncodeInside(text string) []needle.Token {
	return converted(b.Tokenizer.EncodeInside(text))
}

func converted(tokens []tokenizer.Token) []needle.Token {
	out := make([]needle.Token, len(tokens))
	for i, t := range tokens {
		out[i] = needle.Token(t)
	}
	return out
}

func (b *builtIn) NewSession(capacity int) (Session, error) {
	s, err := b.model.NewSession(capacity)
	if err != nil {
		return nil, err
	}
	return &builtInSession{s}, nil
}

// Backward implements Differentiator.
func (b *builtIn) Backward(ctx context.Context, tokens []int32, g runner.Gradient) error {
	return b.model.Backward(ctx, tokens, g)
}

func (b *builtIn) Shape() shape.Model { return b.model.Shape() }
func (b *builtIn) Context() int       { return b.model.Config().Context }
func (b *builtIn) Vocabulary() int    { return b.model.Config().Vocab }
func (b *builtIn) Name() string       { return b.model.Name() }
func (b *builtIn) SHA256() string     { return b.sum }

type builtInSession struct{ *runner.Session }

func (s *builtInSession) Fork(n int) (Session, error) {
	f, err := s.Session.Fork(n)
	if err != nil {
		return nil, err
	}
	return &builtInSession{f}, nil
}
