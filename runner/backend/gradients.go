package backend

// Differentiator is an Ops that gives vector–Jacobian products of those
// operations that multiply matrices: for an operation y = f(x) and the gradient
// of a loss by y, that by x. Package backward does the rest. Sums run in one
// fixed order, whatever the number of threads.
type Differentiator interface {
	HostOps
	// Zeros makes a value of zeros.
	Zeros(rows, width int) Value
	// LinearBack is dx += scale·dy·w, for y = scale·(x·wᵀ + bias).
	LinearBack(dx, dy Value, w Weight, scale float32)
	// AttendBack adds to the gradients of queries, keys and values.
	AttendBack(b AttentionBack)
	// Expert is expert e of a stack of count, and Vector gives a one-row
	// weight's elements; nil for nil.
	Expert(w Weight, e, count int) Weight
	Vector(w Weight) []float32
	// Route gives the experts of a row with these logits, and their shares.
	Route(logits []float32, m Experts) (experts []int, shares []float32)
	// Each calls f for all of n rows of some width, several at once.
	Each(n, width int, f func(i int))
}

// AttentionBack is what the way back through Attend needs. The cache holds the
// step's keys and values and none of later steps.
type AttentionBack struct {
	Attention
	Rows   []int     // as Attend had them
	Q      Value     // as Attend had them
	Out    Value     // what Attend gave
	DOut   Value     // the gradient by Out
	DQ     Value     // the gradient by Q, added to
	DK, DV []float32 // the gradients by all entries' keys [entries × KVHeads·KeyDim] and values [entries × KVHeads·ValueDim], added to
	// Weighed receives, for a weight p of Attend and the gradient by it, the sum
	// of |p·∂p| over a row's entries [Out's rows × Heads]; nil: it is not wanted.
	Weighed []float64
}

// HeadGradients are one layer's heads' outputs for some positions, and a loss's
// gradient by them. Slices are only valid during the call.
type HeadGradients struct {
	Outputs
	Gradients []float32 // [len(Positions) × Heads·ValueDim]
	// Without is the layer through whose addition to the residual stream no
	// gradient went; −1: none.
	Without int
}

// WeighedGradients are, for some positions of one layer, the sums over the
// attention weights p of a head's row of |p·∂L/∂p|. Slices are only valid during
// the call.
type WeighedGradients struct {
	Layer     int
	Positions []int
	Sums      []float64 // [len(Positions) × Heads]
}
