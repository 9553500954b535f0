package probe

import (
	"reflect"
	"testing"

	"headprof/needle"
)

func TestEvidenceSentence(t *testing.T) {
	for _, c := range []struct{ text, evidence, want string }{
		{"Ann is 30. Bob likes to eat plums at noon.", "eat plums", "Bob likes to eat plums"},
		{"The best thing is to rest.", "rest", "The best thing is to rest"},
		{"Is it? Yes! It is red.", "red", "It is red"},
		{"a b", "c", ""}, {"a", "", ""}, {"", "", ""},
		{"Rest is best. Do.", "Rest is best", "Rest is best"},
		{". Rest is best.", "Rest", "Rest"},
		{"One.\nTwo is it.", "is it", "Two is it"},
	} {
		if got := evidenceSentence(c.text, c.evidence); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.evidence, c.text, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	l := lookup{[][]int32{{9, 1, 2}, {1, 2, 3, 4, 5}, {2, 3, 7}}}
	for _, c := range []struct {
		produced []int32
		limit    int
		want     []int32
	}{
		{[]int32{0, 1, 2}, 2, []int32{3, 4}}, // the first text ends there
		{[]int32{2, 3}, 8, []int32{4, 5}},    // texts in order
		{[]int32{4, 5}, 8, nil}, {[]int32{2}, 8, nil}, {[]int32{1, 2}, 0, nil}, {nil, 4, nil},
	} {
		if got := l.next(c.produced, c.limit); !reflect.DeepEqual(got, c.want) {
			t.Errorf("after %v: %v, want %v", c.produced, got, c.want)
		}
	}
}

// Drafts are worth their tokens: the engine is called far less often than it
// produces tokens.
func TestDraftsSaveCalls(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{})
	mustRun(t, m, p, Options{})
	with := m.calls
	m.calls = 0
	mustRun(t, m, p, Options{NoDraft: true})
	if with*3 > m.calls*2 {
		t.Errorf("%d calls with drafts, %d without", with, m.calls)
	}
}

// What a needle's question was answered with before is drafted again: up to
// where answers departed from each other, and a little further.
func TestRecall(t *testing.T) {
	long := func(from int32, n int) (a []int32) {
		for i := range int32(n) {
			a = append(a, from+i)
		}
		return a
	}
	r := recall{}
	if got := r.next("a", nil); got != nil {
		t.Errorf("before any answer: %v", got)
	}
	first := long(0, 20)
	r.learn("a", first)
	for produced, want := range map[int][]int32{0: first, 5: first[5:], 20: nil} {
		if got := r.next("a", first[:produced]); !reflect.DeepEqual(got, want) {
			t.Errorf("after %d tokens: %v, want %v", produced, got, want)
		}
	}
	if got := r.next("a", []int32{7}); got != nil {
		t.Errorf("an answer that began otherwise gives %v", got)
	}
	if got := r.next("b", nil); got != nil {
		t.Errorf("another needle's answer gives %v", got)
	}
	second := append(long(0, 4), long(100, 30)...)
	r.learn("a", second)
	if got, want := r.next("a", nil), second[:4+draftLength]; !reflect.DeepEqual(got, want) {
		t.Errorf("two answers: %v, want %v", got, want)
	}
	if got, want := r.next("a", first[:5]), first[5:5+draftLength]; !reflect.DeepEqual(got, want) {
		t.Errorf("on the first's way: %v, want %v", got, want)
	}
	r.learn("a", first)
	if got, want := r.next("a", second[:5]), second[5:]; len(got) == 0 || !reflect.DeepEqual(got, want[:len(got)]) {
		t.Errorf("on the second's way: %v, want the beginning of %v", got, want)
	}
}

// Answers of which an opening is the answer itself, the evidence's sentence
// within a turn, and the same as a turn's first words.
func TestOpeningsOfATrial(t *testing.T) {
	m := newFake()
	ids := func(text string) (out []int32) {
		for _, token := range m.Encode(text) {
			out = append(out, token.ID)
		}
		return out
	}
	tr := &Trial{AnswerIDs: ids(" eat plums"), Needle: needle.Needle{Text: "Ann is 30. Bob likes to eat plums at noon.", Evidence: "eat plums"}}
	var o openings
	got := o.of(tr, m)
	if want := [3][]int32{ids(" eat plums"), ids(" Bob likes to eat plums"), ids("Bob likes to eat plums")}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	bare := &Trial{AnswerIDs: []int32{7}} // of a file of trials: no text is known
	if got := o.of(bare, m); !reflect.DeepEqual(got, [3][]int32{{7}, nil, nil}) {
		t.Errorf("without a needle's text: %v", got)
	}
}

// The opening with the most tokens that models agreed with; the answer first,
// and where others did as well.
func TestOpeningThatDidBest(t *testing.T) {
	drafts := [3][]int32{{1, 2, 3}, {5, 6, 7, 8}, {9}}
	var o openings
	for i, c := range []struct {
		produced []int32
		agreed   [3]int
		best     int // chosen afterwards
	}{
		{[]int32{4}, [3]int{0, 0, 0}, 0},
		{[]int32{9, 9}, [3]int{0, 0, 1}, 2},
		{[]int32{1, 7}, [3]int{1, 0, 1}, 0},
		{[]int32{5, 6, 7, 9}, [3]int{1, 3, 1}, 1},
		{[]int32{1, 2, 3, 4}, [3]int{4, 3, 1}, 0},
	} {
		o.learn(drafts, c.produced)
		if got := o.choose(drafts); o.agreed != c.agreed || !reflect.DeepEqual(got, drafts[c.best]) {
			t.Errorf("%d: agreed %v, chosen %v, want %v and %v", i, o.agreed, got, c.agreed, drafts[c.best])
		}
	}
	// A trial without the best one takes the best that it has.
	o.agreed = [3]int{1, 9, 2}
	if got := o.choose([3][]int32{{1}, nil, {9}}); !reflect.DeepEqual(got, []int32{9}) {
		t.Errorf("%v, want the third", got)
	}
}

// Sixteen different answers are remembered per needle, the latest ones.
func TestRecallForgetsTheOldest(t *testing.T) {
	r := recall{}
	for i := range int32(17) {
		r.learn("a", []int32{i, 50 + i})
	}
	for first, want := range map[int32][]int32{0: nil, 1: {51}, 16: {66}} {
		if got := r.next("a", []int32{first}); !reflect.DeepEqual(got, want) {
			t.Errorf("after %d: %v, want %v", first, got, want)
		}
	}
}
