package probe

import (
	"slices"
	"strings"
)

// How drafts are looked up where no earlier answer to the needle goes on like this
// (prompt lookup: a run of tokens seen before is likely to go on as it did).
const (
	maxDraft    = 32 // tokens of any draft: each needs a row of logits
	draftMatch  = 2  // tokens that must agree before a draft is made
	draftLength = 8  // tokens of a looked-up draft; twice as many after one that was right
	draftReach  = 96 // prompt tokens around the evidence, and at the end, that are searched
)

// openings are the ways in which answers begin, as drafts: the answer itself,
// the needle's sentence that holds it, and that sentence as the first words of
// a turn. Which one a model prefers is learned from trial to trial. It decides
// how fast an answer is verified and never what it is.
type openings struct {
	agreed [3]int // tokens of each that models agreed with so far
}

// of gives a trial's openings.
func (o *openings) of(t *Trial, m Model) [3][]int32 {
	out := [3][]int32{0: t.AnswerIDs}
	if sentence := evidenceSentence(t.Needle.Text, t.Needle.Evidence); sentence != "" {
		for i, text := range []string{" " + sentence, sentence} {
			for _, token := range m.Encode(text) {
				out[1+i] = append(out[1+i], token.ID)
			}
		}
	}
	return out
}

// choose gives the opening that did best so far; at first the answer.
func (o *openings) choose(drafts [3][]int32) []int32 {
	best := 0
	for i, n := range o.agreed {
		if len(drafts[i]) > 0 && n > o.agreed[best] {
			best = i
		}
	}
	return drafts[best]
}

// learn notes how far each opening would have gone.
func (o *openings) learn(drafts [3][]int32, produced []int32) {
	for i, d := range drafts {
		o.agreed[i] += commonPrefix(d, produced)
	}
}

// evidenceSentence is the sentence of text in which evidence begins, up to the
// evidence's end.
func evidenceSentence(text, evidence string) string {
	at := strings.Index(text, evidence)
	if evidence == "" || at < 0 {
		return ""
	}
	start := 0
	for _, end := range []string{". ", "! ", "? ", "\n"} {
		if i := strings.LastIndex(text[:at], end); i >= 0 {
			start = max(start, i+len(end))
		}
	}
	return strings.TrimSpace(text[start : at+len(evidence)])
}

// recalled bounds the answers remembered per needle.
const recalled = 16

// recall remembers what the model answered to each needle's question so far:
// at other lengths and depths it mostly says the same again, right or wrong.
type recall map[string]*recalledAnswers

type recalledAnswers struct {
	distinct [][]int32 // the latest last
	repeated int       // tokens that the latest shares with any before it
}

// learn takes a trial's answer.
func (r recall) learn(needle string, produced []int32) {
	said := r[needle]
	if said == nil {
		r[needle] = &recalledAnswers{distinct: [][]int32{produced}, repeated: maxDraft}
		return
	}
	said.repeated = 0
	for _, a := range said.distinct {
		said.repeated = max(said.repeated, commonPrefix(a, produced))
	}
	others := slices.DeleteFunc(said.distinct, func(a []int32) bool { return slices.Equal(a, produced) })
	said.distinct = append(others[max(0, len(others)-recalled+1):], produced)
}

// next gives what followed produced in the latest answer that began with it,
// but not far beyond where answers departed from each other.
func (r recall) next(needle string, produced []int32) []int32 {
	said := r[needle]
	if said == nil {
		return nil
	}
	var draft []int32
	for _, a := range slices.Backward(said.distinct) {
		if len(a) <= len(produced) || !slices.Equal(a[:len(produced)], produced) {
			continue
		}
		rest := a[len(produced):]
		if draft != nil {
			return draft[:min(len(draft), commonPrefix(draft, rest)+draftLength)]
		}
		draft = rest[:min(len(rest), max(said.repeated-len(produced), 0)+draftLength)]
	}
	return draft
}

// lookup guesses what an answer goes on with from texts that it may repeat.
type lookup struct {
	texts [][]int32
}

func newLookup(t *Trial, prompt []int32) lookup {
	near := prompt[max(0, t.Span.Start-draftReach):min(len(prompt), t.Span.End+draftReach)]
	tail := prompt[max(0, len(prompt)-draftReach):]
	return lookup{[][]int32{t.AnswerIDs, near, tail}}
}

// next guesses up to limit tokens that follow produced.
func (l lookup) next(produced []int32, limit int) []int32 {
	if limit <= 0 || len(produced) < draftMatch {
		return nil
	}
	key := produced[len(produced)-draftMatch:]
	for _, text := range l.texts {
		for i := 0; i+len(key) < len(text); i++ {
			if slices.Equal(text[i:i+len(key)], key) {
				from := i + len(key)
				return text[from:min(from+limit, len(text))]
			}
		}
	}
	return nil
}
