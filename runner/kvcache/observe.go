package kvcache

import (
	"sync"

	"headprof/runner/backend"
)

// Observer gathers, during the prefill, the attention of the last `window`
// prompt tokens over the entries before them: SnapKV's observation window
// (arXiv 2404.14469, section 4).
type Observer struct {
	Selection
	prompt  int // length in tokens
	layers  []observed
	kvHeads []int
}

// observed is one layer's rows until its last one arrives, then their mean.
type observed struct {
	mu   sync.Mutex
	rows [][][]float32 // [head][window row] attention over the earlier entries
}

// NewObserver prepares for a prompt of the given length on a model of the
// given heads and KV heads per layer.
func NewObserver(s Selection, prompt int, heads, kvHeads []int) *Observer {
	o := &Observer{Selection: s, prompt: prompt, kvHeads: kvHeads, layers: make([]observed, len(heads))}
	for l, h := range heads {
		o.layers[l].rows = make([][][]float32, h)
		for i := range h {
			o.layers[l].rows[i] = make([][]float32, min(s.Window, prompt))
		}
	}
	return o
}

// Positions lists the prompt positions to watch.
func (o *Observer) Positions() []int {
	var p []int
	for i := max(0, o.prompt-o.Window); i < o.prompt; i++ {
		p = append(p, i)
	}
	return p
}

// Row takes a watched row; safe for concurrent use.
func (o *Observer) Row(r backend.Row) {
	first := max(0, o.prompt-o.Window)
	if r.Position < first || r.Position >= o.prompt {
		return
	}
	w := make([]float32, first)
	if r.First < first {
		copy(w[r.First:], r.Weights[:min(len(r.Weights), first-r.First)])
	}
	l := &o.layers[r.Layer]
	l.mu.Lock()
	l.rows[r.Head][r.Position-first] = w
	l.mu.Unlock()
}

// Attention gives layer l's [KV head][earlier entry] attention: the mean over
// the window's rows and the group's heads, max-pooled over positions.
func (o *Observer) Attention(l int) [][]float32 {
	rows := o.layers[l].rows
	group := len(rows) / o.kvHeads[l]
	out := make([][]float32, o.kvHeads[l])
	for g := range out {
		mean := make([]float64, max(0, o.prompt-o.Window))
		count := 0
		for _, head := range rows[g*group : (g+1)*group] {
			for _, row := range head {
				if row == nil {
					continue
				}
				count++
				for i, x := range row {
					mean[i] += float64(x)
				}
			}
		}
		for i := range mean {
			mean[i] /= float64(max(1, count))
		}
		out[g] = maxPool(mean, o.Kernel)
	}
	return out
}

// maxPool is a running maximum of odd width over positions, clipped at the ends.
func maxPool(x []float64, width int) []float32 {
	out := make([]float32, len(x))
	half := max(0, (width-1)/2)
	for i := range x {
		m := x[i]
		for j := max(0, i-half); j <= min(len(x)-1, i+half); j++ {
			m = max(m, x[j])
		}
		out[i] = float32(m)
	}
	return out
}
