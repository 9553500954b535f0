// Command headprof measures how much every attention head of a language model
// matters for retrieval and reasoning over long context.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"headprof/export/atomicfile"
)

// Exit codes, stable for scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoScore     = 3 // ran, but no trial passed
	exitIncomplete  = 4 // merge: not all shards are there and finished
	exitDrift       = 5 // compare: less alike than --fail-under asks for
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
	ctx, stop := signal.NotifyContext(context.Background(), shutdownSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	root := newRoot()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(os.Stderr, "headprof: %s\n", message(err))
	var e *exit
	if !errors.As(err, &e) {
		return exitFailed
	}
	if e.code == exitUsage {
		fmt.Fprintf(os.Stderr, "See '%s --help'.\n", cmd.CommandPath())
	}
	return e.code
}

// shutdownSignals are the signals that end a run cleanly. Those that were ignored when
// the process started (nohup, a script's background jobs) stay ignored.
func shutdownSignals() []os.Signal {
	s := []os.Signal{syscall.SIGTERM}
	for _, may := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(may) {
			s = append(s, may)
		}
	}
	return s
}

// message is an error as a user reads it: without the name of the system call,
// and with what can be done where the system's own words leave that open.
func message(err error) string {
	text := err.Error()
	var w *atomicfile.Error
	if errors.As(err, &w) {
		return text // says what to do
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		text = strings.Replace(text, p.Error(), p.Path+": "+p.Err.Error(), 1)
	}
	advise := func(advice, unless string) {
		if !strings.Contains(text, unless) {
			text += "; " + advice
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		advise("check the path", "--")
	case errors.Is(err, fs.ErrPermission):
		advise("check who may read and write there", "--out")
	case errors.Is(err, syscall.ENOSPC):
		advise("free some space and run the command again", "free some space")
	case errors.Is(err, syscall.EROFS):
		advise("name a place that can be written to", "--out")
	}
	return text
}

// builders make the commands that only some builds have.
var builders []func() *cobra.Command

// newRoot builds the command tree: one file per command.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "headprof",
		Short: "Measure how much each attention head matters for long-context retrieval and reasoning",
		Long: `headprof runs needle-in-a-haystack trials through a built-in transformer, watches
where every attention head looks while the model answers, and writes score
tables, heatmaps and per-head KV-cache budgets (HeadKV, arXiv 2410.19258).

Without flags, 'headprof score' profiles a small model that is part of the binary.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 no trial passed,
4 shards to merge are missing or unfinished, 5 heads drifted (compare
--fail-under), 130 interrupted by SIGINT, SIGTERM or SIGHUP (the same command
continues; have a scheduler requeue on it).`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := ""
				if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
					hint = fmt.Sprintf("; did you mean %s?", strings.Join(s, " or "))
				}
				return usagef("unknown command %q%s", args[0], hint)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(publishable(newScore()), newPlan(), newPrompts(), newAttention(), publishable(newMerge()), newPlot(), newReport(), newCompare(), newBudget(), newExport(), publishable(newEval()), publishable(newAblate()), newAudit(), newTokenize(), newInspect(), newBench(), newDevices(), newDoctor())
	for _, build := range builders {
		root.AddCommand(build())
	}
	oneName(root)
	decimals(root)
	groupFlags(root)
	complete(root)
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
