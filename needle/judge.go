package needle

import (
	"fmt"
	"strings"
)

// Step is one decoding step's token.
type Step struct {
	ID   int32
	Text string // what the token decodes to; may be part of a character
	End  bool   // an end-of-sequence token: it stands for no text
}

// Verdict is what a judge makes of an output.
type Verdict struct {
	// F1 is the token F1, 0 to 1, of Text against the accepted answer it fits
	// best.
	F1 float64
	// Pass is whether the trial counts in head tables. It may be false although
	// F1 is above one half: see the window judge.
	Pass bool
	// From and To give the steps [From, To) whose attention is scored. Empty
	// where there is nothing to score.
	From, To int
	// Text is the part of the output that was compared.
	Text string
}

// Judge decides when an answer ends and whether it is right.
type Judge interface {
	// Name is the judge's name in flags and journals.
	Name() string
	// MaxSteps is the most decoding steps a trial may take, given the tokens of
	// the expected answer and of the question.
	MaxSteps(answerTokens, questionTokens int) int
	// Stop says whether decoding is over, the last of steps being the one just
	// made. End-of-sequence tokens stop every judge.
	Stop(n Needle, answerTokens int, steps []Step) bool
	// Judge judges the steps of one trial. A judge looks at no step beyond its
	// own stop, and none stops before the answer's length unless the model does,
	// so an output decoded for the window judge can be judged by f1 as well.
	Judge(n Needle, answerTokens int, steps []Step) Verdict
}

// judges lists every judge by name, the default first.
var judges = []Judge{Window{}, Published{}}

// JudgeNames lists the judges, the default first.
func JudgeNames() []string {
	var names []string
	for _, j := range judges {
		names = append(names, j.Name())
	}
	return names
}

// JudgeByName finds a judge; the error lists the names there are.
func JudgeByName(name string) (Judge, error) {
	for _, j := range judges {
		if j.Name() == name {
			return j, nil
		}
	}
	return nil, fmt.Errorf("unknown judge %q; known are %s", name, strings.Join(JudgeNames(), ", "))
}

// passes is the published threshold on F1.
func passes(f1 float64) bool { return f1 > 0.5 }

// textOf joins the steps' texts and says where each begins; starts has one
// entry more than steps, the text's length.
func textOf(steps []Step) (text string, starts []int) {
	var b strings.Builder
	for _, s := range steps {
		starts = append(starts, b.Len())
		if !s.End {
			b.WriteString(s.Text)
		}
	}
	return b.String(), append(starts, b.Len())
}
