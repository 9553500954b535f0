package backend

import (
	"fmt"
	"sync/atomic"

	"headprof/runner/shape"
)

// States holds a sequence's recurrent states: those after its last token, those
// that an unfinished step has reached, and snapshots at earlier positions. A
// step writes into copies, so that what it began with is a snapshot that costs
// nothing. nil is the States of a model without any.
type States struct {
	sizes   []int // by layer, in floats
	now     *snapshot
	step    [][]float32 // by layer; nil: untouched
	saved   []*snapshot // ascending, all before now
	spacing int         // positions between the snapshots that stay
	free    [][][]float32
}

// snapshot is the state of all layers after the token before position at.
type snapshot struct {
	at     int
	layers [][]float32 // nil: zeros
	pinned bool        // stays, and nothing before it can be gone back to
	shared atomic.Bool
}

const (
	firstSpacing = 256
	maxSnapshots = 16
)

// NewStates makes the states of an empty sequence; nil where no layer has one.
func NewStates(layers []shape.Layer) *States {
	s := &States{sizes: make([]int, len(layers)), spacing: firstSpacing}
	any := false
	for l := range layers {
		s.sizes[l] = layers[l].State
		any = any || layers[l].State > 0
	}
	if !any {
		return nil
	}
	s.reset()
	return s
}

func (s *States) reset() {
	s.now = &snapshot{layers: make([][]float32, len(s.sizes))}
	s.step, s.free = make([][]float32, len(s.sizes)), make([][][]float32, len(s.sizes))
	s.saved = nil
}

// Layer gives a layer's state to read and to write, as the step has it so far.
func (s *States) Layer(l int) []float32 {
	if s == nil {
		return nil // convolutions over one position keep nothing
	}
	if s.step[l] == nil {
		x := s.take(l)
		if from := s.now.layers[l]; from != nil {
			copy(x, from)
		} else {
			clear(x)
		}
		s.step[l] = x
	}
	return s.step[l]
}

func (s *States) take(l int) []float32 {
	if n := len(s.free[l]); n > 0 {
		x := s.free[l][n-1]
		s.free[l] = s.free[l][:n-1]
		return x
	}
	return make([]float32, s.sizes[l])
}

func (s *States) give(l int, x []float32) {
	if x != nil && len(s.free[l]) < 2 {
		s.free[l] = append(s.free[l], x)
	}
}

// drop gives a snapshot's space back, unless another sequence holds it.
func (s *States) drop(old *snapshot) {
	if old.shared.Load() {
		return
	}
	for l, x := range old.layers {
		s.give(l, x)
	}
}

// Rollback forgets what the unfinished step has written.
func (s *States) Rollback() {
	if s == nil {
		return
	}
	for l, x := range s.step {
		s.give(l, x)
		s.step[l] = nil
	}
}

// Commit ends a step: the next token's position is n.
func (s *States) Commit(n int) {
	if s == nil || n == s.now.at {
		return
	}
	next := &snapshot{at: n, layers: s.step}
	for l, x := range next.layers {
		if x == nil { // a step that left the layer alone
			next.layers[l] = s.now.layers[l]
			next.shared.Store(true)
			s.now.shared.Store(true)
		}
	}
	s.save(s.now)
	s.now, s.step = next, make([][]float32, len(s.sizes))
}

// save keeps a snapshot, and of those before it one per spacing.
func (s *States) save(old *snapshot) {
	if last := len(s.saved) - 1; last >= 0 && !s.saved[last].pinned && s.saved[last].at-s.before(last) < s.spacing {
		s.drop(s.saved[last])
		s.saved = s.saved[:last]
	}
	if old.at > 0 || old.pinned {
		s.saved = append(s.saved, old)
	}
	for len(s.saved) > maxSnapshots {
		s.spacing *= 2
		kept, at := s.saved[:0:0], 0
		for i, x := range s.saved {
			if x.pinned || x.at-at >= s.spacing || i == len(s.saved)-1 {
				kept, at = append(kept, x), x.at
			} else {
				s.drop(x)
			}
		}
		s.saved = kept
	}
}

// before is the position of the snapshot before number i.
func (s *States) before(i int) int {
	if i == 0 {
		return 0
	}
	return s.saved[i-1].at
}

// Pin makes the present state one that can always be gone back to, and forbids
// to go further: what came before is no longer what it was.
func (s *States) Pin() {
	if s == nil || s.now.pinned {
		return
	}
	pinned := &snapshot{at: s.now.at, layers: s.now.layers, pinned: true}
	pinned.shared.Store(true)
	s.now.shared.Store(true)
	s.now, s.saved = pinned, nil
}

// Restorable is the last position up to n whose states are there.
func (s *States) Restorable(n int) int {
	if s == nil || n >= s.now.at {
		return n
	}
	for i := len(s.saved) - 1; i >= 0; i-- {
		if s.saved[i].at <= n {
			return s.saved[i].at
		}
	}
	return 0
}

// at finds the snapshot of a position, and how many come before it.
func (s *States) at(n int) (*snapshot, int, error) {
	if n == s.now.at {
		return s.now, len(s.saved), nil
	}
	pinned := s.now.pinned
	for i, x := range s.saved {
		if x.at == n {
			return x, i, nil
		}
		pinned = pinned || x.pinned
	}
	if n == 0 && !pinned {
		return &snapshot{layers: make([][]float32, len(s.sizes))}, 0, nil
	}
	return nil, 0, fmt.Errorf("the recurrent state at position %d is not kept", n)
}

// Truncate goes back to position n, which must be restorable.
func (s *States) Truncate(n int) error {
	if s == nil {
		return nil
	}
	to, before, err := s.at(n)
	if err != nil {
		return err
	}
	s.Rollback()
	if to == s.now {
		return nil
	}
	s.drop(s.now)
	for _, x := range s.saved[before:] {
		if x != to {
			s.drop(x)
		}
	}
	s.now, s.saved = to, s.saved[:before]
	return nil
}

// Fork gives the states of an independent sequence of the first n tokens. n
// must be restorable.
func (s *States) Fork(n int) (*States, error) {
	if s == nil {
		return nil, nil
	}
	to, before, err := s.at(n)
	if err != nil {
		return nil, err
	}
	f := &States{sizes: s.sizes, spacing: s.spacing}
	f.reset()
	f.now, f.saved = to, append([]*snapshot(nil), s.saved[:before]...)
	to.shared.Store(true)
	for _, x := range f.saved {
		x.shared.Store(true)
	}
	return f, nil
}

// Bytes is the memory that the states hold, those shared with other sequences
// included.
func (s *States) Bytes() (sum int64) {
	if s == nil {
		return 0
	}
	count := func(layers [][]float32) {
		for _, x := range layers {
			sum += 4 * int64(len(x))
		}
	}
	count(s.now.layers)
	count(s.step)
	for _, x := range s.saved {
		count(x.layers)
	}
	for _, list := range s.free {
		count(list)
	}
	return sum
}

// PredictStates is the memory in bytes that the states of so many tokens will hold.
func PredictStates(layers []shape.Layer, tokens int) int64 {
	return 4 * int64(shape.Model(layers).State()) * int64(3+min(maxSnapshots, tokens/firstSpacing))
}
