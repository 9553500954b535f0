package needle_test

import (
	"math"
	"regexp"
	"testing"

	"headprof/needle"
)

var lisbon = needle.Needle{
	ID: "lisbon", Kind: needle.Retrieval,
	Text:     "The best way to spend a rainy morning in Lisbon is to ride the yellow tram and read a mystery novel by the window.",
	Question: "What is the best way to spend a rainy morning in Lisbon?",
	Answers:  []string{"ride the yellow tram and read a mystery novel by the window"},
	Evidence: "ride the yellow tram and read a mystery novel by the window",
}

var savings = needle.Needle{
	ID: "savings", Kind: needle.Reasoning,
	Text:     "Ines keeps her savings in a tin box behind the kitchen clock. Tomas keeps his savings in a leather boot under the stairs. Ines was born in 1984. Tomas was born in 1991.",
	Question: "Where does the younger one between Ines and Tomas keep the savings?",
	Answers:  []string{"Tomas keeps his savings in a leather boot under the stairs."},
	Evidence: "Tomas keeps his savings in a leather boot under the stairs.",
}

var stepPiece = regexp.MustCompile(`(?s)[ ]?[\pL\d']+|.`)

// steps cuts text into words with one leading space and single characters.
func steps(text string) []needle.Step {
	var out []needle.Step
	for i, s := range stepPiece.FindAllString(text, -1) {
		out = append(out, needle.Step{ID: int32(i), Text: s})
	}
	return out
}

var end = needle.Step{ID: 1 << 20, Text: "<|end|>", End: true}

// wantVerdict compares F1 to 12 digits and the rest exactly.
func wantVerdict(t *testing.T, got, want needle.Verdict) {
	t.Helper()
	if math.Abs(got.F1-want.F1) < 1e-12 {
		got.F1 = want.F1
	}
	if got != want {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// The F1 values below are 2·shared/(words of the window + words of the
// answer), counted by hand; the Lisbon answer has 9 words, the savings one 9.
func TestWindowFindsTheAnswerWhereverItStands(t *testing.T) {
	for _, c := range []struct {
		name, output string
		n            needle.Needle
		want         needle.Verdict
	}{
		{"question restated, answer cut off",
			"The best way to spend a rainy morning in Lisbon is to ride the yellow tram and read a mystery", lisbon,
			needle.Verdict{F1: 12.0 / 15, Pass: true, From: 12, To: 20, Text: "ride the yellow tram and read a mystery"}},
		{"answer alone", " ride the yellow tram and read a mystery novel by the window", lisbon,
			needle.Verdict{F1: 1, Pass: true, From: 0, To: 12, Text: "ride the yellow tram and read a mystery novel by the window"}},
		{"talk around it; the first of two counts", "Sure!\n\nRide the yellow tram and read a mystery novel by the window. Ride the yellow tram and read a mystery novel by the window.", lisbon,
			needle.Verdict{F1: 1, Pass: true, From: 4, To: 16, Text: "Ride the yellow tram and read a mystery novel by the window"}},
		// Shared: ride, yellow, tram; the shortest window allowed has 5 words.
		{"half an answer fails", "You ride the yellow tram to work.", lisbon,
			needle.Verdict{F1: 6.0 / 14, From: 0, To: 6, Text: "You ride the yellow tram to"}},
		// and, tomas, keeps, savings, in: 4 shared, F1 above one half, and yet
		// none of the words his, leather, boot, under, stairs.
		{"restating the question fails", "The younger one between Ines and Tomas keeps the savings in", savings,
			needle.Verdict{F1: 8.0 / 14, From: 5, To: 11, Text: "and Tomas keeps the savings in"}},
		{"restated and answered", "The younger one between Ines and Tomas keeps the savings in a leather boot under the stairs.", savings,
			needle.Verdict{F1: 16.0 / 17, Pass: true, From: 6, To: 17, Text: "Tomas keeps the savings in a leather boot under the stairs"}},
		{"the wrong candidate fails", "Ines keeps her savings in a tin box behind the kitchen clock.", savings,
			needle.Verdict{F1: 6.0 / 14, From: 0, To: 5, Text: "Ines keeps her savings in"}},
		{"nothing shared", "I do not know.", lisbon, needle.Verdict{}},
		{"nothing said", "", lisbon, needle.Verdict{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantVerdict(t, needle.Window{}.Judge(c.n, 12, steps(c.output)), c.want)
			withEnd := append(steps(c.output), end, needle.Step{Text: " after the end"})
			wantVerdict(t, needle.Window{}.Judge(c.n, 12, withEnd), c.want)
		})
	}
}

func TestAWrongCandidateOfTheSameWordingFailsTheWindow(t *testing.T) {
	n := needle.Needle{
		ID: "walk", Kind: needle.Reasoning,
		Text:     "Mara walks to the harbour each morning. Otto walks to the library each morning. Mara is older than Otto.",
		Question: "Where does the older one walk?",
		Answers:  []string{"Mara walks to the harbour each morning."},
		Evidence: "Mara walks to the harbour each morning.",
	}
	wrong := steps("Otto walks to the library each morning.")
	// walks, to, each, morning: 4 shared of 6 and 6.
	f1 := needle.Published{}.Judge(n, 8, wrong)
	if math.Abs(f1.F1-8.0/12) > 1e-12 || !f1.Pass {
		t.Errorf("published rule: %+v, want a pass at 2/3", f1)
	}
	if v := (needle.Window{}).Judge(n, 8, wrong); v.Pass {
		t.Errorf("window: %+v, want a failure", v)
	}
}

func TestHalfOfTheAnswersOwnWordsSuffice(t *testing.T) {
	n := needle.Needle{
		ID:       "quay",
		Text:     "Mara walks to the harbour quay each morning. Otto walks to the library each morning.",
		Question: "Where does Mara walk?",
		Answers:  []string{"Mara walks to the harbour quay each morning."},
		Evidence: "Mara walks to the harbour quay each morning.",
	}
	// Own words: harbour, quay. 6 shared of 6 and 7.
	wantVerdict(t, needle.Window{}.Judge(n, 9, steps("Mara walks to the harbour each morning")),
		needle.Verdict{F1: 12.0 / 13, Pass: true, To: 7, Text: "Mara walks to the harbour each morning"})
}

func TestWhereTheNeedleRepeatsTheAnswerItsWordsAreThoseNotAsked(t *testing.T) {
	n := needle.Needle{
		ID:       "lamp",
		Text:     "It is a red and blue lamp. People like red and blue and any lamp.",
		Question: "What lamp is it?",
		Answers:  []string{"red and blue lamp"},
		Evidence: "red and blue lamp",
	}
	// lamp, and: 2 shared of 2 and 4, but one of red, and, blue.
	wantVerdict(t, needle.Window{}.Judge(n, 4, steps("The lamp and")), needle.Verdict{F1: 4.0 / 6, From: 1, To: 3, Text: "lamp and"})
	n.Question = "What red and blue lamp is it?" // nothing is left: F1 alone
	wantVerdict(t, needle.Window{}.Judge(n, 4, steps("The lamp and")), needle.Verdict{F1: 4.0 / 6, Pass: true, From: 1, To: 3, Text: "lamp and"})
}

func TestTheBestOfSeveralAnswersCounts(t *testing.T) {
	n := lisbon
	n.Answers = []string{"sleep until noon in the hotel", lisbon.Answers[0]}
	out := steps(" ride the yellow tram and read a mystery novel by the window")
	for _, j := range []needle.Judge{needle.Window{}, needle.Published{}} {
		if v := j.Judge(n, 12, out); v.F1 != 1 || !v.Pass {
			t.Errorf("%s: %+v", j.Name(), v)
		}
	}
}

func TestStepsThatHoldPartsOfCharactersAreScoredWhole(t *testing.T) {
	n := needle.Needle{ID: "t", Text: "塔在东京湾。", Question: "塔在哪？", Answers: []string{"东京湾"}, Evidence: "东京湾"}
	out := []needle.Step{{Text: "答："}, {Text: "\xe4\xb8"}, {Text: "\x9c"}, {Text: "京"}, {Text: "湾"}, {Text: "。"}}
	wantVerdict(t, needle.Window{}.Judge(n, 3, out), needle.Verdict{F1: 1, Pass: true, From: 1, To: 5, Text: "东京湾"})
}

func TestThePublishedRuleCutsAtTheAnswersLengthOrANewline(t *testing.T) {
	long := "The best way to spend a rainy morning in Lisbon is to ride the yellow tram and read a mystery"
	for _, c := range []struct {
		name    string
		answers int
		out     []needle.Step
		want    needle.Verdict
	}{
		// 16 words, 9 words, 6 shared.
		{"whole text", 20, steps(long), needle.Verdict{F1: 0.48, To: 20, Text: long}},
		// best way to spend rainy morning in lisbon is to: none shared.
		{"cut", 12, steps(long), needle.Verdict{To: 12, Text: "The best way to spend a rainy morning in Lisbon is to"}},
		// The step that stopped it counts, its token does not. 6 of 6 and 9.
		{"newline", 12, steps(" ride the yellow tram and read mystery\n novel"), needle.Verdict{F1: 12.0 / 15, Pass: true, To: 8, Text: "ride the yellow tram and read mystery"}},
		{"two newlines in one token are no newline", 12, append(steps(" ride the yellow tram and read mystery"), needle.Step{Text: "\n\n"}, needle.Step{Text: "novel"}),
			needle.Verdict{F1: 14.0 / 16, Pass: true, To: 9, Text: "ride the yellow tram and read mystery\n\nnovel"}},
		{"end at once", 12, []needle.Step{end}, needle.Verdict{To: 1}},
		// Exactly one half is no pass: shared 4, words 7 and 9.
		{"one half", 12, steps("read mystery by window one two three"), needle.Verdict{F1: 0.5, To: 7, Text: "read mystery by window one two three"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantVerdict(t, needle.Published{}.Judge(lisbon, c.answers, c.out), c.want)
		})
	}
}

// short is the Lisbon answer without its articles, 9 steps, and full stops up
// to n steps.
func short(n int) []needle.Step {
	out := steps(" ride yellow tram and read mystery novel by window")
	for len(out) < n {
		out = append(out, needle.Step{Text: "."})
	}
	return out
}

func TestJudgesStopWhenTheirRuleSays(t *testing.T) {
	const n = 12
	answer := " ride the yellow tram and read a mystery novel by the window"
	for _, c := range []struct {
		name              string
		out               []needle.Step
		window, published bool
	}{
		{"nothing yet", nil, false, false},
		{"newline", steps("Sure!\n"), false, true},
		{"end of sequence", append(steps("Sure"), end), true, true},
		{"full stop", steps("Sure. It is this."), false, false},
		{"answer's length", steps("one two three four five six seven eight nine ten eleven twelve"), false, true},
		// The next token may still change the last word.
		{"answer just said", steps(answer), false, true},
		{"last word goes on", append(steps(answer), needle.Step{Text: "sill"}), false, true},
		{"answer said and left behind", steps(answer + "."), true, true},
		// 12 steps, as many as the published rule would see, and not 11.
		{"short form, enough steps", short(12), true, true},
		{"short form, too few steps", short(11), false, false},
	} {
		if got := (needle.Window{}).Stop(lisbon, n, c.out); got != c.window {
			t.Errorf("%s: window stops %v, want %v", c.name, got, c.window)
		}
		if got := (needle.Published{}).Stop(lisbon, n, c.out); got != c.published {
			t.Errorf("%s: f1 stops %v, want %v", c.name, got, c.published)
		}
	}
	if got := (needle.Window{}).MaxSteps(12, 14); got != 42 {
		t.Errorf("window allows %d steps, want 12 + 14 + 16", got)
	}
	if got := (needle.Published{}).MaxSteps(12, 14); got != 12 {
		t.Errorf("f1 allows %d steps, want 12", got)
	}
}

// A number may go on after the answer: 12 in 12.5, 12,500 or 12 million. Two
// words, a line's end or a mark that stands in no number settle it.
func TestANumberAtTheEndMayGoOn(t *testing.T) {
	n := needle.Needle{ID: "n", Kind: needle.Retrieval, Text: "The vault is room 12.", Question: "Where is the vault?", Answers: []string{"room 12"}, Evidence: "room 12"}
	word := n
	word.Text, word.Answers, word.Evidence = "The vault is room twelve-b.", []string{"the oak room"}, "room twelve-b"
	for _, c := range []struct {
		n    needle.Needle
		out  string
		want bool
	}{
		{n, " room 12.", false}, {n, " room 12,", false}, {n, " room 12 million", false},
		{n, " room 12 on top", true}, {n, " room 12!", true}, {n, " room 12;", true}, {n, " room 12?", true}, {n, " room 12)", true}, {n, " room 12\n", true},
		{word, " the oak room.", true}, {word, " the oak room,", true}, {word, " the oak room upstairs", true},
	} {
		if got := (needle.Window{}).Stop(c.n, 1, steps(c.out)); got != c.want {
			t.Errorf("%q: stops %v, want %v", c.out, got, c.want)
		}
	}
}

func TestJudgesAreFoundByName(t *testing.T) {
	for _, name := range []string{"window", "f1"} {
		if j, err := needle.JudgeByName(name); err != nil || j.Name() != name {
			t.Errorf("%s: %v, %v", name, j, err)
		}
	}
	_, err := needle.JudgeByName("rouge")
	wantError(t, err, `"rouge"`, "window", "f1")
}
