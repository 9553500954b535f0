package scoring

import "fmt"

// Meta says how a table came to be. Every output carries it.
type Meta struct {
	Model    string `json:"model,omitempty"`        // its name, as a user would say it
	ModelSHA string `json:"model_sha256,omitempty"` // of the weight file
	Decode   string `json:"decode,omitempty"`       // "greedy" or "forced"
	Judge    string `json:"judge,omitempty"`        // rule by which trials passed
	Fast     bool   `json:"fast,omitempty"`         // computed with quantised activations
	// FastUnknown: whether it was is not known. Tables of this program know it.
	FastUnknown bool    `json:"-"`
	Partial     string  `json:"partial,omitempty"`    // what a merged profile lacks; empty: nothing
	Thinking    string  `json:"thinking,omitempty"`   // how much the model could think before it answered; empty: not at all
	Trials      int     `json:"trials,omitempty"`     // run
	Passed      int     `json:"passed,omitempty"`     // of them, those that count in the scores
	Needles     int     `json:"needles,omitempty"`    // different needles among those
	Resamples   int     `json:"resamples,omitempty"`  // of the bootstrap
	Confidence  float64 `json:"confidence,omitempty"` // of the intervals
	Seed        uint64  `json:"seed,omitempty"`
	// Streaming is what a DuoAttention folder says of its streaming heads.
	Streaming *Streaming `json:"streaming,omitempty"`
}

// Streaming is how many first and last tokens a streaming head keeps; the
// deploy sizes are those to serve with, where they differ.
type Streaming struct {
	Sink         int  `json:"sink_size"`
	Recent       int  `json:"recent_size"`
	DeploySink   *int `json:"deploy_sink_size,omitempty"`
	DeployRecent *int `json:"deploy_recent_size,omitempty"`
}

// CountedText says how many trials count: "107 of 120 trials passed", or
// "107 trials count" where the number run is not known; "" without trials.
func (m Meta) CountedText() string {
	switch {
	case m.Trials > 0:
		return fmt.Sprintf("%d of %d trials passed", m.Passed, m.Trials)
	case m.Passed == 1:
		return "1 trial counts"
	case m.Passed > 0:
		return fmt.Sprintf("%d trials count", m.Passed)
	}
	return ""
}

// PassRate is the share of trials that passed, 0 without trials.
func (m Meta) PassRate() float64 {
	if m.Trials == 0 {
		return 0
	}
	return float64(m.Passed) / float64(m.Trials)
}

// Head is one query head under one method (a KV head where the method's
// Quantity says so).
type Head struct {
	Method      string
	Layer, Head int
	KVHead      int     // the KV head it reads; Unknown
	Window      int     // keys the layer sees; 0: all; Unknown
	Mean        float64 // over passing trials; NaN: no score
	StdErr      float64 // sample standard deviation / √n; NaN where n < 2
	Low, High   float64 // bootstrap interval of Mean; NaN where unknown
	N           int     // passing trials
	Rank        int     // 1 is the best of the method; ties by layer, then head; 0: no score
	RankLow     int     // bootstrap interval of Rank; 0 where unknown
	RankHigh    int
	Share       float64   // Mean / sum of the method's means (HeadKV's normalised score)
	Trials      []float64 // score per passing trial, in the plan's order; nil where unknown
}

// SplitHalf says how well two halves of a run agree on a method's ranking.
type SplitHalf struct {
	Method      string
	Unit        string  // what was split: "needle", or "trial" where only one needle passed
	Splits      int     // random splits averaged
	Correlation float64 // mean Spearman correlation of the halves; NaN where undefined
	Corrected   float64 // Spearman-Brown: what two whole runs of this size would reach
}

// Table holds every head under one or more methods: rows ordered by method
// (the order of Methods), layer and head.
type Table struct {
	Meta       Meta
	Heads      []Head
	Halves     []SplitHalf
	Quantities []Quantity // what the methods' numbers mean; of others QuantityOf tells
	Notes      []string   // what reading the table came across, for its user
}

// Methods lists the table's methods in the order of its rows.
func (t *Table) Methods() []string {
	var names []string
	for i, h := range t.Heads {
		if i == 0 || h.Method != t.Heads[i-1].Method {
			names = append(names, h.Method)
		}
	}
	return names
}

// Only is the method of a table of one score, whose curve (see [PointOf]) may
// stand beside it; "" for a table of several.
func (t *Table) Only() string {
	only := ""
	for _, m := range t.Methods() {
		if _, point := PointOf(m); point {
			continue
		}
		if only != "" {
			return ""
		}
		only = m
	}
	return only
}

// Of returns the rows of one method, ordered by layer and head; nil if the
// table does not have it.
func (t *Table) Of(method string) []Head {
	from := 0
	for from < len(t.Heads) && t.Heads[from].Method != method {
		from++
	}
	to := from
	for to < len(t.Heads) && t.Heads[to].Method == method {
		to++
	}
	if from == to {
		return nil
	}
	return t.Heads[from:to:to]
}
