package probe

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"headprof/fixtures"
	"headprof/runner"
)

// The built-in engine behind Model: a fork says what the session says, text and
// tokens are the tokenizer's, and a manifest knows weights and tokenizer.
func TestBuiltInModel(t *testing.T) {
	r, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m, err := ModelOf(r)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	for _, token := range m.Encode("The winter meal of Nora is") {
		ids = append(ids, token.ID)
	}
	if got := m.Decode(ids); strings.TrimSpace(got) != "The winter meal of Nora is" {
		t.Errorf("%q", got)
	}
	s, err := m.NewSession(20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want, err := s.Extend(t.Context(), ids, Watch{Logits: []int{len(ids) - 1}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Fork(len(ids) - 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Extend(t.Context(), ids[len(ids)-1:], Watch{Logits: []int{len(ids) - 1}})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a fork says something else, %v", err)
	}
	if _, err := s.Fork(99); err == nil {
		t.Error("a fork of more tokens than there are")
	}
	// fixtures/README.md: 4 layers, 8 heads, float16.
	if j := ManifestModel(m); j.Layers != 4 || j.Heads != 8 || j.Weights != "F16" || j.Tokenizer == "" || len(j.SHA256) != 64 {
		t.Errorf("%+v", j)
	}
	if err := CheckTokens(m); err != nil {
		t.Error(err)
	}
	if err := CheckTokens(giveUp{newFake()}); err == nil || err.Error() != "fake: no words" {
		t.Errorf("a tokenizer that gave up: %v", err)
	}
	if _, err := NewPlan(giveUp{newFake()}, given(t, 1), PlanOptions{Rules: Rules{Decode: Forced}}); err == nil {
		t.Error("a plan of a tokenizer that gave up")
	}
}

// giveUp is a model whose tokenizer gave up on a text.
type giveUp struct{ *fakeModel }

func (giveUp) Problem() error { return errors.New("no words") }
