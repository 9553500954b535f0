package probe

import (
	"reflect"
	"testing"
)

func TestEvidenceSentence(t *testing.T) {
	for _, c := range []struct{ text, evidence, want string }{
		{"Ann is 30. Bob likes to eat plums at noon.", "eat plums", "Bob likes to eat plums"},
		{"The best thing is to rest.", "rest", "The best thing is to rest"},
		{"Is it? Yes! It is red.", "red", "It is red"},
		{"a b", "c", ""}, {"a", "", ""}, {"", "", ""},
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
