package probe

import (
	"encoding/json"
	"fmt"
	"strconv"

	"headprof/needle"
	"headprof/runner/shape"
	"headprof/scoring"
)

// Record is one trial's line in trials.jsonl.
type Record struct {
	ID           string      `json:"id"`
	Index        int         `json:"index"` // place in the plan's canonical order
	Needle       string      `json:"needle"`
	Kind         string      `json:"kind,omitempty"`
	Haystack     string      `json:"haystack,omitempty"`
	Length       int         `json:"length"`
	Depth        float64     `json:"depth"`                // asked for
	RealDepth    *float64    `json:"real_depth,omitempty"` // where the needle lies
	Placement    string      `json:"placement,omitempty"`  // what stands before it
	PromptTokens int         `json:"prompt_tokens"`
	Span         [2]int      `json:"span"` // the evidence's [start, end)
	AnswerIDs    []int32     `json:"answer_ids"`
	IDs          []int32     `json:"ids"`  // generated; without the token that ended the answer
	Text         string      `json:"text"` // of IDs
	Matched      string      `json:"matched,omitempty"`
	F1           float64     `json:"f1"`
	Pass         bool        `json:"pass"`
	Steps        [2]int      `json:"steps"` // the decode steps [from, to) that are scored
	LogProb      *float64    `json:"answer_logprob,omitempty"`
	Top          []Candidate `json:"top5"`
	Flags        []string    `json:"flags,omitempty"`
	Thinking     *Thought    `json:"thinking,omitempty"` // before the answer; its text is not in IDs and Text
	Also         []Point     `json:"also,omitempty"`     // further points of the plan with this prompt
	// Scores maps a method to [layer][head], summed over the scored steps.
	Scores  map[string][][]Score `json:"scores"`
	Seconds float64              `json:"seconds"` // the only field that differs from run to run
}

// Score is a head's score as journals hold it: a float32's shortest decimal.
type Score float32

// FlagSink marks trials whose evidence lies on the attention sink.
const FlagSink = "sink"

// FlagForced marks trials whose answer was teacher-forced.
const FlagForced = "forced"

// FlagCut marks trials whose model was still thinking when its tokens for that
// were used up. A trial without teacher forcing fails by it.
const FlagCut = "cut off in thinking"

// MarshalJSON implements json.Marshaler.
func (c Candidate) MarshalJSON() ([]byte, error) {
	b := append([]byte{'['}, strconv.FormatInt(int64(c.ID), 10)...)
	b = append(b, ',')
	b = strconv.AppendFloat(b, float64(c.Logit), 'g', -1, 32)
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Candidate) UnmarshalJSON(b []byte) error {
	var pair []float64
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a candidate must be [id, logit]")
	}
	c.ID, c.Logit = int32(pair[0]), float32(pair[1])
	return nil
}

func newRecord(t *Trial, r Rules, a *answered, m Model) *Record {
	rec := &Record{
		ID: t.ID, Index: t.Index, Needle: t.Needle.ID, Kind: string(t.Needle.Kind), Haystack: t.Haystack,
		Length: t.Length, Depth: t.Depth, RealDepth: t.RealDepth, Placement: string(t.Placement), PromptTokens: t.PromptTokens,
		Span: [2]int{t.Span.Start, t.Span.End}, AnswerIDs: t.AnswerIDs, IDs: []int32{},
		Matched: a.verdict.Text, F1: Rounded(a.verdict.F1), Pass: a.verdict.Pass,
		Steps: [2]int{a.verdict.From, a.verdict.To}, Top: a.top, Also: t.Also,
		Scores: make(map[string][][]Score, len(a.scores)),
	}
	if rec.Needle == "" {
		rec.Needle = t.ID // a trial on its own is resampled on its own
	}
	for _, s := range answerSteps(r, a.steps) {
		rec.IDs = append(rec.IDs, s.ID)
	}
	rec.Text = m.Decode(rec.IDs)
	if t.Sink {
		rec.Flags = append(rec.Flags, FlagSink)
	}
	if r.Decode == Forced {
		rec.Flags = append(rec.Flags, FlagForced)
		p := Rounded(a.logProb)
		rec.LogProb = &p
	}
	if rec.Thinking = a.thought; a.thought != nil && a.thought.Cut {
		rec.Flags = append(rec.Flags, FlagCut)
	}
	for method, table := range a.scores {
		rows := make([][]Score, len(table))
		for l, heads := range table {
			rows[l] = make([]Score, len(heads))
			for h, v := range heads {
				rows[l][h] = Score(v)
			}
		}
		rec.Scores[method] = rows
	}
	return rec
}

// answerSteps leaves out the token that ended the answer.
func answerSteps(r Rules, steps []needle.Step) []needle.Step {
	if n := len(steps); n > 0 {
		last := steps[n-1]
		if last.End || last.Text == "\n" && r.Judge.Name() == (needle.Published{}).Name() {
			return steps[:n-1]
		}
	}
	return steps
}

// cut tells whether the model was cut off in its thinking.
func (r *Record) cut() bool { return r.Thinking != nil && r.Thinking.Cut }

// counts tells whether a trial's scores belong in head tables.
func (r *Record) counts(keepSink bool) bool {
	if keepSink {
		return r.Pass
	}
	for _, f := range r.Flags {
		if f == FlagSink {
			return false
		}
	}
	return r.Pass
}

// trialScores gives the record as aggregation sees it, once per point of the
// plan.
func (r *Record) trialScores(keepSink bool) []scoring.TrialScore {
	scores := make(map[string][][]float64, len(r.Scores))
	for method, table := range r.Scores {
		rows := make([][]float64, len(table))
		for l, heads := range table {
			rows[l] = make([]float64, len(heads))
			for h, v := range heads {
				rows[l][h] = float64(v)
			}
		}
		scores[method] = rows
	}
	out := []scoring.TrialScore{{
		ID: r.ID, Needle: r.Needle, Length: r.Length, Depth: r.Depth, RealDepth: r.RealDepth, Placement: r.Placement, Pass: r.counts(keepSink), Scores: scores,
	}}
	for _, p := range r.Also {
		s := out[0]
		s.ID, s.Length, s.Depth = p.ID, p.Length, p.Depth
		out = append(out, s)
	}
	return out
}

// check says what is wrong with a record that was read back.
func (r *Record) check(layers shape.Model) error {
	if r.ID == "" {
		return fmt.Errorf(`"id" is missing`)
	}
	if len(r.Scores) == 0 {
		return fmt.Errorf(`"scores" is missing`)
	}
	for method, table := range r.Scores {
		if len(table) != len(layers) {
			return fmt.Errorf("scores of %s have %d layers, the model has %d", method, len(table), len(layers))
		}
		for l, row := range table {
			if heads := layers[l].Heads; len(row) != heads {
				return fmt.Errorf("scores of %s, layer %d, have %d heads, the model has %d", method, l, len(row), heads)
			}
		}
	}
	return nil
}
