package arch_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// poisoned is a folder in which one expert of one layer is all NaN; stacks
// counts the copies of whole stacks that were asked for.
type poisoned struct {
	source
	layer, expert int
	stacks        *int
}

func (p poisoned) Experts(name string) ([]tensor.Tensor, bool) {
	parts, ok := p.source.(arch.ExpertSource).Experts(name)
	if strings.HasPrefix(name, fmt.Sprintf("blk.%d.", p.layer)) {
		nan := binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(float32(math.NaN()))>>16)) // BF16
		parts[p.expert].Data = bytes.Repeat(nan, len(parts[p.expert].Data)/2)
	}
	return parts, ok
}

func (p poisoned) Tensor(name string) (tensor.Tensor, bool) {
	if strings.HasSuffix(name, "_exps.weight") {
		*p.stacks++
	}
	return p.source.Tensor(name)
}

// Only the experts that a token is routed to are read: with 2 of 5 used in each
// of 2 layers, one token's logits feel the loss of 4 experts and not of the
// other 6. Folders' experts are never copied together.
func TestOnlyRoutedExpertsAreRead(t *testing.T) {
	for _, name := range []string{"mixtral", "qwen2-moe", "qwen3-moe"} {
		b := device(t, "cpu")
		want := readGolden(t, name)
		stacks, felt := 0, 0
		for layer := range 2 {
			for expert := range 5 {
				m, err := arch.Load(poisoned{folder(t, name, "config.json"), layer, expert, &stacks}, b)
				if err != nil {
					t.Fatal(err)
				}
				out := compute(t, m, b, want.Tokens[:1], []int{0}, 1)
				if math.IsNaN(float64(out.logits[0][0])) {
					felt++
				}
			}
		}
		if felt != 4 || stacks != 0 {
			t.Errorf("%s: %d of 10 experts are read for one token, want 4; %d stacks are copied", name, felt, stacks)
		}
	}
}

// apart is a model whose weights come from a second file.
type apart struct {
	*gguf.Metadata
	weights *gguf.File
}

func (a apart) Name() string                                { return a.weights.Name() }
func (a apart) Tensor(name string) (tensor.Tensor, bool)    { return a.weights.Tensor(name) }
func (a apart) Experts(name string) ([]tensor.Tensor, bool) { return a.weights.Experts(name) }
func (a apart) TensorNames() []string                       { return a.weights.TensorNames() }

// Early Mixtral files hold each expert as a tensor of its own: the same bytes
// come out as from stacks, also on a backend that needs them copied together.
func TestExpertsApart(t *testing.T) {
	stacked := file(t, "mixtral").(*gguf.File)
	var tensors []tensor.Tensor
	for _, x := range stacked.Tensors() {
		stem, ok := strings.CutSuffix(x.Name, "_exps.weight")
		if !ok {
			tensors = append(tensors, x)
			continue
		}
		n := x.Shape[0]
		for e := range n {
			one := x
			one.Name, one.Shape = fmt.Sprintf("%s.%d.weight", stem, e), x.Shape[1:]
			one.Data = x.Data[e*len(x.Data)/n : (e+1)*len(x.Data)/n]
			tensors = append(tensors, one)
		}
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, nil, tensors); err != nil {
		t.Fatal(err)
	}
	weights, err := gguf.OpenBytes("early.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := readGolden(t, "mixtral")
	for _, on := range []string{"cpu", "plain"} {
		b := device(t, on)
		var outs []output
		for _, s := range []arch.Source{stacked, apart{stacked.Metadata, weights}} {
			m, err := arch.Load(s, b)
			if err != nil {
				t.Fatal(err)
			}
			outs = append(outs, compute(t, m, b, want.Tokens, want.Positions, len(want.Tokens)))
		}
		if !reflect.DeepEqual(outs[0], outs[1]) {
			t.Errorf("%s: experts apart give other bytes", on)
		}
	}
}

// Experts that differ, or of which one is missing, are no stack.
func TestIncompleteExperts(t *testing.T) {
	one := func(name string, rows int) tensor.Tensor {
		return tensor.Tensor{Name: name, Type: tensor.F32, Shape: []int{rows, 2}, Data: make([]byte, 8*rows)}
	}
	var b bytes.Buffer
	err := gguf.Write(&b, nil, []tensor.Tensor{one("blk.0.ffn_up.0.weight", 2), one("blk.0.ffn_up.2.weight", 2),
		one("blk.0.ffn_gate.0.weight", 2), one("blk.0.ffn_gate.1.weight", 3),
		one("blk.0.ffn_down.1.weight", 2), one("blk.0.ffn_down.0.weight", 2)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.OpenBytes("early.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for stack, want := range map[string][]string{"up": nil, "gate": nil, "down": {"blk.0.ffn_down.0.weight", "blk.0.ffn_down.1.weight"}} {
		parts, _ := f.Experts("blk.0.ffn_" + stack + "_exps.weight")
		var names []string
		for _, p := range parts {
			names = append(names, p.Name)
		}
		if !reflect.DeepEqual(names, want) {
			t.Errorf("%s: experts %v, want %v", stack, names, want)
		}
	}
	want := []string{"blk.0.ffn_up.0.weight", "blk.0.ffn_up.2.weight", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_down_exps.weight"}
	if got := f.TensorNames(); !reflect.DeepEqual(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
}
