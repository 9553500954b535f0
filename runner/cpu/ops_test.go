package cpu

import (
	"fmt"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
)

// backends gives a backend per kernel set of this machine.
func backends(t testing.TB, threads int) map[string]*Backend {
	all := map[string]*Backend{}
	for _, k := range append(native(), &portable) {
		b, err := New(Options{Threads: threads, Kernels: k.name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		all[k.name] = b
	}
	return all
}

// stepOf begins a step of n rows and makes a value of x, which holds them one after the other.
func stepOf(b *Backend, n int, x []float32) (*ops, *value) {
	o := backendtest.Must(b.Begin(backendtest.Must(b.NewCache(nil, backend.KVF32, 0)), n, nil)).(*ops)
	in := o.arena.value(n, len(x)/n)
	for i := range n {
		copy(in.row(i), x[i*in.width:])
	}
	return o, in
}

// Layers agree with the plain backend, which is float64 loops beside the equations.
func TestLayersAgreeWithPlain(t *testing.T) {
	for name, s := range backendtest.Shapes {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			ids := backendtest.Tokens(100)
			p := backendtest.Bind(plain.New(), s)
			rows := map[string][]float32{}
			want := p.Step(p.Cache(kv), ids, backendtest.WatchInto(rows, nil, 3, 99))
			for kernels, b := range backends(t, 2) {
				t.Run(fmt.Sprintf("%s/%d/%s", name, kv, kernels), func(t *testing.T) {
					l := backendtest.Bind(b, s)
					mine := map[string][]float32{}
					got := l.Step(l.Cache(kv), ids, backendtest.WatchInto(mine, nil, 3, 99))
					backendtest.Near(t, "states", got, want, 2e-3)
					if len(mine) != len(rows) {
						t.Fatalf("%d watched rows, want %d", len(mine), len(rows))
					}
					for key, w := range rows {
						backendtest.Near(t, key, mine[key], w, 2e-4)
					}
				})
			}
		}
	}
}
