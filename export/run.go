package export

import (
	"path/filepath"

	"headprof/runner/shape"
	"headprof/scoring"
)

// published maps a method to its file in the published form: the two kinds of
// score that HeadKV's repository holds files of.
var published = map[string]string{
	"headkv-r2": "headkv.json",
	"retrieval": "retrieval.json",
}

// WriteRun writes a run's artifacts into its folder and returns their paths:
// scores.parquet and scores.csv (a row per head and method), trials.parquet (a
// row per trial, head and method), headkv.json and retrieval.json (published
// form), and where the table holds curves curves.parquet and curves.csv. layers
// tell the size of an entry.
func WriteRun(dir string, t *scoring.Table, trials []scoring.TrialScore, layers shape.Model) ([]string, error) {
	var paths []string
	write := func(name string, f func(path string) error) error {
		path := filepath.Join(dir, name)
		if err := f(path); err != nil {
			return err
		}
		paths = append(paths, path)
		return nil
	}
	err := write("scores.parquet", func(p string) error { return Write(t, Parquet, p, Options{}) })
	if err != nil {
		return nil, err
	}
	if err := write("scores.csv", func(p string) error { return Write(t, CSV, p, Options{}) }); err != nil {
		return nil, err
	}
	if err := write("trials.parquet", func(p string) error { return WriteTrials(p, t, trials) }); err != nil {
		return nil, err
	}
	for _, m := range t.Methods() {
		name, ok := published[m]
		if !ok {
			continue
		}
		if err := write(name, func(p string) error { return Write(t, HeadKV, p, Options{Method: m}) }); err != nil {
			return nil, err
		}
	}
	if t.CurvePoints() == nil {
		return paths, nil
	}
	for _, name := range []string{"curves.parquet", "curves.csv"} {
		if err := write(name, func(p string) error { return Write(t, Curves, p, Options{Layers: layers}) }); err != nil {
			return nil, err
		}
	}
	return paths, nil
}
