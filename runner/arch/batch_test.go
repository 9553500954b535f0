package arch_test

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/cpu"
)

// part is a sequence with what it has and what comes next.
type part struct {
	held, next []int32
	rows       map[[3]int][]float32 // layer, head, position
	logits     []float32            // of every next token
}

// runParts runs parts as one step, after what they hold, and collects the logits
// of all next tokens and the last one's rows.
func runParts(t *testing.T, m arch.Model, b *cpu.Backend, all ...*part) {
	t.Helper()
	c := m.Config()
	layers := func(o backend.Ops, ids []int32, live []int) backend.Value {
		x := o.Keep(m.Embed(o, ids))
		for l := range c.Layers {
			var rows []int
			if l == len(c.Layers)-1 {
				rows = live
			}
			x = o.Keep(m.Layer(o, l, x, rows))
			o.EndLayer()
		}
		return x
	}
	var parts []backend.Part
	var ids []int32
	var live []int
	for _, p := range all {
		cache, err := b.NewCache(c.Shape(), backend.KVF32, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		if len(p.held) > 0 {
			o, err := b.Begin(cache, len(p.held), nil)
			if err != nil {
				t.Fatal(err)
			}
			layers(o, p.held, []int{})
			if err := o.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		p.rows = map[[3]int][]float32{}
		var lock sync.Mutex
		watch := &backend.Watch{Rows: []int{len(p.next) - 1}, Deliver: func(r backend.Row) {
			lock.Lock()
			defer lock.Unlock()
			p.rows[[3]int{r.Layer, r.Head, r.Position}] = slices.Clone(r.Weights)
		}}
		for i := range p.next {
			live = append(live, len(ids)+i)
		}
		parts, ids = append(parts, backend.Part{Cache: cache, Rows: len(p.next), Watch: watch}), append(ids, p.next...)
	}
	var o backend.Ops
	var err error
	if len(all) == 1 {
		o, err = b.Begin(parts[0].Cache, parts[0].Rows, parts[0].Watch)
	} else {
		o, err = b.BeginBatch(parts)
	}
	if err != nil {
		t.Fatal(err)
	}
	y := o.Read(m.Logits(o, layers(o, ids, live)))
	for _, p := range all {
		n := len(p.next) * c.Vocab
		p.logits, y = slices.Clone(y[:n]), y[n:]
	}
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	for i, p := range all {
		if got := parts[i].Cache.Len(); got != len(p.held)+len(p.next) {
			t.Fatalf("a cache of %d tokens, want %d", got, len(p.held)+len(p.next))
		}
	}
}

// Sequences of different lengths that are computed as one step have the bytes
// of steps of their own, in every family: logits and rows.
func TestBatchesChangeNoByte(t *testing.T) {
	for _, name := range cases(t) {
		g := readGolden(t, name)
		t.Run(name, func(t *testing.T) {
			n := len(g.Tokens)
			for _, threads := range []int{1, 3} {
				b, err := cpu.New(cpu.Options{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				m := load(t, file(t, name), b, g)
				fresh := func() []*part {
					return []*part{
						{held: g.Tokens[:n/2], next: g.Tokens[n/2 : n/2+1]},
						{held: g.Tokens[:n-1], next: g.Tokens[n-1:]},
						{next: g.Tokens[:3]},
						{held: g.Tokens[n/3 : n/2], next: g.Tokens[n/2 : n/2+4]},
					}
				}
				alone, batch := fresh(), fresh()
				for _, p := range alone {
					runParts(t, m, b, p)
				}
				runParts(t, m, b, batch...)
				for i := range alone {
					if !reflect.DeepEqual(alone[i], batch[i]) {
						t.Errorf("%d threads, sequence %d: results differ", threads, i)
					}
				}
			}
		})
	}
}
