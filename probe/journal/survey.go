package journal

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// survey is what folders hold of one run's shards.
type survey[R any] struct {
	whole  *Manifest // the run's, without shard and outcome; nil: no folder holds a shard
	first  string    // a folder of this run
	shards map[int]*shardFolder[R]
	lacks  *IncompleteError
}

// shardFolder is one folder that holds a shard.
type shardFolder[R any] struct {
	dir       string
	manifest  *Manifest // without shard and outcome
	shard, of int
	finished  bool
	items     int // of a finished shard, as its manifest counts them
	records   []*R
}

// survey reads folders. The run is the one that most of them are of.
func (k Kind[R]) survey(dirs []string) *survey[R] {
	s := &survey[R]{shards: map[int]*shardFolder[R]{}, lacks: &IncompleteError{Items: k.Items}}
	var folders []*shardFolder[R]
	for _, dir := range dirs {
		f, err := k.readShard(dir)
		if err != nil {
			s.lacks.Foreign = append(s.lacks.Foreign, err.Error())
			continue
		}
		folders = append(folders, f)
	}
	best, votes := -1, 0
	for i, f := range folders {
		n := 0
		for _, g := range folders {
			if f.departs(g) == "" {
				n++
			}
		}
		if n > votes {
			best, votes = i, n
		}
	}
	if best < 0 {
		return s
	}
	run := folders[best]
	s.first, s.lacks.Of = run.dir, run.of
	doubled := map[int][]string{}
	for _, f := range folders {
		if why := run.departs(f); why != "" {
			s.lacks.Foreign = append(s.lacks.Foreign, fmt.Sprintf("%s is not of the run of %s: %s", f.dir, run.dir, why))
			continue
		}
		doubled[f.shard] = append(doubled[f.shard], f.dir)
		if there := s.shards[f.shard]; there == nil || !there.finished {
			s.shards[f.shard] = f
		}
	}
	// The environments of shards may differ: the first one's is kept, whatever
	// the order of the folders.
	s.whole = s.shards[slices.Min(slices.Collect(maps.Keys(s.shards)))].manifest
	for n := 1; n <= run.of; n++ {
		switch f := s.shards[n]; {
		case f == nil:
			s.lacks.Missing = append(s.lacks.Missing, n)
		case !f.finished:
			s.lacks.Unfinished = append(s.lacks.Unfinished, Unfinished{n, f.dir, len(f.records)})
		}
		if len(doubled[n]) > 1 {
			s.lacks.Doubled = append(s.lacks.Doubled, Doubled{n, doubled[n]})
		}
	}
	return s
}

func (k Kind[R]) readShard(dir string) (*shardFolder[R], error) {
	m, records, err := k.ReadFolder(dir)
	if err != nil {
		return nil, err
	}
	if m.Plan.Shard == "" {
		return nil, fmt.Errorf("%s holds a whole run, not a shard of one", dir)
	}
	f := &shardFolder[R]{dir: dir, manifest: m, finished: m.Outcome != nil, records: records}
	if f.shard, f.of, err = ParseShard(m.Plan.Shard); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if f.finished {
		f.items = m.Outcome.Trials
	}
	m.Plan.Shard, m.Outcome = "", nil
	return f, nil
}

// departs says in what a folder is of another run; empty where it is not.
func (f *shardFolder[R]) departs(g *shardFolder[R]) string {
	if f.of != g.of {
		return fmt.Sprintf("it is a shard of %d, not of %d", g.of, f.of)
	}
	if d := f.manifest.differences(g.manifest); len(d) > 0 {
		return fmt.Sprintf("%s is %s there and %s here", d[0].What, orNone(d[0].There), orNone(d[0].Now))
	}
	return ""
}

// finished lists the shards that are finished.
func (s *survey[R]) finished() (out []int) {
	for n := 1; n <= s.lacks.Of; n++ {
		if f := s.shards[n]; f != nil && f.finished {
			out = append(out, n)
		}
	}
	return out
}

// IncompleteError says why folders are not the shards of one run, each once and
// finished.
type IncompleteError struct {
	Items      string // what a run is made of: "trials"
	Of         int    // shards of the run; 0: no folder holds one
	Missing    []int
	Unfinished []Unfinished
	Doubled    []Doubled
	Foreign    []string // folders of another run or of none, each with the reason
}

// Unfinished is a shard that has not ended.
type Unfinished struct {
	Shard int
	Dir   string
	Done  int // items in its journal
}

// Doubled is a shard that several folders hold.
type Doubled struct {
	Shard int
	Dirs  []string
}

func (e *IncompleteError) any() bool {
	return len(e.Missing)+len(e.Unfinished)+len(e.Doubled)+len(e.Foreign) > 0
}

// beyondRest is e without what a partial merge leaves out.
func (e *IncompleteError) beyondRest() *IncompleteError {
	rest := *e
	rest.Missing, rest.Unfinished = nil, nil
	return &rest
}

// Rerun lists the shards to run, in order.
func (e *IncompleteError) Rerun() []int {
	out := slices.Clone(e.Missing)
	for _, u := range e.Unfinished {
		out = append(out, u.Shard)
	}
	slices.Sort(out)
	return out
}

func (e *IncompleteError) Error() string {
	var b strings.Builder
	rerun := e.Rerun()
	switch {
	case e.Of == 0:
		b.WriteString("no folder holds a shard")
	case len(rerun) == 0:
		b.WriteString("the folders are not those of one run")
	default:
		fmt.Fprintf(&b, "%d of %d shards are finished", e.Of-len(rerun), e.Of)
	}
	if len(e.Missing) > 0 {
		fmt.Fprintf(&b, "\n  missing: %s", Numbers(e.Missing))
	}
	for _, u := range e.Unfinished {
		fmt.Fprintf(&b, "\n  unfinished: %d, in %s (%d %s so far)", u.Shard, u.Dir, u.Done, e.Items)
	}
	for _, d := range e.Doubled {
		fmt.Fprintf(&b, "\n  doubled: %d, in %s; leave out all but one", d.Shard, strings.Join(d.Dirs, " and "))
	}
	for _, f := range e.Foreign {
		fmt.Fprintf(&b, "\n  foreign: %s", f)
	}
	if len(rerun) > 0 {
		list := Numbers(rerun)
		fmt.Fprintf(&b, `
run these again with the same command; each continues where its folder ends:
  Slurm       --array=%s
  Kubernetes  completions: %d, and %s=%s in the environment
  one by one  --shard %d/%d`, list, len(rerun), ListVariable, list, rerun[0], e.Of)
		if len(rerun) > 1 {
			b.WriteString(" and so on")
		}
	}
	return b.String()
}

// ListVariable is the environment's variable that lists the shards which the
// tasks of an array run, in order.
const ListVariable = "HEADPROF_SHARDS"

// Numbers writes ascending numbers as schedulers read them: "1-3,7".
func Numbers(n []int) string {
	var out []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		text := strconv.Itoa(n[i])
		if j > i {
			text += "-" + strconv.Itoa(n[j])
		}
		out = append(out, text)
		i = j + 1
	}
	return strings.Join(out, ",")
}

// ParseNumbers reads what Numbers writes.
func ParseNumbers(s string) ([]int, error) {
	var out []int
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 1 || b < a || b > maxShards {
			return nil, fmt.Errorf("%q is no list of shards; write it as 3,7-9", s)
		}
		for n := a; n <= b; n++ {
			out = append(out, n)
		}
	}
	return out, nil
}
