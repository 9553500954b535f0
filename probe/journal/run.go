// Package journal keeps runs in folders. A run is a plan of items, a procedure
// that turns an item into a record, and a journal of records; what is made of
// the records is the caller's. A [Kind] names the journal and checks its lines;
// a [Run] executes what the folder does not hold yet, so that a run that was
// killed or interrupted continues, and gives the same bytes; [Kind.Merge] puts
// the shards of a plan together.
//
// A folder holds run.json (the [Manifest]: what the run is made from), the
// journal (one line of JSON per item, synced to disk before the next item
// starts) and a lock for the one process that works in it.
package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// ErrInterrupted says that a run was cancelled. Its journal holds all items
// that ended; running the same command again continues.
var ErrInterrupted = errors.New("interrupted")

// Run is one run. Records come in the order of the plan's items.
type Run[R any] struct {
	Kind     Kind[R]
	Dir      string // the run's folder; empty keeps everything in memory
	Manifest *Manifest
	Items    int                // of the plan
	Name     func(i int) string // names an item in errors
	// Differs says in what a record that was read back differs from the plan's
	// item i; empty where it does not.
	Differs func(i int, r *R) string
	// Start prepares for the items after those that are done; nil: nothing to
	// prepare. It is not called where nothing is left to run.
	Start func(done []*R) error
	// Item runs an item.
	Item func(ctx context.Context, i int) (*R, error)
	// Ended is told after each item, when its record is in the journal.
	Ended func(done []*R)
	// Stop decides whether the run ends early; nil: never. It must depend on
	// its argument alone: a resumed run then stops where an uninterrupted one does.
	Stop func(done []*R) *Stop
}

// Do runs the items that the folder does not hold yet. With [ErrInterrupted],
// and with errors of storage or of an item, it returns the records of all items
// that ended, and with errors in opening the folder nil.
func (r *Run[R]) Do(ctx context.Context) ([]*R, error) {
	records := []*R{}
	var j *folder
	if r.Dir != "" {
		var err error
		var there []*R
		if j, there, err = r.Kind.open(r.Dir, r.Manifest); err != nil {
			return nil, err
		}
		defer j.close()
		if err := r.match(there); err != nil {
			return nil, err
		}
		records = append(records, there...)
	}
	records, stopped, err := r.rest(ctx, j, records)
	if err != nil {
		return records, err
	}
	r.Manifest.Outcome = r.Kind.outcome(records)
	r.Manifest.Outcome.Stopped = stopped
	if j == nil {
		return records, nil
	}
	return records, r.Manifest.write(r.Dir)
}

// match checks that a journal holds the plan's first items, in order.
func (r *Run[R]) match(there []*R) error {
	path := filepath.Join(r.Dir, r.Kind.File)
	if len(there) > r.Items {
		return fmt.Errorf("%s holds %d %s, more than the plan's %d; delete the folder or name another one with --out", path, len(there), r.Kind.Items, r.Items)
	}
	for i, record := range there {
		if what := r.Differs(i, record); what != "" {
			return fmt.Errorf("%s:%d: %s; the journal was damaged, or lines are missing or out of order: restore it, or delete this line and all after it to run those %s again", path, i+1, what, r.Kind.Items)
		}
	}
	return nil
}

func (r *Run[R]) stop(done []*R) *Stop {
	if r.Stop == nil || len(done) == 0 || len(done) == r.Items {
		return nil
	}
	return r.Stop(done)
}

func (r *Run[R]) rest(ctx context.Context, j *folder, done []*R) ([]*R, *Stop, error) {
	if stop := r.stop(done); stop != nil || len(done) == r.Items {
		return done, stop, nil
	}
	if r.Start != nil {
		if err := r.Start(done); err != nil {
			return done, nil, err
		}
	}
	for i := len(done); i < r.Items; i++ {
		err := ctx.Err()
		var record *R
		if err == nil {
			record, err = r.Item(ctx, i)
		}
		if err != nil && ctx.Err() != nil {
			return done, nil, fmt.Errorf("%w after %d of %d %s", ErrInterrupted, i, r.Items, r.Kind.Items)
		}
		if err == nil && j != nil {
			err = j.append(record)
		}
		if err != nil {
			return done, nil, fmt.Errorf("%s: %w", r.Name(i), err)
		}
		done = append(done, record)
		if r.Ended != nil {
			r.Ended(done)
		}
		if stop := r.stop(done); stop != nil {
			return done, stop, nil
		}
	}
	return done, nil, nil
}

// outcome counts a finished run's records.
func (k Kind[R]) outcome(records []*R) *Outcome {
	o := &Outcome{Trials: len(records)}
	for _, r := range records {
		if k.Passed != nil && k.Passed(r) {
			o.Passed++
		}
		if k.CutOff != nil && k.CutOff(r) {
			o.CutOff++
		}
	}
	return o
}
