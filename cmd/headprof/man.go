//go:build man

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func init() { builders = append(builders, newMan) }

// newMan writes man pages. It is part of the program that docs/release.sh
// builds for itself alone.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write man pages", Hidden: true, Args: exactly("the folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "headprof " + version(), Manual: "headprof"}, args[0])
		},
	}
}
