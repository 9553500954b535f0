package scoring

// Meta says how a table came to be. Every output carries it.
type Meta struct {
	Model      string  `json:"model,omitempty"`        // its name, as a user would say it
	ModelSHA   string  `json:"model_sha256,omitempty"` // of the weight file
	Decode     string  `json:"decode,omitempty"`       // "greedy" or "forced"
	Judge      string  `json:"judge,omitempty"`        // rule by which trials passed
	Fast       bool    `json:"fast,omitempty"`         // computed with quantised activations
	Trials     int     `json:"trials,omitempty"`       // run
	Passed     int     `json:"passed,omitempty"`       // of them, those that count in the scores
	Needles    int     `json:"needles,omitempty"`      // different needles among those
	Resamples  int     `json:"resamples,omitempty"`    // of the bootstrap
	Confidence float64 `json:"confidence,omitempty"`   // of the intervals
	Seed       uint64  `json:"seed,omitempty"`
}

// PassRate is the share of trials that passed, 0 without trials.
func (m Meta) PassRate() float64 {
	if m.Trials == 0 {
		return 0
	}
	return float64(m.Passed) / float64(m.Trials)
}

// Head is one query head under one method.
type Head struct {
	Method      string
	Layer, Head int
	KVHead      int     // the KV head it reads
	Window      int     // keys the layer sees; 0: all
	Mean        float64 // over passing trials
	StdErr      float64 // sample standard deviation / √n; NaN where n < 2
	Low, High   float64 // bootstrap interval of Mean; NaN where unknown
	N           int     // passing trials
	Rank        int     // 1 is the best of the method; ties by layer, then head
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
	Meta   Meta
	Heads  []Head
	Halves []SplitHalf
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
