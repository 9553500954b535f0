package backend

// Blocks asks for the attention rows of many positions of a step, in blocks:
// what scores over a whole prefill need. Rows are computed beside attention
// itself and never kept: a block is gone when Deliver returns.
//
// How rows are cut into blocks, and which goroutine delivers which, depends on
// chunks and threads; the rows' bytes do not. A reduction over rows is
// therefore to be one whose result does not depend on the order: a maximum, or
// a sum of whole numbers (see ColumnSum).
type Blocks struct {
	// Rows are the wanted rows of the batch, by index, ascending.
	Rows []int
	// Wants tells whether a head's rows are delivered; nil: all are.
	Wants func(layer, head int) bool
	// Deliver takes a block. It may be called from several goroutines at once,
	// for one head too, each wanted row once, before Flush returns.
	Deliver func(RowBlock)
}

// RowBlock is the softmaxed attention of some rows of one head. Row i is of
// the token at Positions[i] and holds the weights of cache entries First …
// First+Width−1 in Weights[i·Stride:][:Width]; entries that it does not see,
// later ones or those a window has left behind, are exactly 0. All slices are
// only valid during the call.
type RowBlock struct {
	Layer, Head   int
	Positions     []int // ascending
	First         int
	Width, Stride int
	Weights       []float32 // [len(Positions) × Stride]
}

// Row gives the weights of row i.
func (b *RowBlock) Row(i int) []float32 { return b.Weights[i*b.Stride:][:b.Width] }

// BlockWatcher is a Backend that serves Watch.Blocks from the attention it
// computes. For others the engine asks for single rows, which is slower and
// equal up to rounding.
type BlockWatcher interface {
	WatchesBlocks()
}

// Projections are one layer's queries and keys of one step before their
// rotation, after the family's normalisation of heads, and what attention then
// does with them. Slices are only valid during the call.
type Projections struct {
	Layer, First int       // First is the position of row 0
	Queries      []float32 // [rows × Heads·KeyDim]
	Keys         []float32 // [rows × KVHeads·KeyDim]
	Rope         Rope      // Dims 0: the family does not rotate
	Attention    Attention
}

// AttentionInputs are one layer's queries, keys and values of one step as
// attention takes them. Slices are only valid during the call.
type AttentionInputs struct {
	Layer, First int       // First is the position of row 0
	Queries      []float32 // [rows × Heads·KeyDim]
	Keys         []float32 // [rows × KVHeads·KeyDim]
	Values       []float32 // [rows × KVHeads·ValueDim]
	Sinks        []float32 // [Heads] logits of sinks; nil: none
	Attention    Attention
}

// Outputs are what the heads of one layer give for some positions: weights
// times values, before the output projection. Slices are only valid during the
// call.
type Outputs struct {
	Layer     int
	Positions []int     // ascending
	Heads     []float32 // [len(Positions) × Heads·ValueDim]
	Attention Attention
}
