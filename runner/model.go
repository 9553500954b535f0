package runner

import (
	"fmt"
	"runtime"
	"strings"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/cpu"
	"headprof/runner/gguf"
	"headprof/runner/gpu"
	"headprof/runner/plain"
	"headprof/runner/shape"
	"headprof/runner/tensor"
	"headprof/runner/tokenizer"
)

// Options says how a model runs. The zero value is the default of each.
type Options struct {
	Threads int            // worker threads; 0: one per CPU
	Chunk   int            // tokens computed at once; 0: 512. It changes time and memory, never a result
	KV      backend.KVType // format of the KV cache
	Device  string         // "cpu" (default), "gpu" (the first hardware GPU), "gpu:N" (number N of 'headprof devices'), "auto" (a hardware GPU if there is one, else the CPU) or "plain", the slow twin
	// GPUMemory is how many bytes of a GPU's memory may be taken; 0: all that is
	// free. Weights that do not fit are streamed in every step.
	GPUMemory int64
	GPUMath   string // how a GPU multiplies: "f32" (default), "f16" or "cooperative"; see docs/gpu.md
	Kernels   string // CPU kernels: "auto" (default), "avx512", "avx2", "neon" or "portable"
	Fast      bool   // int8 activations on the CPU (AVX2, AVX-512 VNNI or NEON with dot products): results are close to those without, not equal
	Pre       string // pre-tokenizer in place of the file's
	// Context is the longest sequence to expect, in tokens; 0: up to the
	// model's original context. It matters to models with LongRoPE only, which
	// have one set of frequencies for sequences beyond that and another within.
	Context int
	// Resident is how many bytes of weights may stay in memory; 0: all. Beyond
	// that, layers are read from disk for every chunk, ahead of their use, and
	// given back after it. It changes time and memory, never a result.
	Resident int64
}

func (o Options) withDefaults() Options {
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	if o.Chunk <= 0 {
		o.Chunk = 512
	}
	if o.Device == "" {
		o.Device = "cpu"
	}
	return o
}

// Model is what is immutable: weights, hyper-parameters, tokenizer. It may be
// used by several goroutines.
type Model struct {
	name      string
	options   Options
	source    Source
	config    *arch.Config
	arch      arch.Model
	backend   backend.Backend
	tokenizer *tokenizer.Tokenizer
	stream    *stream // nil: all weights stay
}

// Open opens a model file on a device.
func Open(path string, o Options) (*Model, error) {
	s, err := OpenSource(path)
	if err != nil {
		return nil, err
	}
	m, err := New(s, o)
	if err != nil {
		s.Close()
		return nil, err
	}
	return m, nil
}

// OpenBytes opens a GGUF model that lies in memory.
func OpenBytes(name string, data []byte, o Options) (*Model, error) {
	f, err := gguf.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return New(f, o)
}

// New binds an opened source to a device. The model owns the source.
func New(s Source, o Options) (*Model, error) {
	o = o.withDefaults()
	t, err := LoadTokenizer(s, o.Pre)
	if err != nil {
		return nil, err
	}
	if o.Context > 0 {
		if err := s.Set("headprof.context", o.Context); err != nil {
			return nil, err
		}
	}
	b, err := device(o)
	if err != nil {
		return nil, err
	}
	m, err := arch.Load(s, b)
	if err != nil {
		b.Close()
		return nil, err
	}
	if _, ok := b.(backend.RecurrentBackend); !ok && m.Config().Shape().State() > 0 {
		b.Close()
		return nil, fmt.Errorf("%s: device %q does not compute the model's recurrent layers; give --device cpu", s.Name(), o.Device)
	}
	if c, ok := b.(backend.Coder); ok && o.Fast && c.CodedWeights() == 0 {
		b.Close()
		return nil, fmt.Errorf("%s: its weights are not stored as integer codes of the formats Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K, so int8 activations (--int8) have nothing to multiply; leave out --int8", s.Name())
	}
	model := &Model{name: s.Name(), options: o, source: s, config: m.Config(), arch: m, backend: b, tokenizer: t}
	model.KeepResident(o.Resident)
	return model, nil
}

// device opens the device that o names.
func device(o Options) (backend.Backend, error) {
	onCPU := func() (backend.Backend, error) {
		return cpu.New(cpu.Options{Threads: o.Threads, Kernels: o.Kernels, Fast: o.Fast})
	}
	switch {
	case o.Device == "cpu":
		return onCPU()
	case o.Fast && (o.Device != "auto" || gpu.Hardware()):
		return nil, fmt.Errorf("device %q has no int8 activations (--int8); they are for the CPU: leave out --int8, or give --device cpu", o.Device)
	case o.Device == "plain":
		return plain.New(), nil
	case o.Device == "auto" && !gpu.Hardware():
		return onCPU()
	case o.Device == "auto", o.Device == "gpu", strings.HasPrefix(o.Device, "gpu:"):
		math, err := gpu.ParseMath(o.GPUMath)
		if err != nil {
			return nil, err
		}
		return gpu.New(gpu.Options{Device: strings.Replace(o.Device, "auto", "gpu", 1), Memory: o.GPUMemory, Math: math})
	}
	return nil, fmt.Errorf("device %q is unknown; known: cpu, gpu, gpu:N (see 'headprof devices'), auto, plain", o.Device)
}

// KeepResident is Options.Resident for a model that is open: what a run's cache
// and scratch leave for the weights is known only then. No session may be
// computing. On a GPU it changes nothing: weights lie in its memory, and those
// that do not are read as they are needed.
func (m *Model) KeepResident(bytes int64) {
	if _, ok := m.backend.(backend.Device); ok {
		return
	}
	m.stream.close()
	m.stream = newStream(m.source, len(m.config.Layers), bytes)
}

// Name is the model file's name.
func (m *Model) Name() string { return m.name }

// Config gives the model's hyper-parameters.
func (m *Model) Config() *arch.Config { return m.config }

// Shape describes the model's layers.
func (m *Model) Shape() shape.Model { return m.config.Shape() }

// Source gives the opened file.
func (m *Model) Source() Source { return m.source }

// Tokenizer gives the model's tokenizer.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tokenizer }

// Options gives the settings in force, defaults filled in.
func (m *Model) Options() Options { return m.options }

// ChatTemplate is the file's own chat template (Jinja); "" where it has none.
func (m *Model) ChatTemplate() string {
	t, _, err := m.source.String("tokenizer.chat_template")
	if err != nil {
		return ""
	}
	return t
}

// Device names what computes: "cpu", "plain", "cuda" or "vulkan".
func (m *Model) Device() string { return m.backend.Name() }

// Kernels names the device's kernels, such as "avx512".
func (m *Model) Kernels() string {
	if k, ok := m.backend.(backend.KernelNamer); ok {
		return k.Kernels()
	}
	return m.backend.Name()
}

// PeakGFLOPS measures what a GPU can do at most, in 10⁹ float32 operations per
// second; 0 where the model runs on the CPU (see cpu.PeakGFLOPS).
func (m *Model) PeakGFLOPS() float64 {
	if p, ok := m.backend.(backend.PeakMeter); ok {
		peak, _ := p.PeakGFLOPS()
		return peak
	}
	return 0
}

// Close releases the device and the file. Sessions must be closed before.
func (m *Model) Close() error {
	m.backend.Close()
	m.stream.close()
	return m.source.Close()
}

// NewSession makes an empty sequence; capacity is the number of tokens to
// expect (the cache grows past it).
func (m *Model) NewSession(capacity int) (*Session, error) {
	// Where nobody said what is to come: perhaps a fork of this one.
	if m.Reserve(2*capacity, capacity) != nil {
		if err := m.Reserve(capacity, capacity); err != nil {
			return nil, err
		}
	}
	c, err := m.backend.NewCache(m.config.Shape(), m.options.KV, capacity)
	if err != nil {
		return nil, err
	}
	return &Session{model: m, cache: c, past: newPast(m.Shape())}, nil
}

// Tensor is a model's weight as it lies in its file.
type Tensor = tensor.Tensor
