package probe

import (
	"fmt"
	"slices"

	"headprof/probe/journal"
	"headprof/scoring"
)

// Result is a run's trials, ready for aggregation.
type Result struct {
	Manifest *journal.Manifest
	Records  []*Record // in the plan's canonical order, whatever order they ran in
	// Scores holds one entry per point of the plan: a prompt that occurs
	// several times in the published plan does so here. Pass is false for
	// trials that failed and for those on the attention sink.
	Scores []scoring.TrialScore

	Total   int // points of the plan
	Done    int // points run
	Passed  int // points whose answer was right
	Counted int // points that count in head tables
	Sink    int // points left out because the evidence lies on the sink
	Cost    Cost
	Stopped *journal.Stop
}

func newResult(m *journal.Manifest, records []*Record, keepSink bool, total int) *Result {
	r := &Result{Manifest: m, Records: slices.Clone(records), Total: total}
	slices.SortStableFunc(r.Records, func(a, b *Record) int { return a.Index - b.Index })
	for _, rec := range r.Records {
		points := 1 + len(rec.Also)
		r.Done += points
		if rec.Pass {
			r.Passed += points
			if rec.counts(keepSink) {
				r.Counted += points
			} else {
				r.Sink += points
			}
		}
		r.Scores = append(r.Scores, rec.trialScores(keepSink)...)
	}
	if m != nil && m.Outcome != nil {
		r.Stopped = m.Outcome.Stopped
	}
	return r
}

// points counts a plan's points, duplicates included.
func (p *Plan) points() (n int) {
	for _, t := range p.Trials {
		n += 1 + len(t.Also)
	}
	return n
}

// WarningKind tells warnings apart.
type WarningKind string

// What a run's result may be warned about.
const (
	EmptyAnswers  WarningKind = "empty answers"
	NothingPassed WarningKind = "nothing passed"
	LowPassRate   WarningKind = "low pass rate"
	FewPassed     WarningKind = "few passed"
	SinkLeftOut   WarningKind = "sink trials left out"
	AnswersFed    WarningKind = "answers fed"
)

// Warning is something a reader of a result must know.
type Warning struct {
	Kind     WarningKind
	Text     string
	Remedies []string
}

// Thresholds below which a profile is warned about.
const (
	fewTrials   = 20
	lowPassRate = 0.5
)

// Warnings says what stands against trusting the result.
func (r *Result) Warnings() []Warning {
	var out []Warning
	greedy, empty := 0, 0
	for _, rec := range r.Records {
		if rec.LogProb == nil {
			greedy++
			if len(rec.IDs) == 0 {
				empty++
			}
		}
	}
	if 2*empty > greedy {
		out = append(out, Warning{EmptyAnswers, fmt.Sprintf("%d of %d answers are empty: the model ended its text at once, as instruction-tuned models do on a prompt without their chat template", empty, greedy),
			[]string{"--chat on, if the model has a chat template"}})
	}
	remedies := []string{
		"shorter --lengths",
		"--chat on, if the model has a chat template and it was off",
		"--decode forced, which feeds the answers and counts every trial",
		"a stronger model",
	}
	switch {
	case r.Done == 0:
	case r.Counted == 0:
		out = append(out, Warning{NothingPassed, fmt.Sprintf("none of %d trials passed, so no head has a score", r.Done), remedies})
	default:
		more := []string{"more trials: more --needles, --lengths or --depths, or a larger --count"}
		if rate := float64(r.Passed) / float64(r.Done); rate < lowPassRate {
			more = append(more, remedies...)
			out = append(out, Warning{LowPassRate, fmt.Sprintf("only %d of %d trials passed (%.0f %%): the scores describe the needles that the model happens to find", r.Passed, r.Done, 100*rate), remedies})
		}
		if r.Counted < fewTrials {
			count := "trials count"
			if r.Counted == 1 {
				count = "trial counts"
			}
			out = append(out, Warning{FewPassed, fmt.Sprintf("only %d %s; under %d the ranking of heads is shaky", r.Counted, count, fewTrials), more})
		}
	}
	if r.Sink > 0 {
		out = append(out, Warning{SinkLeftOut, fmt.Sprintf("%d passing trials are left out of the head tables, because their evidence lies on the attention sink (the sequence's first tokens)", r.Sink),
			[]string{"--depths above 0"}})
	}
	if r.Manifest != nil && r.Manifest.Settings["decode"] == string(Forced) {
		out = append(out, Warning{AnswersFed, "the answers were fed (--decode forced), so every trial counts whether or not the model would have found the needle", nil})
	}
	return out
}
