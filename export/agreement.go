package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"headprof/export/atomicfile"
	"headprof/export/textfile"
	"headprof/scoring"
	"headprof/scoring/stats"
)

const agreementFormat = "headprof-agreement/1"

// Agreement is a file of how far rankings agree, and of their consensus.
type Agreement struct {
	Format    string           `json:"format"`
	Rankings  []string         `json:"rankings"`
	Heads     int              `json:"heads"` // compared
	KVHeads   bool             `json:"kv_heads"`
	K         int              `json:"k"`                   // size of the top sets
	Differ    []string         `json:"differences"`         // between the profiles, in words
	Pairs     []AgreementPair  `json:"pairs"`               // each pair of rankings once
	Consensus *ConsensusOfFile `json:"consensus,omitempty"` // nil where only pairs were asked for
}

// AgreementPair is one pair of rankings. Ends of intervals that are not known
// are null.
type AgreementPair struct {
	A            string   `json:"a"`
	B            string   `json:"b"`
	Heads        int      `json:"heads"`
	K            int      `json:"k"`
	Spearman     *float64 `json:"spearman"`
	SpearmanLow  *float64 `json:"spearman_low"`
	SpearmanHigh *float64 `json:"spearman_high"`
	Shared       int      `json:"shared"`
	Overlap      *float64 `json:"overlap"`
	OverlapLow   *float64 `json:"overlap_low"`
	OverlapHigh  *float64 `json:"overlap_high"`
	Resampled    string   `json:"resampled"`
}

// ConsensusOfFile is a scoring.Consensus with the heads that have a vote.
type ConsensusOfFile struct {
	AtLeast int                   `json:"at_least"`
	Heads   []ConsensusHeadOfFile `json:"heads"`
}

// ConsensusHeadOfFile is one head with a vote.
type ConsensusHeadOfFile struct {
	Layer     int      `json:"layer"`
	Head      *int     `json:"head"` // null where the heads are KV heads
	KVHead    *int     `json:"kv_head"`
	Votes     int      `json:"votes"`
	Of        []string `json:"voted_by"`
	MeanRank  float64  `json:"mean_rank"`
	Member    bool     `json:"member"`
	Stability *float64 `json:"stability"`
}

// NewAgreement makes a file of an agreement and its consensus; c may be nil.
func NewAgreement(a *scoring.Agreement, c *scoring.Consensus, differences []string) *Agreement {
	f := &Agreement{Format: agreementFormat, Rankings: a.Names, Heads: a.Heads, KVHeads: a.KVHeads, K: a.K, Differ: append([]string{}, differences...)}
	for i := range a.Names {
		for j := i + 1; j < len(a.Names); j++ {
			s, o := a.Spearman[i][j], a.Overlap[i][j]
			f.Pairs = append(f.Pairs, AgreementPair{
				A: a.Names[i], B: a.Names[j], Heads: a.Heads, K: a.K,
				Spearman: known(s.Value), SpearmanLow: known(s.Low), SpearmanHigh: known(s.High), Shared: a.Shared[i][j],
				Overlap: known(o.Value), OverlapLow: known(o.Low), OverlapHigh: known(o.High), Resampled: string(a.Resampled[i][j]),
			})
		}
	}
	if c == nil {
		return f
	}
	f.Consensus = &ConsensusOfFile{AtLeast: c.AtLeast, Heads: []ConsensusHeadOfFile{}}
	for _, h := range c.Heads {
		if h.Votes == 0 {
			continue
		}
		x := ConsensusHeadOfFile{Layer: h.Layer, Votes: h.Votes, MeanRank: h.MeanRank, Member: h.Score > 0, Stability: known(h.Stability), Of: h.Voters(c.Names)}
		if !c.KVHeads {
			x.Head = &h.Head
		}
		if h.KVHead != scoring.Unknown {
			x.KVHead = &h.KVHead
		}
		f.Consensus.Heads = append(f.Consensus.Heads, x)
	}
	return f
}

// Write writes the file as "json", or its pairs as a table: "csv", "parquet".
func (f *Agreement) Write(path, format string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		switch format {
		case "json":
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.SetIndent("", " ")
			return e.Encode(f)
		case "csv":
			return f.writeCSV(w)
		case "parquet":
			return f.writeParquet(w)
		}
		return fmt.Errorf("an agreement cannot be written to %s: its name must end in .json, .csv or .parquet", path)
	})
}

func (f *Agreement) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write([]string{"a", "b", "heads", "k", "spearman", "spearman_low", "spearman_high", "shared", "overlap", "overlap_low", "overlap_high", "resampled"})
	for _, p := range f.Pairs {
		c.Write([]string{p.A, p.B, strconv.Itoa(p.Heads), strconv.Itoa(p.K), optional(p.Spearman), optional(p.SpearmanLow), optional(p.SpearmanHigh),
			strconv.Itoa(p.Shared), optional(p.Overlap), optional(p.OverlapLow), optional(p.OverlapHigh), p.Resampled})
	}
	c.Flush()
	return c.Error()
}

// agreementRow is a row of the Parquet table.
type agreementRow struct {
	A            string   `parquet:"a,dict"`
	B            string   `parquet:"b,dict"`
	Heads        int32    `parquet:"heads"`
	K            int32    `parquet:"k"`
	Spearman     *float64 `parquet:"spearman,optional"`
	SpearmanLow  *float64 `parquet:"spearman_low,optional"`
	SpearmanHigh *float64 `parquet:"spearman_high,optional"`
	Shared       int32    `parquet:"shared"`
	Overlap      *float64 `parquet:"overlap,optional"`
	OverlapLow   *float64 `parquet:"overlap_low,optional"`
	OverlapHigh  *float64 `parquet:"overlap_high,optional"`
	Resampled    string   `parquet:"resampled,dict"`
}

// agreementFields says what each column holds.
var agreementFields = map[string]Column{
	"a":             {"a ranking: a method, a profile, or both", ""},
	"b":             {"the other ranking", ""},
	"heads":         {"heads compared: those with a score in every ranking", "heads"},
	"k":             {"size of the top sets", "heads"},
	"spearman":      {"Spearman's rank correlation; null where a ranking has no differences", ""},
	"spearman_low":  {"lower end of its 95 % basic bootstrap interval", ""},
	"spearman_high": {"upper end of its 95 % basic bootstrap interval", ""},
	"shared":        {"heads in both top sets", "heads"},
	"overlap":       {"shared over k", ""},
	"overlap_low":   {"lower end of its 95 % percentile bootstrap interval", ""},
	"overlap_high":  {"upper end of its 95 % percentile bootstrap interval", ""},
	"resampled":     {"what the intervals resample: the same trials, each its trials, trials of one, or heads", ""},
}

func (f *Agreement) writeParquet(w io.Writer) error {
	return writeRows(w, "agreement/1", agreementFields, nil, func(yield func([]agreementRow) error) error {
		var rows []agreementRow
		for _, p := range f.Pairs {
			rows = append(rows, agreementRow{p.A, p.B, int32(p.Heads), int32(p.K), p.Spearman, p.SpearmanLow, p.SpearmanHigh,
				int32(p.Shared), p.Overlap, p.OverlapLow, p.OverlapHigh, p.Resampled})
		}
		return yield(rows)
	})
}

// ReadAgreement reads a JSON file of Write.
func ReadAgreement(path string) (*scoring.Agreement, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	if data, err = textfile.Clean(path, data); err != nil {
		return nil, err
	}
	f := new(Agreement)
	if err := json.Unmarshal(data, f); err != nil || f.Format != agreementFormat {
		return nil, fmt.Errorf("%s is no agreement file; 'headprof compare --out FILE.json' writes one", path)
	}
	n := len(f.Rankings)
	at := map[string]int{}
	for i, name := range f.Rankings {
		at[name] = i
	}
	if n < 2 || n > 1024 || len(at) != n || len(f.Pairs) != n*(n-1)/2 {
		return nil, fmt.Errorf("%s is damaged: %d pairs of %d rankings; write it again", path, len(f.Pairs), n)
	}
	a := &scoring.Agreement{Names: f.Rankings, KVHeads: f.KVHeads, Heads: f.Heads, K: f.K}
	a.Spearman, a.Overlap = square[stats.Estimate](n), square[stats.Estimate](n)
	a.Shared, a.Resampled = square[int](n), square[scoring.Resampling](n)
	seen := square[bool](n)
	for _, p := range f.Pairs {
		i, okA := at[p.A]
		j, okB := at[p.B]
		if !okA || !okB || i == j || seen[i][j] {
			return nil, fmt.Errorf("%s is damaged: the pair %q and %q; write it again", path, p.A, p.B)
		}
		for _, q := range [][2]int{{i, j}, {j, i}} {
			i, j := q[0], q[1]
			seen[i][j] = true
			a.Spearman[i][j] = stats.Estimate{Value: orNaN(p.Spearman), Low: orNaN(p.SpearmanLow), High: orNaN(p.SpearmanHigh)}
			a.Overlap[i][j] = stats.Estimate{Value: orNaN(p.Overlap), Low: orNaN(p.OverlapLow), High: orNaN(p.OverlapHigh)}
			a.Shared[i][j], a.Resampled[i][j] = p.Shared, scoring.Resampling(p.Resampled)
		}
	}
	return a, nil
}

func square[T any](n int) [][]T {
	m := make([][]T, n)
	for i := range m {
		m[i] = make([]T, n)
	}
	return m
}
