package arch

import (
	"fmt"
	"regexp"
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

func (r *reader) Floats(key string) ([]float64, bool, error) {
	r.keys[key] = true
	return r.Source.Floats(key)
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
func (r *reader) checkTensors(c *Config) error {
	s, ok := r.Source.(TensorLister)
	if !ok {
		return nil
	}
	var unread []string
	for _, n := range s.TensorNames() {
		// Frequencies may be there without a scaling that uses them.
		if !r.tensors[n] && !r.zeroBias(n) && !c.isDraft(n) && !hasPrefix(n, otherParts.tensors) && !strings.HasPrefix(n, "rope_") && !strings.HasSuffix(n, "rope_freqs.weight") {
			unread = append(unread, n)
		}
	}
	if unread == nil {
		return nil
	}
	return fmt.Errorf("tensor %s is one that headprof does not know in family %q (%d such), and leaving it out could change every result; this is a variant of the model that is not supported", unread[0], c.Family, len(unread))
}

// zeroBias tells whether a tensor is a bias of zeros, which changes nothing:
// some writers of packed integers store one for every matrix.
func (r *reader) zeroBias(name string) bool {
	if !strings.HasSuffix(name, ".bias") {
		return false
	}
	t, ok := r.Source.Tensor(name)
	return ok && usable(t) == nil && t.Type.Known() && !slices.ContainsFunc(t.F32(), func(x float32) bool { return x != 0 })
}

// isDraft tells whether a tensor belongs to a layer of the draft model.
func (c *Config) isDraft(name string) bool {
	for l := range c.drafts {
		if strings.HasPrefix(name, fmt.Sprintf("blk.%d.", len(c.Layers)+l)) {
			return true
		}
	}
	return false
}

// inert are a family's keys that change no result: descriptions, and settings of
// parts that the family does not have.
var inert = []string{"vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "rope.scaling.original_context_length",
	"rope.dimension_count", "rope.freq_base", "base_model", "quantization_version"}

// otherParts are the prefixes of settings and tensors of other networks in the
// same file (Ollama's): the vision tower and its projection to tokens.
var otherParts = struct{ keys, tensors []string }{[]string{"vision.", "mm."}, []string{"v.", "mm."}}

// decisive matches keys (behind the family's name) of settings that change
// results; a file with such a key that no equation reads is not understood.
var decisive = regexp.MustCompile(`^(rope|attention|attn|expert|moe|ssm|conv|linear|altup|laurel|hyper|position|causal|pooling)\b|scal|softcap|cap$|norm|eps|bias|window|residual|multiplier|clamp|clip|activation|gating|freq|theta|layer_types|skip|sink|temperature`)

// checkKeys fails for a setting of the family that could change results and
// that no equation reads, and notes the others as warnings.
func (r *reader) checkKeys(c *Config) error {
	for _, k := range r.unread(c.Family) {
		if decisive.MatchString(strings.TrimPrefix(k, c.Family+".")) {
			return fmt.Errorf("the setting %s is one that headprof does not know in family %q, and ignoring it could change every result; this is a variant of the model that is not supported, or a converter's own name for a setting", k, c.Family)
		}
		c.Warnings = append(c.Warnings, fmt.Sprintf("the setting %s is one that headprof does not know, and is ignored", k))
	}
	if n := len(r.seeing()); n > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("the file also holds %d tensors of a vision model, which are ignored: the model runs on text only", n))
	}
	return nil
}

// unread lists the family's keys that were not asked for and may matter.
func (r *reader) unread(family string) (keys []string) {
	lister, ok := r.Source.(KeyLister)
	if !ok {
		return nil
	}
	for _, k := range lister.Keys() {
		rest, ok := strings.CutPrefix(k, family+".")
		if ok && !r.keys[k] && !slices.Contains(inert, rest) && !hasPrefix(rest, otherParts.keys) {
			keys = append(keys, k)
		}
	}
	return keys
}

// seeing lists the tensors of the vision tower.
func (r *reader) seeing() (names []string) {
	if s, ok := r.Source.(TensorLister); ok {
		for _, n := range s.TensorNames() {
			if hasPrefix(n, otherParts.tensors) {
				names = append(names, n)
			}
		}
	}
	return names
}

func hasPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// Ignored lists the keys of the file's family that headprof does not read and
// that might change results; nil when there are none, and when the family is
// unknown or its sizes are unreadable.
func Ignored(s Source) []string {
	load, err := family(s)
	if err != nil {
		return nil
	}
	r := newReader(s)
	if readConfig(r).err != nil {
		return nil // what would have been read is not known
	}
	load(r, nothing{}) // as far as it goes: all settings are read before the weights
	name, _, _ := s.String("general.architecture")
	return r.unread(name)
}
