package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

// BudgetOptions of WriteBudgets.
type BudgetOptions struct {
	// PerKVHead makes CSV and Parquet hold a row per KV head instead of one per
	// query head. At level kv-head all query heads of a group share one cache, so
	// only rows per KV head add up to what is stored.
	PerKVHead bool
	Model     string // name, for JSON and Parquet metadata
	Method    string // of the scores
	Decode    string // of the scores: "greedy" or "forced"
	Context   int    // for JSON's totals; 0: none
	Format    string // "json", "csv" or "parquet"; "": by the file's ending
	// NoHeads, NoKVHeads: which query heads share a KV head is not known, so the
	// column of the one or of the other is empty.
	NoHeads, NoKVHeads bool
	// CSVMeta says where a CSV table's metadata goes; see Options.
	CSVMeta string
}

// Budgets is what a budget file holds for one capacity.
type Budgets struct {
	Capacity int // 0 where the file does not say
	Heads    []allocate.Budget
	// What the file says of the plan; empty or 0 where it does not.
	Model, Method string
	Policy        string
	Level         allocate.Level
	Beta          float64
	PerKVHead     bool // rows are of KV heads
}

// budgetRow is a row of a Parquet budget file.
type budgetRow struct {
	Capacity int32   `parquet:"capacity,dict"`
	Layer    int32   `parquet:"layer,dict"`
	Head     *int32  `parquet:"head,optional,dict"`
	KVHead   *int32  `parquet:"kv_head,optional,dict"`
	Budget   int32   `parquet:"budget,dict"`
	Entries  int32   `parquet:"entries,dict"`
	Decode   *string `parquet:"decode,optional,dict"`
}

// budgetPlan is one plan in JSON.
type budgetPlan struct {
	Policy   string         `json:"policy"`
	Level    allocate.Level `json:"level"`
	Capacity int            `json:"capacity"`
	Window   int            `json:"window"`
	Beta     float64        `json:"beta,omitempty"`
	Temp     float64        `json:"temp,omitempty"`
	Fit      bool           `json:"fit,omitempty"`
	Totals   budgetTotals   `json:"totals"`
	// [layer][head] and [layer][kv head]
	Budget    [][]int `json:"budget"`
	Entries   [][]int `json:"entries"`
	KVBudget  [][]int `json:"kv_budget"`
	KVEntries [][]int `json:"kv_entries"`
}

type budgetTotals struct {
	Caches           int      `json:"caches"`
	RequestedEntries int64    `json:"requested_entries"`
	Entries          int64    `json:"entries"`
	RequestedBytes   int64    `json:"requested_bytes,omitempty"`
	Bytes            int64    `json:"bytes,omitempty"`
	Context          int      `json:"context,omitempty"`
	HeldEntries      int64    `json:"held_entries,omitempty"`
	HeldBytes        int64    `json:"held_bytes,omitempty"`
	FullEntries      int64    `json:"full_entries,omitempty"`
	FullBytes        int64    `json:"full_bytes,omitempty"`
	Share            *float64 `json:"share,omitempty"`
}

type budgetFile struct {
	Format string       `json:"format"`
	Model  string       `json:"model,omitempty"`
	Method string       `json:"method,omitempty"`
	Decode string       `json:"decode,omitempty"`
	Plans  []budgetPlan `json:"plans"`
}

const budgetFormat = "headprof-budgets/1"

// WriteBudgets writes plans to a file whose name ends in .json, .csv or
// .parquet, or whose format is named in the options. CSV has the columns
// layer, head, kv_head, budget (selected entries) and entries (budget and
// window), and capacity before them where there are several plans.
func WriteBudgets(path string, plans []*allocate.Plan, o BudgetOptions) error {
	if len(plans) == 0 {
		return fmt.Errorf("there are no budgets to write to %s", path)
	}
	format := o.Format
	if format == "" {
		format = strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	}
	switch format {
	case "json":
		return writeBudgetJSON(path, plans, o)
	case "csv":
		if err := writeBudgetCSV(path, plans, o); err != nil || o.CSVMeta != "beside" {
			return err
		}
		return writeMetaBeside(path, metaOf(plans, o))
	case "parquet":
		return writeBudgetParquet(path, plans, o)
	}
	return fmt.Errorf("budgets cannot be written to %s: its name must end in .json, .csv or .parquet", path)
}

func budgetRows(p *allocate.Plan, o BudgetOptions) []allocate.Budget {
	rows := p.PerHead()
	if o.PerKVHead {
		rows = p.PerKVHead()
	}
	for i := range rows {
		if o.NoHeads {
			rows[i].Head = scoring.Unknown
		}
		if o.NoKVHeads {
			rows[i].KVHead = scoring.Unknown
		}
	}
	return rows
}

func writeBudgetCSV(path string, plans []*allocate.Plan, o BudgetOptions) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if o.CSVMeta == "comment" {
			if err := writeComment(w, metaOf(plans, o)); err != nil {
				return err
			}
		}
		c := csv.NewWriter(w)
		header := []string{"layer", "head", "kv_head", "budget", "entries"}
		if len(plans) > 1 {
			header = append([]string{"capacity"}, header...)
		}
		c.Write(header)
		for _, p := range plans {
			for _, b := range budgetRows(p, o) {
				var line []string
				if len(plans) > 1 {
					line = append(line, strconv.Itoa(p.Params.Capacity))
				}
				line = append(line, strconv.Itoa(b.Layer), optionalInt(from(b.Head, 0)), optionalInt(from(b.KVHead, 0)), strconv.Itoa(b.Budget), strconv.Itoa(b.Entries))
				c.Write(line)
			}
		}
		c.Flush()
		return c.Error()
	})
}

// budgetMeta is what a table of budgets carries besides its columns.
type budgetMeta struct {
	Format string            `json:"format"`
	Model  string            `json:"model,omitempty"`
	Method string            `json:"method,omitempty"`
	Decode string            `json:"decode,omitempty"`
	Policy string            `json:"policy"`
	Level  allocate.Level    `json:"level"`
	PerKV  bool              `json:"per_kv_head,omitempty"`
	Window int               `json:"window"`
	Beta   float64           `json:"beta,omitempty"`
	Temp   float64           `json:"temp,omitempty"`
	Fit    bool              `json:"fit"`
	All    map[string]string `json:"settings"` // every parameter of the policy
}

const budgetRowsFormat = "budgets/1"

// metaOf describes plans that differ in capacity alone.
func metaOf(plans []*allocate.Plan, o BudgetOptions) budgetMeta {
	p := plans[0]
	m := budgetMeta{
		Format: budgetRowsFormat, Model: o.Model, Method: o.Method, Decode: o.Decode,
		Policy: p.Policy, Level: p.Params.Level, PerKV: o.PerKVHead, Window: p.Params.Window, Fit: p.Params.Fit, All: map[string]string{},
	}
	if beta, temp, ok := p.HeadKV(); ok {
		m.Beta, m.Temp = beta, temp
	}
	for _, v := range p.Settings() {
		m.All[v.Name] = v.Text
	}
	return m
}

// budgetFields says what each column of a budget table holds.
var budgetFields = map[string]Column{
	"capacity": {"entries that a cache gets on average, window included", "cache entries"},
	"layer":    scoreFields["layer"],
	"head":     {"query head in its layer, from 0; the group's first in a table of KV heads", ""},
	"kv_head":  {"KV head whose cache it reads, from 0", ""},
	"budget":   {"entries selected by attention", "cache entries"},
	"entries":  {"entries kept: budget and window", "cache entries"},
	"decode":   {"how the scores' answers were decoded; null where not known", ""},
}

func writeBudgetParquet(path string, plans []*allocate.Plan, o BudgetOptions) error {
	meta, err := json.Marshal(metaOf(plans, o))
	if err != nil {
		return err
	}
	var decode *string
	if o.Decode != "" {
		decode = &o.Decode
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writeRows(w, budgetRowsFormat, budgetFields, map[string]string{metaKey: string(meta)}, func(yield func([]budgetRow) error) error {
			for _, p := range plans {
				var rows []budgetRow
				for _, b := range budgetRows(p, o) {
					rows = append(rows, budgetRow{int32(p.Params.Capacity), int32(b.Layer), from(b.Head, 0), from(b.KVHead, 0), int32(b.Budget), int32(b.Entries), decode})
				}
				if err := yield(rows); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func writeBudgetJSON(path string, plans []*allocate.Plan, o BudgetOptions) error {
	f := budgetFile{Format: budgetFormat, Model: o.Model, Method: o.Method, Decode: o.Decode}
	for _, p := range plans {
		t := p.Totals(o.Context)
		plan := budgetPlan{
			Policy: p.Policy, Level: p.Params.Level, Capacity: p.Params.Capacity, Window: p.Params.Window, Fit: p.Params.Fit,
			Totals: budgetTotals{
				Caches: t.Caches, RequestedEntries: t.Requested, Entries: t.Entries, RequestedBytes: t.RequestedBytes, Bytes: t.EntriesBytes,
			},
		}
		if beta, temp, ok := p.HeadKV(); ok {
			plan.Beta, plan.Temp = beta, temp
		}
		if o.Context > 0 {
			plan.Totals.Context, plan.Totals.HeldEntries, plan.Totals.HeldBytes = o.Context, t.Held, t.HeldBytes
			plan.Totals.FullEntries, plan.Totals.FullBytes, plan.Totals.Share = t.Full, t.FullBytes, known(t.Share)
		}
		plan.Budget, plan.Entries = grids(p.PerHead(), len(p.Model.Layers))
		plan.KVBudget, plan.KVEntries = grids(p.PerKVHead(), len(p.Model.Layers))
		if o.NoKVHeads {
			plan.KVBudget, plan.KVEntries = nil, nil
		}
		if o.NoHeads {
			plan.Budget, plan.Entries = nil, nil
		}
		f.Plans = append(f.Plans, plan)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(data, '\n'))
}

func grids(rows []allocate.Budget, layers int) (budget, entries [][]int) {
	budget, entries = make([][]int, layers), make([][]int, layers)
	for _, b := range rows {
		budget[b.Layer] = append(budget[b.Layer], b.Budget)
		entries[b.Layer] = append(entries[b.Layer], b.Entries)
	}
	return budget, entries
}

// ReadBudgets reads a budget file of any of the three kinds, a Budgets per
// capacity in the file's order, rows per query head (or as the file has them).
func ReadBudgets(path string) ([]Budgets, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	beside, err := readLimited(path + metaSuffix)
	if err != nil {
		beside = nil
	}
	b, err := parseBudgets(data, beside)
	if err != nil {
		return nil, fmt.Errorf("reading budgets from %s: %w", path, err)
	}
	return b, nil
}

func parseBudgets(data, beside []byte) ([]Budgets, error) {
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(data, []byte("PAR1")):
		f, p, err := parquetFrame(data, maxRows, "layer", "head", "budget", "entries")
		if err != nil {
			return nil, err
		}
		return budgetsOf(f, p.Metadata[metaKey])
	case len(text) > 0 && text[0] == '{':
		return parseBudgetJSON(data)
	}
	f, comment, err := csvFrame(data, "layer", "head", "budget", "entries")
	if err != nil {
		return nil, err
	}
	if comment == nil {
		comment = beside
	}
	return budgetsOf(f, string(comment))
}

// budgetsOf reads the columns of a budget table; a head without a KV head
// counts as its own. about is the table's metadata, if any.
func budgetsOf(f *frame, about string) ([]Budgets, error) {
	capacity, layer, head, kv := f.ints("capacity", 0), f.ints("layer", -1), f.ints("head", scoring.Unknown), f.ints("kv_head", scoring.Unknown)
	budget, entries := f.ints("budget", -1), f.ints("entries", -1)
	if f.err != nil {
		return nil, f.err
	}
	var out []Budgets
	for i := range f.rows {
		if kv[i] == scoring.Unknown {
			kv[i] = head[i]
		}
		if head[i] == scoring.Unknown {
			head[i] = kv[i]
		}
		var err error
		if out, err = addBudget(out, capacity[i], layer[i], head[i], kv[i], budget[i], entries[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.place(i), err)
		}
	}
	if about != "" {
		var said budgetMeta
		if err := json.Unmarshal([]byte(about), &said); err != nil {
			return nil, fmt.Errorf("its metadata: %w", err)
		}
		for i := range out {
			b := &out[i]
			b.Model, b.Method, b.Policy, b.Level, b.Beta, b.PerKVHead = said.Model, said.Method, said.Policy, said.Level, said.Beta, said.PerKV
		}
	}
	return checkBudgets(out)
}

func parseBudgetJSON(data []byte) ([]Budgets, error) {
	var f budgetFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if f.Format != budgetFormat {
		return nil, fmt.Errorf("its format is %.40q, not %q", f.Format, budgetFormat)
	}
	var out []Budgets
	for n, p := range f.Plans {
		switch {
		case p.Budget == nil: // of KV heads alone
			p.Budget, p.Entries = p.KVBudget, p.KVEntries
		case p.KVBudget == nil: // KV heads are not known
			p.KVBudget = p.Budget
		}
		if len(p.Budget) != len(p.Entries) || len(p.Budget) != len(p.KVBudget) {
			return nil, fmt.Errorf("plan %d: budget, entries and kv_budget have %d, %d and %d layers", n, len(p.Budget), len(p.Entries), len(p.KVBudget))
		}
		b := Budgets{Model: f.Model, Method: f.Method, Policy: p.Policy, Level: p.Level, Beta: p.Beta}
		for l, row := range p.Budget {
			kv := len(p.KVBudget[l])
			if len(row) != len(p.Entries[l]) || kv == 0 || len(row)%kv != 0 {
				return nil, fmt.Errorf("plan %d, layer %d: %d budgets, %d entries, %d KV heads do not fit together", n, l, len(row), len(p.Entries[l]), kv)
			}
			for h := range row {
				one, err := addBudget(nil, p.Capacity, l, h, h/(len(row)/kv), row[h], p.Entries[l][h])
				if err != nil {
					return nil, fmt.Errorf("plan %d: %w", n, err)
				}
				b.Capacity, b.Heads = p.Capacity, append(b.Heads, one[0].Heads[0])
			}
		}
		out = append(out, b)
	}
	return checkBudgets(out)
}

// addBudget appends a row, to a new Budgets where the capacity changes.
func addBudget(out []Budgets, capacity, layer, head, kv, budget, entries int) ([]Budgets, error) {
	switch {
	case layer < 0 || layer >= maxLayers || head < 0 || head >= maxPerLayer || kv < 0 || kv > head:
		return nil, fmt.Errorf("no model has layer %d, head %d with KV head %d", layer, head, kv)
	case budget < 0 || entries < budget || entries > math.MaxInt32 || capacity < 0:
		return nil, fmt.Errorf("layer %d, head %d: budget %d of %d entries makes no sense", layer, head, budget, entries)
	}
	if len(out) == 0 || out[len(out)-1].Capacity != capacity {
		out = append(out, Budgets{Capacity: capacity})
	}
	b := &out[len(out)-1]
	b.Heads = append(b.Heads, allocate.Budget{Layer: layer, Head: head, KVHead: kv, Budget: budget, Window: entries - budget, Entries: entries})
	return out, nil
}

func checkBudgets(out []Budgets) ([]Budgets, error) {
	if len(out) == 0 {
		return nil, fmt.Errorf("it holds no budgets")
	}
	return out, nil
}
