package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/plots"
	"headprof/probe"
	"headprof/scoring"
)

// A figure that cannot be drawn or written fails nothing, and the figures after
// it are drawn: here all scores are 0, and a folder
// has the name of a figure.
func TestFigureFailures(t *testing.T) {
	dir := t.TempDir()
	table := &scoring.Table{Heads: []scoring.Head{{Method: "retrieval", Layer: 0, Head: 0}, {Method: "retrieval", Layer: 0, Head: 1, KVHead: 1}}}
	record := &probe.Record{}
	record.Length, record.Depth = 100, 50
	paths, problems := drawRun(dir, table, &probe.Result{Records: []*probe.Record{record}}, "retrieval", 0)
	if len(paths) != 3 || len(problems) != 1 || !strings.Contains(problems[0], "layers.png was not drawn: no head scores above 0") {
		t.Errorf("drawn: %q; problems: %q", paths, problems)
	}
	os.Remove(filepath.Join(dir, "heads.png"))
	os.Mkdir(filepath.Join(dir, "heads.png"), 0o777)
	paths, problems = drawRun(dir, table, &probe.Result{}, "retrieval", 0)
	if len(paths) != 1 || len(problems) != 2 || !strings.Contains(problems[0], "it is a folder") {
		t.Errorf("drawn: %q; problems: %q", paths, problems)
	}
	_, problems = drawAll([]drawing{{"x.png", func() (*plots.Figure, error) { panic("boom") }}})
	if len(problems) != 1 || !strings.Contains(problems[0], "boom") {
		t.Errorf("a panic becomes %q", problems)
	}
}
