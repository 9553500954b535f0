package gpu_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"headprof/fixtures"
	"headprof/fixtures/reference"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/gpu"
)

// A whole model gives the same bytes where half of its weights, or nearly all,
// do not fit, for a prompt in several chunks and for single tokens. What does
// not fit either way is refused before the start, by the device's measure.
func TestModelsLargerThanTheDevice(t *testing.T) { gpu.OnEach(t, testModelsLargerThanTheDevice) }

func testModelsLargerThanTheDevice(t *testing.T) {
	tiny := func(o runner.Options) (*runner.Model, error) { return runner.OpenBytes("tiny", fixtures.Tiny(), o) }
	t.Run("tiny", func(t *testing.T) { largerThanTheDevice(t, tiny, 90, []float64{0.5, 0.97}) })
	if testing.Short() {
		return
	}
	t.Run("smollm2", func(t *testing.T) {
		path := reference.Model(t, "smollm2.gguf")
		largerThanTheDevice(t, func(o runner.Options) (*runner.Model, error) { return runner.Open(path, o) }, 24, []float64{0.6})
	})
}

func largerThanTheDevice(t *testing.T, open func(runner.Options) (*runner.Model, error), n int, out []float64) {
	o := runner.Options{Device: gpu.DeviceOf(t), Chunk: (n + 2) / 3}
	type result struct {
		logits [][]float32
		rows   map[[3]int][]float32
	}
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(20 + i*7%200)
	}
	run := func(m *runner.Model) result {
		s, err := m.NewSession(n)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := result{rows: map[[3]int][]float32{}}
		var lock sync.Mutex
		watch := runner.Watch{Attention: []int{n - 3, n - 2, n - 1}, Logits: []int{n - 3, n - 2, n - 1}, Rows: func(row backend.Row) {
			lock.Lock()
			defer lock.Unlock()
			r.rows[[3]int{row.Layer, row.Head, row.Position}] = append([]float32(nil), row.Weights...)
		}}
		for _, part := range [][]int32{ids[:n-2], ids[n-2 : n-1], ids[n-1:]} {
			w := watch
			w.Logits = nil
			for _, p := range watch.Logits {
				if p >= s.Len() && p < s.Len()+len(part) {
					w.Logits = append(w.Logits, p)
				}
			}
			w.Attention = w.Logits
			logits, err := s.Extend(context.Background(), part, w)
			if err != nil {
				t.Fatal(err)
			}
			r.logits = append(r.logits, logits...)
		}
		return r
	}
	m, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	need, err := m.Memory(n, n)
	if err != nil {
		t.Fatal(err)
	}
	if need.Device == nil || need.Device.Streamed != 0 || need.Weights != 0 || need.Cache != 0 {
		t.Errorf("with space for all, %+v (%+v) is predicted", need, need.Device)
	}
	want := run(m)
	m.Close()
	for _, share := range out {
		o.GPUMemory = need.Device.Total() - int64(share*float64(need.Device.Weights))
		m, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Memory(n, n)
		if err != nil {
			t.Fatal(err)
		}
		if d := got.Device; d.Streamed == 0 || d.Streamed != got.Weights || d.Total() > d.Free || d.Free > o.GPUMemory {
			t.Errorf("%v of the weights out: %+v (%+v) is predicted", share, got, d)
		}
		if err := m.Reserve(n, n); err != nil {
			t.Fatal(err)
		}
		r := run(m)
		m.Close()
		for i := range want.logits {
			backendtest.SameBits(t, "logits", r.logits[i], want.logits[i])
		}
		for k, row := range want.rows {
			backendtest.SameBits(t, "row", r.rows[k], row)
		}
	}
	o.GPUMemory = need.Device.Scratch / 2
	if m, err = open(o); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = m.NewSession(n)
	if err == nil || !strings.Contains(err.Error(), "of memory free") {
		t.Errorf("a session where not even scratch fits: %v", err)
	}
}
