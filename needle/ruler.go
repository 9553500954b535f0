package needle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// RulerKind is a kind of task of RULER (Hsieh et al., arXiv 2404.06654,
// section 3). Construction, sizes and metric are RULER's; words and texts are
// of our own, so scores are comparable with each other, not with published ones.
type RulerKind string

// The kinds, in RULER's order.
const (
	NIAHSingle     RulerKind = "niah-single"     // one key and its value in a text (niah_single_2)
	NIAHMultiKey   RulerKind = "niah-multikey"   // four keys, one is asked for (niah_multikey_1)
	NIAHMultiValue RulerKind = "niah-multivalue" // one key with four values
	NIAHMultiQuery RulerKind = "niah-multiquery" // four keys, all are asked for
	VariableTrace  RulerKind = "vt"              // a chain of four assignments
	CommonWords    RulerKind = "cwe"             // the ten most common words of a list
	FrequentWords  RulerKind = "fwe"             // the three most frequent words of a Zipf distribution
	DocumentQA     RulerKind = "qa"              // a question on one of many documents
)

// rulerKind says how a kind's tasks are made.
type rulerKind struct {
	name      RulerKind
	maxTokens int // generated, RULER's tokens_to_generate
	any       bool
	make      func(*ruler) (*RulerTask, error)
}

func rulerKinds() []rulerKind {
	return []rulerKind{
		{NIAHSingle, 128, false, keysAndValues{keys: 1, values: 1, queries: 1}.make},
		{NIAHMultiKey, 128, false, keysAndValues{keys: 4, values: 1, queries: 1}.make},
		{NIAHMultiValue, 128, false, keysAndValues{keys: 1, values: 4, queries: 1}.make},
		{NIAHMultiQuery, 128, false, keysAndValues{keys: 4, values: 1, queries: 4}.make},
		{VariableTrace, 30, false, (*ruler).trace},
		{CommonWords, 120, false, (*ruler).common},
		{FrequentWords, 50, false, (*ruler).frequent},
		{DocumentQA, 32, true, (*ruler).documents},
	}
}

// RulerKinds lists the kinds.
func RulerKinds() []RulerKind {
	var out []RulerKind
	for _, k := range rulerKinds() {
		out = append(out, k.name)
	}
	return out
}

// RulerOptions say what a task is made of.
type RulerOptions struct {
	// Length bounds prompt and generated tokens together, as RULER's
	// max_seq_length does.
	Length   int
	Haystack *Haystack // text of the niah kinds and of qa's documents
	Needles  []Needle  // facts and questions of qa
	Frame    Frame     // around the prompt; the beginning of the answer follows it
	Seed     uint64
	Index    int // tasks of one seed differ by it
}

// RulerTask is one prompt and what is expected of the answer.
type RulerTask struct {
	IDs       []int32  // the prompt, the beginning of the answer included
	Answers   []string // what an answer must hold
	Any       bool     // one of them is enough; else the share of them counts
	AnswerIDs []int32  // all of them, as the prompt's continuation
	MaxTokens int      // to generate
	Depths    []float64
}

// Ruler makes a task: the same for the same tokenizer, kind and options. The
// prompt has Length − MaxTokens tokens, or a few less where its parts are words
// or documents.
//
// Errors: an unknown kind, what does not fit into Length, a haystack too short.
func Ruler(tok Tokenizer, kind RulerKind, o RulerOptions) (*RulerTask, error) {
	at := slices.IndexFunc(rulerKinds(), func(k rulerKind) bool { return k.name == kind })
	if at < 0 {
		return nil, fmt.Errorf("unknown RULER task %q; known are %s", kind, kindNames())
	}
	if o.Haystack == nil {
		return nil, errors.New("the haystack is missing")
	}
	k := rulerKinds()[at]
	r := &ruler{RulerOptions: o, tok: tok, inside: tok.Encode, kind: k}
	if c, ok := tok.(Continuer); ok {
		r.inside = c.EncodeInside
	}
	r.start()
	t, err := k.make(r)
	if err != nil {
		return nil, fmt.Errorf("RULER's %s: %w", kind, err)
	}
	t.Any, t.MaxTokens = k.any, k.maxTokens
	expected := t.Answers
	if t.Any {
		expected = t.Answers[:1]
	}
	t.AnswerIDs = idsOf(r.inside(" " + strings.Join(expected, ", ")))
	return t, nil
}

func kindNames() string {
	var out []string
	for _, k := range RulerKinds() {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// ruler makes one task.
type ruler struct {
	RulerOptions
	tok    Tokenizer
	inside func(string) []Token // of a text that continues another
	kind   rulerKind
	random *rand.Rand
}

// start begins the task's random numbers anew.
func (r *ruler) start() {
	stream := uint64(r.Index)
	for _, b := range []byte(r.kind.name) {
		stream = mix(stream ^ uint64(b))
	}
	r.random = rand.New(rand.NewPCG(r.Seed, stream))
}

// rulerFrame is what stands around a prompt's body; lead is the beginning of the
// answer, behind the chat template.
type rulerFrame struct{ intro, question, lead string }

// room is how many tokens are left for the body; put makes the prompt.
func (r *ruler) room(f rulerFrame) (room int, put func(body []int32) []int32) {
	intro, question, lead := idsOf(r.tok.Encode(f.intro)), idsOf(r.inside(f.question)), idsOf(r.inside(f.lead))
	put = func(body []int32) []int32 {
		return slices.Concat(r.Frame.Prefix, intro, body, question, r.Frame.Suffix, lead)
	}
	return r.Length - r.kind.maxTokens - len(put(nil)), put
}

// tooShort says that a task does not fit.
func (r *ruler) tooShort(f rulerFrame, least int) error {
	room, _ := r.room(f)
	return fmt.Errorf("the smallest task takes %d tokens with the %d of the answer, and %d are given; use a longer --lengths value",
		r.Length-room+least, r.kind.maxTokens, r.Length)
}

// fill gives the largest body of at least least units that fits. body gives the
// text of n units and what is expected; it starts from the same random numbers
// for every n.
func (r *ruler) fill(f rulerFrame, least, most int, body func(n int) (string, []string)) (*RulerTask, error) {
	room, put := r.room(f)
	type made struct {
		ids     []int32
		answers []string
	}
	try := func(n int) made {
		r.start()
		text, answers := body(n)
		return made{idsOf(r.inside(text)), answers}
	}
	best := try(least)
	if len(best.ids) > room {
		return nil, r.tooShort(f, len(best.ids))
	}
	// The number of tokens grows with n but for the order of words, so that
	// the search ends near the largest n that fits.
	low, high := least, most
	for n := 2 * least; low < high && n < most; n *= 2 {
		b := try(n)
		if len(b.ids) > room {
			high = n - 1
			break
		}
		low, best = n, b
	}
	for low < high {
		n := (low + high + 1) / 2
		if b := try(n); len(b.ids) <= room {
			low, best = n, b
		} else {
			high = n - 1
		}
	}
	return &RulerTask{IDs: put(best.ids), Answers: best.answers}, nil
}
