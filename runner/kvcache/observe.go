package kvcache

import (
	"fmt"
	"math"
	"sync"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

// Observer gathers, during the prefill, the attention of the last `window`
// prompt tokens over the entries before them: SnapKV's observation window
// (arXiv 2404.14469, section 4). A layer's rows are added up as they arrive
// and reduced to their result once the last one is there, so what it holds is
// one row of float32 per KV head and finished layer.
type Observer struct {
	Selection
	prompt int // length in tokens
	layers []observed
}

// observed is one layer's sum until its last row arrives, then the result.
type observed struct {
	mu      sync.Mutex
	heads   int
	kvHeads int
	rows    int         // arrived
	sum     [][]int64   // [KV head][earlier entry] in units of 2^-fraction
	result  [][]float32 // mean over rows and group, pooled
}

// fraction makes weights whole numbers, whose sum does not depend on the order
// in which concurrent rows arrive. 2^-48 leaves space for 2^14 rows.
const fraction = 48

// maxRows is the most rows (heads of a group × window) that a sum has space for.
const maxRows = 1 << (62 - fraction)

// NewObserver prepares for a prompt of the given length on a model of the
// given layers.
func NewObserver(s Selection, prompt int, layers shape.Model) (*Observer, error) {
	if s.Window < 1 || s.Kernel < 1 || s.Kernel%2 == 0 {
		return nil, fmt.Errorf("an observation window of %d tokens and a pooling kernel of %d do not work; the window must be at least 1, the kernel odd", s.Window, s.Kernel)
	}
	if prompt < 1 {
		return nil, fmt.Errorf("an empty prompt has no observation window")
	}
	o := &Observer{Selection: s, prompt: prompt, layers: make([]observed, len(layers))}
	for l, a := range layers {
		if !a.Attends() {
			continue
		}
		if a.KVHeads <= 0 || a.Heads%a.KVHeads != 0 {
			return nil, fmt.Errorf("layer %d: %d heads cannot share %d KV heads evenly", l, a.Heads, a.KVHeads)
		}
		if a.Group()*o.width() > maxRows {
			return nil, fmt.Errorf("an observation window of %d tokens is too large; use at most %d", s.Window, maxRows*a.KVHeads/a.Heads)
		}
		o.layers[l].heads, o.layers[l].kvHeads = a.Heads, a.KVHeads
	}
	return o, nil
}

// width is the number of rows per head.
func (o *Observer) width() int { return min(o.Window, o.prompt) }

// earlier is the number of entries before the window.
func (o *Observer) earlier() int { return o.prompt - o.width() }

// Positions lists the prompt positions to watch.
func (o *Observer) Positions() []int {
	p := make([]int, o.width())
	for i := range p {
		p[i] = o.earlier() + i
	}
	return p
}

// Row takes a watched row, once each; safe for concurrent use.
func (o *Observer) Row(r backend.Row) {
	n := o.earlier()
	if r.Position < n || r.Position >= o.prompt {
		return
	}
	l := &o.layers[r.Layer]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum == nil {
		l.sum = make([][]int64, l.kvHeads)
		for g := range l.sum {
			l.sum[g] = make([]int64, n)
		}
	}
	if r.First < n {
		sum := l.sum[r.Head/(l.heads/l.kvHeads)][r.First:]
		for i, w := range r.Weights[:min(len(r.Weights), len(sum))] {
			if w > 0 {
				sum[i] += int64(math.RoundToEven(float64(min(w, 1)) * (1 << fraction)))
			}
		}
	}
	if l.rows++; l.rows == l.heads*o.width() {
		o.reduce(l)
	}
}

// reduce turns a layer's sums into means, pooled.
func (o *Observer) reduce(l *observed) {
	l.result = make([][]float32, l.kvHeads)
	scale := 1 / (float64(l.heads/l.kvHeads*o.width()) * (1 << fraction))
	for g, sum := range l.sum {
		out := make([]float32, len(sum))
		maxPool(out, sum, o.Kernel, scale)
		l.result[g] = out
	}
	l.sum = nil
}

// Attention gives layer l's [KV head][earlier entry] attention: the mean over
// the window's rows and the group's heads, max-pooled over positions. The
// slices are shared: read them only.
func (o *Observer) Attention(l int) ([][]float32, error) {
	s := &o.layers[l]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.result == nil {
		return nil, fmt.Errorf("layer %d: %d of %d attention rows of the observation window arrived; watch Positions during the prefill", l, s.rows, s.heads*o.width())
	}
	return s.result, nil
}

// maxPool is a running maximum of odd width over positions, clipped at the
// ends, times scale.
func maxPool(out []float32, x []int64, width int, scale float64) {
	half := width / 2
	for i := range x {
		m := x[i]
		for _, v := range x[max(0, i-half):min(len(x), i+half+1)] {
			m = max(m, v)
		}
		out[i] = float32(float64(m) * scale)
	}
}
