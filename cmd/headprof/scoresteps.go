package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner"
)

// stepsFolder is where a run keeps the scores of single steps, a file per
// trial, named by the trial's place in the whole plan.
const stepsFolder = "steps"

// writeSteps gives what writes a trial's steps into the run's folder.
func (f *scoreFlags) writeSteps(model *runner.Model, e probe.Model) func(*probe.Record, []probe.Step) error {
	about := export.StepsMeta{Model: modelName(model), ModelSHA: e.SHA256(), Decode: f.decode}
	dir := filepath.Join(f.out, stepsFolder)
	return func(rec *probe.Record, steps []probe.Step) error {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return atomicfile.Explain(dir, err)
		}
		var rows []export.StepRow
		for _, s := range steps {
			rows = export.StepRows(rows, export.StepRow{Trial: rec.ID, Step: int32(s.Step), Token: s.Token, Text: s.Text, Scored: s.Scored}, s.Scores)
		}
		return export.WriteSteps(filepath.Join(dir, fmt.Sprintf("%06d.parquet", rec.Index)), about, rows)
	}
}

// mergeSteps copies the steps of shards, whose names say their place in the
// whole plan, into the whole run's folder.
func mergeSteps(out string, m *journal.Manifest, shards []string) error {
	if m.Settings[probe.StepsSetting] == "" {
		return nil
	}
	to := filepath.Join(out, stepsFolder)
	if err := os.MkdirAll(to, 0o777); err != nil {
		return atomicfile.Explain(to, err)
	}
	for _, dir := range shards {
		files, err := os.ReadDir(filepath.Join(dir, stepsFolder))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, file := range files {
			if !strings.HasSuffix(file.Name(), ".parquet") {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, stepsFolder, file.Name()))
			if err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(to, file.Name()), func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
				return err
			}
		}
	}
	return nil
}
