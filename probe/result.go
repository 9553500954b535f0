package probe

import (
	"fmt"
	"math"
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
	CutOff  int // points whose model was cut off in its thinking
	Cost    Cost
	Stopped *journal.Stop
}

func newResult(m *journal.Manifest, records []*Record, keepSink bool, total int) *Result {
	r := &Result{Manifest: m, Records: slices.Clone(records), Total: total}
	slices.SortStableFunc(r.Records, func(a, b *Record) int { return a.Index - b.Index })
	for _, rec := range r.Records {
		points := 1 + len(rec.Also)
		r.Done += points
		if rec.cut() {
			r.CutOff += points
		}
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
	TeacherForced WarningKind = "teacher forcing"
	DepthMissed   WarningKind = "depth missed"
	ThinkingCut   WarningKind = "cut off in thinking"
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

// Warnings says what a reader must know before using the result. Its remedies
// name the flags that made the plan: those of a trials file are others.
func (r *Result) Warnings() []Warning {
	var out []Warning
	greedy, empty := 0, 0
	for _, rec := range r.Records {
		if rec.LogProb == nil && !rec.cut() {
			greedy++
			if len(rec.IDs) == 0 {
				empty++
			}
		}
	}
	given := r.Manifest != nil && r.Manifest.Plan.Params["trials"] != ""
	forced := r.Manifest != nil && r.Manifest.Settings["decode"] == string(Forced)
	chat := "--chat on, if the model has a chat template"
	if given {
		chat = "prompts made with the model's chat template"
	}
	if 2*empty > greedy {
		out = append(out, Warning{EmptyAnswers, fmt.Sprintf("%d of %d answers are empty: the model ended its text at once, as instruction-tuned models do on a prompt without their chat template", empty, greedy),
			[]string{chat}})
	}
	if r.CutOff > 0 {
		out = append(out, Warning{ThinkingCut, r.cutText(), []string{"--think with more tokens, or --think off"}})
	}
	remedies := []string{
		"shorter --lengths",
		"--chat on, if the model has a chat template and it was off",
		"--decode forced (teacher forcing), which counts every trial",
		"a stronger model",
	}
	more := []string{"more trials: more --needles, --lengths or --depths, or a larger --count"}
	deeper := []string{"--depths above 0"}
	if given {
		remedies[0], remedies[1] = "shorter prompts in the trials file", chat
		more = []string{"more trials in the trials file"}
		deeper = []string{"prompts with some text before the evidence"}
	}
	switch {
	case r.Done == 0:
	case r.Counted == 0 && r.Passed > 0:
		out = append(out, Warning{NothingPassed, fmt.Sprintf("%s lie on the attention sink (the sequence's first tokens), so no head has a score", evidences(r.Passed, r.Done, forced)), deeper})
	case r.Counted == 0:
		failed := fmt.Sprintf("none of %d trials passed", r.Done)
		if r.Done == 1 {
			failed = "the one trial did not pass"
		}
		out = append(out, Warning{NothingPassed, failed + ", so no head has a score", remedies})
	default:
		if rate := float64(r.Passed) / float64(r.Done); rate < lowPassRate {
			more = append(more, remedies...)
			out = append(out, Warning{LowPassRate, fmt.Sprintf("only %d of %d trials passed (%.0f %%): the scores describe the needles that the model happens to find", r.Passed, r.Done, 100*rate), remedies})
		}
		if r.Counted < fewTrials {
			counts := "trials count"
			if r.Counted == 1 {
				counts = "trial counts"
			}
			out = append(out, Warning{FewPassed, fmt.Sprintf("only %d %s; under %d the ranking of heads is shaky", r.Counted, counts, fewTrials), more})
		}
	}
	if r.Sink > 0 && r.Counted > 0 {
		what := "passing trials are"
		if r.Sink == 1 {
			what = "passing trial is"
		}
		out = append(out, Warning{SinkLeftOut, fmt.Sprintf("%d %s left out of the head tables: the evidence lies on the attention sink (the sequence's first tokens)", r.Sink, what), deeper})
	}
	if forced {
		out = append(out, Warning{TeacherForced, "the answers were teacher-forced (--decode forced), so every trial counts whether or not the model would have found the needle", nil})
	}
	return out
}

// cutText says how many trials were cut off in their thinking, and what
// becomes of them.
func (r *Result) cutText() string {
	what := "they count as failed"
	if r.Manifest != nil && r.Manifest.Settings["decode"] == string(Forced) {
		what = "the thought was ended there"
	}
	return fmt.Sprintf("%s in their thinking: %s", r.cutCount(), what)
}

func (r *Result) cutCount() string {
	return fmt.Sprintf("%d of %d answers were cut off", r.CutOff, r.Done)
}

// ThinkingText is what tables say of a run whose model may think; "" of others.
func (r *Result) ThinkingText() string {
	n := ""
	if r.Manifest != nil {
		n = r.Manifest.Settings[ThinkSetting]
	}
	if n == "" {
		return ""
	}
	return fmt.Sprintf("up to %s tokens of thinking, %s in it", n, r.cutCount())
}

// evidences says of how many trials the evidence is meant.
func evidences(passed, done int, forced bool) string {
	switch {
	case forced && done == 1:
		return "the one trial's evidence tokens"
	case forced || passed == done:
		return fmt.Sprintf("the evidence tokens of all %d trials", done)
	}
	return fmt.Sprintf("the evidence tokens of all passing trials (%d of %d)", passed, done)
}

// closeDepth is how far a needle may lie from the asked depth, in percent of
// the haystack, without a word about it.
const closeDepth = 5

// DepthWarnings says where needles lie far from the depths asked for.
func (p *Plan) DepthWarnings() []Warning {
	var d depths
	for _, t := range p.Trials {
		d.add(t.ID, t.Depth, t.RealDepth)
	}
	return d.warnings()
}

// DepthWarnings says where needles lay far from the depths asked for.
func (r *Result) DepthWarnings() []Warning {
	var d depths
	for _, rec := range r.Records {
		d.add(rec.ID, rec.Depth, rec.RealDepth)
	}
	return d.warnings()
}

// depths counts how often and how far needles miss their depths.
type depths struct {
	known, far int
	miss, real float64 // of the farthest, percent
	worst      string
}

func (d *depths) add(id string, asked float64, real *float64) {
	if real == nil {
		return
	}
	d.known++
	miss := math.Abs(*real - asked)
	if miss <= closeDepth {
		return
	}
	d.far++
	if d.worst == "" || miss > d.miss {
		d.worst, d.miss, d.real = id, miss, *real
	}
}

func (d *depths) warnings() []Warning {
	if d.far == 0 {
		return nil
	}
	return []Warning{{DepthMissed, fmt.Sprintf("in %d of %d trials the needle lies more than %d points from the depth asked for, because the rule finds no nearer place (the farthest, %s, lies at %.0f %%): use real_depth, which stands beside depth in all tables of trials", d.far, d.known, closeDepth, d.worst, d.real), nil}}
}
