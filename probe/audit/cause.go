package audit

import (
	"fmt"
	"strings"

	"headprof/probe/evaluate"
)

const (
	causeQuestion = "Do answers need its top heads?"
	patchQuestion = "Are the best of them enough?"
)

// Cause asks whether answers need the file's top heads: yes where masking the
// most of them that were tried takes more off the answer than random heads of
// the same layers under every ablation, intervals of the difference below 0;
// partly under some; no where one lies above 0 and none below.
func Cause(effects []evaluate.Effect, commands []string) Question {
	q := Question{ID: "cause", Question: causeQuestion, Commands: commands}
	most := 0
	for _, e := range effects {
		if e.Choice == evaluate.Top {
			most = max(most, e.Heads)
		}
	}
	all, worse, better := 0, 0, 0
	var said []string
	for _, e := range effects {
		if e.Seed > 0 || e.Heads != most || e.Choice == evaluate.None || e.Restored > 0 {
			continue
		}
		q.Numbers = append(q.Numbers, Number{fmt.Sprintf("%d %s heads, %s ablation: change of the answer's log-probability", e.Heads, e.Choice, e.Ablation), e.LogProbChange, "nats"})
		if e.Choice != evaluate.Top {
			continue
		}
		q.Numbers = append(q.Numbers, Number{fmt.Sprintf("the same less random heads of the same layers, %s ablation", e.Ablation), e.AgainstRandom, "nats"})
		all++
		switch {
		case e.AgainstRandom.High < 0:
			worse++
		case e.AgainstRandom.Low > 0:
			better++
		}
		said = append(said, fmt.Sprintf("%s under %s ablation", text(e.AgainstRandom, 1), e.Ablation))
	}
	switch {
	case all > 0 && worse == all:
		q.Verdict = Yes
	case worse > 0:
		q.Verdict = Partly
	case better > 0:
		q.Verdict = No
	default:
		q.Verdict = NotShown
	}
	q.Because = fmt.Sprintf("Masking its %d best changes the answer's log-probability, against random heads of the same layers, by %s nats.", most, strings.Join(said, ", "))
	return q
}

// PatchBack asks whether, of the file's top heads, the best are enough: yes
// where restoring them in a model that lacks all of these brings back more than
// restoring as many random ones of the others, no where less.
func PatchBack(effects []evaluate.Effect, commands []string) Question {
	q := Question{ID: "patch-back", Question: patchQuestion, Verdict: NotShown, Commands: commands}
	for _, e := range effects {
		if e.Seed > 0 || e.Restored == 0 {
			continue
		}
		name := "best"
		if e.Choice == evaluate.RestoredRandom {
			name = "random"
		}
		q.Numbers = append(q.Numbers, Number{fmt.Sprintf("%d heads masked, the %d %s of them restored: change of the answer's log-probability", e.Heads, e.Restored, name), e.LogProbChange, "nats"})
		if e.Choice != evaluate.Restored {
			continue
		}
		q.Numbers = append(q.Numbers, Number{"the same less random ones", e.AgainstRandom, "nats"})
		switch {
		case e.AgainstRandom.Low > 0:
			q.Verdict = Yes
		case e.AgainstRandom.High < 0:
			q.Verdict = No
		default:
			q.Verdict = NotShown
		}
		q.Because = fmt.Sprintf("With %d heads masked and the %d best of them restored, the answer's log-probability is %s nats off that without a mask, and against random ones restored %s nats apart.", e.Heads, e.Restored, text(e.LogProbChange, 1), text(e.AgainstRandom, 1))
	}
	if len(q.Numbers) == 0 {
		return Skipped(q.ID, q.Question, "There are too few heads to restore some of them.")
	}
	return q
}

// NoPatchBack says why PatchBack was not asked.
func NoPatchBack(why string) Question { return Skipped("patch-back", patchQuestion, why) }
