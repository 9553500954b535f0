package probe

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"headprof/needle"
)

// A candidate is [id, logit] with the logit's shortest decimal.
func TestCandidatesAsJSON(t *testing.T) {
	for text, c := range map[string]Candidate{"[5,1.2345678]": {5, 1.2345678}, "[0,-0.1]": {0, -.1}, "[70000,1.6777216e+07]": {70000, 1 << 24}} {
		data, err := json.Marshal(c)
		if err != nil || string(data) != text {
			t.Errorf("%s, %v, want %s", data, err, text)
		}
		var back Candidate
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != c {
			t.Errorf("%s: %+v, %v", text, back, err)
		}
	}
	for _, text := range []string{"[5]", "[5,1,2]", "5", `["a",1]`} {
		var c Candidate
		if err := json.Unmarshal([]byte(text), &c); err == nil || c != (Candidate{}) {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

// Forced trials say so and how likely the answer was; a run read back or merged
// keeps what the run said about trials on the sink.
func TestFlagsAndSinksOfARun(t *testing.T) {
	m := newFake()
	for _, keep := range []bool{false, true} {
		trials := given(t, 4) // the evidence is the first token
		p, err := NewPlan(m, trials, PlanOptions{Rules: Rules{Decode: Forced, KeepSink: keep}})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		r := mustRun(t, m, p, Options{Dir: dir})
		for _, rec := range r.Records {
			if !slices.Equal(rec.Flags, []string{FlagSink, FlagForced}) || rec.LogProb == nil || !(*rec.LogProb < 0) {
				t.Errorf("%s: flags %v, log-probability %v", rec.ID, rec.Flags, rec.LogProb)
			}
		}
		var shards []string
		for i := range 2 {
			s, err := p.Shard(i+1, 2)
			if err != nil {
				t.Fatal(err)
			}
			shards = append(shards, t.TempDir())
			mustRun(t, m, s, Options{Dir: shards[i]})
		}
		read, err := ReadRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		merged, err := Merge("", shards)
		if err != nil {
			t.Fatal(err)
		}
		if merged.Total != 4 {
			t.Errorf("merged: %d trials in all", merged.Total)
		}
		part, err := MergePartial("", shards[:1])
		if err != nil || part.Done != 2 || part.Total != 2 {
			t.Errorf("a part: %+v, %v", part, err)
		}
		counted := map[bool]int{true: 4}[keep]
		for name, r := range map[string]*Result{"run": r, "read": read, "merged": merged} {
			if r.Passed != 4 || r.Counted != counted || r.Sink != 4-counted {
				t.Errorf("%s, sinks kept %v: %d passed, %d count, %d on the sink", name, keep, r.Passed, r.Counted, r.Sink)
			}
		}
	}
	if _, err := Merge("", []string{t.TempDir()}); err == nil {
		t.Error("an empty folder was merged")
	}
	greedy := mustRun(t, m, testPlan(t, m, testGrid(t), PlanOptions{Rules: Rules{Decode: Greedy, Judge: needle.Window{}}}), Options{})
	if rec := greedy.Records[0]; len(rec.Flags) > 0 || rec.LogProb != nil {
		t.Errorf("greedy: flags %v, log-probability %v", rec.Flags, rec.LogProb)
	}
}

// Records come in the plan's canonical order, whatever the order they ran in.
func TestRecordsInCanonicalOrder(t *testing.T) {
	var list []*Record
	for _, i := range []int{2, 0, 3, 1} {
		list = append(list, &Record{ID: fmt.Sprint(i), Index: i})
	}
	for i, r := range newResult(nil, list, false, 4).Records {
		if r.Index != i {
			t.Errorf("record %d has index %d", i, r.Index)
		}
	}
	if list[0].Index != 2 {
		t.Error("the caller's list was sorted")
	}
}

// Seconds are seconds, of all points with a trial's prompt: at least what the
// engine slept.
func TestSecondsOfATrial(t *testing.T) {
	g := testGrid(t)
	g.Needles, g.Lengths, g.Duplicates = g.Needles[:1], []int{0}, true
	m := newFake()
	p := testPlan(t, m, g, PlanOptions{Rules: Rules{Decode: Forced}})
	m.pause = time.Millisecond
	r := mustRun(t, m, p, Options{NoReuse: true})
	if slept := .99 * float64(m.calls) / 1000; r.Records[0].Seconds < slept || r.Records[0].Seconds > 3600 {
		t.Errorf("%v seconds in which the engine slept %v", r.Records[0].Seconds, slept)
	}
}
