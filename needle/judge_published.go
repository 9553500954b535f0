package needle

import "strings"

// Published is HeadKV's rule, `--judge f1`: decode as many tokens as the
// expected answer has, or until an end of sequence or a token that is exactly
// a newline; compare the whole text; score every step, the one that stopped it
// included.
type Published struct{}

// Name is "f1".
func (Published) Name() string { return "f1" }

// MaxSteps is the answer's token count.
func (Published) MaxSteps(answerTokens, _ int) int { return answerTokens }

// Stop is at an end of sequence, a newline token, or the answer's length.
func (Published) Stop(_ Needle, answerTokens int, steps []Step) bool {
	return len(steps) >= answerTokens || len(steps) > 0 && stopsPublished(steps[len(steps)-1])
}

func stopsPublished(s Step) bool { return s.End || s.Text == "\n" }

// Judge compares the text before the stop. Of several accepted answers the
// best counts.
func (Published) Judge(n Needle, answerTokens int, steps []Step) Verdict {
	steps = steps[:min(len(steps), answerTokens)]
	shown := steps
	for i, s := range steps {
		if stopsPublished(s) {
			steps, shown = steps[:i+1], steps[:i]
			break
		}
	}
	text, _ := textOf(shown)
	v := Verdict{To: len(steps), Text: strings.TrimSpace(text)}
	for _, a := range n.Answers {
		v.F1 = max(v.F1, F1(text, a))
	}
	v.Pass = passes(v.F1)
	return v
}
