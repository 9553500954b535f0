package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
// been run in one go. It refuses shards of different plans, models or
// settings, unfinished ones, and sets that are not complete; the error says
// which and what to run. An empty out writes nothing.
func (k Kind[R]) Merge(out string, dirs []string) (*Manifest, []*R, error) {
	if len(dirs) == 0 {
		return nil, nil, errors.New("no folders to merge")
	}
	var whole *Manifest
	shards := map[int][]*R{}
	from := map[int]string{}
	of := 0
	for _, dir := range dirs {
		m, records, err := k.ReadFolder(dir)
		if err != nil {
			return nil, nil, err
		}
		if m.Plan.Shard == "" {
			return nil, nil, fmt.Errorf("%s holds a whole run, not a shard of one", dir)
		}
		shard, n, err := ParseShard(m.Plan.Shard)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestName), err)
		}
		if m.Outcome == nil {
			return nil, nil, fmt.Errorf("%s is not finished (%d %s so far); run its command (--shard %s) again to the end", dir, len(records), k.Items, m.Plan.Shard)
		}
		m.Plan.Shard = ""
		if whole == nil {
			whole, of = m, n
		}
		if d := whole.differences(m); len(d) > 0 {
			return nil, nil, fmt.Errorf("%s and %s are not of one run: %s is %s there and %s here", dirs[0], dir, d[0].What, orNone(d[0].There), orNone(d[0].Now))
		}
		if n != of {
			return nil, nil, fmt.Errorf("%s is a shard of %d, %s one of %d", dirs[0], of, dir, n)
		}
		if other, ok := from[shard]; ok {
			return nil, nil, fmt.Errorf("%s and %s hold the same shard %d/%d", other, dir, shard, of)
		}
		from[shard], shards[shard] = dir, records
	}
	var missing []string
	for s := 1; s <= of; s++ {
		if _, ok := from[s]; !ok {
			missing = append(missing, fmt.Sprintf("%d/%d", s, of))
		}
	}
	if len(missing) > 0 {
		return nil, nil, fmt.Errorf("shards are missing: %s", strings.Join(missing, ", "))
	}
	records, err := interleave(whole, shards, from, of)
	if err != nil {
		return nil, nil, err
	}
	outcome := k.outcome(records)
	if out != "" {
		if err := k.writeMerged(out, whole, records, outcome); err != nil {
			return nil, nil, err
		}
	}
	whole.Outcome = outcome
	return whole, records, nil
}

// interleave orders the shards' blocks as in the plan.
func interleave[R any](m *Manifest, shards map[int][]*R, from map[int]string, of int) ([]*R, error) {
	var records []*R
	if m.Plan.Block < 1 {
		return nil, fmt.Errorf("%s: a block of %d items", from[1], m.Plan.Block)
	}
	for b := 0; b*m.Plan.Block < m.Plan.Trials; b++ {
		s := b%of + 1
		n := min(m.Plan.Block, m.Plan.Trials-b*m.Plan.Block)
		if len(shards[s]) < n {
			return nil, fmt.Errorf("%s lacks items of block %d; run its command again", from[s], b+1)
		}
		records = append(records, shards[s][:n]...)
		shards[s] = shards[s][n:]
	}
	for s, rest := range shards {
		if len(rest) > 0 {
			return nil, fmt.Errorf("%s holds %d items more than its shard", from[s], len(rest))
		}
	}
	return records, nil
}

func (k Kind[R]) writeMerged(out string, m *Manifest, records []*R, outcome *Outcome) error {
	m.Outcome = nil
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
