package probe

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"headprof/needle"
)

// script is a session of a model that says 1 2 3 4 5 … whatever it is told,
// and notes what it is asked.
type script struct {
	held  []int32 // prompt and answer so far
	calls []string
	fail  error
}

func (s *script) extend(_ context.Context, tokens []int32, steps int) ([][]float32, error) {
	s.calls = append(s.calls, fmt.Sprint(tokens, steps))
	if s.fail != nil {
		return nil, s.fail
	}
	s.held = append(s.held, tokens...)
	var rows [][]float32
	for i := range steps {
		row := make([]float32, 16)
		row[len(s.held)-steps+1+i] = 1 // after n tokens comes n
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *script) decoding(limit int, draft func([]int32, bool) []int32) *Decoding {
	return &Decoding{
		Model: newFake(), Extend: s.extend, Limit: limit, Draft: draft,
		Forget: func(n int) error {
			s.calls = append(s.calls, fmt.Sprint("forget ", n))
			s.held = s.held[:len(s.held)-n]
			return nil
		},
		Stop: func(steps []needle.Step) bool { return false },
	}
}

// Counted by hand: the prompt is one token (9), the answer 1 2 3 4 5.
func TestGreedyDrafts(t *testing.T) {
	var whole []bool
	list := func(drafts ...[]int32) func([]int32, bool) []int32 {
		return func(produced []int32, w bool) []int32 {
			whole = append(whole, w)
			if len(drafts) == 0 {
				return nil
			}
			d := drafts[0]
			drafts = drafts[1:]
			return d
		}
	}
	for _, c := range []struct {
		name  string
		draft func([]int32, bool) []int32
		calls []string
		whole []bool
	}{
		{"none", nil, []string{"[9] 1", "[1] 1", "[2] 1", "[3] 1", "[4] 1"}, nil},
		{"right", list([]int32{1, 2}, []int32{4}), []string{"[9 1 2] 3", "[3 4] 2"}, []bool{false, true}},
		{"wrong", list([]int32{7, 8}), []string{"[9 7 8] 3", "forget 2", "[1] 1", "[2] 1", "[3] 1", "[4] 1"}, []bool{false, false, false, false, false}},
		{"half right", list([]int32{1, 8}), []string{"[9 1 8] 3", "forget 1", "[2] 1", "[3] 1", "[4] 1"}, []bool{false, false, false, false}},
		{"beyond the limit", list([]int32{1, 2, 3, 4, 5, 6}), []string{"[9 1 2 3 4 5 6] 7"}, []bool{false}},
	} {
		whole = nil
		s := &script{}
		steps, err := s.decoding(5, c.draft).Greedy(t.Context(), []int32{9})
		var ids []int32
		for _, st := range steps {
			ids = append(ids, st.ID)
		}
		if err != nil || !reflect.DeepEqual(ids, []int32{1, 2, 3, 4, 5}) {
			t.Errorf("%s: %v, %v", c.name, ids, err)
		}
		if !reflect.DeepEqual(s.calls, c.calls) || !reflect.DeepEqual(whole, c.whole) {
			t.Errorf("%s: calls %q, want %q; drafts right %v, want %v", c.name, s.calls, c.calls, whole, c.whole)
		}
	}

	s := &script{}
	d := s.decoding(5, nil)
	d.Stop = func(steps []needle.Step) bool { return steps[len(steps)-1].ID == 3 }
	if steps, err := d.Greedy(t.Context(), []int32{9}); err != nil || len(steps) != 3 {
		t.Errorf("stopped after %d steps, %v", len(steps), err)
	}
	s.fail = errors.New("no memory")
	if _, err := d.Greedy(t.Context(), []int32{9}); err != s.fail {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Greedy(ctx, []int32{9}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestForcedFeedsTheAnswer(t *testing.T) {
	for atOnce, want := range map[int][]string{
		1: {"[9] 1", "[4] 1", "[5] 1", "[6] 1", "[7] 1"},
		2: {"[9 4] 2", "[5 6] 2", "[7] 1"},
		9: {"[9 4 5 6 7] 5"},
	} {
		s := &script{}
		var at []int
		err := s.decoding(5, nil).Forced(t.Context(), []int32{9}, []int32{4, 5, 6, 7, 8}, atOnce, func(step int, logits []float32) error {
			if id, _ := Argmax(logits); int(id) != step+1 {
				t.Errorf("step %d has the logits of step %d", step, id-1)
			}
			at = append(at, step)
			return nil
		})
		if err != nil || !reflect.DeepEqual(s.calls, want) || !reflect.DeepEqual(at, []int{0, 1, 2, 3, 4}) {
			t.Errorf("%d at once: calls %q, want %q; steps %v, %v", atOnce, s.calls, want, at, err)
		}
		stop := errors.New("stop")
		if err := s.decoding(5, nil).Forced(t.Context(), []int32{9}, []int32{4}, atOnce, func(int, []float32) error { return stop }); err != stop {
			t.Errorf("%v", err)
		}
		s.fail = errors.New("no memory")
		if err := s.decoding(5, nil).Forced(t.Context(), []int32{9}, []int32{4}, atOnce, nil); err != s.fail {
			t.Errorf("%v", err)
		}
	}
}

// kept notes what a Prefix does with a session.
type kept struct{ log *[]string }

func (k *kept) Truncate(n int) error {
	*k.log = append(*k.log, fmt.Sprint("truncate ", n))
	if n == 3 {
		return errors.New("no truncation")
	}
	return nil
}
func (k *kept) Close() { *k.log = append(*k.log, "close") }

func TestPrefixSharesWhatPromptsShare(t *testing.T) {
	var log []string
	p := Prefix[*kept]{Open: func(tokens int) (*kept, error) {
		log = append(log, fmt.Sprint("open ", tokens))
		if tokens == 1 {
			return nil, errors.New("no session")
		}
		return &kept{&log}, nil
	}}
	ready := func(limit int, prompt ...int32) (shared int, err error) {
		_, shared, err = p.Ready(prompt, limit)
		return shared, err
	}
	p.Close() // nothing is open
	for i, c := range []struct {
		prompt []int32
		limit  int
		shared int
		err    string
		log    string
	}{
		{[]int32{1}, 0, 0, "no session", "open 1"},
		{[]int32{1, 2, 3, 4}, 3, 0, "", "open 4 truncate 0"},
		{[]int32{1, 2, 5}, 2, 2, "", "truncate 2"},
		{[]int32{1, 2, 5}, 1, 1, "", "truncate 1"},
		{[]int32{1, 2, 5, 6}, 3, 3, "no truncation", "truncate 3 close"},
		{[]int32{1, 2, 5, 6}, 3, 0, "", "open 4 truncate 0"}, // what the closed one held is forgotten
	} {
		log = nil
		shared, err := ready(c.limit, c.prompt...)
		if c.err == "" && (err != nil || shared != c.shared) || c.err != "" && (err == nil || err.Error() != c.err) || strings.Join(log, " ") != c.log {
			t.Errorf("%d: %d shared, %v, %q", i, shared, err, log)
		}
	}
}
