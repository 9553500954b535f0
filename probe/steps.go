package probe

// StepsSetting is how a manifest says that a run keeps the scores of single steps.
const StepsSetting = "per-step"

// Step is one decode step of a trial.
type Step struct {
	Step   int                    // from 0; step 0 is the prompt's last token
	Token  int32                  // that it produced, or, with forced decoding, the answer's
	Text   string                 // of the token
	Scored bool                   // it counts in the trial's score
	Scores map[string][][]float64 // method → [layer][head]
}

// each lists the steps whose scores were kept.
func (a *answered) each(m Model) []Step {
	var out []Step
	for s, scores := range a.single {
		if scores == nil {
			continue // given, as the end of a thought that was cut off
		}
		out = append(out, Step{
			Step: s, Token: a.produced[s], Text: m.Decode(a.produced[s : s+1]),
			Scored: s >= a.verdict.From && s < a.verdict.To, Scores: scores,
		})
	}
	return out
}
