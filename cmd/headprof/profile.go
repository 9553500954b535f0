package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"headprof/export"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/runner/arch"
	"headprof/runner/shape"
	"headprof/scoring"
)

// profileFlags say what a score file leaves out of its model.
type profileFlags struct {
	model, shape string
	kvHeads      int
	notes        io.Writer // where remarks on a file go; nil: stderr
	known        scoring.Shape
}

func (f *profileFlags) register(fs *pflag.FlagSet) {
	fs.StringVarP(&f.model, "model", "m", "", "the model `file`, for what a score file leaves out: KV heads, windows, size")
	fs.StringVar(&f.shape, "shape", "", "instead of --model: layers, heads and KV heads per layer, as in 32x32/8")
	fs.IntVar(&f.kvHeads, "kv-heads", 0, "instead of --model: KV heads per layer, for score files that leave them out (published headkv.json)")
	atLeast(fs, 1, "kv-heads")
}

const shapeHint = "give --model FILE or --shape LAYERSxHEADS/KVHEADS, such as 32x32/8"

// explain adds to an error of what is not known how to make it known.
func explain(err error) error {
	switch {
	case errors.Is(err, scoring.ErrKVHeads):
		return usagef("%w; give --kv-heads N, --shape LAYERSxHEADS/KVHEADS or --model FILE", err)
	case errors.Is(err, scoring.ErrQueryHeads), errors.Is(err, scoring.ErrListShape):
		return usagef("%w; %s", err, shapeHint)
	case errors.Is(err, export.ErrStreaming):
		return usagef("--sink, --recent: %w", err)
	}
	return err
}

// modelShape is the shape that flags or a model file tell; nil without.
func (f *profileFlags) modelShape() (scoring.Shape, error) {
	if f.known != nil {
		return f.known, nil
	}
	var err error
	switch {
	case f.model != "":
		f.known, err = shapeOfFile(f.model)
	case f.shape != "":
		if f.known, err = scoring.ParseShape(f.shape); err != nil {
			return nil, usagef("--shape: %w", err)
		}
		for i := range f.known {
			if f.kvHeads > 0 && f.known[i].KVHeads == scoring.Unknown {
				f.known[i].KVHeads = f.kvHeads
			}
		}
	}
	return f.known, err
}

func shapeOfFile(path string) (scoring.Shape, error) {
	s, err := runner.OpenSource(path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	c, err := arch.Describe(s)
	if err != nil {
		return nil, err
	}
	return shapeOf(c), nil
}

// layout is a model's layers with their head sizes, from --model or the run's
// manifest; nil where neither tells.
func (f *profileFlags) layout(path string) (shape.Model, error) {
	if f.model == "" {
		if m, err := journal.ReadManifest(path); err == nil {
			return m.Layout(), nil
		}
		return nil, nil
	}
	s, err := runner.OpenSource(f.model)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	c, err := arch.Describe(s)
	if err != nil {
		return nil, err
	}
	return c.Shape(), nil
}

// shapeOf is what tables must know of a model.
func shapeOf(c *arch.Config) scoring.Shape { return shapeOfLayers(c.Shape()) }

func shapeOfLayers(layers shape.Model) scoring.Shape {
	var shape scoring.Shape
	for _, l := range layers {
		s := scoring.LayerShape{Heads: l.Heads, KVHeads: l.KVHeads, Window: l.Window}
		if !l.Stores() {
			s.KVHeads = scoring.Unknown // it has none of its own
		}
		shape = append(shape, s)
	}
	return shape
}

// read reads a profile and tells it what the flags say of its model.
func (f *profileFlags) read(path string) (*export.Profile, error) {
	p, err := readProfile(path, f.notes)
	if err != nil {
		return nil, err
	}
	return p, f.tell(p, path)
}

// tell tells a profile what is known of its model.
func (f *profileFlags) tell(p *export.Profile, path string) error {
	shape, err := f.modelShape()
	if err != nil {
		return err
	}
	switch {
	case p.List != nil && shape != nil:
		p.List.Model = shape
	case p.List != nil:
		for i := range p.List.Model {
			if l := &p.List.Model[i]; f.kvHeads > 0 && l.Heads%f.kvHeads == 0 {
				l.KVHeads = f.kvHeads
			}
		}
	case shape != nil:
		if err := p.Table.SetShape(shape); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	case f.kvHeads > 0:
		if err := p.Table.Regroup(f.kvHeads); err != nil {
			return usagef("--kv-heads: %w", err)
		}
	}
	return nil
}

// table reads a profile as a whole model's. Heads that a list does not name
// have no score.
func (f *profileFlags) table(path string) (*scoring.Table, error) {
	p, err := f.read(path)
	if err != nil {
		return nil, err
	}
	return whole(p, path)
}

// whole makes a table of a profile.
func whole(p *export.Profile, path string) (*scoring.Table, error) {
	if p.Table != nil {
		return p.Table, nil
	}
	n := len(p.List.Of(p.List.Methods()[0]))
	if p.List.Model == nil {
		return nil, usagef("%s lists %d heads and does not say how many its model has; %s", path, n, shapeHint)
	}
	t, err := p.List.Complete(p.List.Model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// countUnlisted gives heads without a score 0, and says so.
func (f *profileFlags) countUnlisted(t *scoring.Table, path string) {
	if n := t.CountUnlistedAsZero(); n > 0 {
		fmt.Fprintf(notesTo(f.notes), "%s has no score for %s of its model's heads; they count as 0\n", path, thousands(int64(n)))
	}
}

// countNegative gives heads of a method that score below 0 the score 0 before
// budgets are made of it, and says so.
func (f *profileFlags) countNegative(t *scoring.Table, method, path string) {
	if n := t.CountNegativeAsZero(method); n > 0 {
		fmt.Fprintf(notesTo(f.notes), "%s: %s is below 0 for %s heads; they count as 0\n", path, method, thousands(int64(n)))
	}
}

func notesTo(w io.Writer) io.Writer {
	if w == nil {
		return os.Stderr
	}
	return w
}

// readProfile reads a profile of any form, names its model after the file where
// the file does not say, and tells what reading came across.
func readProfile(path string, notes io.Writer) (*export.Profile, error) {
	p, err := export.Read(path)
	if err != nil {
		return nil, err
	}
	if p.List != nil && p.List.Model == nil {
		// A run knows which layers of its model have no attention, and so no rows.
		if man, err := journal.ReadManifest(path); err == nil && man.Model.Shape != nil {
			p.List.Model = shapeOfLayers(man.Layout())
			if t, ok := p.List.Whole(p.List.Model); ok {
				p.Table, p.List = t, nil
			}
		}
	}
	t := p.Rows()
	if t.Meta.Model == "" {
		t.Meta.Model = strings.TrimSuffix(filepath.Base(filepath.Clean(path)), filepath.Ext(path))
	}
	if t.Meta.Partial != "" {
		fmt.Fprintf(notesTo(notes), "warning: %s: %s\n", path, t.Meta.Partial)
	}
	for _, n := range t.Notes {
		fmt.Fprintf(notesTo(notes), "warning: %s: %s\n", path, n)
	}
	return p, nil
}

// scoresFor makes a profile fit an opened model: rows of query heads, each with
// a score.
func scoresFor(p *export.Profile, path string, shape scoring.Shape, notes io.Writer) (*scoring.Table, error) {
	f := profileFlags{known: shape, notes: notes}
	if err := f.tell(p, path); err != nil {
		return nil, fmt.Errorf("%w; it is another model's profile", err)
	}
	t, err := whole(p, path)
	if err != nil {
		return nil, fmt.Errorf("%w; it is another model's profile", err)
	}
	if err := t.SpreadKVHeads(shape); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.countUnlisted(t, path)
	return t, nil
}
