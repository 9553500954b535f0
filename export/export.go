// Package export writes score and budget tables in every format that
// something reads, and reads them back. It knows files, not models.
//
// Files are deterministic: the same table gives the same bytes, without
// timestamps. Files and folders appear whole or not at all (atomicfile).
package export

import (
	"fmt"
	"strings"

	"headprof/runner/shape"
	"headprof/scoring"
)

// Format names a file format of score tables. Each format is one file of this
// package, which registers its Declaration; docs/formats.md describes them.
type Format string

// Options of Write. The zero value is usable.
type Options struct {
	Method string // for formats that hold one method; "": the table's first
	Sink   *int   // DuoAttention: sink_size; nil: the source's, else 128
	Recent *int   // DuoAttention: recent_size; nil: the source's, else 256
	// Reduce turns a group's scores into its KV head's (DuoAttention): "max"
	// (default) or "mean".
	Reduce string
	// Scale brings scores to [0, 1] (DuoAttention): "max" (default) divides by
	// the largest, "rank" spreads ranks evenly, so that a threshold keeps that
	// share of heads.
	Scale string
	Top   *int // QRHead: heads listed; nil: 16
	// RazorAttention: the share of KV heads taken by echo and by induction score;
	// nil: 0.01 and 0.14.
	EchoShare, InductionShare *float64
	// Layers tell head sizes, for curves in bytes; nil: not known.
	Layers shape.Model
	// CSVMeta says where a CSV table's metadata goes: "" nowhere, "comment" into
	// its first line, "beside" into a file of its name and .meta.json.
	CSVMeta string
}

// TopHeads is how many heads QRHead's list holds.
func (o Options) TopHeads() int {
	if o.Top != nil {
		return *o.Top
	}
	return 16 // as in QRHead's own files
}

// Write writes a table to path in the given format. For a format that is a
// folder, path is one, made where absent.
func Write(t *scoring.Table, format Format, path string, o Options) error {
	if len(t.Heads) == 0 {
		return fmt.Errorf("there are no scores to write to %s", path)
	}
	d, err := Lookup(format)
	if err != nil {
		return err
	}
	if d.Whole {
		return d.Write(path, t, nil, o)
	}
	method := o.Method
	if method == "" {
		method = t.Heads[0].Method
	}
	heads := t.Of(method)
	if heads == nil {
		return fmt.Errorf("the table has no method %q; it has %s", method, strings.Join(t.Methods(), ", "))
	}
	if d.QueryHeads && t.Quantity(method).PerKVHead {
		return fmt.Errorf("%s lists query heads: %w", format, scoring.ErrQueryHeads)
	}
	return d.Write(path, t, heads, o)
}
