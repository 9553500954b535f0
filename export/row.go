package export

import (
	"math"

	"headprof/scoring"
)

// scoreRow is a row of scores.parquet and scores.csv: the columns in their
// order. Pointers are columns that may be empty.
type scoreRow struct {
	Layer    int32    `parquet:"layer,dict"`
	Head     *int32   `parquet:"head,optional,dict"`
	KVHead   *int32   `parquet:"kv_head,optional,dict"`
	Method   string   `parquet:"method,dict"`
	Mean     *float64 `parquet:"mean,optional"`
	StdErr   *float64 `parquet:"std_error,optional"`
	N        *int32   `parquet:"n,optional,dict"`
	Rank     *int32   `parquet:"rank,optional,dict"`
	Low      *float64 `parquet:"ci_low,optional"`
	High     *float64 `parquet:"ci_high,optional"`
	RankLow  *int32   `parquet:"rank_low,optional"`
	RankHigh *int32   `parquet:"rank_high,optional"`
	Share    *float64 `parquet:"share,optional"`
	Window   *int32   `parquet:"window,optional,dict"`
	Decode   *string  `parquet:"decode,optional,dict"`
	Fast     *bool    `parquet:"fast,optional"`
}

// scoreFields says what each column holds, in which unit.
var scoreFields = map[string]Column{
	"layer":     {"layer, from 0", ""},
	"head":      {"query head in its layer, from 0; null where a row is a KV head", ""},
	"kv_head":   {"KV head that the query head reads, from 0; null where not known", ""},
	"method":    {"score method", ""},
	"mean":      {"score, mean over the counted trials; null where the head has none", "as the method's quantity says"},
	"std_error": {"sample standard deviation over the square root of n; takes trials for independent", "as mean"},
	"n":         {"trials counted; null where not known", "trials"},
	"rank":      {"rank among the method's heads, 1 is the best; ties by layer, then head", ""},
	"ci_low":    {"lower end of the 95 % bootstrap interval of mean", "as mean"},
	"ci_high":   {"upper end of the 95 % bootstrap interval of mean", "as mean"},
	"rank_low":  {"lower end of the 95 % bootstrap interval of rank", ""},
	"rank_high": {"upper end of the 95 % bootstrap interval of rank", ""},
	"share":     {"mean over the sum of the method's means (HeadKV's normalised score)", ""},
	"window":    {"keys the layer sees, 0: all; null where not known", "tokens"},
	"decode":    {"greedy: the model answered; forced: the answers were teacher-forced; null where not known", ""},
	"fast":      {"computed with quantised activations; null where not known", ""},
}

func toRow(h scoring.Head, t *scoring.Table) scoreRow {
	r := scoreRow{
		Layer: int32(h.Layer), Head: from(h.Head, 0), KVHead: from(h.KVHead, 0), Method: h.Method,
		Mean: known(h.Mean), StdErr: known(h.StdErr), N: from(h.N, 1), Rank: from(h.Rank, 1),
		Low: known(h.Low), High: known(h.High), RankLow: from(h.RankLow, 1), RankHigh: from(h.RankHigh, 1),
		Share: known(h.Share), Window: from(h.Window, 0),
	}
	if t.Quantity(h.Method).PerKVHead {
		r.Head = nil
	}
	if t.Meta.Decode != "" {
		r.Decode = &t.Meta.Decode
	}
	if !t.Meta.FastUnknown {
		r.Fast = &t.Meta.Fast
	}
	return r
}

// from is v, or nothing where it lies below the smallest value that says something.
func from(v, minimum int) *int32 {
	if v < minimum {
		return nil
	}
	x := int32(v)
	return &x
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// Limits of what a table file may claim, checked before anything is allocated
// for it.
const (
	maxLayers   = 4096
	maxPerLayer = 16384
	maxRows     = 1 << 20
	maxBytes    = 512 << 20
)
