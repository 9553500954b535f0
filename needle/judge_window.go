package needle

import "strings"

// windowSlack is what the window judge allows beyond the question restated and
// the answer given: "Sure! Based on the book, …", "… is to …".
const windowSlack = 16

// Window is the default rule, `--judge window`. The model may restate the
// question and finish its sentence; the run of words in its output that fits
// an accepted answer best is taken, and only the steps that produced those
// words are scored.
//
// A window is a run of whole normalised words, from half the answer's length
// to one and a half times it (in words, half rounded up). It passes at
// F1 > 0.5, as published, if it also holds at least half of the answer's own words:
// those found neither in the question nor in the needle outside the evidence.
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
	return before.F1 == 1 && before == w.Judge(n, answerTokens, steps)
}

// holdsAnswer is a cheap necessary condition for a perfect window.
func holdsAnswer(n Needle, steps []Step) bool {
	text, _ := textOf(steps)
	output := words(text)
	for _, a := range n.Answers {
		if expected := words(a); common(output, count(expected)) == len(expected) {
			return true
		}
	}
	return false
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
	output := words(text)
	var best Verdict
	var bestStart, bestEnd int
	for _, answer := range n.Answers {
		t := newTarget(words(answer), n)
		for from := range output {
			t.reset()
			for to := from + 1; to <= min(from+t.most(), len(output)); to++ {
				t.add(output[to-1].text)
				size := to - from
				f := f1(t.shared, size, t.size)
				if size < t.least() || f == 0 {
					continue
				}
				pass := passes(f) && 2*t.sharedOwn >= t.sizeOwn
				if pass && !best.Pass || pass == best.Pass && f > best.F1 {
					best = Verdict{F1: f, Pass: pass}
					bestStart, bestEnd = output[from].start, output[to-1].end
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
	size, sizeOwn     int
	all, own          map[string]int // each word's count in the answer
	held              map[string]int // and in the window
	shared, sharedOwn int
}

func newTarget(answer []word, n Needle) *target {
	own := ownWords(answer, n)
	return &target{size: len(answer), sizeOwn: len(own), all: count(answer), own: count(own), held: make(map[string]int)}
}

// least and most are the sizes that a window may have, in words.
func (t *target) least() int { return (t.size + 1) / 2 }
func (t *target) most() int  { return t.size + t.least() }

func (t *target) reset() {
	clear(t.held)
	t.shared, t.sharedOwn = 0, 0
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
}

// ownWords are the answer's words that tell it from the question and from what
// else the needle says; where there are none, from the question alone.
func ownWords(answer []word, n Needle) []word {
	question := count(words(n.Question))
	rest := count(words(strings.Replace(n.Text, n.Evidence, " ", 1)))
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
