package needle_test

import (
	"slices"
	"strings"
	"testing"

	"headprof/needle"
)

// The needle has 9 tokens: " Ada keeps her key under a red stone ." counted
// by hand; its evidence " under a red stone" is tokens 4 to 8.
var ada = needle.Needle{
	ID: "ada", Kind: needle.Retrieval,
	Text:     "Ada keeps her key under a red stone.",
	Question: "Where does Ada keep her key?",
	Answers:  []string{"under a red stone"},
	Evidence: "under a red stone",
}

// question is the tokens of adas question text: newline, 6 words to "book",
// comma, " Question", colon, 6 words, "?", newline, "Answer", colon.
const questionTokens = 1 + 7 + 1 + 1 + 1 + 6 + 1 + 1 + 1 + 1

// haystack gives sentences of four tokens each: "aa bb cc." repeated.
func sentences(t *testing.T, n int) *needle.Haystack {
	t.Helper()
	h, err := needle.NewHaystack("test", strings.TrimPrefix(strings.Repeat(" aa bb cc.", n), " "))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func compose(t *testing.T, tok needle.Tokenizer, h *needle.Haystack, o needle.Options) *needle.Prompt {
	t.Helper()
	p, err := needle.Compose(tok, h, ada, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeCutsTheHaystackAndPlacesTheNeedleAfterASentence(t *testing.T) {
	for _, c := range []struct {
		name      string
		o         needle.Options
		n, at     int
		spanStart int
	}{
		// 100 − 32 − 9 = 59 haystack tokens; floor(59·50/100) = 29 → 28.
		{"short context", needle.Options{Length: 100, Depth: 50}, 59, 28, 32},
		// 1000 − 200 − 9 = 791; floor(791·33/100) = 261 → 260.
		{"long context", needle.Options{Length: 1000, Depth: 33}, 791, 260, 264},
		// 999 is below 1000: 999 − 32 − 9 = 958; floor(958·11/100) = 105 → 104.
		{"just short", needle.Options{Length: 999, Depth: 11}, 958, 104, 108},
		{"own buffer", needle.Options{Length: 100, Depth: 50, Buffer: 51}, 40, 20, 24},
		{"no buffer", needle.Options{Length: 100, Depth: 50, Buffer: needle.NoBuffer}, 91, 44, 48},
		{"depth 0", needle.Options{Length: 100, Depth: 0}, 59, 0, 4},
		// Less than a sentence before the depth: floor(59·5/100) = 2 → 0.
		{"no full stop before", needle.Options{Length: 100, Depth: 5}, 59, 0, 4},
		{"depth 100 does not walk back", needle.Options{Length: 100, Depth: 100}, 59, 59, 63},
		{"no haystack", needle.Options{Length: 0, Depth: 50}, 0, 0, 4},
		{"needle fits exactly", needle.Options{Length: 41, Depth: 50}, 0, 0, 4},
		{"text kept before", needle.Options{Length: 100, Depth: 0, KeepBefore: 6}, 59, 8, 12},
		{"text kept before, deep enough", needle.Options{Length: 100, Depth: 50, KeepBefore: 6}, 59, 28, 32},
		// 28 is the last full stop of the first half: floor(59/2) = 29 and, of 56, 28.
		{"text kept before, last of the first half", needle.Options{Length: 100, Depth: 0, KeepBefore: 26}, 59, 28, 32},
		{"text kept before, at the middle", needle.Options{Length: 97, Depth: 0, KeepBefore: 26}, 56, 28, 32},
		// 56 is the full stop nearest behind 55.
		{"text kept before, past the middle", needle.Options{Length: 100, Depth: 0, KeepBefore: 55}, 59, 56, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := &fakeTokenizer{}
			h := sentences(t, 300)
			p := compose(t, tok, h, c.o)
			if p.HaystackTokens != c.n || p.Insertion != c.at {
				t.Errorf("%d haystack tokens, needle at %d; want %d, %d", p.HaystackTokens, p.Insertion, c.n, c.at)
			}
			if want := (needle.Span{Start: c.spanStart, End: c.spanStart + 4}); p.Span != want {
				t.Errorf("span %v, want %v", p.Span, want)
			}
			if got := tok.text(p.IDs[p.Span.Start:p.Span.End]); got != " under a red stone" {
				t.Errorf("the span reads %q", got)
			}
			if len(p.IDs) != c.n+9+questionTokens {
				t.Errorf("%d tokens, want %d", len(p.IDs), c.n+9+questionTokens)
			}
			hay := h.Tokens(tok)
			cut := func(from, to int) string {
				s := ""
				for _, t := range hay[from:to] {
					s += tok.Text(t.ID)
				}
				return s
			}
			want := cut(0, c.at) + " Ada keeps her key under a red stone." + cut(c.at, c.n) +
				"\nBased on the content of the book, Question: Where does Ada keep her key?\nAnswer:"
			if got := tok.text(p.IDs); got != want {
				t.Errorf("prompt\n%q\nwant\n%q", got, want)
			}
			if got := tok.text(p.AnswerIDs); got != " under a red stone" {
				t.Errorf("answer %q", got)
			}
			if p.QuestionTokens != 7 {
				t.Errorf("%d question tokens, want 7", p.QuestionTokens)
			}
		})
	}
}

func TestTheFrameStandsAroundAndMovesTheSpanAlone(t *testing.T) {
	tok := &fakeTokenizer{}
	h := sentences(t, 300)
	o := needle.Options{Length: 100, Depth: 50}
	bare := compose(t, tok, h, o)
	o.Frame = needle.Frame{Prefix: []int32{900, 901}, Suffix: []int32{902}}
	framed := compose(t, tok, h, o)
	want := append(append([]int32{900, 901}, bare.IDs...), 902)
	if !slices.Equal(framed.IDs, want) {
		t.Error("the frame changed the prompt within")
	}
	if framed.Span.Start != bare.Span.Start+2 || framed.Span.End != bare.Span.End+2 || framed.Insertion != bare.Insertion {
		t.Errorf("span %v insertion %d, bare %v %d", framed.Span, framed.Insertion, bare.Span, bare.Insertion)
	}
}

// prefixing puts a mark before every text, as Llama 2 puts a space.
type prefixing struct{ fakeTokenizer }

func (p *prefixing) Encode(text string) []needle.Token {
	out := p.fakeTokenizer.Encode("|" + text)
	for i := range out {
		out[i].Start, out[i].End = max(0, out[i].Start-1), out[i].End-1
	}
	return out
}

func (p *prefixing) EncodeInside(text string) []needle.Token { return p.fakeTokenizer.Encode(text) }

func TestATokenizersPrefixStandsBeforeThePromptAlone(t *testing.T) {
	tok := &prefixing{}
	p := compose(t, tok, sentences(t, 300), needle.Options{Length: 100, Depth: 50})
	text := tok.text(p.IDs)
	if !strings.HasPrefix(text, "|aa bb cc.") || strings.Count(text, "|") != 1 {
		t.Errorf("prompt %q", text)
	}
	if got := tok.text(p.AnswerIDs); got != " under a red stone" {
		t.Errorf("answer %q", got)
	}
}

func TestSinkRiskIsEvidenceAtTheVeryStartWithNothingBefore(t *testing.T) {
	tok := &fakeTokenizer{}
	h := sentences(t, 300)
	first := ada
	first.Evidence = "Ada keeps her key under" // from token 0 on
	fourth := ada
	fourth.Evidence = "key under"
	for _, c := range []struct {
		name string
		n    needle.Needle
		o    needle.Options
		want bool
	}{
		{"at the start", first, needle.Options{Length: 100}, true},
		{"at position 3", fourth, needle.Options{Length: 100}, true},
		{"BOS first", first, needle.Options{Length: 100, Frame: needle.Frame{Prefix: []int32{7}}}, false},
		{"haystack first", first, needle.Options{Length: 100, KeepBefore: 4}, false},
		{"evidence after four tokens of needle", ada, needle.Options{Length: 100}, false},
	} {
		p, err := needle.Compose(tok, h, c.n, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if p.SinkRisk != c.want {
			t.Errorf("%s: sink risk %v, span %v", c.name, p.SinkRisk, p.Span)
		}
	}
}

func TestTheSpanIsTheSmallestTokenRangeThatCoversTheEvidence(t *testing.T) {
	tok := &fakeTokenizer{}
	for _, c := range []struct{ evidence, want string }{
		{"red stone", " red stone"},
		{"ed sto", " red stone"}, // parts of tokens take them whole
		{" red", " red"},
		{"stone.", " stone."},
		{"Ada", " Ada"},
		{"Ada keeps her key under a red stone.", " Ada keeps her key under a red stone."},
	} {
		n := ada
		n.Evidence = c.evidence
		p, err := needle.Compose(tok, sentences(t, 300), n, needle.Options{Length: 100, Depth: 50})
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.text(p.IDs[p.Span.Start:p.Span.End]); got != c.want {
			t.Errorf("evidence %q: span reads %q, want %q", c.evidence, got, c.want)
		}
	}
}

func TestAHaystackMayBeJustLongEnough(t *testing.T) {
	// 121 − 32 − 9 = 80 = 20 sentences.
	p := compose(t, &fakeTokenizer{}, sentences(t, 20), needle.Options{Length: 121, Depth: 100})
	if p.HaystackTokens != 80 || p.Insertion != 80 {
		t.Errorf("%d tokens, needle at %d", p.HaystackTokens, p.Insertion)
	}
}

func TestComposeSaysWhatIsWrong(t *testing.T) {
	edit := func(change func(*needle.Needle)) needle.Needle {
		n := ada
		change(&n)
		return n
	}
	for _, c := range []struct {
		name string
		n    needle.Needle
		o    needle.Options
		want []string
	}{
		{"needle longer than the context", ada, needle.Options{Length: 35}, []string{"needle ada has 9 tokens, 6 more than fit in a context of 35", "buffer 32"}},
		// 20 sentences are 80 tokens; 200 − 32 − 9 = 159 are needed.
		{"haystack too short", ada, needle.Options{Length: 200}, []string{"haystack test has 80 tokens", "79 too few", "context of 200", "--lengths"}},
		{"evidence elsewhere", edit(func(n *needle.Needle) { n.Evidence = "under a blue stone" }), needle.Options{Length: 100}, []string{"needle ada", `evidence "under a blue stone" does not occur`}},
		{"no evidence", edit(func(n *needle.Needle) { n.Evidence = " " }), needle.Options{Length: 100}, []string{"evidence is empty"}},
		{"no answer", edit(func(n *needle.Needle) { n.Answers = nil }), needle.Options{Length: 100}, []string{"the answer is missing"}},
		{"answer of articles", edit(func(n *needle.Needle) { n.Answers = []string{"The, a!"} }), needle.Options{Length: 100}, []string{"holds no words"}},
		{"invalid UTF-8", edit(func(n *needle.Needle) { n.Question = "a\xff" }), needle.Options{Length: 100}, []string{"question is not valid UTF-8"}},
		{"negative length", ada, needle.Options{Length: -1}, []string{"-1"}},
		{"depth over 100", ada, needle.Options{Length: 100, Depth: 101}, []string{"depth 101"}},
		{"negative buffer", ada, needle.Options{Length: 100, Buffer: -2}, []string{"buffer -2"}},
		{"more kept than fits", ada, needle.Options{Length: 100, KeepBefore: 60}, []string{"only 59 haystack tokens fit", "60 must stand before"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := needle.Compose(&fakeTokenizer{}, sentences(t, 20), c.n, c.o)
			wantError(t, err, c.want...)
		})
	}
	t.Run("no haystack", func(t *testing.T) {
		_, err := needle.Compose(&fakeTokenizer{}, nil, ada, needle.Options{Length: 100})
		wantError(t, err, "haystack is empty")
	})
}

// wantError asks for an error that says all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}
