package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"headprof/probe/journal"
	"headprof/runner"
	"headprof/scoring"
)

// everyMethod is the --method of a run of every score.
const everyMethod = "all"

// casesFolder is where a run of needle trials keeps the journal of the other
// scores' cases.
const casesFolder = "cases"

// chosen are the scores of a run: of needle trials, of which a run computes
// all, and those of other prompts.
type chosen struct {
	needles bool
	others  []scoring.Declaration
}

// without leaves out the methods that a model cannot be asked for: those of
// --method all, with a note; one that was named is an error.
func (f *scoreFlags) without(m *runner.Model, methods []scoring.Declaration) ([]scoring.Declaration, error) {
	var out []scoring.Declaration
	for _, d := range methods {
		why := m.Config().NoGradient
		if !d.Gradient || why == "" {
			out = append(out, d)
			continue
		}
		if !f.every {
			return nil, usagef("--method %s: gradients are not computed for family %q: %s; leave it out", d.Name(), m.Config().Family, why)
		}
		fmt.Fprintf(os.Stderr, "note: %s is left out: gradients are not computed for family %q: %s\n", d.Name(), m.Config().Family, why)
	}
	return out, nil
}

// add adds a method by its name.
func (c *chosen) add(name string) error {
	d, err := scoring.Lookup(name)
	switch {
	case err != nil:
		return err
	case d.Probe == scoring.Needles:
		c.needles = true
	case !slices.ContainsFunc(c.others, func(o scoring.Declaration) bool { return o.Name() == name }):
		c.others = append(c.others, d)
	}
	return nil
}

// choose reads --method: names by commas, or all. The first is shown. The
// built-in model's run without further wishes computes all, and a folder that
// holds more scores than the one named keeps them.
func (f *scoreFlags) choose(fs *pflag.FlagSet) (chosen, error) {
	var c chosen
	names := strings.Split(f.method, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	if f.firstRun(fs) {
		names = append(names, everyMethod)
	} else if f.trials == "" {
		names = append(names, f.kept(names)...)
	}
	f.method = ""
	for _, name := range names {
		list := []string{name}
		if name == everyMethod {
			f.every = true
			list = nil
			for _, d := range scoring.Declarations() {
				list = append(list, d.Name())
			}
		}
		for _, name := range list {
			if err := c.add(name); err != nil {
				return c, usagef("--method: %w; or %s", err, everyMethod)
			}
			if f.method == "" {
				f.method = name
			}
		}
	}
	slices.SortStableFunc(c.others, func(a, b scoring.Declaration) int { return cmp.Compare(a.Order, b.Order) })
	for _, p := range f.params.Params() {
		if owners := f.params.Owners(p.Name); fs.Changed(p.Name) && !c.hasAny(owners) {
			return c, usagef("--%s belongs to %s, which this run does not compute: add --method %s", p.Name, strings.Join(owners, ", "), owners[0])
		}
	}
	return c, nil
}

func (c *chosen) hasAny(methods []string) bool {
	for _, name := range methods {
		d, err := scoring.Lookup(name)
		if err != nil {
			continue
		}
		if d.Probe == scoring.Needles && c.needles || slices.ContainsFunc(c.others, func(o scoring.Declaration) bool { return o.Name() == name }) {
			return true
		}
	}
	return false
}

// firstRun tells whether this is the built-in model's run without wishes: no
// flag given that changes what is computed.
func (f *scoreFlags) firstRun(fs *pflag.FlagSet) bool {
	plain := f.model == ""
	fs.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "out", "top-k", "serve", "threads", "chunk", "kernels", "no-reuse", "no-draft", "per-step", "quiet", "json":
		default:
			plain = false
		}
	})
	return plain
}

// kept are the methods of the run in --out that names are to be shown of.
func (f *scoreFlags) kept(names []string) []string {
	m, err := journal.ReadManifest(filepath.Join(f.out, casesFolder))
	if err != nil {
		return nil // no such run; what is wrong with one shows when it is opened
	}
	there := strings.Split(m.Settings["methods"], ",")
	for _, name := range names {
		d, err := scoring.Lookup(name)
		if err != nil || d.Probe != scoring.Needles && !slices.Contains(there, name) {
			return nil
		}
	}
	return append(there, scoring.MethodsOf(scoring.Needles)[0].Name())
}
