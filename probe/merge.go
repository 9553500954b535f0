package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ReadRun reads a run's folder, finished or not. It takes no lock: a trial
// that is being written is not seen.
func ReadRun(dir string) (*Result, error) {
	m, records, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	return newResult(m, records, m.Settings[sinkSetting] == sinkKept, 0), nil
}

func readFolder(dir string) (*Manifest, []*Record, error) {
	m, err := ReadManifest(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s is not a run's folder: it has no %s", dir, manifestName)
	}
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, journalName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	records, _, err := readRecords(path, f, m.Model.Layers, m.Model.Heads)
	return m, records, err
}

// Merge puts the shards of one plan together into a run's folder, as if it had
// been run in one go. It refuses shards of different plans, models or
// settings, unfinished ones, and sets that are not complete; the error says
// which and what to run. An empty out writes nothing.
func Merge(out string, dirs []string) (*Result, error) {
	if len(dirs) == 0 {
		return nil, errors.New("no folders to merge")
	}
	var whole *Manifest
	shards := map[int][]*Record{}
	from := map[int]string{}
	of := 0
	for _, dir := range dirs {
		m, records, err := readFolder(dir)
		if err != nil {
			return nil, err
		}
		if m.Plan.Shard == "" {
			return nil, fmt.Errorf("%s holds a whole run, not a shard of one", dir)
		}
		shard, n, err := ParseShard(m.Plan.Shard)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err)
		}
		if m.Outcome == nil {
			return nil, fmt.Errorf("%s is not finished (%d trials so far); run its command (--shard %s) again to the end", dir, len(records), m.Plan.Shard)
		}
		m.Plan.Shard = ""
		if whole == nil {
			whole, of = m, n
		}
		if d := whole.differences(m); len(d) > 0 {
			return nil, fmt.Errorf("%s and %s are not of one run: %s is %s there and %s here", dirs[0], dir, d[0].What, orNone(d[0].There), orNone(d[0].Now))
		}
		if n != of {
			return nil, fmt.Errorf("%s is a shard of %d, %s one of %d", dirs[0], of, dir, n)
		}
		if other, ok := from[shard]; ok {
			return nil, fmt.Errorf("%s and %s hold the same shard %d/%d", other, dir, shard, of)
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
		return nil, fmt.Errorf("shards are missing: %s", strings.Join(missing, ", "))
	}
	records, err := interleave(whole, shards, from, of)
	if err != nil {
		return nil, err
	}
	whole.Outcome = &Outcome{Trials: len(records)}
	for _, r := range records {
		if r.Pass {
			whole.Outcome.Passed++
		}
	}
	if out != "" {
		if err := writeMerged(out, whole, records); err != nil {
			return nil, err
		}
	}
	keep := whole.Settings[sinkSetting] == sinkKept
	r := newResult(whole, records, keep, 0)
	r.Total = r.Done
	return r, nil
}

// interleave brings the shards' blocks back into the plan's order.
func interleave(m *Manifest, shards map[int][]*Record, from map[int]string, of int) ([]*Record, error) {
	var records []*Record
	if m.Plan.Block < 1 {
		return nil, fmt.Errorf("%s: a block of %d trials", from[1], m.Plan.Block)
	}
	for b := 0; b*m.Plan.Block < m.Plan.Trials; b++ {
		s := b%of + 1
		n := min(m.Plan.Block, m.Plan.Trials-b*m.Plan.Block)
		if len(shards[s]) < n {
			return nil, fmt.Errorf("%s lacks trials of block %d; run its command again", from[s], b+1)
		}
		records = append(records, shards[s][:n]...)
		shards[s] = shards[s][n:]
	}
	for s, rest := range shards {
		if len(rest) > 0 {
			return nil, fmt.Errorf("%s holds %d trials more than its shard", from[s], len(rest))
		}
	}
	return records, nil
}

func writeMerged(out string, m *Manifest, records []*Record) error {
	outcome := m.Outcome
	m.Outcome = nil
	j, there, err := openJournal(out, m)
	if err != nil {
		return err
	}
	defer j.close()
	if len(there) > len(records) {
		return fmt.Errorf("%s holds more trials than the shards; delete it or name another folder", out)
	}
	for i, r := range records {
		if i < len(there) {
			if there[i].ID != r.ID {
				return fmt.Errorf("%s holds trial %q where the shards have %q; delete it or name another folder", out, there[i].ID, r.ID)
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
