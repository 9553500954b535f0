package runner

import (
	"fmt"
	"runtime"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/plain"
)

// Options says how a model runs. The zero value is the default of each.
type Options struct {
	Threads int            // worker threads; 0: one per CPU
	Chunk   int            // tokens computed at once; 0: 512. It changes time and memory, never a result
	KV      backend.KVType // format of the KV cache
	Device  string         // "cpu" (default) or "plain", the slow twin
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
	name    string
	options Options
	config  *arch.Config
	arch    arch.Model
	backend backend.Backend
}

// New binds a source of weights to a device.
func New(s arch.Source, o Options) (*Model, error) {
	o = o.withDefaults()
	b, err := device(o)
	if err != nil {
		return nil, err
	}
	m, err := arch.Load(s, b)
	if err != nil {
		b.Close()
		return nil, err
	}
	return &Model{name: s.Name(), options: o, config: m.Config(), arch: m, backend: b}, nil
}

func device(o Options) (backend.Backend, error) {
	switch o.Device {
	case "plain":
		return plain.New(), nil
	}
	return nil, fmt.Errorf("device %q is unknown; known: cpu, plain", o.Device)
}

// Config gives the model's hyper-parameters.
func (m *Model) Config() *arch.Config { return m.config }

// NewSession makes an empty sequence; capacity is the number of tokens to
// expect (the cache grows past it).
func (m *Model) NewSession(capacity int) (*Session, error) {
	c, err := m.backend.NewCache(m.config.CacheLayers(), m.options.KV, capacity)
	if err != nil {
		return nil, err
	}
	return &Session{model: m, cache: c}, nil
}
