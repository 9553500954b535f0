package runner

import "headprof/runner/tensor"

// tensorSource is a Source that gives all its tensors at once.
type tensorSource interface{ Tensors() []tensor.Tensor }

// Weights names the number format that holds most of a model's weights,
// such as "Q4_K".
func Weights(s Source) string {
	elements := map[tensor.Type]int64{}
	count := func(t tensor.Tensor) { elements[t.Type] += int64(t.Rows()) * int64(t.Cols()) }
	if f, ok := s.(tensorSource); ok {
		for _, t := range f.Tensors() {
			count(t)
		}
	} else if t, ok := s.Tensor("blk.0.attn_output.weight"); ok { // a folder has one format
		count(t)
	}
	best, largest := "", int64(0)
	for t, n := range elements {
		if name := t.String(); n > largest || n == largest && name < best {
			best, largest = name, n
		}
	}
	return best
}
