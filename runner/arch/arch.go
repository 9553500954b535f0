// Package arch holds one short file per model family, which reads like the
// equations of its paper: a struct whose fields are the tensors, tagged with
// their names in the file, and a Layer method. It knows nothing of kernels.
package arch

import (
	"fmt"
	"sort"
	"strings"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Source is a model's metadata and tensors under GGUF's names, whatever file
// they come from. A lookup says whether the key is there; a key that holds
// another kind of value is an error that names file and key.
type Source interface {
	Name() string // of the file or folder, for messages
	Has(key string) bool
	String(key string) (string, bool, error)
	Uint(key string) (uint64, bool, error)
	Float(key string) (float64, bool, error)
	Bool(key string) (bool, bool, error)
	Ints(key string) ([]int64, bool, error)
	Floats(key string) ([]float64, bool, error)
	Tensor(name string) (tensor.Tensor, bool)
}

// ExpertSource is a Source that may store a stack of experts as one tensor
// each; ok is false where it stores the stack as such, or has none of that name.
type ExpertSource interface {
	Experts(name string) (parts []tensor.Tensor, ok bool)
}

// TensorLister is a Source that can list its tensors, KeyLister one that can
// list its metadata keys: what a family leaves unread is then refused.
type (
	TensorLister interface{ TensorNames() []string }
	KeyLister    interface{ Keys() []string }
)

// Layer is one layer's sizes.
type Layer struct {
	shape.Layer
	FeedForward int // width of the dense feed-forward's hidden layer
}

// Describe reads a file's hyper-parameters, sliding windows included, without
// computing anything; with an error the Config may still hold what could be read.
func Describe(s Source) (*Config, error) {
	if _, err := family(s); err != nil {
		m := readConfig(s)
		return &m.Config, err
	}
	m, err := Load(s, nothing{})
	if err != nil {
		c := readConfig(s)
		return &c.Config, err
	}
	return m.Config(), nil
}

// nothing is a backend that only checks shapes.
type nothing struct{ backend.Backend }

type size struct{ rows, cols int }

func (s size) Rows() int { return s.rows }
func (s size) Cols() int { return s.cols }

func (nothing) Weight(t tensor.Tensor) (backend.Weight, error) { return size{t.Rows(), t.Cols()}, nil }
func (nothing) Stack(p []tensor.Tensor) (backend.Weight, error) {
	return size{len(p) * p[0].Rows(), p[0].Cols()}, nil
}
func (nothing) Close() {}

// Config is what a family reads from the metadata.
type Config struct {
	Family  string
	Name    string // general.name
	Width   int    // of the residual stream
	Vocab   int
	Context int // longest sequence the model was made for, tokens
	// LongContext is the limit when a longer Context is asked for at the
	// opening (LongRoPE has other frequencies then); 0: there is none.
	LongContext int
	Layers      []Layer
	Experts     int // 0: a dense feed-forward
	Used        int // experts per token

	Warnings []string // what a user should know of a file that runs
	// NormedLate says that queries and keys are normalised after their rotation:
	// what they are before it does not give their products.
	NormedLate bool

	// NoGradient says why gradients are not computed; "": they are.
	NoGradient string
	// NoProjections says why there are no keys of heads before their rotation; "": there are.
	NoProjections string

	latent                   latent // sizes of latent attention (DeepSeek)
	streamCount, laurelRank  int    // residual streams, and rank of LAuReL (Gemma 3n)
	vectorWidth, vectorVocab int    // width of what each layer adds by token, and the tokens that its table has
	drafts                   int    // layers of a draft model (NextN) behind the last, which are not run
	ExpertWidth, SharedWidth int    // hidden width of one expert, and of the expert that all tokens use
	sizes                    dims   // that shape tags of the family's own parts name
}

// config lets a family embed Config and still have a method of that name.
type config = Config

// Shape gives what others than the equations need to know of the layers.
func (c *Config) Shape() shape.Model {
	out := make(shape.Model, len(c.Layers))
	for i, l := range c.Layers {
		out[i] = l.Layer
	}
	return out
}

// Model is a family's equations bound to one file's weights. It is immutable.
type Model interface {
	Config() *Config
	// Embed gives the residual stream of tokens, [len(ids) × Width].
	Embed(o backend.Ops, ids []int32) backend.Value
	// Layer runs layer l on the residual stream and gives it back. With rows
	// (indexes of the batch, ascending; nil: all) only those rows go on.
	Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value
	// Logits gives [rows of x × Vocab].
	Logits(o backend.Ops, x backend.Value) backend.Value
}

// loader binds one family to a file.
type loader func(s Source, b backend.Backend) (Model, error)

// families maps general.architecture to its loader.
var families = map[string]loader{}

// register adds a family; for the init of its file.
func register(architecture string, load loader) { families[architecture] = load }

// Families lists the supported values of general.architecture.
func Families() []string {
	var names []string
	for n := range families {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Load binds the file's family to its weights on a backend.
func Load(s Source, b backend.Backend) (Model, error) {
	load, err := family(s)
	if err != nil {
		return nil, err
	}
	r := newReader(s)
	m, err := load(r, b)
	if err == nil {
		err = r.checkTensors(m.Config())
	}
	if err == nil {
		err = r.checkKeys(m.Config())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name(), err)
	}
	return m, nil
}

func family(s Source) (loader, error) {
	name, ok, err := s.String("general.architecture")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s: the metadata has no general.architecture, so the model family is unknown", s.Name())
	}
	load, ok := families[name]
	if reason := unsupported[name]; !ok && reason != "" {
		return nil, fmt.Errorf("%s: model family %q is not supported: %s; supported: %s", s.Name(), name, reason, strings.Join(Families(), ", "))
	}
	if !ok {
		return nil, fmt.Errorf("%s: model family %q is not supported; supported: %s", s.Name(), name, strings.Join(Families(), ", "))
	}
	return load, nil
}
