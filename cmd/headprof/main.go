// Command headprof measures how much every attention head of a language model
// matters for retrieval and reasoning over long context.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, stable for scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoScore     = 3 // ran, but no trial passed
	exitInterrupted = 130
)

// exit is an error that asks for a certain exit code.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// usagef is a mistake in the command line: exit code 2.
func usagef(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

func main() { os.Exit(run()) }

// run executes the command line and gives the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root := newRoot()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(os.Stderr, "headprof: %v\n", err)
	var e *exit
	if !errors.As(err, &e) {
		return exitFailed
	}
	if e.code == exitUsage {
		fmt.Fprintf(os.Stderr, "See '%s --help'.\n", cmd.CommandPath())
	}
	return e.code
}

// newRoot builds the command tree: one file per command.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "headprof",
		Short: "Measure how much each attention head matters for long-context retrieval and reasoning",
		Long: `headprof runs needle-in-a-haystack trials through a built-in transformer, watches
where every attention head looks while the model answers, and writes score
tables, heatmaps and per-head KV-cache budgets (HeadKV, arXiv 2410.19258).

Without flags, 'headprof score' profiles a small model that is part of the binary.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; 'headprof --help' lists them", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{exitUsage, err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newScore(), newPrompts(), newMerge(), newPlot(), newCompare(), newBudget(), newExport(), newTokenize(), newInspect(), newBench())
	return root
}

// exactly is cobra.ExactArgs with exit code 2 and a message that names what is missing.
func exactly(what ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(what) {
			return usagef("missing %s", what[len(args)])
		}
		if len(args) > len(what) {
			return usagef("unexpected argument %q", args[len(what)])
		}
		return nil
	}
}

// atMost allows the named arguments to be left out.
func atMost(what ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(what) {
			return usagef("unexpected argument %q", args[len(what)])
		}
		return nil
	}
}
