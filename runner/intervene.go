package runner

import (
	"fmt"

	"headprof/runner/backend"
)

// Mask masks heads from the next Extend on: masked[layer][head] true makes
// that head's output zero. nil masks none.
func (s *Session) Mask(masked [][]bool) {
	s.masked = masked
	s.past.intervened(s)
}

// Replacement gives some heads' outputs in place of what they compute.
type Replacement struct {
	Heads [][]bool // [layer][head]
	// Output is a head's output at a position, [ValueDim] before the output
	// projection. It is called from one goroutine.
	Output func(layer, head, position int) []float32
}

// Replace replaces heads' outputs from the next Extend on; nil replaces none.
// Attention rows are still delivered, and Outputs are those put in place.
func (s *Session) Replace(r *Replacement) {
	s.replaced = r
	s.past.intervened(s)
}

// CheckReplace says whether the model's device can replace heads' outputs.
func (m *Model) CheckReplace() error {
	if _, ok := m.backend.(backend.Brancher); !ok { // whose Ops are HostOps
		return fmt.Errorf("device %s does not replace outputs of heads, which mean and resample ablation and patch-back need; use --device cpu, or zero ablation alone", m.Device())
	}
	return nil
}

// masking wraps a step so that masked heads give zero; families need not know.
type masking struct {
	backend.Ops
	masked [][]bool
}

func (m *masking) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	a.Masked = m.masked[a.Layer]
	return m.Ops.Attend(q, a, rows)
}

// substituting wraps a step so that outputs of heads are replaced; families
// need not know.
type substituting struct {
	backend.Ops
	host backend.HostOps
	by   *Replacement
}

func (s *substituting) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	out := s.Ops.Attend(q, a, rows)
	for h, replaced := range s.by.Heads[a.Layer] {
		if !replaced {
			continue
		}
		for i := range out.Rows() {
			r := i
			if rows != nil {
				r = rows[i]
			}
			copy(s.host.Row(out, i)[h*a.ValueDim:][:a.ValueDim], s.by.Output(a.Layer, h, s.Position(r)))
		}
	}
	return out
}
