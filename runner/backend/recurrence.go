package backend

// Recurrence are the operations of layers that carry a state of fixed size from
// token to token. They read and write the state of the cache's layer, from
// element State on; a step's rows follow each other. As everywhere, a row's
// result does not depend on how rows are cut into steps.
type Recurrence interface {
	// Convolve is a causal convolution over positions, channel by channel:
	// y_t = act(Σ_j w_j·x_{t−Width+1+j} + bias).
	Convolve(x Value, c Convolution) Value
	// DeltaRule is the gated delta rule (arXiv 2412.06464, equation 10) with
	// normalised queries and keys. qkv holds all queries, then all keys, then all
	// values; alpha and beta have a number per value head. The result is
	// [rows × Heads·ValueDim].
	DeltaRule(qkv, alpha, beta Value, d DeltaRule) Value
	// Scan is a selective state space with a scalar decay per head (Mamba-2, arXiv
	// 2405.21060, section 7). xbc holds all heads' inputs, then all groups' B, then
	// all groups' C; dt has a number per head. The result is [rows × Heads·HeadDim].
	Scan(xbc, dt Value, s Scan) Value
}

// RecurrentBackend is a Backend whose Ops compute Recurrence.
type RecurrentBackend interface{ Recurs() }

// Restorer is a Cache with recurrent states. Those of past positions cannot be
// computed back; the cache keeps some.
type Restorer interface {
	// Restorable is the last position up to n that Truncate and Fork can go to.
	Restorable(n int) int
}

// Convolution is one layer's short causal convolution. Its state are the last
// Width−1 rows.
type Convolution struct {
	Layer, State int
	Width        int    // positions that a result depends on
	Weight       Weight // one row of [channels × Width], the latest position last
	Bias         Weight // [channels]; nil: none
	SiLU         bool   // an activation follows
}

// Elements is the size of the state for so many channels.
func (c Convolution) Elements(channels int) int { return (c.Width - 1) * channels }

// DeltaRule is one layer's gated delta rule. Of a value head with key k, query
// q, value v and state S, with α = exp(Rate·softplus(alpha + Bias)) and
// β = σ(beta):
//
//	S = α·S;  S = S + k ⊗ β·(v − k·S);  y = q·S / √KeyDim
//
// where q and k are divided by √(Σx² + Eps).
type DeltaRule struct {
	Layer, State     int
	KeyHeads, Heads  int // heads of queries and keys, heads of values
	KeyDim, ValueDim int
	Tiled            bool   // value head h has key head h mod KeyHeads; false: neighbours share one
	Rate, Bias       Weight // [Heads]
	Eps              float32
}

// stateColumns pads a state's columns: kernels take so many at once.
const stateColumns = 32

func padded(n int) int { return (n + stateColumns - 1) / stateColumns * stateColumns }

// Elements is the size of the state, space for kernels included.
func (d DeltaRule) Elements() int { return d.Heads * d.KeyDim * padded(d.ValueDim) }

// KeyHead is the key head of a value head.
func (d DeltaRule) KeyHead(h int) int {
	if d.Tiled {
		return h % d.KeyHeads
	}
	return h / (d.Heads / d.KeyHeads)
}

// Scan is one layer's selective state space. Of a head with input x, B, C and
// state S [StateDim × HeadDim], with Δ = clamp(softplus(dt + Bias)):
//
//	S = exp(Δ·Rate)·S + B ⊗ Δ·x;  y = C·S + Skip·x
type Scan struct {
	Layer, State      int
	Heads, Groups     int
	HeadDim, StateDim int
	Rate, Bias, Skip  Weight  // [Heads]
	Least, Most       float32 // of Δ; Most 0: no bounds
}

// Elements is the size of the state, space for kernels included.
func (s Scan) Elements() int { return s.Heads * s.StateDim * padded(s.HeadDim) }
