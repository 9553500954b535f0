package export

import (
	"fmt"
	"math"

	"headprof/scoring"
)

// scoreRow is a row of scores.parquet and scores.csv: the columns in their
// order. Pointers are columns that may be empty.
type scoreRow struct {
	Layer    int32    `parquet:"layer,dict"`
	Head     int32    `parquet:"head,dict"`
	KVHead   int32    `parquet:"kv_head,dict"`
	Method   string   `parquet:"method,dict"`
	Mean     float64  `parquet:"mean"`
	StdErr   *float64 `parquet:"std_error,optional"`
	N        int32    `parquet:"n,dict"`
	Rank     int32    `parquet:"rank,dict"`
	Low      *float64 `parquet:"ci_low,optional"`
	High     *float64 `parquet:"ci_high,optional"`
	RankLow  *int32   `parquet:"rank_low,optional"`
	RankHigh *int32   `parquet:"rank_high,optional"`
	Share    float64  `parquet:"share"`
	Window   int32    `parquet:"window,dict"`
	Decode   string   `parquet:"decode,dict"`
	Fast     bool     `parquet:"fast"`
}

func toRow(h scoring.Head, m scoring.Meta) scoreRow {
	r := scoreRow{
		Layer: int32(h.Layer), Head: int32(h.Head), KVHead: int32(h.KVHead), Method: h.Method,
		Mean: h.Mean, StdErr: known(h.StdErr), N: int32(h.N), Rank: int32(h.Rank),
		Low: known(h.Low), High: known(h.High), Share: h.Share, Window: int32(h.Window),
		Decode: m.Decode, Fast: m.Fast,
	}
	if h.RankLow > 0 {
		low, high := int32(h.RankLow), int32(h.RankHigh)
		r.RankLow, r.RankHigh = &low, &high
	}
	return r
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

// assemble makes a table of rows in any order: sorted, every method holding
// every head of the same shape once.
func assemble(rows []scoring.Head, meta scoring.Meta) (*scoring.Table, error) {
	if len(rows) == 0 {
		return nil, fmt.Errorf("it holds no scores")
	}
	type key struct {
		method      string
		layer, head int
	}
	at := make(map[key]int, len(rows))
	var methods []string
	perLayer := map[int]int{}
	layers := 0
	for i, r := range rows {
		if r.Layer < 0 || r.Layer >= maxLayers || r.Head < 0 || r.Head >= maxPerLayer || r.KVHead < 0 || r.KVHead > r.Head {
			return nil, fmt.Errorf("no model has layer %d, head %d with KV head %d", r.Layer, r.Head, r.KVHead)
		}
		if math.IsNaN(r.Mean) || math.IsInf(r.Mean, 0) {
			return nil, fmt.Errorf("the score of layer %d, head %d is %v", r.Layer, r.Head, r.Mean)
		}
		k := key{r.Method, r.Layer, r.Head}
		if _, ok := at[k]; ok {
			return nil, fmt.Errorf("layer %d, head %d appears twice", r.Layer, r.Head)
		}
		at[k] = i
		if len(methods) == 0 || methods[len(methods)-1] != r.Method {
			seen := false
			for _, m := range methods {
				seen = seen || m == r.Method
			}
			if !seen {
				methods = append(methods, r.Method)
			}
		}
		if len(methods) > 64 {
			return nil, fmt.Errorf("it holds more than 64 methods")
		}
		perLayer[r.Layer] = max(perLayer[r.Layer], r.Head+1)
		layers = max(layers, r.Layer+1)
	}
	heads := 0
	for l := range layers {
		if perLayer[l] == 0 {
			return nil, fmt.Errorf("layer %d is missing", l)
		}
		heads += perLayer[l]
	}
	if heads*len(methods) != len(rows) {
		return nil, fmt.Errorf("it holds %d scores where %d heads × %d methods are needed; each head must appear once under each method", len(rows), heads, len(methods))
	}
	t := &scoring.Table{Meta: meta}
	for _, m := range methods {
		from := len(t.Heads)
		for l := range layers {
			for h := range perLayer[l] {
				i, ok := at[key{m, l, h}]
				if !ok {
					return nil, fmt.Errorf("layer %d, head %d has no %s score", l, h, m)
				}
				t.Heads = append(t.Heads, rows[i])
			}
		}
		scoring.Rerank(t.Heads[from:])
	}
	return t, nil
}
