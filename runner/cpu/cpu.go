// Package cpu computes a transformer's steps on the CPU.
//
// Results do not depend on how a sequence is cut into steps, nor on threads
// or instruction set. Every output element of a Linear is one chain of float32
// fused multiply-adds from 0, in ascending order of the summed index, in a
// lane of its own; the vector kernels differ only in how many such chains
// they carry at once. Attention walks the keys in tiles aligned to multiples
// of kvcache.Tile of the entry index with an online softmax (Milakov and
// Gimelshein, arXiv 1805.02867) whose sums have one fixed order per row.
// Options.Fast takes other sums for some Linears (see int8.go), as independent
// of all that.
package cpu

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"headprof/runner/backend"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Options says how a backend computes. The zero value is the default of each;
// none but Fast changes a result.
type Options struct {
	Threads int    // goroutines that compute; 0: runtime.GOMAXPROCS
	Kernels string // "auto" (or ""), "avx512", "avx2", "neon" or "portable"
	// Fast multiplies weights that are stored as integer codes with int8
	// activations. It is the one option that changes results.
	Fast bool
}

// Backend is a backend.Backend. It may be used by several goroutines; steps
// that run at once share its threads.
type Backend struct {
	k    *kernels
	pool *pool
	fast bool

	scratch []scratch // per worker, used inside pool.run only

	mu     sync.Mutex
	arenas []*arena // of steps that ended

	coded atomic.Int64 // weights that are multiplied as codes
}

// New makes a backend. It fails when the kernels asked for cannot run here.
// The environment variable HEADPROF_KERNELS stands in for an empty Kernels.
func New(o Options) (*Backend, error) {
	if o.Kernels == "" {
		o.Kernels = os.Getenv("HEADPROF_KERNELS")
	}
	k, err := choose(o.Kernels)
	if err == nil && o.Fast {
		err = fastKernels(k)
	}
	if err != nil {
		return nil, err
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("cpu: %d threads; give 1 or more, or 0 for one per CPU", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{k: k, pool: newPool(o.Threads), fast: o.Fast, scratch: make([]scratch, o.Threads)}, nil
}

// choose is the one place that picks kernels.
func choose(name string) (*kernels, error) {
	available := native()
	available = append(available, &portable)
	if name == "" || name == "auto" {
		return available[0], nil
	}
	known := ""
	for _, k := range available {
		if k.name == name {
			return k, nil
		}
		known += " " + k.name
	}
	return nil, fmt.Errorf("cpu: kernels %q cannot run on this machine; it has:%s", name, known)
}

// Name is "cpu".
func (b *Backend) Name() string { return "cpu" }

// Kernels names the set of kernels chosen, such as "avx512" or, with
// Options.Fast, "avx512+int8".
func (b *Backend) Kernels() string {
	if b.fast {
		return b.k.name + "+int8"
	}
	return b.k.name
}

// CodedWeights is how many of the weights made so far are multiplied as their
// integer codes, which is what Options.Fast asks for.
func (b *Backend) CodedWeights() int { return int(b.coded.Load()) }

// Threads is the number of goroutines that compute.
func (b *Backend) Threads() int { return b.pool.threads }

// Close ends the worker goroutines.
func (b *Backend) Close() { b.pool.close() }

// weight is a tensor in its stored format; vectors are dequantised.
type weight struct {
	rows, cols int
	format     tensor.Type
	rowBytes   int
	data       []byte
	exact      bool      // never multiplied as codes
	vec        []float32 // of a one-row tensor, padded with zeros to a multiple of 16
	parts      []*weight // of a stack that lies apart; data is nil then
}

func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

func (w *weight) row(i int) []byte { return w.data[i*w.rowBytes : (i+1)*w.rowBytes] }

// Weight keeps t's bytes as they lie; only a one-row tensor is dequantised.
func (b *Backend) Weight(t tensor.Tensor) (backend.Weight, error) {
	elements, _ := t.Type.Block()
	rows, cols := t.Rows(), t.Cols()
	switch {
	case elements == 0:
		return nil, fmt.Errorf("tensor %s: cannot compute with %v", t.Name, t.Type)
	case rows <= 0 || cols <= 0:
		return nil, fmt.Errorf("tensor %s: shape %v is empty", t.Name, t.Shape)
	case cols%elements != 0:
		return nil, fmt.Errorf("tensor %s: %d columns are no multiple of %v's block of %d", t.Name, cols, t.Type, elements)
	case len(t.Data)/t.RowBytes() < rows:
		return nil, fmt.Errorf("tensor %s: %d bytes, %d rows of %d needed", t.Name, len(t.Data), rows, t.RowBytes())
	}
	w := &weight{rows: rows, cols: cols, format: t.Type, rowBytes: t.RowBytes(), data: t.Data, exact: makesLogits(t.Name)}
	if b.fast && rows > 1 && !w.exact && codingOf(w.format) != notCoded {
		b.coded.Add(1)
	}
	if rows == 1 {
		w.vec = make([]float32, roundUp(cols, 16))
		tensor.Dequantize(w.vec[:cols], w.row(0), w.format)
	}
	return w, nil
}

// Stack makes one weight of experts that lie apart, in order.
func (b *Backend) Stack(parts []tensor.Tensor) (backend.Weight, error) {
	all := &weight{}
	for _, t := range parts {
		w, err := b.Weight(t)
		if err != nil {
			return nil, err
		}
		one := w.(*weight)
		if first := parts[0]; t.Type != first.Type || t.Rows() != first.Rows() || t.Cols() != first.Cols() {
			return nil, fmt.Errorf("tensor %s is %v of %v and %s %v of %v, where all experts must be alike", first.Name, first.Shape, first.Type, t.Name, t.Shape, t.Type)
		}
		all.parts = append(all.parts, one)
		all.rows, all.cols, all.format, all.rowBytes = all.rows+one.rows, one.cols, one.format, one.rowBytes
	}
	return all, nil
}

// expert gives the weight that holds expert e of a stack, and its first row there.
func (w *weight) expert(e, rows int) (*weight, int) {
	if w.parts != nil {
		return w.parts[e], 0
	}
	return w, e * rows
}

// NewCache makes an empty cache in host memory; capacity is a hint.
func (b *Backend) NewCache(layers []shape.Layer, kv backend.KVType, capacity int) (backend.Cache, error) {
	return kvcache.New(layers, kv, capacity)
}

// Begin starts a step of n rows. What an earlier step stored and did not Flush is forgotten.
func (b *Backend) Begin(c backend.Cache, n int, watch *backend.Watch) (backend.Ops, error) {
	host, ok := c.(*kvcache.Host)
	if !ok {
		return nil, fmt.Errorf("cpu: a cache of type %T belongs to another backend", c)
	}
	if err := check(n, watch); err != nil {
		return nil, err
	}
	host.Rollback()
	b.mu.Lock()
	defer b.mu.Unlock()
	var a *arena
	if l := len(b.arenas); l > 0 {
		a, b.arenas = b.arenas[l-1], b.arenas[:l-1]
	} else {
		a = &arena{}
	}
	return &ops{b: b, k: b.k, pool: b.pool, cache: host, first: host.Len(), n: n, watch: watch, arena: a}, nil
}

// check fails for a step that cannot be.
func check(n int, watch *backend.Watch) error {
	if n <= 0 {
		return fmt.Errorf("cpu: a step of %d rows", n)
	}
	if watch == nil {
		return nil
	}
	for i, r := range watch.Rows {
		if r < 0 || r >= n || i > 0 && r <= watch.Rows[i-1] {
			return fmt.Errorf("cpu: watched rows must ascend within the step's %d; number %d is %d", n, i, r)
		}
	}
	return nil
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
