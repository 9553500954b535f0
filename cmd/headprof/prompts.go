package main

import (
	"bufio"

	"github.com/spf13/cobra"

	"headprof/probe"
)

func newPrompts() *cobra.Command {
	var m modelFlags
	var p planFlags
	c := &cobra.Command{
		Use:   "prompts",
		Short: "Print a plan's trials without running them",
		Long: `Print the trials that 'headprof score' would run with the same flags, one JSON
object a line: the form that 'headprof score --trials FILE' reads. A line holds
all of a trial, so that both ways give the same result. Any first lines of the
output are a balanced sample. No forward pass is run.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			model, err := m.open()
			if err != nil {
				return err
			}
			defer model.Close()
			e, err := probe.ModelOf(model)
			if err != nil {
				return err
			}
			plan, err := p.plan(model, e, cmd.Flags(), 0)
			if err != nil {
				return err
			}
			newSpeaker(cmd, false, false).warn(plan.DepthWarnings())
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := probe.WriteTrials(out, plan.Listed()); err != nil {
				return err
			}
			return out.Flush()
		},
	}
	c.Flags().SortFlags = false
	m.register(c.Flags())
	p.register(c.Flags())
	return c
}
