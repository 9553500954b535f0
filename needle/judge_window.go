package needle

import (
	"regexp"
	"slices"
	"strings"
)

// windowSlack is what the window judge allows beyond the question restated and
// the answer given: "Sure! Based on the book, …", "… is to …".
const windowSlack = 16

// Window is the default rule, `--judge window`. The model may restate the
// question and finish its sentence; the run of words in its output that fits
// an accepted answer best is taken, and only the steps that produced those
// words are scored.
//
// Words are those of segments: numbers, scripts without spaces and other ways
// to write a character are seen as what they mean.
//
// A window is a run of whole words, from half the answer's length
// to one and a half times it (in words, half rounded up). It passes at
// F1 > 0.5, as published, if it also holds at least half of the answer's own words:
// those found neither in the question nor in the needle outside the evidence,
// and all of the answer's numbers that the question does not give.
// Without that, restating "the younger one between Ines and Tomas keeps the
// savings" would pass for "Tomas keeps his savings in a leather boot", and a
// wrong candidate of the same wording for the right one. An answer without
// words of its own passes by F1 alone.
type Window struct{}

// Name is "window".
func (Window) Name() string { return "window" }

// MaxSteps is answer + question + 16 tokens.
func (Window) MaxSteps(answerTokens, questionTokens int) int {
	return answerTokens + questionTokens + windowSlack
}

// Stop is at an end of sequence, or once the verdict cannot get better: an
// answer stands in the output word for word, followed by at least one token
// that does not belong to its last word, and as many steps are made as the
// published rule would see. A full stop or a newline does not end it: answers
// open with "Sure!" and blank lines, and nothing after the best window counts.
func (w Window) Stop(n Needle, answerTokens int, steps []Step) bool {
	if len(steps) == 0 {
		return false
	}
	if steps[len(steps)-1].End {
		return true
	}
	if len(steps) < answerTokens {
		return false
	}
	// Judged without the last step, and again with it: equal verdicts mean that
	// the last token did not continue the answer's last word.
	if !holdsAnswer(n, steps) {
		return false
	}
	before := w.Judge(n, answerTokens, steps[:len(steps)-1])
	if before.F1 != 1 || before != w.Judge(n, answerTokens, steps) {
		return false
	}
	return !mayGoOn(before.Text, steps[before.To:])
}

// mayGoOn is whether a text that ends in a number may become another number by
// what follows the steps: "12" in "12,500", "5" in "5 million", "1" in "1.5".
func mayGoOn(text string, after []Step) bool {
	ws := segments(text, true)
	rest, _ := textOf(after)
	return len(ws) > 0 && endsInNumber.MatchString(ws[len(ws)-1].text) && len(segments(rest, true)) < 2 && !strings.ContainsAny(rest, "\n;!?)")
}

var endsInNumber = regexp.MustCompile(`^-?\d`)

// holdsAnswer is a cheap necessary condition for a perfect window.
func holdsAnswer(n Needle, steps []Step) bool {
	text, _ := textOf(steps)
	for _, hyphens := range hyphenations(n, text) {
		output := segments(text, hyphens)
		for _, a := range n.Answers {
			if expected := segments(a, hyphens); common(output, count(expected)) == len(expected) {
				return true
			}
		}
	}
	return false
}

// hyphenations are the ways to read hyphens between letters, so that
// "ice-cream" equals "icecream" as well as "ice cream".
func hyphenations(n Needle, text string) []bool {
	if hyphenated(text) || slices.ContainsFunc(n.Answers, hyphenated) {
		return []bool{false, true}
	}
	return []bool{false}
}

// Judge finds the window. Among windows the passing ones come first, then the
// higher F1, then the earlier, then the shorter.
func (Window) Judge(n Needle, _ int, steps []Step) Verdict {
	for i, s := range steps {
		if s.End {
			steps = steps[:i]
			break
		}
	}
	text, starts := textOf(steps)
	var best Verdict
	var bestStart, bestEnd int
	for _, hyphens := range hyphenations(n, text) {
		output := segments(text, hyphens)
		for _, answer := range n.Answers {
			t := newTarget(segments(answer, hyphens), n, hyphens)
			for from := range output {
				t.reset()
				for to := from + 1; to <= min(from+t.longest(), len(output)); to++ {
					t.add(output[to-1].text)
					size := to - from
					f := f1(t.shared, size, t.size)
					if size < t.shortest() || f == 0 {
						continue
					}
					pass := passes(f) && 2*t.sharedOwn >= t.sizeOwn && t.sharedNumbers == t.sizeNumbers
					if pass && !best.Pass || pass == best.Pass && f > best.F1 {
						best = Verdict{F1: f, Pass: pass}
						bestStart, bestEnd = output[from].start, output[to-1].end
					}
				}
			}
		}
	}
	if bestEnd == 0 {
		return Verdict{}
	}
	best.Text = strings.TrimSpace(text[bestStart:bestEnd])
	best.From, best.To = stepsOf(starts, bestStart, bestEnd)
	return best
}

// target is an answer and how much of it a window, growing word by word, holds.
type target struct {
	size, sizeOwn, sizeNumbers       int
	all, own, numbers                map[string]int // each word's count in the answer
	held                             map[string]int // and in the window
	shared, sharedOwn, sharedNumbers int
}

func newTarget(answer []word, n Needle, hyphens bool) *target {
	question := count(segments(n.Question, hyphens))
	own := ownWords(answer, question, n, hyphens)
	var numbers []word
	for _, w := range answer {
		if w.number && question[w.text] == 0 {
			numbers = append(numbers, w)
		}
	}
	return &target{
		size: len(answer), sizeOwn: len(own), sizeNumbers: len(numbers),
		all: count(answer), own: count(own), numbers: count(numbers), held: make(map[string]int),
	}
}

// shortest and longest are the sizes that a window may have, in words.
func (t *target) shortest() int { return (t.size + 1) / 2 }
func (t *target) longest() int  { return t.size + t.shortest() }

func (t *target) reset() {
	clear(t.held)
	t.shared, t.sharedOwn, t.sharedNumbers = 0, 0, 0
}

func (t *target) add(w string) {
	n, ok := t.all[w]
	if !ok {
		return
	}
	t.held[w]++
	if t.held[w] <= n {
		t.shared++
	}
	if t.held[w] <= t.own[w] {
		t.sharedOwn++
	}
	if t.held[w] <= t.numbers[w] {
		t.sharedNumbers++
	}
}

// ownWords are the answer's words that tell it from the question and from what
// else the needle says; where there are none, from the question alone.
func ownWords(answer []word, question map[string]int, n Needle, hyphens bool) []word {
	rest := count(segments(strings.Replace(n.Text, n.Evidence, " ", 1), hyphens))
	var own, notAsked []word
	for _, w := range answer {
		if question[w.text] > 0 {
			continue
		}
		notAsked = append(notAsked, w)
		if rest[w.text] == 0 {
			own = append(own, w)
		}
	}
	if len(own) == 0 {
		return notAsked
	}
	return own
}

// stepsOf is the range of steps whose texts overlap the bytes [start, end).
func stepsOf(starts []int, start, end int) (from, to int) {
	n := len(starts) - 1
	for from < n && starts[from+1] <= start {
		from++
	}
	to = from
	for to < n && starts[to] < end {
		to++
	}
	return from, to
}
