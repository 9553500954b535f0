package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/probe"
	"headprof/scoring"
)

// addTrials adds each head's scores of single trials, where dir is a run's folder.
func addTrials(t *scoring.Table, dir string) error {
	trials, err := readTrials(dir)
	if err != nil {
		return err
	}
	for i := range t.Heads {
		h := &t.Heads[i]
		h.Trials = nil
		for _, x := range trials {
			if s := x.Scores[h.Method]; x.Pass && h.Layer < len(s) && h.Head < len(s[h.Layer]) {
				h.Trials = append(h.Trials, s[h.Layer][h.Head])
			}
		}
	}
	return nil
}

// readTrials reads the scores of single trials, where dir is a run's folder;
// nil where it is not.
func readTrials(dir string) ([]scoring.TrialScore, error) {
	trials, err := export.ReadTrials(filepath.Join(dir, "trials.parquet"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return trials, err
}

// methodOf picks the method to show: the one asked for, else the default where
// the table has it, else the table's first.
func methodOf(t *scoring.Table, asked, path string) (string, error) {
	if asked == scoring.ConsensusMethod {
		if err := withConsensus(t, path); err != nil {
			return "", err
		}
	}
	all := t.Methods()
	for _, m := range append([]string{asked}, "headkv-r2") {
		for _, have := range all {
			if m == have {
				return m, nil
			}
		}
		if m == asked && asked != "" {
			return "", usagef("%s has no method %q; it has %s", path, asked, strings.Join(all, ", "))
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%s holds no scores", path)
	}
	return all[0], nil
}

// onlyMethod leaves a profile one method, and the curves that it holds.
func onlyMethod(p *export.Profile, asked, path string) error {
	t := p.Rows()
	m, err := methodOf(t, asked, path)
	if err != nil {
		return err
	}
	heads := slices.Clone(t.Of(m))
	for _, k := range t.CurvePoints() {
		if point := scoring.PointName(k); point != m {
			heads = append(heads, t.Of(point)...)
		}
	}
	t.Heads = heads
	return nil
}

// readRun reads a run's folder; the error says what a run's folder is.
func readRun(dir string) (*probe.Result, error) {
	if s, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !s.IsDir() {
		return nil, fmt.Errorf("%s is a file; this needs the folder of a run ('headprof score --out')", dir)
	}
	return probe.ReadRun(dir)
}

// beside is the default place of an artifact made from path.
func beside(path, name string) string {
	if s, err := os.Stat(path); err == nil && s.IsDir() {
		return filepath.Join(path, name)
	}
	return strings.TrimSuffix(path, filepath.Ext(path)) + "-" + name
}

// formatOf is the format of the file that a command writes: the one named, or
// the file's ending, or, for standard output and what has no ending (a pipe, a
// device), the first of the known ones.
func formatOf(named, flag, out string, known ...string) (string, error) {
	if named != "" {
		if !slices.Contains(known, named) {
			return "", usagef("--format %q: known are %s", named, strings.Join(known, ", "))
		}
		return named, nil
	}
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(out), "."))
	if slices.Contains(known, ending) {
		return ending, nil
	}
	if st, err := os.Stat(out); atomicfile.IsStdout(out) || err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		return known[0], nil
	}
	last := len(known) - 1
	return "", usagef("%s %s: the name must end in .%s or .%s", flag, out, strings.Join(known[:last], ", ."), known[last])
}

// printPath prints where a result is, unless it is on standard output.
func printPath(cmd *cobra.Command, path string) {
	if !atomicfile.IsStdout(path) {
		fmt.Fprintln(cmd.OutOrStdout(), path)
	}
}
