package evaluate

import (
	"fmt"
	"slices"
	"strings"
)

// AblationMarkdown is a table of masks, single random draws left out. Several
// ablations stand side by side; patch-back has a table of its own.
func AblationMarkdown(effects []Effect) string {
	var shown []Effect
	var ablations []Ablation
	restored, none := false, Effect{}
	for _, e := range effects {
		switch {
		case e.Choice == None:
			none = e
		case e.Seed > 0:
			continue
		default:
			restored = restored || e.Restored > 0
			if !slices.Contains(ablations, e.Ablation) {
				ablations = append(ablations, e.Ablation)
			}
		}
		shown = append(shown, e)
	}
	var b strings.Builder
	if len(ablations) < 2 && !restored && (len(ablations) == 0 || ablations[0] == Zero) {
		b.WriteString("| masked heads | choice | pass rate, % | answer log-probability, nats | its change |\n|---|---|---|---|---|\n")
		for _, e := range shown {
			change := intervalText(e.LogProbChange, 1, 2)
			if e.Choice == None {
				change = "0"
			}
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", e.Heads, e.Choice, intervalText(e.Score, 100, 1), intervalText(e.LogProb, 1, 2), change)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "Without a mask: %s %% of answers pass, answer log-probability %s nats\n", intervalText(none.Score, 100, 1), intervalText(none.LogProb, 1, 2))
	var rows []Effect // one of each choice and number
	for _, e := range shown {
		if e.Choice != None && e.Restored == 0 && !slices.ContainsFunc(rows, func(r Effect) bool { return r.Choice == e.Choice && r.Heads == e.Heads }) {
			rows = append(rows, e)
		}
	}
	at := func(row Effect, a Ablation) (Effect, bool) {
		i := slices.IndexFunc(shown, func(e Effect) bool {
			return e.Ablation == a && e.Choice == row.Choice && e.Heads == row.Heads && e.Restored == 0
		})
		if i < 0 {
			return Effect{}, false
		}
		return shown[i], true
	}
	side := func(title string, rows []Effect, of func(Effect) string) {
		fmt.Fprintf(&b, "\n%s\n\n| masked heads | choice |", title)
		for _, a := range ablations {
			fmt.Fprintf(&b, " %s |", a)
		}
		b.WriteString("\n|---|---|" + strings.Repeat("---|", len(ablations)) + "\n")
		for _, r := range rows {
			fmt.Fprintf(&b, "| %d | %s |", r.Heads, r.Choice)
			for _, a := range ablations {
				text := ""
				if e, ok := at(r, a); ok {
					text = of(e)
				}
				fmt.Fprintf(&b, " %s |", text)
			}
			b.WriteString("\n")
		}
	}
	side("Change of the answer's log-probability, nats, by what masked heads give", rows, func(e Effect) string { return intervalText(e.LogProbChange, 1, 2) })
	side("Pass rate, %", rows, func(e Effect) string { return intervalText(e.Score, 100, 1) })
	compared := slices.DeleteFunc(slices.Clone(rows), func(e Effect) bool { return !e.compared() })
	if len(compared) > 0 {
		side("Log-probability with the top heads masked less that with random ones masked, nats", compared, func(e Effect) string { return intervalText(e.AgainstRandom, 1, 2) })
	}
	if !restored {
		return b.String()
	}
	b.WriteString("\nPatch-back: top heads are masked, and some of them give what they give without a mask\n\n| masked heads | restored | choice | pass rate, % | change of log-probability, nats | less random |\n|---|---|---|---|---|---|\n")
	for _, e := range shown {
		if e.Restored > 0 {
			fmt.Fprintf(&b, "| %d | %d | %s | %s | %s | %s |\n", e.Heads, e.Restored, e.Choice, intervalText(e.Score, 100, 1), intervalText(e.LogProbChange, 1, 2), intervalText(e.AgainstRandom, 1, 2))
		}
	}
	return b.String()
}

// compared tells whether there are random heads to compare with.
func (e Effect) compared() bool { return known(e.AgainstRandom.Value) != nil }
