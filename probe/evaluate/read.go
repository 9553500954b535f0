package evaluate

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export/textfile"
	"headprof/scoring/stats"
)

// The tables in a folder of Write and WriteEffects.
const (
	RowsFile    = "eval.csv"
	EffectsFile = "ablate.csv"
)

// table is a CSV file that is read by the names of its columns. The first error
// is kept.
type table struct {
	path    string
	columns map[string]int
	lines   [][]string
	err     error
}

func readTable(path string, needed ...string) (*table, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if data, err = textfile.Clean(path, data); err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("%s holds no rows", path)
	}
	t := &table{path: path, columns: map[string]int{}, lines: lines[1:]}
	for i, name := range lines[0] {
		t.columns[name] = i
	}
	for _, name := range needed {
		if _, ok := t.columns[name]; !ok {
			return nil, fmt.Errorf("%s has no column %q", path, name)
		}
	}
	return t, nil
}

func (t *table) text(line int, column string) string {
	i, ok := t.columns[column]
	if !ok {
		return ""
	}
	return t.lines[line][i]
}

func (t *table) number(line int, column string) float64 {
	text := t.text(line, column)
	if text == "" {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		t.fail(line, column, text)
		return math.NaN()
	}
	return v
}

func (t *table) whole(line int, column string) int {
	text := t.text(line, column)
	if text == "" {
		return 0
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 {
		t.fail(line, column, text)
	}
	return v
}

func (t *table) fail(line int, column, text string) {
	if t.err == nil {
		t.err = fmt.Errorf("%s, row %d: %s is %.40q, not a number", t.path, line+1, column, text)
	}
}

func (t *table) estimate(line int, column string) stats.Estimate {
	return stats.Estimate{Value: t.number(line, column), Low: t.number(line, column+"_low"), High: t.number(line, column+"_high")}
}

// ReadRows reads the table of an evaluation's folder back, to the six decimals
// that it holds.
func ReadRows(dir string) ([]Row, error) {
	t, err := readTable(filepath.Join(dir, RowsFile), "task", "policy", "capacity", "n", "score", "answer_logprob", "share_kept")
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i := range t.lines {
		rows = append(rows, Row{
			Task: t.text(i, "task"), Policy: t.text(i, "policy"), Capacity: t.whole(i, "capacity"), Beta: t.number(i, "beta"), N: t.whole(i, "n"),
			Score: t.estimate(i, "score"), LogProb: t.estimate(i, "answer_logprob"), PerToken: t.number(i, "answer_logprob_per_token"),
			ScoreChange: t.estimate(i, "score_change"), LogProbChange: t.estimate(i, "answer_logprob_change"),
			Entries: t.number(i, "entries"), Share: t.number(i, "share_kept"), Bytes: t.number(i, "cache_bytes"), Allocated: t.number(i, "allocated_bytes"),
		})
	}
	return rows, t.err
}

// ReadEffects reads the table of an ablation's folder back, to the six decimals
// that it holds.
func ReadEffects(dir string) ([]Effect, error) {
	t, err := readTable(filepath.Join(dir, EffectsFile), "choice", "heads", "seed", "n", "pass_rate", "answer_logprob")
	if err != nil {
		return nil, err
	}
	var effects []Effect
	for i := range t.lines {
		effects = append(effects, Effect{
			Choice: Choice(t.text(i, "choice")), Ablation: Ablation(cmp.Or(t.text(i, "ablation"), string(Zero))), Restored: t.whole(i, "restored"), Heads: t.whole(i, "heads"), Seed: t.whole(i, "seed"), Masked: t.text(i, "masked"),
			Elsewhere: t.whole(i, "elsewhere"), N: t.whole(i, "n"), Score: t.estimate(i, "pass_rate"), LogProb: t.estimate(i, "answer_logprob"),
			ScoreChange: t.estimate(i, "pass_rate_change"), LogProbChange: t.estimate(i, "answer_logprob_change"),
			AgainstRandom: t.estimate(i, "answer_logprob_against_random"),
		})
	}
	return effects, t.err
}
