package arch

import (
	"math"

	"headprof/runner/backend"
)

// outer holds the tensors outside the blocks. Output absent means that the
// embedding is used for it (tied).
type outer struct {
	Embedding  backend.Weight `gguf:"token_embd.weight" shape:"vocab,width"`
	OutputNorm backend.Weight `gguf:"output_norm.weight|token_embd_norm.weight" shape:"width"`
	OutputBias backend.Weight `gguf:"output_norm.bias,optional" shape:"width"`
	Output     backend.Weight `gguf:"output.weight,optional" shape:"vocab,width"`
}

func (e *outer) embed(o backend.Ops, ids []int32, scale float32) backend.Value {
	return o.Embed(e.Embedding, ids, scale)
}

func (e *outer) logits(o backend.Ops, x backend.Value, n backend.Norm) backend.Value {
	w := e.Output
	if w == nil {
		w = e.Embedding
	}
	n.Weight, n.Bias = e.OutputNorm, e.OutputBias
	return o.Linear(o.Norm(x, n), w, nil)
}

// qkv are separate projections to queries, keys and values.
type qkv struct {
	Q     backend.Weight `gguf:"attn_q.weight" shape:"q,width"`
	K     backend.Weight `gguf:"attn_k.weight" shape:"k,width"`
	V     backend.Weight `gguf:"attn_v.weight" shape:"v,width"`
	QBias backend.Weight `gguf:"attn_q.bias,optional" shape:"q"`
	KBias backend.Weight `gguf:"attn_k.bias,optional" shape:"k"`
	VBias backend.Weight `gguf:"attn_v.bias,optional" shape:"v"`
}

func (p *qkv) project(o backend.Ops, x backend.Value) (q, k, v backend.Value) {
	return o.Linear(x, p.Q, p.QBias), o.Linear(x, p.K, p.KBias), o.Linear(x, p.V, p.VBias)
}

// fusedQKV is one projection to all queries, then all keys, then all values.
type fusedQKV struct {
	QKV     backend.Weight `gguf:"attn_qkv.weight" shape:"qkv,width"`
	QKVBias backend.Weight `gguf:"attn_qkv.bias,optional" shape:"qkv"`
}

func (p *fusedQKV) project(o backend.Ops, x backend.Value, a Layer) (q, k, v backend.Value) {
	all := o.Linear(x, p.QKV, p.QKVBias)
	nq, nk, nv := a.Heads*a.KeyDim, a.KVHeads*a.KeyDim, a.KVHeads*a.ValueDim
	return o.Split(all, 0, nq), o.Split(all, nq, nq+nk), o.Split(all, nq+nk, nq+nk+nv)
}

// output is attention's projection back to the residual stream.
type output struct {
	O     backend.Weight `gguf:"attn_output.weight" shape:"width,o"`
	OBias backend.Weight `gguf:"attn_output.bias,optional" shape:"width"`
}

// headNorms normalise each head's queries and keys.
type headNorms struct {
	QNorm backend.Weight `gguf:"attn_q_norm.weight" shape:"dim"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight" shape:"dim"`
}

// gated is the feed-forward down(act(gate(x)) ⊙ up(x)).
type gated struct {
	Gate backend.Weight `gguf:"ffn_gate.weight" shape:"ff,width"`
	Up   backend.Weight `gguf:"ffn_up.weight" shape:"ff,width"`
	Down backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
}

// hidden is act(gate(x)) ⊙ up(x).
func (f *gated) hidden(o backend.Ops, x backend.Value, act backend.Activation) backend.Value {
	return o.Gate(o.Linear(x, f.Gate, nil), o.Linear(x, f.Up, nil), act)
}

// ungated is the feed-forward down(act(up(x))) with biases.
type ungated struct {
	Up       backend.Weight `gguf:"ffn_up.weight" shape:"ff,width"`
	UpBias   backend.Weight `gguf:"ffn_up.bias" shape:"ff"`
	Down     backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
	DownBias backend.Weight `gguf:"ffn_down.bias" shape:"width"`
}

// layerNorms are a block's two LayerNorms with biases.
type layerNorms struct {
	AttnNorm     backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	AttnNormBias backend.Weight `gguf:"attn_norm.bias,optional" shape:"width"`
	FFNNorm      backend.Weight `gguf:"ffn_norm.weight,optional" shape:"width"`
	FFNNormBias  backend.Weight `gguf:"ffn_norm.bias,optional" shape:"width"`
}

// experts is a mixture of gated feed-forwards.
type experts struct {
	Router   backend.Weight `gguf:"ffn_gate_inp.weight" shape:"experts,width"`
	GateExps backend.Weight `gguf:"ffn_gate_exps.weight" shape:"experts,eff,width"`
	UpExps   backend.Weight `gguf:"ffn_up_exps.weight" shape:"experts,eff,width"`
	DownExps backend.Weight `gguf:"ffn_down_exps.weight" shape:"experts,width,eff"`
}

// sharedExpert is a gated feed-forward that all tokens use beside their experts.
type sharedExpert struct {
	SharedGate backend.Weight `gguf:"ffn_gate_shexp.weight" shape:"sff,width"`
	SharedUp   backend.Weight `gguf:"ffn_up_shexp.weight" shape:"sff,width"`
	SharedDown backend.Weight `gguf:"ffn_down_shexp.weight" shape:"width,sff"`
}

// add is dst += scale·down(SiLU(gate(x)) ⊙ up(x)).
func (e *sharedExpert) add(o backend.Ops, dst, x backend.Value, scale float32) {
	h := o.Gate(o.Linear(x, e.SharedGate, nil), o.Linear(x, e.SharedUp, nil), backend.SiLU)
	o.AddLinear(dst, h, e.SharedDown, nil, scale)
}

func (e *experts) mixture(c *Config, normaliseTop bool) backend.Experts {
	return backend.Experts{Router: e.Router, Gate: e.GateExps, Up: e.UpExps, Down: e.DownExps,
		Count: c.Experts, Used: c.Used, Act: backend.SiLU, NormaliseTop: normaliseTop}
}

// inverseRoot is 1/√n, the usual scale of attention scores.
func inverseRoot(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }
