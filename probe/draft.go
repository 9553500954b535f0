package probe

import "slices"

// How drafts are looked up where the model departs from the expected answer
// (prompt lookup: a run of tokens seen before is likely to go on as it did).
const (
	maxDraft    = 32 // tokens of any draft: each needs a row of logits
	draftMatch  = 2  // tokens that must agree before a draft is made
	draftLength = 8  // tokens of a looked-up draft
	draftReach  = 96 // prompt tokens around the evidence, and at the end, that are searched
)

// drafts guesses what a trial's answer goes on with. A wrong guess costs time
// and changes nothing.
type drafts struct {
	texts [][]int32
}

func newDrafts(t *Trial, prompt []int32) drafts {
	near := prompt[max(0, t.Span.Start-draftReach):min(len(prompt), t.Span.End+draftReach)]
	tail := prompt[max(0, len(prompt)-draftReach):]
	return drafts{[][]int32{t.AnswerIDs, near, tail}}
}

// next guesses up to limit tokens that follow produced, which is not empty.
func (d drafts) next(produced []int32, limit int) []int32 {
	limit = min(limit, draftLength)
	if limit <= 0 || len(produced) < draftMatch {
		return nil
	}
	key := produced[len(produced)-draftMatch:]
	for _, text := range d.texts {
		for i := 0; i+len(key) < len(text); i++ {
			if slices.Equal(text[i:i+len(key)], key) {
				from := i + len(key)
				return text[from:min(from+limit, len(text))]
			}
		}
	}
	return nil
}
