package main

import (
	"strings"

	"github.com/spf13/pflag"

	"headprof/scoring/param"
)

// paramFlags registers a flag for each parameter of a set. The declaration
// gives its name, help, default and limits.
func paramFlags(fs *pflag.FlagSet, set *param.Set) {
	for _, p := range set.Params() {
		f := fs.VarPF(&paramValue{set, p, p.Default}, p.Name, "", paramUsage(p, set.Owners(p.Name)))
		if p.Kind() == "switch" {
			f.NoOptDefVal = "true"
		}
	}
}

// paramUsage is a parameter's line in the help: whose it is, what it does,
// its limits.
func paramUsage(p param.Param, owners []string) string {
	usage := p.Help
	if owners[0] != "" {
		usage = strings.Join(owners, ", ") + ": " + usage
	}
	if limits := p.Limits(); limits != "" && limits != "at least 0" && limits != "finite" {
		usage += "; " + limits
	}
	if p.Absent != "" {
		usage += " (default: " + p.Absent + ")"
	}
	return usage
}

// paramValue is a parameter as a flag.
type paramValue struct {
	set  *param.Set
	p    param.Param
	text string
}

func (v *paramValue) String() string { return v.text }

// Type is a type of pflag's, which its help knows how to print.
func (v *paramValue) Type() string {
	switch v.p.Kind() {
	case "integer":
		return "int"
	case "number":
		return "float64"
	case "switch":
		return "bool"
	}
	return "string"
}

func (v *paramValue) Set(text string) error {
	if err := v.set.Put(v.p.Name, text); err != nil {
		return err
	}
	v.text = text
	return nil
}
