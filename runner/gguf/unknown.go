package gguf

import (
	"fmt"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

func unknownType(t tensor.Type) error {
	var names []string
	for _, f := range tensor.Formats() {
		if f < tensor.F8E4M3 {
			names = append(names, f.String())
		}
	}
	slices.Sort(names)
	what := fmt.Sprintf("type %d", uint32(t))
	if name := t.String(); name != what {
		what += " (" + name + ")"
	}
	return fmt.Errorf("its format is %s, which headprof does not read; use a file quantised as one of %s", what, strings.Join(names, " "))
}
