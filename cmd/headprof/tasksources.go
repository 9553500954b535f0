package main

import (
	"slices"
	"strings"

	"headprof/needle"
	"headprof/probe/evaluate"
)

// needleTask is the --tasks of headprof's own needles.
const needleTask = "needle"

// taskSource is one entry of --tasks: needle, a RULER kind, or a file with or
// without the layout that it must have.
type taskSource struct {
	ruler  needle.RulerKind
	layout evaluate.Layout
	path   string // of a file
}

// taskSources reads --tasks. "ruler:" stands for the RULER kinds behind it as well.
func taskSources(list []string) ([]taskSource, error) {
	var out []taskSource
	seen := map[string]bool{}
	ruler := false
	for _, task := range list {
		s := taskSource{}
		preset, rest, found := strings.Cut(task, ":")
		kind, named := strings.CutPrefix(task, "ruler:")
		known := slices.Contains(needle.RulerKinds(), needle.RulerKind(kind))
		switch {
		case named && !known:
			_, err := needle.Ruler(nil, needle.RulerKind(kind), needle.RulerOptions{})
			return nil, usagef("--tasks %s: %w", task, err)
		case named, ruler && known:
			s.ruler, task = needle.RulerKind(kind), "ruler:"+kind
		case found && evaluate.HasLayout(preset):
			var err error
			if s.layout, s.path, err = evaluate.ParseLayout(preset, rest); err != nil {
				return nil, usagef("--tasks %s: %w", task, err)
			}
		default:
			s.path = task
		}
		ruler = s.ruler != ""
		if seen[task] {
			return nil, usagef("--tasks names %s twice", task)
		}
		seen[task] = true
		out = append(out, s)
	}
	return out, nil
}
