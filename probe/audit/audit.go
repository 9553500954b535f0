// Package audit judges a file of head scores for one model by what the commands
// score, compare, ablate and eval measured. It asks whether the file's shape
// fits, whether its scores agree with scores measured now, whether answers need
// its top heads, and what its cache budget costs. Each question has a verdict by
// a rule that is stated here, the numbers it rests on, and the commands that
// repeat it.
package audit

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"headprof/scoring"
	"headprof/scoring/stats"
)

// Verdict answers a question.
type Verdict string

// Verdicts. NotShown: the intervals allow either answer.
const (
	Yes      Verdict = "yes"
	Partly   Verdict = "partly"
	No       Verdict = "no"
	NotShown Verdict = "not shown"
	NotAsked Verdict = "not asked"
)

// Page is what an audit found.
type Page struct {
	Format    string     `json:"format"` // "headprof-audit/1"
	File      string     `json:"file"`
	Model     string     `json:"model"`
	SHA256    string     `json:"model_sha256"`
	Method    string     `json:"method"` // of the file
	Questions []Question `json:"questions"`
	Command   string     `json:"command"` // repeats the whole audit
}

// Question is one question and its answer.
type Question struct {
	ID       string   `json:"id"` // shape, scores, cause, patch-back or budget
	Question string   `json:"question"`
	Verdict  Verdict  `json:"verdict"`
	Because  string   `json:"because"` // in one sentence or two
	Numbers  []Number `json:"numbers,omitempty"`
	Commands []string `json:"commands"` // that repeat it
}

// Number is one measured number with its 95 % interval.
type Number struct {
	Name     string
	Estimate stats.Estimate // Low and High NaN: none
	Unit     string
}

// MarshalJSON gives null for what is not known.
func (n Number) MarshalJSON() ([]byte, error) {
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Name  string   `json:"name"`
		Value *float64 `json:"value"`
		Low   *float64 `json:"low"`
		High  *float64 `json:"high"`
		Unit  string   `json:"unit,omitempty"`
	}{n.Name, known(n.Estimate.Value), known(n.Estimate.Low), known(n.Estimate.High), n.Unit})
}

// exactly is a number without an interval.
func exactly(name string, v float64, unit string) Number {
	return Number{name, stats.Estimate{Value: v, Low: math.NaN(), High: math.NaN()}, unit}
}

// Agreement is how the file compares with one score that was measured.
type Agreement struct {
	Method string // measured
	*scoring.Comparison
	Of int // heads of the model, or KV heads, among which tops are shared
}

// chance is the probability that two tops of K of Of heads share so many or
// more by chance (hypergeometric).
func (a Agreement) chance() float64 {
	n, k := a.Of, a.K
	choose := func(n, k int) float64 {
		if k < 0 || k > n {
			return math.Inf(-1)
		}
		x, _ := math.Lgamma(float64(n + 1))
		y, _ := math.Lgamma(float64(k + 1))
		z, _ := math.Lgamma(float64(n - k + 1))
		return x - y - z
	}
	p := 0.0
	for s := a.Shared; s <= k; s++ {
		p += math.Exp(choose(k, s) + choose(n-k, k-s) - choose(n, k))
	}
	return min(1, p)
}

// Scores asks whether the file's scores agree with scores measured now. Of
// tables: yes where a rank correlation's interval lies above 0.5, partly where
// one lies above 0. Of lists, of which only tops are known: yes where half of
// the top heads are shared and fewer than 1 in 100 chance tops share as many,
// partly where 1 in 20 do. The best of the measured scores counts.
func Scores(all []Agreement, commands []string) Question {
	q := Question{ID: "scores", Question: "Do its scores agree with scores measured now?", Verdict: No, Commands: commands}
	rank := map[Verdict]int{No: 0, Partly: 1, Yes: 2}
	best := 0
	verdict := func(a Agreement) Verdict {
		p := a.chance()
		switch {
		case a.Listed && p < 0.01 && 2*a.Shared >= a.K, !a.Listed && a.Spearman.Low > 0.5:
			return Yes
		case a.Listed && p < 0.05, !a.Listed && a.Spearman.Low > 0:
			return Partly
		}
		return No
	}
	for i, a := range all {
		v := verdict(a)
		if rank[v] > rank[q.Verdict] || rank[v] == rank[q.Verdict] && !a.Listed && a.Spearman.Value > all[best].Spearman.Value {
			q.Verdict, best = v, i
		}
		if !a.Listed {
			q.Numbers = append(q.Numbers, Number{"rank correlation with " + a.Method, a.Spearman, ""})
		}
		q.Numbers = append(q.Numbers,
			Number{fmt.Sprintf("top %d shared with %s", a.K, a.Method), a.Overlap, "share"},
			exactly("the same by chance", float64(a.K)/float64(a.Of), "share"))
	}
	a := all[best]
	unit := "heads"
	if a.Reduced {
		unit = "KV heads"
	}
	if a.Listed {
		q.Because = fmt.Sprintf("%d of its %d best are among the %d best of %d %s by %s; chance alone shares as many with probability %.2g.", a.Shared, a.K, a.K, a.Of, unit, a.Method, a.chance())
	} else {
		q.Because = fmt.Sprintf("Over %d %s the rank correlation with %s is %s, and %d of the %d best are shared.", a.Heads, unit, a.Method, text(a.Spearman, 2), a.Shared, a.K)
	}
	return q
}

// Shape asks whether the file's shape fits the model. problem is what does not
// fit; nil: nothing. facts says what the file holds.
func Shape(facts string, problem error, commands []string) Question {
	q := Question{ID: "shape", Question: "Does its shape fit the model?", Verdict: Yes, Because: facts, Commands: commands}
	if problem != nil {
		q.Verdict, q.Because = No, problem.Error()+"."
	}
	return q
}

// Skipped is a question that could not be asked.
func Skipped(id, question, why string) Question {
	return Question{ID: id, Question: question, Verdict: NotAsked, Because: why, Commands: []string{}}
}

func text(e stats.Estimate, decimals int) string {
	if math.IsNaN(e.Value) {
		return "not known"
	}
	s := fmt.Sprintf("%.*f", decimals, e.Value)
	if !math.IsNaN(e.Low) {
		s += fmt.Sprintf(" [%.*f, %.*f]", decimals, e.Low, decimals, e.High)
	}
	return s
}

// Markdown is the page for people.
func (p *Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Audit of %s for %s\n\nScores: `%s`. Intervals are 95 %%; the rules of the verdicts are in docs/audit.md.\n\n| question | verdict | because |\n|---|---|---|\n", p.File, p.Model, p.Method)
	for _, q := range p.Questions {
		fmt.Fprintf(&b, "| %s | **%s** | %s |\n", q.Question, q.Verdict, q.Because)
	}
	for _, q := range p.Questions {
		if len(q.Numbers) == 0 && len(q.Commands) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s %s\n", q.Question, title(q.Verdict))
		if len(q.Numbers) > 0 {
			b.WriteString("\n| measured | value |\n|---|---|\n")
			for _, n := range q.Numbers {
				decimals := 2
				if n.Unit == "bytes" {
					decimals = 0
				}
				fmt.Fprintf(&b, "| %s | %s |\n", strings.TrimSuffix(n.Name+", "+n.Unit, ", "), text(n.Estimate, decimals))
			}
		}
		if len(q.Commands) > 0 {
			fmt.Fprintf(&b, "\nRepeat with\n\n    %s\n", strings.Join(q.Commands, "\n    "))
		}
	}
	fmt.Fprintf(&b, "\nThe whole page:\n\n    %s\n", p.Command)
	return b.String()
}

func title(v Verdict) string { return strings.ToUpper(string(v[:1])) + string(v[1:]) + "." }
