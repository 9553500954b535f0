package runner

import (
	"fmt"
	"strings"
	"sync"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// span is a part of a mapped weight file.
type span struct {
	file     *tensor.Mapped
	from, to int64
}

// stream runs a model whose weights do not fit into memory: a layer's weights
// are asked for while the layer before it is computed, and given back after
// it, except those of the first layers, which stay. (Weights are used in turn,
// so that a system that gives back what was used longest ago would always give
// back what is needed next.)
type stream struct {
	ahead  [][]span // by layer: what every token reads
	drop   [][]span // by layer: that, and the experts that tokens are routed to
	kept   int      // layers that stay
	asking sync.WaitGroup
}

// mappedSource is a Source whose tensors lie in files mapped into memory.
type mappedSource interface {
	arch.TensorLister
	Mappings() []*tensor.Mapped
}

// newStream plans for resident bytes of weights in memory at once, the tensors
// outside layers among them; nil when all fit, or when the weights are not mapped.
func newStream(s Source, layers int, resident int64) *stream {
	m, ok := s.(mappedSource)
	if !ok || resident <= 0 || s.Size() <= resident {
		return nil
	}
	st := &stream{ahead: make([][]span, layers), drop: make([][]span, layers)}
	files := m.Mappings()
	size := make([]int64, layers)
	for _, name := range m.TensorNames() {
		var l int
		if n, _ := fmt.Sscanf(name, "blk.%d.", &l); n != 1 || l < 0 || l >= layers {
			continue
		}
		for _, data := range pieces(s, name) {
			for _, f := range files {
				from, to, ok := f.Range(data)
				if !ok {
					continue
				}
				size[l] += to - from
				st.drop[l] = append(st.drop[l], span{f, from, to})
				if !strings.HasSuffix(name, "_exps.weight") {
					st.ahead[l] = append(st.ahead[l], span{f, from, to})
				}
			}
		}
	}
	left := resident - s.Size() // less what lies outside layers
	for _, n := range size {
		left += n
	}
	for st.kept < layers && size[st.kept] <= left {
		left -= size[st.kept]
		st.kept++
	}
	return st
}

// pieces gives a tensor's bytes as they lie in the file, expert by expert where they do so.
func pieces(s Source, name string) (all [][]byte) {
	if e, ok := s.(arch.ExpertSource); ok {
		if parts, ok := e.Experts(name); ok {
			for _, t := range parts {
				all = append(all, t.Data)
			}
			return all
		}
	}
	if t, ok := s.Tensor(name); ok {
		all = append(all, t.Data)
	}
	return all
}

// ask asks for the weights of layer l.
func (st *stream) ask(l int) {
	if l < st.kept || l >= len(st.ahead) {
		return
	}
	st.asking.Add(1)
	go func() { // asking can take as long as the disk's queue is full
		defer st.asking.Done()
		for _, s := range st.ahead[l] {
			s.file.Ahead(s.from, s.to)
		}
	}()
}

// done gives the weights of layer l back.
func (st *stream) done(l int) {
	if l < st.kept {
		return
	}
	for _, s := range st.drop[l] {
		s.file.Drop(s.from, s.to)
	}
}

// close waits until no mapping is in use.
func (st *stream) close() {
	if st != nil {
		st.asking.Wait()
	}
}

// streaming wraps a step so that weights come and go with its layers.
type streaming struct {
	backend.Ops
	stream *stream
	layer  int
	last   bool // of the sessions that run a layer in turn, this is the last
}

func (o *streaming) EndLayer() {
	o.Ops.EndLayer()
	if o.last {
		o.stream.done(o.layer)
		o.stream.ask(o.layer + 2)
	}
	o.layer++
}
