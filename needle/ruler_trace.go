package needle

import (
	"fmt"
	"slices"
	"strings"
)

// chainHops is the number of assignments after the first (RULER: one chain, four hops).
const chainHops = 4

// noise are the sentences between assignments; RULER repeats five sentences, too.
var noise = []string{"The kettle is warm.", "The window is open.", "The road is dry.", "Off we go.", "Home again by night."}

// chain gives the assignments of a chain and its variables.
func (r *ruler) chain() (value string, assignments, variables []string) {
	value = fmt.Sprint(10_000 + r.random.IntN(90_000))
	for len(variables) <= chainHops {
		v := r.letters(5, 'A')
		if slices.Contains(variables, v) {
			continue
		}
		source := value
		if n := len(variables); n > 0 {
			source = "VAR " + variables[n-1]
		}
		variables = append(variables, v)
		assignments = append(assignments, "VAR "+v+" = "+source+".")
	}
	return value, assignments, variables
}

// letters gives a word of n letters, the first of the alphabet being a.
func (r *ruler) letters(n int, a rune) string {
	w := make([]rune, n)
	for i := range w {
		w[i] = a + rune(r.random.IntN(26))
	}
	return string(w)
}

// traced gives a text of n sentences of noise with a chain's assignments in
// order among them, and the question's parts.
func (r *ruler) traced(n int) (text, value string, variables []string) {
	value, assignments, variables := r.chain()
	at := make([]int, len(assignments)) // before how many sentences of noise each stands
	for i := range at {
		at[i] = r.random.IntN(n + 1)
	}
	slices.Sort(at)
	var out []string
	next := 0
	for i := range n + 1 {
		for ; next < len(at) && at[next] == i; next++ {
			out = append(out, assignments[next])
		}
		if i < n {
			out = append(out, noise[i%len(noise)])
		}
	}
	return strings.Join(out, " "), value, variables
}

const traceIntro = "The text below assigns values to variables, some of them by way of other variables. Follow every chain of assignments.\n\n"

func traceQuestion(value string) string {
	return "\nQuestion: Which variables have the value " + value + " in the text above? Name all of them."
}

func traceLead(value string) string {
	return fmt.Sprintf("\nAnswer: By the assignments in the text above %d variables have the value %s:", chainHops+1, value)
}

func (r *ruler) trace() (*RulerTask, error) {
	// One example, as in RULER. The task's own chain comes first, so that it does
	// not depend on how much noise there is.
	text, value, variables := r.traced(len(noise))
	example := traceIntro + text + traceQuestion(value) + traceLead(value) + " " + strings.Join(variables, ", ") + ".\n\n\n"
	asked, _, _ := r.chain() // the same for every n: see fill
	f := rulerFrame{intro: example + traceIntro, question: traceQuestion(asked), lead: traceLead(asked)}
	return r.fill(f, len(noise), 1<<20, func(n int) (string, []string) {
		r.traced(len(noise))
		text, _, variables := r.traced(n)
		return text, variables
	})
}
