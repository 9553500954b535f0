package scoring

import (
	"fmt"

	"headprof/runner/shape"
)

// unseen marks a cell that no row has reached.
const unseen = -2

// Observer collects what the attention rows of one trial's decode steps are
// worth, before it is known which of those steps will count. Step s is the
// position first+s of the sequence.
type Observer struct {
	methods      []Method
	layers       shape.Model
	from         []int // cells of a step and method before each layer's
	heads        int   // of all layers
	first, steps int
	evidence     Span
	cells        []Partial // [step][method][head of the model]
}

// NewObserver makes an observer of a model's query heads for trials of up to
// steps decode steps. Call Reset before each trial.
func NewObserver(methods []Method, layers shape.Model, steps int) *Observer {
	o := &Observer{methods: methods, layers: layers, steps: steps}
	for _, l := range layers {
		o.from = append(o.from, o.heads)
		o.heads += l.Heads
	}
	o.cells = make([]Partial, steps*len(methods)*o.heads)
	return o
}

// Reset forgets all rows. first is the position of step 0, evidence the
// evidence's range of positions.
func (o *Observer) Reset(first int, evidence Span) {
	o.first, o.evidence = first, evidence
	for i := range o.cells {
		o.cells[i] = Partial{Key: unseen}
	}
}

// Top is how many of a row's largest weights the methods look at beside those
// on the evidence, for the evidence of the last Reset; 0: all of them.
func (o *Observer) Top() int {
	most := 1
	for _, m := range o.methods {
		t, ok := m.(Topper)
		if !ok {
			return 0
		}
		most = max(most, t.Top(o.evidence.End-o.evidence.Start))
	}
	return most
}

// Evidence is the evidence's range of positions, of the last Reset.
func (o *Observer) Evidence() Span { return o.evidence }

// Observe scores one row: weights[i] is the attention that head pays from
// position to position first+i. Rows of positions that are no step of the
// trial, and of layers or heads the model does not have, are ignored. It may
// be called from several goroutines, for one (layer, head, position) from one
// at a time; a row seen again replaces the earlier one.
func (o *Observer) Observe(layer, head, position, first int, weights []float32) {
	step := position - o.first
	if step < 0 || step >= o.steps || !o.layers.Has(layer, head) {
		return
	}
	for m, method := range o.methods {
		o.cells[o.cell(step, m, layer, head)] = method.Row(weights, first, o.evidence)
	}
}

func (o *Observer) cell(step, method, layer, head int) int {
	return (step*len(o.methods)+method)*o.heads + o.from[layer] + head
}

// Score sums the steps [from, to) in ascending order into one number per
// method, layer and head. sequence holds the tokens of all positions up to the
// evidence's end at least; produced[s] is the token that step s produced;
// answerLen is the answer's token count in forced mode and 0 in greedy mode.
// It is an error if a row of these steps never arrived.
func (o *Observer) Score(from, to int, sequence, produced []int32, answerLen int) (map[string][][]float64, error) {
	if from < 0 || to < from || to > o.steps || to > len(produced) {
		return nil, fmt.Errorf("scoring steps [%d, %d): only %d were watched and %d produced a token", from, to, o.steps, len(produced))
	}
	k := o.evidence.End - o.evidence.Start
	scores := make(map[string][][]float64, len(o.methods))
	for m, method := range o.methods {
		weight := float64(method.Weight(k, answerLen))
		times, err := o.times(method, from, to, sequence, produced)
		if err != nil {
			return nil, err
		}
		table := make([][]float64, len(o.layers))
		flat := make([]float64, o.heads)
		for l := range table {
			end := o.from[l] + o.layers[l].Heads
			table[l] = flat[o.from[l]:end:end]
			for h := range table[l] {
				var sum float64
				for s := from; s < to; s++ {
					p := o.cells[o.cell(s, m, l, h)]
					switch {
					case p.Key == unseen:
						return nil, fmt.Errorf("no attention row of layer %d, head %d arrived for position %d", l, h, o.first+s)
					case p.Key < 0:
					case int(p.Key) >= len(sequence):
						return nil, fmt.Errorf("layer %d, head %d points at position %d of a sequence of %d tokens", l, h, p.Key, len(sequence))
					case sequence[p.Key] != produced[s]:
						continue
					}
					// The conversion forbids a fused multiply-add, which would
					// make sums differ between processors.
					step := float64(float64(p.Value) * weight)
					if times != nil {
						step = float64(step * float64(times[s-from]))
					}
					sum += step
				}
				table[l][h] = sum
			}
		}
		scores[method.Name()] = table
	}
	return scores, nil
}

// times says how often each step of [from, to) counts; nil: once.
func (o *Observer) times(method Method, from, to int, sequence, produced []int32) ([]int, error) {
	r, ok := method.(Repeater)
	if !ok {
		return nil, nil
	}
	if o.evidence.Start < 0 || o.evidence.End > len(sequence) || o.evidence.Start > o.evidence.End {
		return nil, fmt.Errorf("the evidence [%d, %d) lies outside a sequence of %d tokens", o.evidence.Start, o.evidence.End, len(sequence))
	}
	out := make([]int, to-from)
	for i := range out {
		out[i] = r.Times(sequence[o.evidence.Start:o.evidence.End], produced[from+i])
	}
	return out, nil
}
