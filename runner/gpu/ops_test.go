package gpu

import (
	"fmt"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
)

// Layers agree with the plain backend, which is float64 loops beside the equations.
func TestLayersAgreeWithPlain(t *testing.T) { OnEach(t, testLayersAgreeWithPlain) }

func testLayersAgreeWithPlain(t *testing.T) {
	b := onDevice(t, Options{})
	for name, s := range backendtest.Shapes {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			t.Run(fmt.Sprintf("%s/%d", name, kv), func(t *testing.T) {
				ids := backendtest.Tokens(50)
				p := backendtest.Bind(plain.New(), s)
				rows, mine := map[string][]float32{}, map[string][]float32{}
				want := p.Step(p.Cache(kv), ids, backendtest.WatchInto(rows, nil, 3, 49))
				l := backendtest.Bind(b, s)
				c := l.Cache(kv)
				defer c.Close()
				got := l.Step(c, ids, backendtest.WatchInto(mine, nil, 3, 49))
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
