package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"headprof/export"
	"headprof/needle"
	"headprof/runner/kvcache"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

// complete lets a shell complete the values of flags. Flags that are not named
// here, and arguments, are completed as files.
func complete(root *cobra.Command) {
	words := func(all ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
	}
	known := map[string]cobra.CompletionFunc{
		"method": methodsOf, "policy": policiesOf,
		"cache-type": words("f32", "f16"), "decode": words("greedy", "forced"), "judge": words(needle.JudgeNames()...),
		"chat": words("auto", "on", "off"), "preset": words("published"), "until": words("stable"),
		"device": words("cpu", "gpu", "auto"), "kernels": words("auto", "avx512", "avx2", "neon", "portable"),
		"level": words(string(allocate.KVHead), string(allocate.Head), string(allocate.ByLayer)), "kind": words(kinds...),
		"ablation": words("zero", "mean", "resample", allMethods), "controls": words("random", "bottom", "permuted", "patch-back", allMethods),
	}
	for _, c := range root.Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "format" && c.Name() == "export" {
				var all []string
				for _, d := range export.Declarations() {
					all = append(all, string(d.Format))
				}
				_ = c.RegisterFlagCompletionFunc(f.Name, words(all...))
				return
			}
			if fn, ok := known[f.Name]; ok && f.Value.Type() != "int" {
				_ = c.RegisterFlagCompletionFunc(f.Name, fn) // its error: registered before
			}
		})
	}
}

// methodsOf completes score methods: those of the profile that the line names,
// else all that this program computes.
func methodsOf(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		if p, err := export.Read(args[0]); err == nil {
			return p.Rows().Methods(), cobra.ShellCompDirectiveNoFileComp
		}
	}
	var all []cobra.Completion
	for _, d := range scoring.Declarations() {
		all = append(all, cobra.CompletionWithDesc(d.Name(), d.Measures))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// policiesOf completes policies: of eviction for eval, of allocation for budget.
func policiesOf(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if c.Name() == "budget" {
		return slices.Clone(allocate.Policies()), cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, d := range kvcache.Declarations() {
		all = append(all, cobra.CompletionWithDesc(d.Name, d.Source))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
