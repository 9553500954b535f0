// Package backend is the seam between a model family's equations (runner/arch)
// and the machines that compute them (runner/cpu, runner/gpu).
//
// A family calls Ops in the order of its equations. A backend may run each
// call at once (cpu) or record it and submit many together (gpu); results
// are only guaranteed to be there after Read or Flush.
package backend

import (
	"math"

	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Weight is a tensor made ready for a backend. The zero value (nil) means
// absent, which Ops accept for biases.
type Weight interface {
	Rows() int // output width of a Linear
	Cols() int // input width of a Linear
}

// Value is a [rows × width] float32 matrix owned by a backend. It is valid
// until the EndLayer that follows its creation, except those made with Keep.
type Value interface {
	Rows() int
	Width() int
}

// Norm describes a normalisation over the last dimension.
type Norm struct {
	Weight Weight
	Bias   Weight // nil for RMSNorm
	Eps    float32
	Mean   bool // subtract the mean: LayerNorm; false: RMSNorm
}

// Rope describes rotary position embedding of one layer. Inverse frequencies
// already hold any scaling (linear, llama3, yarn, freq factors).
type Rope struct {
	InvFreq     []float32 // Dims/2 inverse frequencies, radians per position
	Dims        int       // rotated dimensions per head (partial RoPE: fewer than the head's)
	Interleaved bool      // pairs (2i, 2i+1); false: (i, i+Dims/2)
	Scale       float32   // multiplies sin and cos (yarn's attention factor); 1 when none
}

// Activation is a gate's non-linearity.
type Activation int

// Activations of the supported families.
const (
	SiLU     Activation = iota
	GELUTanh            // tanh approximation
	GELUErf             // exact
	Sigmoid
	Identity // a gate that multiplies
)

// Attention holds what softmax(scale·qkᵀ)v needs to know of a layer.
type Attention struct {
	Layer          int
	Heads, KVHeads int
	KeyDim         int // of q and k
	ValueDim       int // of v
	Scale          float32
	Window         int     // keys a row sees, itself included; 0: all before it
	Chunk          int     // a row sees the keys of its own run of so many positions (Llama 4); 0: no runs
	SoftCap        float32 // cap·tanh(s/cap) on scores; 0: none
	Masked         []bool  // heads whose output is zero (ablation); nil: none. Their rows are still delivered
	// Sinks holds a logit per head that takes part in the softmax and has no
	// value (gpt-oss): weights then sum to less than 1. nil: none.
	Sinks Weight
	// Temperature multiplies queries by a factor that grows with the position.
	Temperature Temperature
}

// Temperature is an attention temperature by position (Llama 4, Ministral 3):
// a query at position p is multiplied by 1 + Scale·ln(1 + ⌊(p + Shift)/Every⌋).
// The zero value is none.
type Temperature struct {
	Scale        float64
	Every, Shift int
}

// Factor is what a query at position p is multiplied by.
func (t Temperature) Factor(p int) float32 {
	if t.Scale == 0 {
		return 1
	}
	return float32(1 + t.Scale*math.Log(1+float64((p+t.Shift)/t.Every)))
}

// Row is one watched attention row: softmaxed weights of one head at one
// position over the cache entries First … First+len(Weights)−1 (itself the
// last). Weights is only valid during the call.
type Row struct {
	Layer, Head, Position, First int
	Weights                      []float32
}

// Watch names the rows of the batch whose attention is delivered, by index in
// the batch, ascending. Deliver may be called from several goroutines at once,
// once per (layer, head, watched row), before Flush returns.
//
// With Top > 0 only the Top largest weights of a row matter, of equal ones
// those of the lower entries, and the weights of the entries [Keep[0],
// Keep[1]): a backend may deliver 0 in place of the others.
type Watch struct {
	Rows    []int
	Top     int
	Keep    [2]int
	Deliver func(Row)
	Blocks  *Blocks // rows of many positions; nil: none. Only for a BlockWatcher
}

// Cache holds keys and values for one token sequence. A backend's caches are
// used with that backend only.
type Cache interface {
	// Len is the number of tokens seen: the position of the next one.
	Len() int
	// Truncate forgets all tokens from position n on. It fails once Keep was called.
	Truncate(n int) error
	// Fork gives an independent copy of the first n tokens' entries.
	Fork(n int) (Cache, error)
	// Keep drops all entries of one layer's KV head but the given ones
	// (ascending entry indexes) and frees their memory.
	Keep(layer, kvHead int, entries []int32) error
	// Entries is the number of entries one layer's KV head holds.
	Entries(layer, kvHead int) int
	// Bytes is the memory the cache really holds.
	Bytes() int64
	Close()
}

// KVType is the storage format of a cache.
type KVType int

// Cache formats.
const (
	KVF32 KVType = iota
	KVF16
)

// Ops runs (or records) one forward step of n rows against one cache. All
// results are float32 [n × width]. One row's result never depends on the
// other rows, on n, or on the number of threads (batch-invariance): every
// output element is one chain of float32 fused multiply-adds in ascending
// order of the summed index, and attention walks the keys in tiles aligned to
// fixed multiples of the entry index.
type Ops interface {
	// Position is a row's place in its sequence: the cache's Len at Begin and
	// the rows before it.
	Position(row int) int
	// Embed looks up rows of table and multiplies them by scale.
	Embed(table Weight, ids []int32, scale float32) Value
	// Norm normalises each row.
	Norm(x Value, n Norm) Value
	// HeadNorm normalises each head's slice of a row ([rows × heads·dim], weight of dim or of heads·dim elements), in place.
	HeadNorm(x Value, heads int, n Norm)
	// Linear is x·wᵀ (+ bias).
	Linear(x Value, w, bias Weight) Value
	// AddLinear is dst += x·wᵀ (+ bias), in place; scale multiplies the product (1: none).
	AddLinear(dst, x Value, w, bias Weight, scale float32)
	// Rope rotates each head of x in place; row i has position first+i, where first is the cache's Len at Begin.
	Rope(x Value, heads int, r Rope)
	// Store appends this step's keys and values to the cache.
	Store(layer int, k, v Value)
	// Attend is attention of q's rows over the cache (Store first); q has all n
	// rows of the step. rows, when not nil, names the batch rows to compute
	// (ascending; every watched row is among them); the result then has len(rows) rows.
	Attend(q Value, a Attention, rows []int) Value
	// Gate is act(gate) ⊙ up; up nil: act(gate). A gate of width 1 applies to the whole row of up.
	Gate(gate, up Value, act Activation) Value
	// Add is dst += src, in place.
	Add(dst, src Value)
	// Scale multiplies in place; SoftCap is cap·tanh(x/cap) in place.
	Scale(x Value, s float32)
	SoftCap(x Value, cap float32)
	// Gather copies rows of x.
	Gather(x Value, rows []int) Value
	// Split cuts columns [from, to) out of x.
	Split(x Value, from, to int) Value
	// SplitHeads cuts elements [from, to) out of each head's slice of a row.
	SplitHeads(x Value, heads, from, to int) Value
	// Join puts the columns of values side by side.
	Join(parts ...Value) Value
	// MixExperts is dst += Σ_e p_e · down_e(act(gate_e(x)) ⊙ up_e(x)) over the
	// top experts of each row; gate, up and down are stacks of expert matrices.
	MixExperts(dst, x Value, m Experts)
	// HeadLinear multiplies each head's slice of a row by a matrix of its own: the
	// slice's first keep elements stay as they are, W_h·(the others) follows. w is a
	// stack [heads × out × in].
	HeadLinear(x Value, heads, keep int, w Weight) Value
	// Above leaves of each row what lies above its mean and so many standard
	// deviations, less those, and else 0, in place (Gemma 3n's sparse gates).
	Above(x Value, deviations float32)
	// Match scales each row of x to the root mean square of like's, in place; x's own
	// mean square counts as floor where it is less.
	Match(x, like Value, floor float32)
	Recurrence
	// Keep makes x survive EndLayer.
	Keep(x Value) Value
	// EndLayer releases all values made since the last one, but kept ones.
	EndLayer()
	// Read waits for x and gives its elements, row-major. The slice is valid until the next call on Ops.
	Read(x Value) []float32
	// Flush waits for everything, delivers watched rows, and ends the step. An error (device lost, out of memory) leaves the cache truncated to its length at Begin.
	Flush() error
}

// Experts describes a mixture-of-experts feed-forward.
type Experts struct {
	Router         Weight // [experts × width]
	Gate, Up, Down Weight // stacked: Rows = experts × rows
	Count, Used    int
	Act            Activation
	NormaliseTop   bool // softmax over the chosen (or renormalise) rather than over all

	// What few families have; nil or zero: none.
	RouterBias                 Weight // [experts], part of the logits
	GateBias, UpBias, DownBias Weight // [experts × rows]
	Clamped                    *ClampedSwiGLU
	Sigmoid                    bool    // shares are σ(logit), not a softmax
	Selection                  Weight  // [experts], added to shares for the choice alone
	Scale                      float32 // multiplies shares; 0: 1
	Least                      float32 // is added to the sum that shares are divided by (LFM2's mixtures)
	Groups, UsedGroups         int     // experts are chosen in the groups whose best two sum highest (arXiv 2412.19437, section 2.1.2); 0 or 1: no groups
	GroupsByBest               bool    // groups are chosen by their best expert (arXiv 2405.04434, section 2.2.2), not by their best two
	WeighInput                 bool    // a share multiplies the expert's input, not its output (Llama 4)
	RouterInput                Value   // what the router sees in place of the experts' input (Gemma 4); nil: the same
	ShareScales                Weight  // [experts], multiply shares (Gemma 4)
}

// ClampedSwiGLU is gpt-oss's gate in place of an Activation: with
// g = min(gate, Limit) and u = clamp(up, −Limit, Limit), g·σ(Alpha·g)·(u + 1).
type ClampedSwiGLU struct{ Alpha, Limit float32 }

// Backend makes weights, caches and steps.
type Backend interface {
	Name() string
	Weight(t tensor.Tensor) (Weight, error)
	NewCache(layers []shape.Layer, kv KVType, capacity int) (Cache, error)
	// Begin starts a step of n rows at position c.Len(). watch may be nil.
	Begin(c Cache, n int, watch *Watch) (Ops, error)
	// ScratchBytes predicts the memory that steps of up to n rows need beside weights and cache.
	Close()
}

// Stacker is a Backend that makes the Weight of a stack of experts from
// tensors that lie apart, one per expert, without copying them together. All
// have one format and shape.
type Stacker interface {
	Stack(parts []tensor.Tensor) (Weight, error)
}
