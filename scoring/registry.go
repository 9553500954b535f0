package scoring

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headprof/scoring/param"
)

// Declaration is all that is said of a score method outside its own methods.
// The method's file registers it; flags, tables, manifests and documentation
// follow.
type Declaration struct {
	Order    int    // of tables, ascending; the first method is the default
	Probe    Probe  // the prompts it is computed on
	KVHeads  bool   // it scores KV heads, not query heads
	Gradient bool   // it takes a gradient, which needs more memory than a forward pass
	Label    string // names the score on the axis of a figure; "": "score"
	Measures string // documentation: what a head scores for
	Source   string // documentation: paper
	// New gives a pointer to the method's struct, whose exported fields are
	// its parameters (see package param). A method of the probe Needles is a
	// Method; package cases computes the others.
	New func() Named
}

// Named is a score method of any probe.
type Named interface {
	// Name is the method's name in flags, tables and journals.
	Name() string
}

// Probe names the prompts that score methods are computed on. Methods of one
// probe share its passes.
type Probe string

// The probes.
const (
	Needles    Probe = ""           // needle trials: the steps of the answer
	Documents  Probe = "documents"  // numbered documents, a query, and a query without content
	Repeats    Probe = "repeats"    // a sequence of random tokens, several times
	Recital    Probe = "recital"    // a text, the request to repeat it, and the text again
	PlainText  Probe = "text"       // a text
	FewShot    Probe = "few-shot"   // demonstrations with shuffled labels, and a query
	Injection  Probe = "injection"  // an instruction with data, and the same with an injected instruction
	Functions  Probe = "functions"  // few-shot prompts of a task with right labels, and with shuffled ones
	Statements Probe = "statements" // true and false statements
	Answers    Probe = "answers"    // a needle trial's prompt and its expected answer
	Swaps      Probe = "swaps"      // a prompt, the same with something else in its place, and the answer to the first
)

var declarations []Declaration

// register adds a method; for the init of its file.
func register(d Declaration) {
	param.MustOf(d.New())
	declarations = append(declarations, d)
	slices.SortStableFunc(declarations, func(a, b Declaration) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name(), b.Name()))
	})
}

// Declarations lists every score method, the default first.
func Declarations() []Declaration { return slices.Clone(declarations) }

// Parameters is the set of all methods' parameters, at their defaults.
func Parameters() *param.Set {
	s := param.NewSet()
	for _, d := range declarations {
		s.Declare(d.Name(), d.New())
	}
	return s
}

// Methods returns every method of needle trials with its parameters at their
// defaults, the default method first.
func Methods() []Method {
	var out []Method
	for _, m := range MethodsOf(Needles) {
		out = append(out, m.(Method))
	}
	return out
}

// MethodsOf returns every method of a probe, its parameters at their defaults.
func MethodsOf(p Probe) []Named {
	var out []Named
	for _, d := range declarations {
		if d.Probe == p {
			m := d.New()
			param.SetDefaults(m)
			out = append(out, m)
		}
	}
	return out
}

// Lookup finds a method's declaration by its name, which may be one that
// [WhileThinking] gives.
func Lookup(name string) (Declaration, error) {
	var names []string
	of, whileThinking := AnswerMethod(name)
	for _, d := range declarations {
		if n := d.Name(); n == name {
			return d, nil
		} else if whileThinking && n == of && d.Probe == Needles {
			return thinkingOf(d), nil
		} else {
			names = append(names, n)
		}
	}
	return Declaration{}, fmt.Errorf("no score method %q; known: %s", name, strings.Join(names, ", "))
}

// ProbeOf is the prompts that a method is computed on; Needles where the method
// is not known.
func ProbeOf(method string) Probe {
	switch method {
	case QRHeadNDCG:
		return Documents
	case TaylorAnswer:
		return Answers
	}
	d, _ := Lookup(curveOwner(method))
	return d.Probe
}

// OfKVHeads reports whether a method scores KV heads; false where it is not
// known.
func OfKVHeads(method string) bool {
	d, err := Lookup(curveOwner(method))
	return err == nil && d.KVHeads
}

// Name is the method's name.
func (d Declaration) Name() string { return d.New().Name() }

// visible cuts a row to the evidence positions it holds: weights[from:to]
// belong to the span. It is empty where a sliding window hides the evidence.
func visible(n, first int, evidence Span) (from, to int) {
	from = min(max(evidence.Start-first, 0), n)
	to = min(max(evidence.End-first, from), n)
	return from, to
}
