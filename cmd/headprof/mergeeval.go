package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"headprof/probe/evaluate"
	"headprof/probe/journal"
	"headprof/runner"
)

// journalOf tells whether folders hold shards of eval or ablate: the name of
// their journal, "" for those of score.
func journalOf(dirs []string) string {
	for _, name := range []string{evaluate.Kind.File, evaluate.AblationKind.File} {
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return name
			}
		}
	}
	return ""
}

// mergeEvaluation puts the shards of eval or ablate together.
func (f *scoreFlags) mergeEvaluation(cmd *cobra.Command, kind string, model *runner.Model, dirs []string, partial bool) error {
	if kind == evaluate.AblationKind.File {
		if partial {
			return usagef("--partial: an ablation compares all masks over the same prompts, so it needs all shards")
		}
		m, records, err := mergeShards(evaluate.AblationKind, f.out, model, dirs, false)
		if err != nil {
			return err
		}
		masks, err := evaluate.MasksOf(m, records)
		if err != nil {
			return fmt.Errorf("%s: %w", f.out, err)
		}
		a := ablateFlags{quiet: f.quiet, json: f.json, out: f.out}
		a.fast = m.Settings[fastSetting] == fastOn
		return a.tables(cmd, modelName(model), m.Settings["method"], records, masks, m.Plan.Seed, a.note(len(records)/len(masks)))
	}
	m, records, err := mergeShards(evaluate.Kind, f.out, model, dirs, partial)
	if err != nil {
		return err
	}
	beta, err := evaluate.BetaOf(m)
	if err != nil {
		return fmt.Errorf("%s: %w", f.out, err)
	}
	e := evalFlags{quiet: f.quiet, json: f.json, out: f.out}
	e.fast = m.Settings[fastSetting] == fastOn
	note := e.note
	if label := m.Outcome.Partial.Text(len(records)); label != "" {
		if !f.quiet {
			fmt.Fprintln(cmd.ErrOrStderr(), label)
		}
		note = func(prompts int) string { return e.note(prompts) + ", " + label }
	}
	return e.tables(cmd, modelName(model), records, beta, m.Plan.Seed, note)
}

func mergeShards[R any](k journal.Kind[R], out string, model *runner.Model, dirs []string, partial bool) (*journal.Manifest, []*R, error) {
	merge := k.Merge
	if partial {
		merge = k.MergePartial
	}
	if err := sameModel(model, dirs); err != nil {
		return nil, nil, err
	}
	m, records, err := merge(out, dirs)
	return m, records, incomplete(err)
}
