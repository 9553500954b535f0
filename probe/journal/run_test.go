package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A kind of run that squares numbers.
type square struct {
	N    int    `json:"n"`
	Of   int    `json:"of"`
	Text string `json:"text,omitempty"`
}

var squares = Kind[square]{
	File: "squares.jsonl", Items: "squares",
	ID: func(r *square) string { return fmt.Sprint(r.N) },
	Check: func(m *Manifest, r *square) error {
		if r.Of != r.N*r.N {
			return fmt.Errorf("the square of %d is not %d", r.N, r.Of)
		}
		return nil
	},
	Passed: func(r *square) bool { return r.N%2 == 0 },
}

func manifest(items, block int) *Manifest {
	return &Manifest{Format: Format, Version: "v1", Model: Model{Name: "m", SHA256: "0123456789abcdef"},
		Plan: Plan{Hash: "abc", Trials: items, Block: block, Seed: 7}, Settings: map[string]string{"k": "v"}}
}

// squaring is a run of 0² … (items−1)² that notes what it runs.
func squaring(dir string, m *Manifest, numbers []int, ran *[]int) *Run[square] {
	return &Run[square]{
		Kind: squares, Dir: dir, Manifest: m, Items: len(numbers),
		Name: func(i int) string { return fmt.Sprintf("item %d", numbers[i]) },
		Differs: func(i int, r *square) string {
			if r.N != numbers[i] {
				return fmt.Sprintf("%d is not %d", r.N, numbers[i])
			}
			return ""
		},
		Item: func(_ context.Context, i int) (*square, error) {
			*ran = append(*ran, numbers[i])
			return &square{N: numbers[i], Of: numbers[i] * numbers[i], Text: "<&>"}, nil
		},
	}
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i)
	}
	return out
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const fiveSquares = `{"n":0,"of":0,"text":"<&>"}
{"n":1,"of":1,"text":"<&>"}
{"n":2,"of":4,"text":"<&>"}
{"n":3,"of":9,"text":"<&>"}
{"n":4,"of":16,"text":"<&>"}
`

func TestRunWritesItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var ran, ended []int
	r := squaring(dir, manifest(5, 5), upTo(5), &ran)
	r.Ended = func(done []*square) { ended = append(ended, len(done)) }
	records, err := r.Do(t.Context())
	if err != nil || len(records) != 5 || !reflect.DeepEqual(ran, upTo(5)) || !reflect.DeepEqual(ended, []int{1, 2, 3, 4, 5}) {
		t.Fatalf("%v, %d records, ran %v, ended %v", err, len(records), ran, ended)
	}
	if got := read(t, dir, "squares.jsonl"); got != fiveSquares {
		t.Errorf("journal:\n%s", got)
	}
	m, err := ReadManifest(dir)
	if err != nil || m.Outcome == nil || *m.Outcome != (Outcome{Trials: 5, Passed: 3}) {
		t.Errorf("manifest %+v, %v", m, err)
	}
	// Once more: everything is there, and nothing is prepared or run.
	ran = nil
	r = squaring(dir, manifest(5, 5), upTo(5), &ran)
	r.Start = func([]*square) error { return errors.New("nothing is left to start") }
	if records, err := r.Do(t.Context()); err != nil || len(records) != 5 || ran != nil {
		t.Errorf("again: %v, %d records, ran %v", err, len(records), ran)
	}
	// Without a folder.
	r = squaring("", manifest(2, 2), upTo(2), &ran)
	if records, err := r.Do(t.Context()); err != nil || len(records) != 2 || r.Manifest.Outcome.Passed != 1 {
		t.Errorf("in memory: %v, %d records", err, len(records))
	}
}

// However a run ends in between, the folder holds the same bytes in the end.
func TestInterruptedRunContinues(t *testing.T) {
	whole := t.TempDir()
	var ran []int
	if _, err := squaring(whole, manifest(5, 5), upTo(5), &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for stop := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		ran = nil
		started := -1
		r := squaring(dir, manifest(5, 5), upTo(5), &ran)
		r.Start = func(done []*square) error { started = len(done); return nil }
		r.Ended = func([]*square) { cancel() }
		records, err := r.Do(ctx)
		if stop < 4 && (!errors.Is(err, ErrInterrupted) || err.Error() != fmt.Sprintf("interrupted after %d of 5 squares", stop+1)) || stop == 4 && err != nil {
			t.Errorf("stop %d: %v", stop, err)
		}
		if len(records) != stop+1 || !reflect.DeepEqual(ran, []int{stop}) || started != stop {
			t.Errorf("stop %d: %d records, ran %v, started after %d", stop, len(records), ran, started)
		}
	}
	for _, name := range []string{ManifestName, "squares.jsonl"} {
		if a, b := read(t, whole, name), read(t, dir, name); a != b {
			t.Errorf("%s differs:\n%s\n%s", name, a, b)
		}
	}
}

func TestFailedItemKeepsTheOthers(t *testing.T) {
	dir := t.TempDir()
	var ran []int
	r := squaring(dir, manifest(3, 3), upTo(3), &ran)
	item := r.Item
	r.Item = func(ctx context.Context, i int) (*square, error) {
		if i == 1 {
			return nil, errors.New("no square")
		}
		return item(ctx, i)
	}
	records, err := r.Do(t.Context())
	if err == nil || err.Error() != "item 1: no square" || len(records) != 1 {
		t.Errorf("%v, %d records", err, len(records))
	}
	if m, err := ReadManifest(dir); err != nil || m.Outcome != nil {
		t.Errorf("an unfinished run has the outcome %+v, %v", m.Outcome, err)
	}
	r = squaring(t.TempDir(), manifest(3, 3), upTo(3), &ran)
	r.Start = func([]*square) error { return errors.New("cannot start") }
	if records, err := r.Do(t.Context()); err == nil || err.Error() != "cannot start" || len(records) != 0 || records == nil {
		t.Errorf("%v, %v", records, err)
	}
}

func TestStopEndsARun(t *testing.T) {
	dir := t.TempDir()
	var asked []int
	for range 2 { // and stays where it stopped
		var ran []int
		asked = nil
		r := squaring(dir, manifest(9, 3), upTo(9), &ran)
		r.Stop = func(done []*square) *Stop {
			asked = append(asked, len(done))
			if len(done) < 3 {
				return nil
			}
			return &Stop{Trials: len(done), Of: 9, Why: "enough"}
		}
		records, err := r.Do(t.Context())
		if err != nil || len(records) != 3 {
			t.Fatalf("%v, %d records", err, len(records))
		}
		if got := *r.Manifest.Outcome.Stopped; got != (Stop{3, 9, "enough"}) {
			t.Errorf("stopped %+v", got)
		}
	}
	if !reflect.DeepEqual(asked, []int{3}) {
		t.Errorf("a stopped run is asked at %v", asked)
	}
	// A run is not asked before its first item nor after its last one.
	var ran []int
	asked = nil
	r := squaring("", manifest(2, 2), upTo(2), &ran)
	r.Stop = func(done []*square) *Stop { asked = append(asked, len(done)); return nil }
	if _, err := r.Do(t.Context()); err != nil || !reflect.DeepEqual(asked, []int{1}) || r.Manifest.Outcome.Stopped != nil {
		t.Errorf("%v, asked at %v", err, asked)
	}
}

func TestJournalLines(t *testing.T) {
	good := `{"n":2,"of":4}` + "\n"
	for _, c := range []struct {
		name, data, want string
		records          int
		size             int
	}{
		{"empty", "", "", 0, 0},
		{"two", good + good, "", 2, 2 * len(good)},
		{"torn", good + `{"n":3,"o`, "", 1, len(good)},
		{"last line of zeros", good + "\x00\x00\n", "", 1, len(good)},
		{"zeros inside", good + "\x00\x00\n" + good, "j:2: not JSON", 0, 0},
		{"check", good + `{"n":3,"of":4}` + "\n", "j:2: the square of 3 is not 4; the journal was damaged: restore it, or delete this line and all after it to run those squares again", 0, 0},
		{"UTF-8", `{"n":2,"of":4,"text":"` + "\xff" + `"}` + "\n", "j:1: invalid UTF-8", 0, 0},
		{"type", `{"n":"x"}` + "\n" + good, `j:1: "n" holds a string`, 0, 0},
		{"list", "[]\n" + good, "j:1: the line is a JSON array, not an object", 0, 0},
	} {
		records, size, err := squares.Read("j", strings.NewReader(c.data), manifest(2, 2))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || records != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if err != nil || len(records) != c.records || int(size) != c.size {
			t.Errorf("%s: %d records, %d bytes, %v", c.name, len(records), size, err)
		}
	}
}

func TestAnotherRunsFolderIsRefused(t *testing.T) {
	var ran []int
	do := func(dir string, n int, change func(*Manifest)) error {
		m := manifest(n, n)
		m.Plan.Trials, m.Plan.Block = 3, 3
		if change != nil {
			change(m)
		}
		_, err := squaring(dir, m, upTo(n), &ran).Do(t.Context())
		return err
	}
	dir := t.TempDir()
	if err := do(dir, 3, nil); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Manifest){
		"headprof version: v1 there, v2 now":                       func(m *Manifest) { m.Version = "v2" },
		"model: m (sha256 0123456789ab) there, m (sha256 fff) now": func(m *Manifest) { m.Model.SHA256 = "fff" },
		"k: v there, w now":                                        func(m *Manifest) { m.Settings["k"] = "w" },
		"new: (none) there, x now":                                 func(m *Manifest) { m.Settings["new"] = "x" },
		"k: v there, (none) now":                                   func(m *Manifest) { delete(m.Settings, "k") },
		"lengths: (none) there, 9 now":                             func(m *Manifest) { m.Plan.Params = map[string]string{"lengths": "9"} },
		"seed: 7 there, 8 now":                                     func(m *Manifest) { m.Plan.Seed = 8 },
		"shard: (none) there, 1/2 now":                             func(m *Manifest) { m.Plan.Shard = "1/2" },
		"trials per block: 3 there, 4 now":                         func(m *Manifest) { m.Plan.Block = 4 },
		"trials in the plan: 3 there, 4 now":                       func(m *Manifest) { m.Plan.Trials = 4 },
		"plan (its prompts or their order): abc there, other now":  func(m *Manifest) { m.Plan.Hash = "other" },
	} {
		var mismatch *MismatchError
		if err := do(dir, 3, change); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), want) || len(mismatch.Differences) != 1 {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := do(dir, 3, func(m *Manifest) { m.Environment = map[string]string{"kernels": "other"} }); err != nil {
		t.Errorf("another environment: %v", err)
	}
	if err := do(dir, 2, nil); err == nil || !strings.Contains(err.Error(), "squares.jsonl holds 3 squares, more than the plan's 2") {
		t.Errorf("fewer items: %v", err)
	}
	os.WriteFile(filepath.Join(dir, "squares.jsonl"), []byte(`{"n":0,"of":0}`+"\n"+`{"n":2,"of":4}`+"\n"), 0o666)
	if err := do(dir, 3, nil); err == nil || !strings.Contains(err.Error(), "squares.jsonl:2: 2 is not 1; the journal was damaged") {
		t.Errorf("a line lost: %v", err)
	}
	empty := t.TempDir() // a kill between the two files leaves an empty journal at most
	os.WriteFile(filepath.Join(empty, "squares.jsonl"), nil, 0o666)
	if err := do(empty, 3, nil); err != nil {
		t.Errorf("an empty journal without a manifest: %v", err)
	}
	os.Remove(filepath.Join(dir, ManifestName))
	if err := do(dir, 3, nil); err == nil || !strings.Contains(err.Error(), "holds squares.jsonl but no run.json") {
		t.Errorf("no manifest: %v", err)
	}
	for _, text := range []string{"{", `{"format": 99}`} {
		os.WriteFile(filepath.Join(dir, ManifestName), []byte(text), 0o666)
		if err := do(dir, 3, nil); err == nil || !strings.Contains(err.Error(), ManifestName) {
			t.Errorf("manifest %q: %v", text, err)
		}
	}
}

func TestOneProcessPerFolder(t *testing.T) {
	host, _ := os.Hostname()
	dir := t.TempDir()
	var ran []int
	first := squaring(dir, manifest(1, 1), upTo(1), &ran)
	item := first.Item
	first.Item = func(ctx context.Context, i int) (*square, error) {
		var busy *BusyError
		if _, err := squaring(dir, manifest(1, 1), upTo(1), &ran).Do(ctx); !errors.As(err, &busy) || busy.By.PID != os.Getpid() || busy.Dir != dir ||
			!strings.Contains(err.Error(), fmt.Sprintf("another headprof (process %d on %s) is running in ", os.Getpid(), host)) {
			t.Errorf("a second run in the folder: %v", err)
		}
		return item(ctx, i)
	}
	if _, err := first.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, lockName); got != "" {
		t.Errorf("the lock still names %q", got)
	}
	if got := (&BusyError{Dir: "d"}).Error(); !strings.HasPrefix(got, "another headprof is running in d; ") {
		t.Error(got)
	}
}

// Where locks do not keep another machine's process out, the first one notices
// before it writes. Another holder's text, or a journal that grew, stand for it.
func TestFolderTakenOver(t *testing.T) {
	for what, c := range map[string]struct {
		file, text, by string
	}{
		"the lock names another": {lockName, "77 node9 0123\n", "another headprof (process 77 on node9) took over "},
		"the journal grew":       {squares.File, fiveSquares, "another headprof took over "},
	} {
		dir := t.TempDir()
		var ran []int
		run := squaring(dir, manifest(5, 5), upTo(5), &ran)
		item := run.Item
		run.Item = func(ctx context.Context, i int) (*square, error) {
			if i == 2 {
				if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			return item(ctx, i)
		}
		var taken *TakenError
		if records, err := run.Do(t.Context()); !errors.As(err, &taken) || taken.Dir != dir || len(records) != 2 || !strings.Contains(err.Error(), c.by) {
			t.Errorf("%s: %d records, %v", what, len(records), err)
		}
		if got := read(t, dir, c.file); got != c.text {
			t.Errorf("%s: %s holds %q, want it left alone", what, c.file, got)
		}
	}
}

// A file that cannot be written stands for a full disk.
func TestFailedAppendKeepsTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "squares.jsonl")
	if err := os.WriteFile(path, []byte(fiveSquares), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	j := &folder{items: "squares", file: f, size: int64(len(fiveSquares))}
	if err := j.append(&square{}); err == nil || !strings.Contains(err.Error(), "the squares before this one are kept; run the same command again to continue") {
		t.Errorf("%v", err)
	}
	if j.size != int64(len(fiveSquares)) {
		t.Errorf("the journal counts %d bytes", j.size)
	}
	if err := j.append(func() {}); err == nil {
		t.Error("a record that JSON cannot hold is taken")
	}
}

// Blocks of two, three shards: 0 1 | 2 3 | 4 5 | 6, so shard 1 has 0 1 6.
func TestMerge(t *testing.T) {
	numbers := map[int][]int{1: {0, 1, 6}, 2: {2, 3}, 3: {4, 5}}
	base := t.TempDir()
	shard := func(name string, which, of int, numbers []int, change func(*Manifest)) string {
		dir := filepath.Join(base, name)
		m := manifest(7, 2)
		m.Plan.Shard = fmt.Sprintf("%d/%d", which, of)
		if change != nil {
			change(m)
		}
		var ran []int
		if _, err := squaring(dir, m, numbers, &ran).Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	var dirs []string
	for i := 1; i <= 3; i++ {
		dirs = append(dirs, shard(fmt.Sprint("s", i), i, 3, numbers[i], nil))
	}
	whole := filepath.Join(base, "whole")
	var ran []int
	if _, err := squaring(whole, manifest(7, 2), upTo(7), &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]string{{dirs[0], dirs[1], dirs[2]}, {dirs[2], dirs[0], dirs[1]}} {
		out := filepath.Join(base, "merged")
		m, records, err := squares.Merge(out, order)
		if err != nil || len(records) != 7 || m.Outcome.Passed != 4 {
			t.Fatalf("%v, %d records", err, len(records))
		}
		for _, name := range []string{ManifestName, "squares.jsonl"} {
			if read(t, out, name) != read(t, whole, name) {
				t.Errorf("%s differs from that of one run", name)
			}
		}
	}
	if _, records, err := squares.Merge("", dirs); err != nil || len(records) != 7 {
		t.Errorf("in memory: %v", err)
	}

	single := []string{shard("b1", 1, 2, []int{0, 2, 4, 6}, blockOfOne), shard("b2", 2, 2, []int{1, 3, 5}, blockOfOne)}
	if _, records, err := squares.Merge("", single); err != nil || len(records) != 7 || records[3].N != 3 {
		t.Errorf("blocks of one: %v", err)
	}

	unfinished := shard("unfinished", 3, 3, numbers[3], nil)
	m, _ := ReadManifest(unfinished)
	m.Outcome = nil
	m.write(unfinished)
	short := shard("short", 2, 3, []int{2}, nil)
	noBlock := shard("block", 1, 1, numbers[1], func(m *Manifest) { m.Plan.Block = 0 })
	bad := shard("bad", 1, 3, numbers[1], nil)
	m, _ = ReadManifest(bad)
	m.Plan.Shard = "3/1"
	m.write(bad)
	other := filepath.Join(base, "other")
	if _, err := squaring(other, manifest(7, 2), []int{5, 0, 1, 2, 3, 4, 6}, &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(base, "long")
	if _, err := squaring(long, manifest(7, 2), upTo(8), &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		out  string
		dirs []string
	}{
		"no folders to merge":                                                      {"", nil},
		"holds a whole run, not a shard of one":                                    {"", []string{whole}},
		"is not a run's folder: it has no run.json":                                {"", []string{base}},
		"unfinished: 3, in " + unfinished + " (2 squares so far)\nrun these again": {"", []string{dirs[0], dirs[1], unfinished}},
		"1 of 3 shards are finished\n  missing: 2-3\n":                             {"", dirs[:1]},
		"--array=2-3\n": {"", dirs[:1]},
		"completions: 2, and HEADPROF_SHARDS=2-3 in":    {"", dirs[:1]},
		"doubled: 1, in " + dirs[0] + " and " + dirs[0]: {"", []string{dirs[0], dirs[0], dirs[1], dirs[2]}},
		"it is a shard of 2, not of 3":                  {"", []string{dirs[0], shard("of2", 2, 2, numbers[2], nil)}},
		"foreign: " + filepath.Join(base, "seed") + " is not of the run of " + dirs[0] + ": seed is 7 there and 8 here": {"", []string{shard("seed", 2, 3, numbers[2], func(m *Manifest) { m.Plan.Seed = 8 }), dirs[0], dirs[1]}},
		"lacks items of block 2":              {"", []string{dirs[0], short, dirs[2]}},
		"holds 1 items more than its shard":   {"", []string{dirs[0], dirs[1], shard("more", 3, 3, []int{4, 5, 6}, nil)}},
		"a block of 0 items":                  {"", []string{noBlock}},
		`shard "3/1"`:                         {"", []string{bad}},
		`holds "5" where the shards have "0"`: {other, dirs},
		"holds more squares than the shards":  {long, dirs},
	} {
		if _, _, err := squares.Merge(c.out, c.dirs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Shards as in TestMerge; of the second only its first item is there, and the
// third is missing.
func TestMergePartial(t *testing.T) {
	base := t.TempDir()
	var ran []int
	shard := func(which int, numbers []int) string {
		dir := filepath.Join(base, fmt.Sprint(which))
		m := manifest(7, 2)
		m.Plan.Shard = fmt.Sprintf("%d/3", which)
		if _, err := squaring(dir, m, numbers, &ran).Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dirs := []string{shard(1, []int{0, 1, 6}), shard(2, []int{2})}
	m, err := ReadManifest(dirs[1])
	if err != nil {
		t.Fatal(err)
	}
	m.Outcome = nil
	m.write(dirs[1])
	out := filepath.Join(base, "out")
	m, records, err := squares.MergePartial(out, dirs)
	if err != nil || len(records) != 4 || records[2].N != 2 || records[3].N != 6 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if got, want := m.Outcome.Partial.Text(len(records)), "partial: 4 of 7, shards finished: 1 of 3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := squaring(out, manifest(7, 2), upTo(7), &ran).Do(t.Context()); err == nil || !strings.Contains(err.Error(), "holds a partial merge") {
		t.Errorf("a run goes on in it: %v", err)
	}
	if _, _, err := squares.MergePartial(out, append(dirs, dirs[0])); err == nil || !strings.Contains(err.Error(), "doubled: 1") {
		t.Errorf("doubled: %v", err)
	}
	// Complete, in the same folder.
	os.RemoveAll(dirs[1])
	dirs = []string{dirs[0], shard(2, []int{2, 3}), shard(3, []int{4, 5})}
	if m, records, err = squares.MergePartial(out, dirs); err != nil || len(records) != 7 || m.Outcome.Partial != nil {
		t.Fatalf("%d records, %v", len(records), err)
	}
	whole := filepath.Join(base, "whole")
	if _, err := squaring(whole, manifest(7, 2), upTo(7), &ran).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ManifestName, "squares.jsonl"} {
		if read(t, out, name) != read(t, whole, name) {
			t.Errorf("%s differs from that of one run", name)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, n := range map[string][]int{"3": {3}, "3,7": {3, 7}, "1-3,5,7-8": {1, 2, 3, 5, 7, 8}, "9-10": {9, 10}} {
		if got := Numbers(n); got != text {
			t.Errorf("%v: %q", n, got)
		}
		if got, err := ParseNumbers(text); err != nil || !slices.Equal(got, n) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "3-1", "a", "1,,2", "1-", "1-99999999"} {
		if got, err := ParseNumbers(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func blockOfOne(m *Manifest) { m.Plan.Block = 1 }

func TestParseShard(t *testing.T) {
	for _, s := range []string{"1/1", "2/8", "1000000/1000000"} {
		var w, of int
		fmt.Sscanf(s, "%d/%d", &w, &of)
		if gw, gof, err := ParseShard(s); err != nil || gw != w || gof != of {
			t.Errorf("%s: %d/%d, %v", s, gw, gof, err)
		}
	}
	for _, s := range []string{"", "1", "0/2", "3/2", "1/0", "-1/2", "1/2x", "1000001/1000001", "1/1000001"} {
		if _, _, err := ParseShard(s); err == nil || !strings.Contains(err.Error(), "write WHICH/OF") {
			t.Errorf("%q: %v", s, err)
		}
	}
}
