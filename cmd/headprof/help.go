package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroups are the headings of a command's flags, in the order of its help.
// What no group names is of the method: parameters of scores and policies.
var flagGroups = []struct {
	title string
	names []string
}{
	{"Model", []string{"model", "cache-type", "chat", "chat-var", "long-context", "max-length", "pre", "shape", "kv-heads", "head-dim"}},
	{"Plan", []string{"needles", "generate", "haystack", "lengths", "depths", "count", "each", "seed", "trials", "tasks", "preset", "buffer", "until", "shard", "tokens", "repeat", "answers", "decode-only", "draws", "hours", "workers"}},
	{"Method", nil},
	{"Output", []string{"out", "publish", "format", "plot", "title", "kind", "comments", "per-kv-head", "json", "quiet", "serve", "at-least"}},
	{"Machine", []string{"device", "threads", "chunk", "kernels", "gpu-math", "gpu-memory", "int8", "no-reuse", "no-draft"}},
}

const methodGroup = 2

// groupOf is the heading of a flag.
func groupOf(name string) int {
	for i, g := range flagGroups {
		if slices.Contains(g.names, name) {
			return i
		}
	}
	return methodGroup
}

// groupedFlags is a command's flags under their headings. Few flags stay one list.
func groupedFlags(c *cobra.Command) string {
	const few = 8
	sets := make([]*pflag.FlagSet, len(flagGroups))
	for i := range sets {
		sets[i] = pflag.NewFlagSet("", pflag.ContinueOnError)
		sets[i].SortFlags = false
	}
	shown := 0
	own := c.LocalFlags()
	own.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		shown++
		sets[groupOf(f.Name)].AddFlag(f)
	})
	if shown <= few {
		return "\nFlags:\n" + strings.TrimRight(own.FlagUsages(), "\n") + "\n"
	}
	var b strings.Builder
	for i, set := range sets {
		if set.HasFlags() {
			fmt.Fprintf(&b, "\n%s:\n%s", flagGroups[i].title, set.FlagUsages())
		}
	}
	return b.String()
}

// groupFlags shows every command's flags in groups.
func groupFlags(root *cobra.Command) {
	cobra.AddTemplateFunc("groupedFlags", groupedFlags)
	usage := root.UsageTemplate()
	const local = "\n\nFlags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	root.SetUsageTemplate(strings.Replace(usage, local, "\n{{groupedFlags . | trimTrailingWhitespaces}}", 1))
}
