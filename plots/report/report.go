// Package report makes one self-contained page of profiles: HTML with its
// style, its program, its data and the one library that it draws with (uPlot,
// MIT). It needs no network and works from a file.
//
// Everything that comes from models, needles or file names reaches the page as
// JSON and is shown as text; a content security policy lets nothing run but the
// page's own program.
package report

// Page is what the page shows. Any part may be empty.
type Page struct {
	Version     string       `json:"version"` // of the program that wrote the page
	Runs        []Run        `json:"runs"`
	Agreements  []Agreement  `json:"agreements,omitempty"`
	Evaluations []Evaluation `json:"evaluations,omitempty"`
	Ablations   []Ablation   `json:"ablations,omitempty"`
	// Live says how far a run is that is still going on; nil: it has ended.
	Live *Live `json:"live,omitempty"`
}

// Run is one profile. Arrays over heads go by layer, then head.
type Run struct {
	Name     string    `json:"name"`
	Model    string    `json:"model"`
	Path     string    `json:"path"` // as a command would name it
	Layers   []Layer   `json:"layers"`
	Top      int       `json:"top"` // heads that count as top at first
	Methods  []Method  `json:"methods"`
	Needles  *Grid     `json:"needles,omitempty"`
	Trials   *Trials   `json:"trials,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
	Facts    []Fact    `json:"facts,omitempty"` // what a reader asks first
	Made     Made      `json:"made"`
}

// Layer is the shape of one layer. Sizes are elements; 0 where not known.
type Layer struct {
	Heads    int `json:"heads"`    // query heads
	KVHeads  int `json:"kv_heads"` // 0: not known
	KeyDim   int `json:"key_dim"`
	ValueDim int `json:"value_dim"`
	Window   int `json:"window"` // sliding window in tokens; 0: none
}

// Method is one method's scores. Where PerKVHead, its arrays go over KV heads.
type Method struct {
	Name      string
	Label     string // the number on an axis
	Interval  string // what Low and High are; "": there is none
	Measures  string // what a head scores for
	Source    string // paper
	PerKVHead bool
	Listed    bool // a list of best heads: of the others nothing is known
	Default   bool // shown first

	Mean, Low, High          []float64 // NaN: not known
	Rank, RankLow, RankHigh  []int     // 0: not known
	N                        []int     // trials counted; 0: not known
	HalfCorrelation, Correct float64   // of halves of the run, and of the whole; NaN: not known
	HalfUnit                 string    // what was split
	// Mean score and its standard error by length and by depth of the counted
	// trials, [group][head]; nil where trials are not known.
	ByLength, ByLengthErr [][]float64
	ByDepth, ByDepthErr   [][]float64
	// What each step of the answer adds to the score, likewise; nil where steps
	// were not kept.
	ByStep, ByStepErr [][]float64
	// Mean score by needle, [needle][i] of the head NeedleHeads[i].
	ByNeedle    [][]float64
	NeedleHeads []int
}

// Trials names the groups of the counted trials.
type Trials struct {
	Lengths     []int     `json:"lengths"`
	LengthCount []int     `json:"length_count"`
	Depths      []float64 `json:"depths"`
	DepthCount  []int     `json:"depth_count"`
	Needles     []string  `json:"needles"`
	NeedleCount []int     `json:"needle_count"`
	StepCount   []int     `json:"step_count,omitempty"` // trials whose answer has that many steps
	Counted     int       `json:"counted"`
}

// Grid counts trials and passes by [depth][length].
type Grid struct {
	Lengths []int     `json:"lengths"`
	Depths  []float64 `json:"depths"`
	Trials  [][]int   `json:"trials"`
	Passed  [][]int   `json:"passed"`
}

// Warning is something a reader must know, and what helps.
type Warning struct {
	Text     string   `json:"text"`
	Remedies []string `json:"remedies,omitempty"`
}

// Fact is a name and a value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Made says what a profile was made from.
type Made struct {
	Command  string `json:"command,omitempty"`
	Hashes   []Fact `json:"hashes,omitempty"`
	Plan     []Fact `json:"plan,omitempty"`
	Settings []Fact `json:"settings,omitempty"`
}

// Agreement is how far rankings of the same heads agree. Matrices are [i][j]
// over Rankings; NaN: not known.
type Agreement struct {
	Rankings            []Ranked
	Spearman, Low, High [][]float64
	Interval            string
}

// Ranked points at one method of one run.
type Ranked struct {
	Run    int `json:"run"`
	Method int `json:"method"`
}

// Evaluation is a table of eviction policies.
type Evaluation struct {
	Name string          `json:"name"`
	Rows []EvaluationRow `json:"rows"`
	Made Made            `json:"made"`
}

// EvaluationRow is one task under one policy at one capacity. Shares and scores
// lie in [0, 1]; log-probabilities are nats.
type EvaluationRow struct {
	Task     string   `json:"task"`
	Policy   string   `json:"policy"`
	Capacity int      `json:"capacity"` // 0: the whole cache
	N        int      `json:"n"`
	Score    Estimate `json:"score"`
	LogProb  Estimate `json:"logprob"`
	Share    *float64 `json:"share"`
	Bytes    *float64 `json:"bytes"`
}

// Estimate is a value with its 95 % interval; nil: not known.
type Estimate struct {
	Value *float64 `json:"value"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
}

// Ablation is a table of masked heads.
type Ablation struct {
	Name string        `json:"name"`
	Rows []AblationRow `json:"rows"`
	Made Made          `json:"made"`
}

// AblationRow is one choice of masked heads.
type AblationRow struct {
	Choice   string   `json:"choice"` // with its ablation, where that is not zero
	Heads    int      `json:"heads"`
	Seed     string   `json:"seed,omitempty"` // of a single draw; "": all draws
	PassRate Estimate `json:"pass_rate"`
	LogProb  Estimate `json:"logprob"`
}

// Live is the progress of a run.
type Live struct {
	Done        int     `json:"done"` // trials
	Total       int     `json:"total"`
	Passed      int     `json:"passed"`
	TokensDone  int64   `json:"tokens_done"`
	TokensTotal int64   `json:"tokens_total"`
	Rate        float64 `json:"rate"`         // tokens per second
	SecondsLeft float64 `json:"seconds_left"` // negative: not known
}
