package evaluate

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export"
	"headprof/export/atomicfile"
	"headprof/probe/journal"
	"headprof/scoring/stats"
)

// column is one column of a table: its name, and a row's value as text ("" is
// unknown).
type column[R any] struct {
	name string
	text func(R) string
}

func writeCSV[R any](path string, rows []R, columns []column[R]) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	_ = w.Write(line) // a buffer takes all
	for _, r := range rows {
		for i, c := range columns {
			line[i] = c.text(r)
		}
		_ = w.Write(line)
	}
	w.Flush()
	return atomicfile.WriteBytes(path, b.Bytes())
}

// about is a table's metadata: what of a run's manifest decides its numbers.
type about struct {
	Model    string            `json:"model"`
	SHA256   string            `json:"model_sha256"`
	Seed     uint64            `json:"seed"`
	Params   map[string]string `json:"params"`
	Settings map[string]string `json:"settings"`
}

// writeParquet writes a table of a run's folder, with what its manifest says.
func writeParquet[R any](path, format string, columns map[string]export.Column, rows []R) error {
	m, err := journal.ReadManifest(filepath.Dir(path))
	if err != nil {
		return err
	}
	return export.WriteParquet(path, format, columns, about{m.Model.Name, m.Model.SHA256, m.Plan.Seed, m.Plan.Params, m.Settings}, rows)
}

func number(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// known is nil for what a table cannot hold.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// rowColumns are eval.csv's. docs/evaluation.md says what each means.
func rowColumns() []column[Row] {
	type c = column[Row]
	interval := func(name string, of func(Row) stats.Estimate) []c {
		return []c{
			{name, func(r Row) string { return number(of(r).Value, 6) }},
			{name + "_low", func(r Row) string { return number(of(r).Low, 6) }},
			{name + "_high", func(r Row) string { return number(of(r).High, 6) }},
		}
	}
	out := []c{
		{"task", func(r Row) string { return r.Task }},
		{"policy", func(r Row) string { return r.Policy }},
		{"capacity", func(r Row) string { return capacityText(r.Capacity) }},
		{"beta", func(r Row) string { return number(r.Beta, -1) }},
		{"n", func(r Row) string { return strconv.Itoa(r.N) }},
	}
	out = append(out, interval("score", func(r Row) stats.Estimate { return r.Score })...)
	out = append(out, interval("answer_logprob", func(r Row) stats.Estimate { return r.LogProb })...)
	out = append(out, c{"answer_logprob_per_token", func(r Row) string { return number(r.PerToken, 6) }})
	out = append(out, interval("score_change", func(r Row) stats.Estimate { return r.ScoreChange })...)
	out = append(out, interval("answer_logprob_change", func(r Row) stats.Estimate { return r.LogProbChange })...)
	return append(out,
		c{"share_kept", func(r Row) string { return number(r.Share, 6) }},
		c{"entries", func(r Row) string { return number(r.Entries, 1) }},
		c{"cache_bytes", func(r Row) string { return number(r.Bytes, 0) }},
		c{"allocated_bytes", func(r Row) string { return number(r.Allocated, 0) }},
	)
}

func capacityText(c int) string {
	if c == 0 {
		return ""
	}
	return strconv.Itoa(c)
}

// parquetRow is a Row in eval.parquet.
type parquetRow struct {
	Task            string   `parquet:"task,dict"`
	Policy          string   `parquet:"policy,dict"`
	Capacity        *int32   `parquet:"capacity,optional"`
	Beta            *float64 `parquet:"beta,optional"`
	N               int32    `parquet:"n"`
	Score           *float64 `parquet:"score,optional"`
	ScoreLow        *float64 `parquet:"score_low,optional"`
	ScoreHigh       *float64 `parquet:"score_high,optional"`
	LogProb         *float64 `parquet:"answer_logprob,optional"`
	LogProbLow      *float64 `parquet:"answer_logprob_low,optional"`
	LogProbHigh     *float64 `parquet:"answer_logprob_high,optional"`
	PerToken        *float64 `parquet:"answer_logprob_per_token,optional"`
	ScoreChange     *float64 `parquet:"score_change,optional"`
	ScoreChangeLow  *float64 `parquet:"score_change_low,optional"`
	ScoreChangeHigh *float64 `parquet:"score_change_high,optional"`
	Change          *float64 `parquet:"answer_logprob_change,optional"`
	ChangeLow       *float64 `parquet:"answer_logprob_change_low,optional"`
	ChangeHigh      *float64 `parquet:"answer_logprob_change_high,optional"`
	Share           float64  `parquet:"share_kept"`
	Entries         float64  `parquet:"entries"`
	Bytes           float64  `parquet:"cache_bytes"`
	Allocated       float64  `parquet:"allocated_bytes"`
}

func (r Row) parquet() parquetRow {
	p := parquetRow{
		Task: r.Task, Policy: r.Policy, Beta: known(r.Beta), N: int32(r.N),
		Score: known(r.Score.Value), ScoreLow: known(r.Score.Low), ScoreHigh: known(r.Score.High),
		LogProb: known(r.LogProb.Value), LogProbLow: known(r.LogProb.Low), LogProbHigh: known(r.LogProb.High), PerToken: known(r.PerToken),
		ScoreChange: known(r.ScoreChange.Value), ScoreChangeLow: known(r.ScoreChange.Low), ScoreChangeHigh: known(r.ScoreChange.High),
		Change: known(r.LogProbChange.Value), ChangeLow: known(r.LogProbChange.Low), ChangeHigh: known(r.LogProbChange.High),
		Share: r.Share, Entries: r.Entries, Bytes: r.Bytes, Allocated: r.Allocated,
	}
	if r.Capacity > 0 {
		c := int32(r.Capacity)
		p.Capacity = &c
	}
	return p
}

// Markdown lays rows out as a paper's table: policies × capacities, one table
// a task and measure.
func Markdown(rows []Row) string {
	var b strings.Builder
	var tasks []string
	byTask := map[string][]Row{}
	for _, r := range rows {
		if byTask[r.Task] == nil {
			tasks = append(tasks, r.Task)
		}
		byTask[r.Task] = append(byTask[r.Task], r)
	}
	for i, task := range tasks {
		if i > 0 {
			b.WriteString("\n")
		}
		of := byTask[task]
		fmt.Fprintf(&b, "## %s (%d prompts)\n", task, of[0].N)
		markdownGrid(&b, of, "Score, %, with 95 % intervals", func(r Row) string { return intervalText(r.Score, 100, 1) })
		markdownGrid(&b, of, "Answer log-probability, nats", func(r Row) string { return intervalText(r.LogProb, 1, 2) })
		if !math.IsNaN(of[0].LogProbChange.Value) {
			markdownGrid(&b, of, "Its change against the full cache, prompt by prompt", func(r Row) string {
				if r.Policy == "full" {
					return "0"
				}
				return intervalText(r.LogProbChange, 1, 2)
			})
		}
		markdownGrid(&b, of, "Share of the full cache kept, % (KiB kept / KiB allocated)", func(r Row) string {
			return fmt.Sprintf("%.1f (%.0f / %.0f)", 100*r.Share, r.Bytes/1024, r.Allocated/1024)
		})
	}
	return b.String()
}

func intervalText(v stats.Estimate, by float64, decimals int) string {
	if math.IsNaN(v.Value) {
		return ""
	}
	text := number(by*v.Value, decimals)
	if !math.IsNaN(v.Low) {
		text += fmt.Sprintf(" [%s, %s]", number(by*v.Low, decimals), number(by*v.High, decimals))
	}
	return text
}

func markdownGrid(b *strings.Builder, rows []Row, title string, cell func(Row) string) {
	var names []string
	var capacities []int
	seen, caps := map[string]bool{}, map[int]bool{}
	at := map[Variant]Row{}
	for _, r := range rows {
		if !seen[r.Policy] {
			seen[r.Policy] = true
			names = append(names, r.Policy)
		}
		if r.Capacity > 0 && !caps[r.Capacity] {
			caps[r.Capacity] = true
			capacities = append(capacities, r.Capacity)
		}
		at[Variant{r.Policy, r.Capacity}] = r
	}
	fmt.Fprintf(b, "\n%s\n\n| policy |", title)
	if len(capacities) == 0 {
		capacities = []int{0}
	}
	for _, c := range capacities {
		if c == 0 {
			b.WriteString(" whole |")
		} else {
			fmt.Fprintf(b, " %d |", c)
		}
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(capacities)) + "\n")
	for _, name := range names {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range capacities {
			r, ok := at[Variant{name, c}]
			if !ok {
				r, ok = at[Variant{name, 0}] // full is the same everywhere
			}
			if ok {
				fmt.Fprintf(b, " %s |", cell(r))
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
}

// Write writes eval.csv, eval.parquet and eval.md, and the times, which differ
// from run to run, to timings.csv. It returns their paths.
func Write(dir string, rows []Row, timings []Timing) ([]string, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	files := []string{path(RowsFile), path("eval.parquet"), path("eval.md"), path("timings.csv")}
	if err := writeCSV(files[0], rows, rowColumns()); err != nil {
		return nil, err
	}
	wide := make([]parquetRow, len(rows))
	for i, r := range rows {
		wide[i] = r.parquet()
	}
	if err := writeParquet(files[1], "evaluation/1", rowTexts, wide); err != nil {
		return nil, err
	}
	if err := atomicfile.WriteBytes(files[2], []byte(Markdown(rows))); err != nil {
		return nil, err
	}
	type c = column[Timing]
	return files, writeCSV(files[3], timings, []c{
		{"task", func(t Timing) string { return t.Task }},
		{"policy", func(t Timing) string { return t.Policy }},
		{"capacity", func(t Timing) string { return capacityText(t.Capacity) }},
		{"n", func(t Timing) string { return strconv.Itoa(t.N) }},
		{"decode_tokens_per_second", func(t Timing) string { return number(t.DecodeRate, 2) }},
		{"first_token_seconds", func(t Timing) string { return number(t.FirstToken, 4) }},
		{"compress_seconds", func(t Timing) string { return number(t.Compress, 4) }},
	})
}
