package arch

import (
	"fmt"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

// reader passes a source's answers on and notes what was asked for, so that
// what a file says and no equation reads can be told.
type reader struct {
	Source
	keys, tensors map[string]bool
}

func newReader(s Source) *reader {
	return &reader{s, map[string]bool{}, map[string]bool{}}
}

func (r *reader) Has(key string) bool { r.keys[key] = true; return r.Source.Has(key) }

func (r *reader) String(key string) (string, bool, error) {
	r.keys[key] = true
	return r.Source.String(key)
}

func (r *reader) Uint(key string) (uint64, bool, error) {
	r.keys[key] = true
	return r.Source.Uint(key)
}

func (r *reader) Float(key string) (float64, bool, error) {
	r.keys[key] = true
	return r.Source.Float(key)
}

func (r *reader) Bool(key string) (bool, bool, error) {
	r.keys[key] = true
	return r.Source.Bool(key)
}

func (r *reader) Ints(key string) ([]int64, bool, error) {
	r.keys[key] = true
	return r.Source.Ints(key)
}

func (r *reader) Tensor(name string) (tensor.Tensor, bool) {
	r.tensors[name] = true
	return r.Source.Tensor(name)
}

func (r *reader) Experts(name string) ([]tensor.Tensor, bool) {
	s, ok := r.Source.(ExpertSource)
	if !ok {
		return nil, false
	}
	r.tensors[name] = true
	return s.Experts(name)
}

// checkTensors fails when a source that can list its tensors has one that the
// family did not ask for: leaving it out could change every result.
func (r *reader) checkTensors(family string) error {
	s, ok := r.Source.(interface{ TensorNames() []string })
	if !ok {
		return nil
	}
	var unread []string
	for _, n := range s.TensorNames() {
		// Frequencies may be there without a scaling that uses them.
		if !r.tensors[n] && !strings.HasPrefix(n, "rope_") && !strings.HasSuffix(n, "rope_freqs.weight") {
			unread = append(unread, n)
		}
	}
	if unread == nil {
		return nil
	}
	return fmt.Errorf("tensor %s is one that headprof does not know in family %q (%d such), and leaving it out could change every result; this is a variant of the model that is not supported", unread[0], family, len(unread))
}

// inert are a family's keys that change no result.
var inert = []string{"vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "rope.scaling.original_context_length",
	"attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon", "use_parallel_residual", "rope.dimension_count", "rope.freq_base",
	"base_model", "quantization_version"}

// Ignored lists the keys of the file's family that headprof does not read and
// that might change results; nil when there are none, and when the family is
// unknown or its sizes are unreadable.
func Ignored(s Source) []string {
	lister, ok := s.(interface{ Keys() []string })
	load, err := family(s)
	if !ok || err != nil {
		return nil
	}
	r := newReader(s)
	if readConfig(r).err != nil {
		return nil // what would have been read is not known
	}
	load(r, nothing{}) // as far as it goes: all settings are read before the weights
	name, _, _ := s.String("general.architecture")
	var ignored []string
	for _, k := range lister.Keys() {
		if rest, ok := strings.CutPrefix(k, name+"."); ok && !r.keys[k] && !slices.Contains(inert, rest) {
			ignored = append(ignored, k)
		}
	}
	return ignored
}
