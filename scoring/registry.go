package scoring

import (
	"fmt"
	"strings"
)

// methods holds every score method; the first is the default.
var methods = []Method{
	HeadKVR2{},
	Retrieval{},
}

// Methods returns every score method, the default first.
func Methods() []Method { return append([]Method(nil), methods...) }

// Lookup finds a method by its name.
func Lookup(name string) (Method, error) {
	var names []string
	for _, m := range methods {
		if m.Name() == name {
			return m, nil
		}
		names = append(names, m.Name())
	}
	return nil, fmt.Errorf("no score method %q; known: %s", name, strings.Join(names, ", "))
}

// visible cuts a row to the evidence positions it holds: weights[from:to]
// belong to the span. It is empty where a sliding window hides the evidence.
func visible(n, first int, evidence Span) (from, to int) {
	from = min(max(evidence.Start-first, 0), n)
	to = min(max(evidence.End-first, from), n)
	return from, to
}
