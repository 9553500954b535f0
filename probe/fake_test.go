package probe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"headprof/needle"
	"headprof/runner/backend"
	"headprof/runner/shape"
)

// fakeModel is a deterministic engine of hashes: what it says at a position
// depends on all tokens up to there and on nothing else, like a transformer.
// Where the last two tokens occurred before, it mostly goes on as it did then,
// so that it sometimes finds a needle, and sometimes departs from an answer.
type fakeModel struct {
	ids      map[string]int32
	texts    []string
	context  int
	sha      string
	pause    time.Duration // per Extend
	computed int           // tokens, over all sessions
	open     int           // sessions
	calls    int
	fail     error // of Extend, once calls reach failAt
	failAt   int
	poison   bool  // NaN logits
	thinks   bool  // it writes <think>, and mostly </think> some time later
	rooms    []int // capacities asked for, of every new session
	sizes    []int // tokens of every Extend
}

const (
	fakeVocabulary = 1024
	fakeLayers     = 3
	fakeHeads      = 4
	fakeEnd        = 0
	fakeNewline    = 1
)

func newFake() *fakeModel {
	m := &fakeModel{ids: map[string]int32{"<end>": 0, "\n": 1}, texts: []string{"<end>", "\n"}, context: 4096, sha: "f00d"}
	m.Encode(" visit</think>")
	m.Encode("The") // how sentences begin; met first while a run is on, its id would depend on the run
	return m
}

var fakePiece = regexp.MustCompile(`(?s) ?[\pL\d]+|.`)

func (f *fakeModel) Encode(text string) []needle.Token {
	var out []needle.Token
	for _, at := range fakePiece.FindAllStringIndex(text, -1) {
		piece := text[at[0]:at[1]]
		id, ok := f.ids[piece]
		if !ok {
			id = int32(len(f.texts))
			f.ids[piece] = id
			f.texts = append(f.texts, piece)
		}
		out = append(out, needle.Token{ID: id, Start: at[0], End: at[1]})
	}
	return out
}

func (f *fakeModel) Text(id int32) string {
	if int(id) < len(f.texts) {
		return f.texts[id]
	}
	return fmt.Sprintf(" <%d>", id)
}

func (f *fakeModel) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(f.Text(id))
	}
	return b.String()
}

func (f *fakeModel) Shape() shape.Model {
	return shape.Uniform(fakeLayers, shape.Layer{Heads: fakeHeads})
}
func (f *fakeModel) Context() int        { return f.context }
func (f *fakeModel) Vocabulary() int     { return fakeVocabulary }
func (f *fakeModel) IsEnd(id int32) bool { return id == fakeEnd }
func (f *fakeModel) Name() string        { return "fake" }
func (f *fakeModel) SHA256() string      { return f.sha }

func (f *fakeModel) NewSession(capacity int) (Session, error) {
	f.open++
	f.rooms = append(f.rooms, capacity)
	return &fakeSession{model: f}, nil
}

// fakeSession keeps tokens and, as a cache would, a running hash per position.
type fakeSession struct {
	model  *fakeModel
	tokens []int32
	state  []uint64
	closed bool
}

func mixHash(h, v uint64) uint64 {
	r := random(h ^ v*0x9e3779b97f4a7c15)
	return r.next()
}

func (s *fakeSession) Len() int     { return len(s.tokens) }
func (s *fakeSession) Bytes() int64 { return int64(12 * len(s.tokens)) }

func (s *fakeSession) Close() {
	if s.closed {
		panic("session closed twice")
	}
	s.closed = true
	s.model.open--
}

func (s *fakeSession) Truncate(n int) error {
	if n < 0 || n > len(s.tokens) {
		return fmt.Errorf("truncating %d tokens to %d", len(s.tokens), n)
	}
	s.tokens, s.state = s.tokens[:n], s.state[:n]
	return nil
}

func (s *fakeSession) Fork(n int) (Session, error) {
	if n < 0 || n > len(s.tokens) {
		return nil, fmt.Errorf("forking %d of %d tokens", n, len(s.tokens))
	}
	s.model.open++
	return &fakeSession{model: s.model, tokens: append([]int32(nil), s.tokens[:n]...), state: append([]uint64(nil), s.state[:n]...)}, nil
}

func (s *fakeSession) Extend(ctx context.Context, tokens []int32, w Watch) ([][]float32, error) {
	m := s.model
	if m.calls++; m.fail != nil && m.calls >= m.failAt {
		return nil, m.fail
	}
	if m.pause > 0 {
		time.Sleep(m.pause)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed || len(tokens) == 0 {
		return nil, errors.New("extending a closed session, or by nothing")
	}
	first := len(s.tokens)
	if first+len(tokens) > m.context {
		return nil, errors.New("over the context")
	}
	m.computed += len(tokens)
	m.sizes = append(m.sizes, len(tokens))
	for _, id := range tokens {
		var h uint64
		if n := len(s.state); n > 0 {
			h = s.state[n-1]
		}
		s.tokens = append(s.tokens, id)
		s.state = append(s.state, mixHash(h, uint64(id)+1))
	}
	for _, p := range w.Attention {
		if p < first || p >= len(s.tokens) {
			return nil, errors.New("watching a position that is not computed")
		}
		for l := range fakeLayers {
			for h := range fakeHeads {
				w.Rows(s.row(l, h, p))
			}
		}
	}
	var out [][]float32
	for _, p := range w.Logits {
		out = append(out, s.logits(p))
	}
	return out, nil
}

// row gives an attention row; the last layer has a window of 32 keys.
func (s *fakeSession) row(l, h, p int) backend.Row {
	first := 0
	if l == fakeLayers-1 {
		first = max(0, p-31)
	}
	weights := make([]float32, p+1-first)
	var sum float32
	for i := range weights {
		v := mixHash(s.state[p]^uint64(l*31+h), uint64(s.tokens[first+i])<<20|uint64(first+i))
		weights[i] = float32(v>>40) / (1 << 24)
		weights[i] *= weights[i] * weights[i]
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return backend.Row{Layer: l, Head: h, Position: p, First: first, Weights: weights}
}

func (s *fakeSession) logits(p int) []float32 {
	out := make([]float32, fakeVocabulary)
	rng := random(s.state[p])
	for i := range out {
		out[i] = float32(rng.next()>>40) / (1 << 24)
	}
	if s.model.poison {
		for i := range out {
			out[i] = float32(nan)
		}
	}
	if s.model.thinks {
		if next := s.mark(p, rng.next()); next != "" {
			out[s.model.ids[next]] += 4
			return out
		}
	}
	switch v := rng.next() % 16; {
	case v == 0:
		out[fakeEnd] += 2
	case v == 1:
		out[fakeNewline] += 2
	case v < 14:
		if next := s.continuation(p, v < 12); next >= 0 {
			out[next] += 2
		}
	}
	return out
}

// mark is the next piece of <think> or </think>; "" outside of them.
func (s *fakeSession) mark(p int, chance uint64) string {
	m := s.model
	begun := false
	for i := p; i >= 0 && m.Text(s.tokens[i]) != ":"; i-- {
		begun = begun || i < p && m.Text(s.tokens[i]) == "think"
	}
	switch last := m.Text(s.tokens[p]); {
	case last == ":", last != "<" && last != "/" && last != "think" && begun && chance%12 == 0:
		return "<"
	case last == "<" && begun:
		return "/"
	case last == "<", last == "/":
		return "think"
	case last == "think":
		return ">"
	case last == ">" && chance%3 > 0:
		return " visit"
	}
	return ""
}

// continuation is what followed the last two tokens before, or the last one;
// behind "Answer:" it is how all answers of the tests begin.
func (s *fakeSession) continuation(p int, pairs bool) int32 {
	if s.model.Text(s.tokens[p]) == ":" {
		return s.model.ids[" visit"]
	}
	single := int32(-1)
	for i := p - 1; i > 0; i-- {
		if s.tokens[i] != s.tokens[p] {
			continue
		}
		if pairs && s.tokens[i-1] == s.tokens[p-1] {
			return s.tokens[i+1]
		}
		if single < 0 {
			single = s.tokens[i+1]
		}
	}
	return single
}

var nan = func() float64 { var z float64; return z / z }()
