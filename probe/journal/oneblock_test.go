package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headprof/runner/shape"
)

// Shards of a plan of one block are runs of neighbours: 0 1 2 | 3 4 | 5 6.
// Merged they are the folder of one run; where something is wrong, the message
// names the folder and the counts.
func TestMergeOfOneBlock(t *testing.T) {
	base := t.TempDir()
	shard := func(name string, which int, numbers []int, change func(*Manifest)) string {
		dir := filepath.Join(base, name)
		m := manifest(7, 7)
		m.Plan.Shard = fmt.Sprintf("%d/3", which)
		var ran []int
		if _, err := squaring(dir, m, numbers, &ran).Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			m, err := ReadManifest(dir)
			if err != nil {
				t.Fatal(err)
			}
			change(m)
			if err := m.write(dir); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	unfinished := func(m *Manifest) { m.Outcome = nil }
	one, two, three := shard("1", 1, []int{0, 1, 2}, nil), shard("2", 2, []int{3, 4}, nil), shard("3", 3, []int{5, 6}, nil)
	numbers := func(records []*square) (out []int) {
		for _, r := range records {
			out = append(out, r.N)
		}
		return out
	}

	whole, out := filepath.Join(base, "whole"), filepath.Join(base, "out")
	var ran []int
	if _, err := squaring(whole, manifest(7, 7), upTo(7), &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, records, err := squares.Merge(out, []string{three, one, two}); err != nil || !slices.Equal(numbers(records), upTo(7)) {
		t.Fatalf("%v, %v", numbers(records), err)
	}
	for _, name := range []string{ManifestName, squares.File} {
		if read(t, out, name) != read(t, whole, name) {
			t.Errorf("%s differs from that of one run", name)
		}
	}

	// What is there of shards that are missing or still run.
	begun := shard("begun", 2, []int{3}, unfinished)
	for _, c := range []struct {
		dirs     []string
		numbers  []int
		finished string
	}{
		{[]string{one, begun, three}, []int{0, 1, 2, 3, 5, 6}, "1,3"},
		{[]string{three, one}, []int{0, 1, 2, 5, 6}, "1,3"},
		{[]string{two, three}, []int{3, 4, 5, 6}, "2-3"},
		{[]string{begun}, []int{3}, ""},
		{[]string{one, two, shard("all but its end", 3, []int{5, 6}, unfinished)}, upTo(7), "1-2"},
	} {
		m, records, err := squares.MergePartial("", c.dirs)
		if err != nil || !slices.Equal(numbers(records), c.numbers) || *m.Outcome.Partial != (Partial{Finished: c.finished, Shards: 3, Items: 7}) {
			t.Errorf("%v: %v, %v", c.dirs, numbers(records), err)
		}
	}
	if got, want := (&Partial{Shards: 3, Items: 7}).Text(1), "partial: 1 of 7, shards finished: none of 3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, _, err := squares.MergePartial("", []string{shard("nothing", 2, nil, unfinished)}); err == nil || err.Error() != "no shard holds squares yet" {
		t.Errorf("nothing yet: %v", err)
	}

	ended := func(items int) func(*Manifest) { return func(m *Manifest) { m.Outcome.Trials = items } }
	fewer := shard("fewer", 2, []int{3}, ended(2))
	more := shard("more", 2, []int{3, 4}, ended(1))
	short := shard("short", 2, []int{3}, nil)
	long := shard("long", 2, []int{3, 4, 5}, nil)
	for want, dir := range map[string]string{
		fewer + " holds 1 items, where it says that it ended with 2; delete it and run its command again": fewer,
		more + " holds 2 items, where it says that it ended with 1; delete it and run its command again":  more,
		"the shards of " + one + " hold 6 items, and the plan has 7":                                      short,
		"the shards of " + one + " hold 8 items, and the plan has 7":                                      long,
	} {
		if _, _, err := squares.Merge("", []string{one, dir, three}); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Too many stay too many where another shard is missing: 3 and 5 are more than 7.
	five := shard("five", 2, []int{3, 4, 5, 6, 0}, nil)
	if _, _, err := squares.MergePartial("", []string{one, five}); err == nil || !strings.Contains(err.Error(), "hold 8 items, and the plan has 7") {
		t.Errorf("too many of a part: %v", err)
	}
}

// What merge tells a user to do, word for word.
func TestIncompleteErrorSaysWhatToRun(t *testing.T) {
	for want, e := range map[string]*IncompleteError{
		"no folder holds a shard\n  foreign: x holds a whole run": {Foreign: []string{"x holds a whole run"}},
		"the folders are not those of one run\n  doubled: 2, in a and b; leave out all but one\n  foreign: c is not": {
			Of: 3, Doubled: []Doubled{{2, []string{"a", "b"}}}, Foreign: []string{"c is not"},
		},
		`3 of 4 shards are finished
  unfinished: 2, in b (5 trials so far)
run these again with the same command; each continues where its folder ends:
  Slurm       --array=2
  Kubernetes  completions: 1, and HEADPROF_SHARDS=2 in the environment
  one by one  --shard 2/4`: {Items: "trials", Of: 4, Unfinished: []Unfinished{{2, "b", 5}}},
		`1 of 4 shards are finished
  missing: 3-4
  unfinished: 1, in a (0 trials so far)
run these again with the same command; each continues where its folder ends:
  Slurm       --array=1,3-4
  Kubernetes  completions: 3, and HEADPROF_SHARDS=1,3-4 in the environment
  one by one  --shard 1/4 and so on`: {Items: "trials", Of: 4, Missing: []int{3, 4}, Unfinished: []Unfinished{{1, "a", 0}}},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// Of a manifest with a shape the layers are its own; earlier versions said the
// number of layers and heads, and head sizes in the environment.
func TestLayoutOfAManifest(t *testing.T) {
	layers := shape.Model{{Heads: 4, KVHeads: 2}, {Heads: 8, KVHeads: 2}}
	for name, c := range map[string]struct {
		m    Manifest
		want shape.Model
	}{
		"with a shape": {Manifest{Model: Model{Layers: 2, Heads: 8, Shape: layers}}, layers},
		"without": {
			Manifest{Model: Model{Layers: 2, Heads: 3}, Environment: map[string]string{"key_dim": "64", "value_dim": "32"}},
			shape.Uniform(2, shape.Layer{Heads: 3, KeyDim: 64, ValueDim: 32}),
		},
	} {
		if got := c.m.Layout(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// A lock that names nobody, as after a process that ended, is no other holder.
func TestEmptyLockIsNobodys(t *testing.T) {
	dir := t.TempDir()
	var ran []int
	run := squaring(dir, manifest(2, 2), upTo(2), &ran)
	run.Ended = func([]*square) {
		if err := os.Truncate(filepath.Join(dir, lockName), 0); err != nil {
			t.Error(err)
		}
	}
	if records, err := run.Do(t.Context()); err != nil || len(records) != 2 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestReadHolder(t *testing.T) {
	for text, want := range map[string]Holder{
		"77 node9\n": {77, "node9"}, "77 node9 0123\n": {77, "node9"}, "77\n": {}, "": {},
	} {
		if got := readHolder([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// A file that takes no text at a place (it only appends) stands for one that
// takes none at all.
func TestLockThatCannotBeWrittenSaysSo(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), lockName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := (&lock{file: f, text: []byte("1 a 2\n")}).write(); err == nil {
		t.Error("no error")
	}
}

func TestNumbersReachTheLastShard(t *testing.T) {
	if got, err := ParseNumbers("1000000"); err != nil || !slices.Equal(got, []int{1_000_000}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseNumbers("1000001"); err == nil {
		t.Errorf("%v", got)
	}
}
