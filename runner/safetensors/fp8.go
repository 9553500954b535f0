package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"headprof/runner/tensor"
)

// fp8Blocks are the blocks of FP8 weights that share a scale; 0: a tensor has one.
type fp8Blocks struct {
	on         bool
	rows, cols int
}

// fp8Blocks reads quantization_config of transformers' fine-grained FP8: weights
// w·s, with one s per block of w or one for all of it.
func (s settings) fp8Blocks() fp8Blocks {
	q := s.object("quantization_config")
	if kind := q.text("fmt"); kind != "" && kind != "e4m3" {
		s.fail("\"quantization_config\" has FP8 numbers of the kind %q, where headprof reads e4m3", kind)
	}
	size := q.floats("weight_block_size")
	if size == nil {
		return fp8Blocks{on: true}
	}
	if len(size) != 2 || !(size[0] >= 1 && size[1] >= 1 && size[0] <= maxCount && size[1] <= maxCount) {
		s.fail("\"weight_block_size\" is %v, where two whole numbers are needed", size)
		return fp8Blocks{}
	}
	return fp8Blocks{true, int(size[0]), int(size[1])}
}

// placeScale takes the tensors that belong to FP8 weights: their scales, and
// those of activations, which headprof does not round.
func (f *Folder) placeScale(fam *family, e entry) (done bool, err error) {
	for _, end := range []string{".activation_scale", ".input_scale"} {
		if strings.HasSuffix(e.name, end) {
			return true, nil
		}
	}
	weight, ok := strings.CutSuffix(e.name, "_scale_inv")
	if !ok {
		return false, nil
	}
	typ, ok := readable[e.dtype]
	if !ok || typ == tensor.F8E4M3 {
		return true, fmt.Errorf("its elements are %s, where scales of F32, F16 or BF16 are read", e.dtype)
	}
	if _, err := tensor.Size(typ, e.shape); err != nil {
		return true, fmt.Errorf("%w; fetch the file again", err)
	}
	if p, ok := fam.translate(weight); !ok || p.layer >= f.builder.layers {
		if f.isDraft(fam, weight) {
			return true, nil
		}
		return true, fmt.Errorf("model type %q has no tensor that it could scale", f.builder.text("model_type"))
	}
	f.scales[weight] = tensor.Tensor{Name: e.name, Type: typ, Shape: e.shape, Data: e.data}
	return true, nil
}

// checkScales compares weights and scales.
func (f *Folder) checkScales() error {
	if !f.fp8.on {
		return nil
	}
	left := len(f.scales)
	for _, s := range f.sources {
		for _, p := range s.parts {
			scale, ok := f.scales[p.Name]
			switch {
			case !ok && p.Type == tensor.F8E4M3:
				return fmt.Errorf("%s: tensor %q is FP8 and has no scale (%s_scale_inv); fetch the whole model", f.dir, p.Name, p.Name)
			case !ok:
				continue
			case p.Type != tensor.F8E4M3 || len(p.Shape) != 2:
				return fmt.Errorf("%s: tensor %q is %v of shape %v and has a scale, where headprof reads FP8 matrices", f.dir, p.Name, p.Type, p.Shape)
			}
			rows, cols := f.fp8.of(p)
			if n, want := scale.Rows()*scale.Cols(), ceil(p.Rows(), rows)*ceil(p.Cols(), cols); n != want {
				return fmt.Errorf("%s: tensor %q has %d scales where its shape %v asks for %d; fetch the file again", f.dir, p.Name, n, p.Shape, want)
			}
			left--
		}
	}
	if left > 0 {
		return fmt.Errorf("%s: %d scales belong to weights that are not there; fetch the whole model", f.dir, left)
	}
	return nil
}

// of gives the size of a weight's blocks.
func (b fp8Blocks) of(w tensor.Tensor) (rows, cols int) {
	if b.rows == 0 {
		return w.Rows(), w.Cols()
	}
	return b.rows, b.cols
}

func ceil(n, by int) int { return (n + by - 1) / by }

// unscaled gives parts with FP8 weights as the numbers that they stand for: runs
// of 128 behind their scale where blocks allow it, else F32. Both are copies.
func (f *Folder) unscaled(parts []tensor.Tensor) []tensor.Tensor {
	if len(f.scales) == 0 {
		return parts
	}
	out := make([]tensor.Tensor, len(parts))
	for i, p := range parts {
		out[i] = p
		scale, ok := f.scales[p.Name]
		if !ok {
			continue
		}
		rows, cols := f.fp8.of(p)
		s, perRow := scale.F32(), ceil(p.Cols(), cols)
		const run = 128
		if p.Cols()%run == 0 && cols%run == 0 {
			out[i].Type, out[i].Data = tensor.F8E4M3x128, make([]byte, 0, len(p.Data)/run*(run+4))
			for r := range p.Rows() {
				for c := 0; c < p.Cols(); c += run {
					out[i].Data = binary.LittleEndian.AppendUint32(out[i].Data, math.Float32bits(s[r/rows*perRow+c/cols]))
					out[i].Data = append(out[i].Data, p.Row(r)[c:c+run]...)
				}
			}
			continue
		}
		x := p.F32()
		for r := range p.Rows() {
			for c := range p.Cols() {
				x[r*p.Cols()+c] *= s[r/rows*perRow+c/cols]
			}
		}
		out[i] = tensor.FromF32(p.Name, p.Shape, x)
	}
	return out
}
