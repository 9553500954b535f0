package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"headprof/runner/backend"
)

// Branch is a continuation of a session in which one thing is otherwise, in
// one layer. Layers below it are those of the session.
type Branch struct {
	Layer int

	// KVHead sees only these entries of the session (ascending positions), and
	// the fed tokens; nil: it sees all.
	KVHead int
	Keep   []int32

	// Head's output at the first fed token is this, [ValueDim] before the
	// output projection; nil: what it computes.
	Head   int
	Output []float32
}

// maxBranches bounds the branches that are computed at once: each holds the
// entries that its layers store.
const maxBranches = 64

// Branches computes what logits tokens would have: as the session stands
// (branch −1), then in each branch. each receives, in ascending order of
// layers and then of the list, a branch's number and its logits [tokens ×
// vocabulary], which are valid during the call. The session stays as it is.
//
// Branches share the session's cache and the layers below their own, and are
// computed together as rows of one batch; how many at once changes no result.
// The cost of a branch is that of the layers from its own on, for the tokens.
func (s *Session) Branches(ctx context.Context, tokens []int32, list []Branch, each func(branch int, logits [][]float32) error) error {
	if err := s.check(tokens); err != nil {
		return err
	}
	if len(tokens) == 0 {
		return nil
	}
	if s.replaced != nil {
		return errors.New("a session whose heads' outputs are replaced has no branches")
	}
	b, ok := s.model.backend.(backend.Brancher)
	if !ok {
		return fmt.Errorf("device %s does not compute branches of a sequence, which cutting caches and patching need; use --device cpu", s.model.Device())
	}
	// A branch computes on its own from the first layer on whose cache it reads later.
	begins := func(layer int) int {
		first := layer
		for l := layer; l < len(s.model.config.Layers); l++ {
			first = min(first, l-s.model.config.Layers[l].Shares)
		}
		return first
	}
	order := make([]int, len(list))
	for i, br := range list {
		if br.Layer < 0 || br.Layer >= len(s.model.config.Layers) {
			return fmt.Errorf("branch %d is of layer %d; the model has %d", i, br.Layer, len(s.model.config.Layers))
		}
		if br.Keep != nil && !s.model.config.Layers[br.Layer].Stores() {
			return fmt.Errorf("branch %d cuts the cache of layer %d, which has none of its own", i, br.Layer)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(begins(list[i].Layer), begins(list[j].Layer)) })
	at := max(1, min(maxBranches, s.model.options.Chunk/len(tokens)-1))
	for start := 0; start == 0 || start < len(order); start += at {
		some := order[start:min(len(order), start+at)]
		if err := s.branches(ctx, b, tokens, list, some, begins, start == 0, each); err != nil {
			return err
		}
	}
	return nil
}

// branches computes some of the branches, in ascending order of layers.
func (s *Session) branches(ctx context.Context, b backend.Brancher, tokens []int32, list []Branch, some []int, begins func(int) int, base bool, each func(int, [][]float32) error) error {
	m, n := s.model, len(tokens)
	caches := []backend.Cache{s.cache}
	defer func() {
		for _, c := range caches[1:] {
			c.Close()
		}
	}()
	for _, i := range some {
		c, err := s.cache.Fork(s.Len())
		if err != nil {
			return err
		}
		caches = append(caches, c)
		if br := list[i]; br.Keep != nil {
			if err := c.Keep(br.Layer, br.KVHead, br.Keep); err != nil {
				return err
			}
		}
	}
	o, err := b.BeginBranches(caches, n)
	if err != nil {
		return err
	}
	host, ok := o.(backend.HostOps)
	if !ok {
		return fmt.Errorf("device %s does not compute branches with outputs replaced; use --device cpu", m.Device())
	}
	if m.stream != nil {
		o = &streaming{Ops: o, stream: m.stream, last: true}
		m.stream.ask(0)
		m.stream.ask(1)
	}
	if s.masked != nil {
		o = &masking{o, s.masked}
	}
	o = &replacing{Ops: o, host: host, list: list, some: some, n: n}
	err = s.run(ctx, o, tokens, list, some, begins, base, each)
	if e := o.Flush(); err == nil {
		err = e
	}
	return err
}

func (s *Session) run(ctx context.Context, o backend.Ops, tokens []int32, list []Branch, some []int, begins func(int) int, base bool, each func(int, [][]float32) error) error {
	m, n := s.model, len(tokens)
	x := o.Keep(m.arch.Embed(o, tokens))
	begun := 0
	for l := range m.config.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := upTo((1 + begun) * n)
		for begun < len(some) && begins(list[some[begun]].Layer) == l {
			rows = append(rows, upTo(n)...) // a branch begins as the session is here
			begun++
		}
		if len(rows) > x.Rows() {
			x = o.Keep(o.Gather(x, rows))
		}
		if y := m.arch.Layer(o, l, x, nil); y != x {
			x = o.Keep(y)
		}
		o.EndLayer()
	}
	v := m.config.Vocab
	for i := -1; i < len(some); i++ {
		if i < 0 && !base {
			continue
		}
		rows := upTo(n)
		for r := range rows {
			rows[r] += (i + 1) * n
		}
		all := o.Read(m.arch.Logits(o, o.Gather(x, rows)))
		logits := make([][]float32, n)
		for r := range logits {
			logits[r] = all[r*v:][:v]
		}
		branch := -1
		if i >= 0 {
			branch = some[i]
		}
		if err := each(branch, logits); err != nil {
			return err
		}
		release(o)
	}
	return nil
}

// release gives back the values of a layer without ending one.
func release(o backend.Ops) {
	switch w := o.(type) {
	case *streaming:
		w.Ops.EndLayer()
	case *masking:
		release(w.Ops)
	case *replacing:
		release(w.Ops)
	default:
		o.EndLayer()
	}
}

// upTo lists 0 … n−1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// replacing wraps a step of branches so that outputs of heads are replaced;
// families need not know.
type replacing struct {
	backend.Ops
	host backend.HostOps
	list []Branch
	some []int
	n    int
}

func (r *replacing) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	out := r.Ops.Attend(q, a, rows)
	for i, at := range r.some {
		if b := r.list[at]; b.Layer == a.Layer && b.Output != nil {
			copy(r.host.Row(out, (i+1)*r.n)[b.Head*a.ValueDim:][:a.ValueDim], b.Output)
		}
	}
	return out
}
