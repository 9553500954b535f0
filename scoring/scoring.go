// Package scoring turns attention rows into per-head scores, and the scores of
// trials into tables with errors. One file per score method; it sees plain
// slices and knows neither models nor files.
package scoring

// Span is the evidence's range [Start, End) of prompt positions.
type Span struct{ Start, End int }

// Partial is what one attention row contributes to a head's score. Where Key
// is negative it counts as it stands; else it counts only if the token at
// position Key of the sequence equals the token that the step produced, which
// is known only after the row has been seen.
type Partial struct {
	Value float32
	Key   int32
}

// Method is one way of scoring a head. A method is one file, which registers
// its Declaration.
type Method interface {
	// Name is the method's name in flags, tables and journals.
	Name() string
	// Row scores one softmaxed attention row: weights[i] belongs to position
	// first+i. It must be safe for concurrent use and must not keep weights.
	Row(weights []float32, first int, evidence Span) Partial
	// Weight is what a Partial whose Key condition holds adds per unit of Value, given the
	// evidence's length k and, in forced mode, the answer's length n (0 when greedy).
	Weight(k, n int) float32
}

// Topper is a Method that looks at no more than a row's largest weights and
// those on the evidence: it gives the same where all others are 0. Among equal
// weights those of lower positions are the larger ones.
type Topper interface {
	// Top is how many of the largest, given the evidence's length.
	Top(k int) int
}

// Repeater is a Method whose steps count as often as Times says, which depends
// on the token that the step produced.
type Repeater interface {
	// Times is how often a step counts. evidence holds the evidence's tokens.
	Times(evidence []int32, produced int32) int
}

// TrialScore is one trial as aggregation sees it. Scores maps a method's name
// to [layer][head]; steps summed, not averaged.
type TrialScore struct {
	ID     string
	Needle string // needle id: trials of one needle are not independent
	Length int
	Depth  float64
	// RealDepth is where the needle lies, in percent of the haystack; nil where
	// that is not known. Placement is what stands before it.
	RealDepth *float64
	Placement string
	Pass      bool // counts in head tables
	Scores    map[string][][]float64
}
