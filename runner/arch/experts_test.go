package arch_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"headprof/runner/arch"
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
