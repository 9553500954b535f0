package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ReadFolder reads a run's folder, finished or not. It takes no lock: an item
// that is being written is not seen.
func (k Kind[R]) ReadFolder(dir string) (*Manifest, []*R, error) {
	m, err := ReadManifest(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s is not a run's folder: it has no %s", dir, ManifestName)
	}
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, k.File)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	records, _, err := k.Read(path, f, m)
	return m, records, err
}

// Merge puts the shards of one plan together into a run's folder, as if it had
// been run in one go. Where it cannot, the error is an [*IncompleteError], which
// says what is missing, unfinished, doubled or of another run, and what to run.
// An empty out writes nothing.
func (k Kind[R]) Merge(out string, dirs []string) (*Manifest, []*R, error) {
	return k.merge(out, dirs, false)
}

// MergePartial is Merge that makes do with what missing and unfinished shards
// leave. The manifest's outcome then says that it is a part ([Partial]). A
// later merge may write into the same folder.
func (k Kind[R]) MergePartial(out string, dirs []string) (*Manifest, []*R, error) {
	return k.merge(out, dirs, true)
}

func (k Kind[R]) merge(out string, dirs []string, partial bool) (*Manifest, []*R, error) {
	if len(dirs) == 0 {
		return nil, nil, errors.New("no folders to merge")
	}
	s := k.survey(dirs)
	lacks := s.lacks
	if partial && s.whole != nil {
		lacks = lacks.beyondRest()
	}
	if lacks.any() {
		return nil, nil, lacks
	}
	records, err := s.interleave()
	if err != nil {
		return nil, nil, err
	}
	outcome := k.outcome(records)
	if s.lacks.any() {
		if len(records) == 0 {
			return nil, nil, fmt.Errorf("no shard holds %s yet", k.Items)
		}
		outcome.Partial = &Partial{Finished: Numbers(s.finished()), Shards: s.lacks.Of, Items: s.whole.Plan.Trials}
	}
	if out != "" {
		if err := k.writeMerged(out, s.whole, records, outcome); err != nil {
			return nil, nil, err
		}
	}
	s.whole.Outcome = outcome
	return s.whole, records, nil
}

// interleave orders the shards' items as in the plan: blocks in turn, or, of a
// plan of one block, one shard after the other. Of shards that are not finished
// it takes what is there.
func (s *survey[R]) interleave() ([]*R, error) {
	m, of := s.whole, s.lacks.Of
	if m.Plan.Block < 1 {
		return nil, fmt.Errorf("%s: a block of %d items", s.first, m.Plan.Block)
	}
	if m.Plan.Block >= m.Plan.Trials {
		return s.concatenate()
	}
	var records []*R
	taken := make([]int, of+1)
	for b := 0; b*m.Plan.Block < m.Plan.Trials; b++ {
		f := s.shards[b%of+1]
		if f == nil {
			continue
		}
		rest := f.records[taken[f.shard]:]
		n := min(m.Plan.Block, m.Plan.Trials-b*m.Plan.Block)
		if len(rest) < n && f.finished {
			return nil, fmt.Errorf("%s lacks items of block %d; run its command again", f.dir, b+1)
		}
		n = min(n, len(rest))
		records = append(records, rest[:n]...)
		taken[f.shard] += n
	}
	for _, f := range s.shards {
		if rest := len(f.records) - taken[f.shard]; rest > 0 {
			return nil, fmt.Errorf("%s holds %d items more than its shard", f.dir, rest)
		}
	}
	return records, nil
}

// concatenate puts the shards of a plan of one block one after the other.
func (s *survey[R]) concatenate() ([]*R, error) {
	var records []*R
	for n := 1; n <= s.lacks.Of; n++ {
		f := s.shards[n]
		if f == nil {
			continue
		}
		if f.finished && len(f.records) != f.items {
			return nil, fmt.Errorf("%s holds %d items, where it says that it ended with %d; delete it and run its command again", f.dir, len(f.records), f.items)
		}
		records = append(records, f.records...)
	}
	if n := len(records); n > s.whole.Plan.Trials || n < s.whole.Plan.Trials && !s.lacks.any() {
		return nil, fmt.Errorf("the shards of %s hold %d items, and the plan has %d", s.first, n, s.whole.Plan.Trials)
	}
	return records, nil
}

func (k Kind[R]) writeMerged(out string, m *Manifest, records []*R, outcome *Outcome) error {
	m.Outcome = nil
	if there, err := ReadManifest(out); err == nil && there.Outcome.partial() != nil && len(there.differences(m)) == 0 {
		// Its records are those of shards: they are made again, in the new order.
		for _, name := range []string{k.File, ManifestName} {
			if err := os.Remove(filepath.Join(out, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	j, there, err := k.open(out, m)
	if err != nil {
		return err
	}
	defer j.close()
	if len(there) > len(records) {
		return fmt.Errorf("%s holds more %s than the shards; delete it or name another folder", out, k.Items)
	}
	for i, r := range records {
		if i < len(there) {
			if a, b := k.ID(there[i]), k.ID(r); a != b {
				return fmt.Errorf("%s holds %q where the shards have %q; delete it or name another folder", out, a, b)
			}
			continue
		}
		if err := j.append(r); err != nil {
			return err
		}
	}
	m.Outcome = outcome
	return m.write(out)
}
