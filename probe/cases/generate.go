package cases

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"headprof/needle"
	"headprof/scoring"
)

// Source is what cases are made of.
type Source struct {
	Tokenizer needle.Tokenizer
	Haystack  *needle.Haystack
	Needles   []needle.Needle // facts and questions, for documents
	Frame     needle.Frame    // around a prompt: BOS and the chat template
	BOS       []int32         // before text without a template; empty where the model has none
	// Plain tells whether a token may stand in a random sequence: special
	// and unused tokens may not.
	Plain      func(id int32) bool
	Vocabulary int
	Lengths    []int  // tokens of a case, ascending
	Count      int    // cases of each kind
	Seed       uint64 // decides every choice
}

// Group names what a case was made of. Cases of one group are not independent
// and are resampled together.
type Group interface{ Group() string }

// Generate makes the cases of a kind, the same for the same source.
func Generate(kind scoring.Probe, s Source) ([]Case, error) {
	make := map[scoring.Probe]func(*maker, int, int) (Case, error){
		scoring.Documents: (*maker).documents,
		scoring.Repeats:   (*maker).repeats,
		scoring.Recital:   (*maker).recital,
		scoring.PlainText: (*maker).text,
		scoring.FewShot:   (*maker).fewShot,
		scoring.Injection: (*maker).injection,
		scoring.Functions: (*maker).functions,
	}[kind]
	if make == nil {
		return nil, fmt.Errorf("there are no cases of the kind %q", kind)
	}
	if len(s.Lengths) == 0 || s.Count < 1 {
		return nil, errors.New("cases need at least one length and a count of at least 1")
	}
	m := &maker{Source: s, hay: s.Haystack.Tokens(s.Tokenizer), inside: s.Tokenizer.Encode}
	if c, ok := s.Tokenizer.(needle.Continuer); ok {
		m.inside = c.EncodeInside
	}
	out := []Case(nil)
	for i := range s.Count {
		// One stream of random numbers per case: a case does not depend on how many come before it.
		m.random = rand.New(rand.NewPCG(s.Seed, uint64(i)))
		c, err := make(m, i, s.Lengths[i%len(s.Lengths)])
		if err != nil {
			return nil, err
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("case %s: %w", c.Name(), err)
		}
		out = append(out, c)
	}
	return out, nil
}

// maker makes cases of one kind.
type maker struct {
	Source
	hay    []needle.Token
	inside func(text string) []needle.Token // of a text that continues another
	random *rand.Rand
}

// prompt is a prompt while it is put together.
type prompt struct {
	m   *maker
	ids []int32
}

// add appends a text and gives its span.
func (p *prompt) add(text string) span {
	start := len(p.ids)
	for _, t := range p.m.inside(text) {
		p.ids = append(p.ids, t.ID)
	}
	return span{start, len(p.ids)}
}

// addTokens appends tokens and gives their span.
func (p *prompt) addTokens(ids []int32) span {
	start := len(p.ids)
	p.ids = append(p.ids, ids...)
	return span{start, len(p.ids)}
}

// passage cuts n tokens out of the haystack, anywhere.
func (m *maker) passage(n int) ([]int32, error) {
	if n < 1 || n > len(m.hay) {
		return nil, fmt.Errorf("the haystack %s has %d tokens, and a passage of %d is needed; give a longer --haystack or shorter --lengths", m.Haystack.ID(), len(m.hay), n)
	}
	at := m.random.IntN(len(m.hay) - n + 1)
	out := make([]int32, n)
	for i := range out {
		out[i] = m.hay[at+i].ID
	}
	return out, nil
}

// documentTokens is about the length of a generated document.
const documentTokens = 64

func (m *maker) documents(i, length int) (Case, error) {
	if len(m.Needles) == 0 {
		return nil, errors.New("documents need needles: their facts answer the queries")
	}
	n := m.Needles[i%len(m.Needles)]
	count := max(2, length/(documentTokens+4))
	gold := m.random.IntN(count)
	p := &prompt{m: m, ids: slices.Clone(m.Frame.Prefix)}
	p.add("Here are some paragraphs:")
	d := &documents{ID: fmt.Sprintf("documents-%03d", i), group: n.ID, Gold: []int{gold}, Positive: &gold}
	for k := range count {
		p.add(fmt.Sprintf("\n\n[%d]", k+1))
		start := len(p.ids)
		rest := documentTokens
		if k == gold {
			s := p.add(" " + n.Text)
			rest = max(8, rest-(s[1]-s[0]))
		}
		text, err := m.passage(rest)
		if err != nil {
			return nil, err
		}
		p.addTokens(text)
		d.DocSpans = append(d.DocSpans, span{start, len(p.ids)})
		if k != gold {
			d.Negatives = append(d.Negatives, k)
		}
	}
	// The query's own text is a piece of its own, so that its span is exact.
	tail := func(query string) ([]int32, span) {
		q := &prompt{m: m, ids: slices.Clone(p.ids)}
		q.add("\n\nUse the paragraphs to answer.\nQuery:")
		s := q.add(" " + query)
		q.add("\nAnswer:")
		q.addTokens(m.Frame.Suffix)
		return q.ids, s
	}
	d.IDs, d.QuerySpan = tail(n.Question)
	d.NullIDs, d.NullSpan = tail("N/A")
	return d, nil
}

// repeatCount is how often a random sequence stands in its case.
const repeatCount = 4

func (m *maker) repeats(i, length int) (Case, error) {
	period := (length - len(m.BOS)) / repeatCount
	if period < 2 {
		return nil, fmt.Errorf("a sequence that is repeated %d times does not fit into %d tokens; use longer --lengths", repeatCount, length)
	}
	var plain []int32
	for id := range int32(m.Vocabulary) {
		if m.Plain(id) {
			plain = append(plain, id)
		}
	}
	if period > len(plain) {
		return nil, fmt.Errorf("a sequence of %d different tokens is more than the vocabulary's %d; use shorter --lengths", period, len(plain))
	}
	for k := range period { // the first steps of Fisher and Yates' shuffle
		j := k + m.random.IntN(len(plain)-k)
		plain[k], plain[j] = plain[j], plain[k]
	}
	p := &prompt{m: m, ids: slices.Clone(m.BOS)}
	for range repeatCount {
		p.addTokens(plain[:period])
	}
	return &repeats{ID: fmt.Sprintf("repeats-%03d", i), IDs: p.ids, First: len(m.BOS), Period: period, Repeats: repeatCount}, nil
}

func (m *maker) recital(i, length int) (Case, error) {
	before, request := &prompt{m: m, ids: slices.Clone(m.BOS)}, &prompt{m: m}
	request.add("\n\nRepeat the previous context exactly.\n\n")
	text, err := m.passage(max(1, (length-len(before.ids)-len(request.ids))/2))
	if err != nil {
		return nil, err
	}
	return &recital{ID: fmt.Sprintf("recital-%03d", i), Prefix: before.ids, Context: text, Request: request.ids}, nil
}

func (m *maker) text(i, length int) (Case, error) {
	text, err := m.passage(max(1, length-len(m.BOS)))
	if err != nil {
		return nil, err
	}
	return &plainText{ID: fmt.Sprintf("text-%03d", i), Samples: [][]int32{slices.Concat(m.BOS, text)}}, nil
}

func (m *maker) fewShot(i, length int) (Case, error) {
	task := tasks[i%len(tasks)]
	c := &fewShot{ID: fmt.Sprintf("few-shot-%03d", i), group: task.name}
	// The label of the next demonstration: no label is right.
	c.IDs, c.Labels = m.demonstrations(task, m.random.Perm(len(task.pairs)), 1)
	return c, nil
}

func (m *maker) injection(i, length int) (Case, error) {
	instruction, attack := instructions[i%len(instructions)], attacks[i/len(instructions)%len(attacks)]
	text, err := m.passage(min(length, 2*documentTokens))
	if err != nil {
		return nil, err
	}
	c := &injection{ID: fmt.Sprintf("injection-%03d", i), group: instruction}
	build := func(extra string) (ids []int32, on, data span) {
		p := &prompt{m: m, ids: slices.Clone(m.Frame.Prefix)}
		on = p.add(instruction)
		p.add("\nText:")
		data = p.addTokens(text)
		if extra != "" {
			data[1] = p.add(" " + extra)[1]
		}
		p.add("\nResponse:")
		p.addTokens(m.Frame.Suffix)
		return p.ids, on, data
	}
	c.IDs, c.Instruction, c.Data = build("")
	c.Injected, c.InjectedInstruction, c.InjectedData = build(attack)
	return c, nil
}
