package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// both runs f on this backend and on the plain one and compares what it reads.
func both(t *testing.T, b backend.Backend, n int, f func(b backend.Backend, o backend.Ops) backend.Value, tolerance float64) {
	t.Helper()
	read := func(b backend.Backend) []float32 {
		c := backendtest.Must(b.NewCache([]shape.Layer{{KVHeads: 1, KeyDim: 1, ValueDim: 1}}, backend.KVF32, 0))
		o := backendtest.Must(b.Begin(c, n, nil))
		return append([]float32(nil), o.Read(f(b, o))...)
	}
	backendtest.Near(t, "result", read(b), read(plain.New()), tolerance)
}

// Each elementwise operation does what its equation says.
func TestElementwiseOperationsAgreeWithPlain(t *testing.T) {
	const n, width = 21, 77
	table := backendtest.F32Tensor("t", backendtest.Random(rand.New(rand.NewPCG(1, 9)), n*width), n, width)
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i * 5) % n)
	}
	for name, f := range map[string]func(o backend.Ops, x, y backend.Value) backend.Value{
		"gather":  func(o backend.Ops, x, y backend.Value) backend.Value { return o.Gather(x, []int{0, 3, 20}) },
		"split":   func(o backend.Ops, x, y backend.Value) backend.Value { return o.Split(x, 13, 40) },
		"add":     func(o backend.Ops, x, y backend.Value) backend.Value { o.Add(x, y); return x },
		"scale":   func(o backend.Ops, x, y backend.Value) backend.Value { o.Scale(x, 1.7); return x },
		"softcap": func(o backend.Ops, x, y backend.Value) backend.Value { o.SoftCap(x, 0.8); return x },
		"silu":    func(o backend.Ops, x, y backend.Value) backend.Value { return o.Gate(x, y, backend.SiLU) },
		"tanh":    func(o backend.Ops, x, y backend.Value) backend.Value { return o.Gate(x, nil, backend.GELUTanh) },
		"erf":     func(o backend.Ops, x, y backend.Value) backend.Value { return o.Gate(x, y, backend.GELUErf) },
		"sigmoid": func(o backend.Ops, x, y backend.Value) backend.Value { return o.Gate(x, y, backend.Sigmoid) },
		"one": func(o backend.Ops, x, y backend.Value) backend.Value {
			return o.Gate(o.Split(x, 4, 5), y, backend.Sigmoid)
		},
	} {
		for kernels, b := range backends(t, 2) {
			t.Run(name+"/"+kernels, func(t *testing.T) {
				both(t, b, n, func(b backend.Backend, o backend.Ops) backend.Value {
					w := backendtest.Must(b.Weight(table))
					x, y := o.Keep(o.Embed(w, ids, 1.5)), o.Keep(o.Embed(w, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, 1))
					return f(o, x, y)
				}, 2e-6)
			})
		}
	}
}

// Experts agree with plain, and a row alone gives the bytes it gives among others.
func TestExpertsAgreeWithPlainAndDoNotDependOnTheBatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 9))
	const n, width, ff, count = 40, 48, 64, 6
	table := backendtest.F32Tensor("t", backendtest.Random(rng, n*width), n, width)
	router, gate := backendtest.F32Tensor("r", backendtest.Random(rng, count*width), count, width), backendtest.F32Tensor("g", backendtest.Random(rng, count*ff*width), count, ff, width)
	up, down := backendtest.F32Tensor("u", backendtest.Random(rng, count*ff*width), count, ff, width), backendtest.F32Tensor("d", backendtest.Random(rng, count*width*ff), count, width, ff)
	for _, top := range []bool{true, false} {
		mix := func(b backend.Backend, o backend.Ops, ids []int32) backend.Value {
			w := backendtest.Must(b.Weight(table))
			x, y := o.Embed(w, ids, 1), o.Embed(w, ids, 1)
			o.MixExperts(y, x, backend.Experts{Router: backendtest.Must(b.Weight(router)), Gate: backendtest.Must(b.Weight(gate)), Up: backendtest.Must(b.Weight(up)), Down: backendtest.Must(b.Weight(down)),
				Count: count, Used: 2, NormaliseTop: top})
			return y
		}
		var ids []int32
		for i := range n {
			ids = append(ids, int32(i))
		}
		for kernels, b := range backends(t, 2) {
			t.Run(fmt.Sprint(top, kernels), func(t *testing.T) {
				both(t, b, n, func(b backend.Backend, o backend.Ops) backend.Value { return mix(b, o, ids) }, 1e-4)
				c := backendtest.Must(b.NewCache(nil, backend.KVF32, 0))
				o := backendtest.Must(b.Begin(c, n, nil))
				all := append([]float32(nil), o.Read(mix(b, o, ids))...)
				for i := range n {
					o := backendtest.Must(b.Begin(c, 1, nil))
					backendtest.SameBits(t, "a row alone", o.Read(mix(b, o, ids[i:i+1])), all[i*width:(i+1)*width])
				}
			})
		}
	}
}

// Linear of every format: within float32's reach of a float64 product, the
// same bytes from every kernel set, and for a row alone.
func TestLinearOfEveryFormat(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	for _, f := range formats {
		const n, rows, cols = 30, 83, 512
		q := quantised(rng, f, rows, cols)
		w := make([]float32, rows*cols)
		tensor.Dequantize(w, q.Data, f)
		x := backendtest.Random(rng, n*cols)
		var first []float32
		for kernels, b := range backends(t, 2) {
			m := backendtest.Must(b.Weight(q))
			o, in := stepOf(b, n, x)
			got := append([]float32(nil), o.Read(o.Linear(in, m, nil))...)
			for i := range n {
				for j := range rows {
					var sum, size float64
					for k := range cols {
						p := float64(x[i*cols+k]) * float64(w[j*cols+k])
						sum, size = sum+p, size+math.Abs(p)
					}
					if d := math.Abs(float64(got[i*rows+j]) - sum); d > 1e-5*size {
						t.Fatalf("%v, %s: row %d, column %d is %v, want %v", f, kernels, i, j, got[i*rows+j], sum)
					}
				}
			}
			if first == nil {
				first = got
			}
			backendtest.SameBits(t, fmt.Sprintf("%v, %s", f, kernels), got, first)
			backendtest.SameBits(t, fmt.Sprintf("%v, %s, a row alone", f, kernels), o.Read(o.Linear(o.Gather(in, []int{17}), m, nil)), first[17*rows:18*rows])
		}
	}
}

// A product deeper and with more rows than one panel pass gives the same chains.
func TestDeepLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	const n, rows, cols = 600, 40, 4608
	q := quantised(rng, tensor.Q8_0, rows, cols)
	b := backendtest.Must(New(Options{Threads: 2}))
	defer b.Close()
	m, bias := backendtest.Must(b.Weight(q)), backendtest.Must(b.Weight(backendtest.F32Tensor("b", backendtest.Random(rng, rows), rows)))
	o := backendtest.Must(b.Begin(backendtest.Must(b.NewCache(nil, backend.KVF32, 0)), n, nil)).(*ops)
	x, y := o.arena.value(n, cols), o.arena.value(n, rows)
	copy(x.x, backendtest.Random(rng, len(x.x)))
	clear(y.x)
	o.AddLinear(y, x, m, bias, 0.5)
	got := append([]float32(nil), o.Read(y)...)
	w := make([]float32, cols)
	for _, i := range []int{0, 511, 512, 599} {
		for _, j := range []int{0, 31, 32, 39} {
			tensor.Dequantize(w, q.Row(j), tensor.Q8_0)
			var chain float32
			for k, v := range w {
				chain = fma32(x.row(i)[k], v, chain)
			}
			if want := (chain + bias.(*weight).vec[j]) * 0.5; got[i*rows+j] != want {
				t.Fatalf("row %d, column %d is %v, want %v", i, j, got[i*rows+j], want)
			}
		}
	}
}

// Only wanted rows are computed, and they are the rows of a full call; a masked head's output is zero.
func TestAttendRowsAndMutedHeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 9))
	for kernels, b := range backends(t, 2) {
		c := backendtest.Must(b.NewCache([]shape.Layer{{KVHeads: 2, KeyDim: 32, ValueDim: 32}}, backend.KVF16, 0))
		const n = 150
		o := backendtest.Must(b.Begin(c, n, nil)).(*ops)
		q, k, v := o.arena.value(n, 128), o.arena.value(n, 64), o.arena.value(n, 64)
		for _, x := range []*value{q, k, v} {
			copy(x.x, backendtest.Random(rng, len(x.x)))
		}
		o.Store(0, k, v)
		a := backend.Attention{Heads: 4, KVHeads: 2, KeyDim: 32, ValueDim: 32, Scale: 0.2, Window: 40}
		all := o.Attend(q, a, nil).(*value)
		rows := []int{0, 1, 63, 64, 149}
		some := o.Attend(q, a, rows).(*value)
		for i, r := range rows {
			backendtest.SameBits(t, kernels, some.row(i), all.row(r))
		}
		if none := o.Attend(q, a, []int{}); none.Rows() != 0 {
			t.Error("no rows wanted, some given")
		}
		a.Masked = []bool{false, true, false, false}
		masked := o.Attend(q, a, nil).(*value)
		backendtest.SameBits(t, kernels, masked.row(9)[32:64], make([]float32, 32))
		backendtest.SameBits(t, kernels, masked.row(9)[64:], all.row(9)[64:])
	}
}

// A cache whose heads keep different entries gives what plain gives, the
// window counted in positions.
func TestAttentionOverKeptEntries(t *testing.T) {
	for name, s := range backendtest.Shapes {
		run := func(b backend.Backend) ([]float32, map[string][]float32) {
			l := backendtest.Bind(b, s)
			c := l.Cache(backend.KVF16)
			l.Step(c, backendtest.Tokens(140), nil)
			for layer := range 2 {
				for h := range s.KVHeads {
					var keep []int32
					for e := int32(layer); e < 140; e += int32(1 + h + layer) {
						keep = append(keep, e)
					}
					if err := c.Keep(layer, h, keep); err != nil {
						t.Fatal(err)
					}
					if c.Entries(layer, h) != len(keep) {
						t.Fatalf("%d entries, want %d", c.Entries(layer, h), len(keep))
					}
				}
			}
			rows := map[string][]float32{}
			out := l.Step(c, backendtest.Tokens(30), backendtest.WatchInto(rows, nil, 0, 29))
			out = append(out, l.Step(c, backendtest.Tokens(1), backendtest.WatchInto(rows, nil, 0))...)
			return out, rows
		}
		want, wantRows := run(plain.New())
		for kernels, b := range backends(t, 2) {
			got, rows := run(b)
			backendtest.Near(t, name+" "+kernels, got, want, 3e-3)
			for k, w := range wantRows {
				backendtest.Near(t, name+" "+kernels+" row "+k, rows[k], w, 1e-3)
			}
		}
	}
}

// Forks and truncation change no byte, and a step that fails is forgotten.
func TestForkTruncateAndFailedSteps(t *testing.T) {
	b := backendtest.Must(New(Options{Threads: 2}))
	defer b.Close()
	l := backendtest.Bind(b, backendtest.Shapes["llama"])
	ids := backendtest.Tokens(150)
	whole := l.Cache(backend.KVF16)
	want := l.Step(whole, ids, nil)[100*96:]

	c := l.Cache(backend.KVF16)
	l.Step(c, ids[:130], nil)
	f := backendtest.Must(c.Fork(100))
	if err := c.Truncate(100); err != nil {
		t.Fatal(err)
	}
	backendtest.SameBits(t, "after Truncate", l.Step(c, ids[100:], nil), want)
	backendtest.SameBits(t, "in a fork", l.Step(f, ids[100:], nil), want)
	backendtest.SameBits(t, "and once more beside it", l.Step(backendtest.Must(whole.Fork(100)), ids[100:], nil), want)

	if err := c.Truncate(100); err != nil {
		t.Fatal(err)
	}
	o := backendtest.Must(b.Begin(c, 2, nil))
	l.Forward(o, []int32{1, backendtest.Vocabulary})
	if o.Flush() == nil {
		t.Error("a token outside the backendtest.Vocabulary is no error")
	}
	if c.Len() != 100 || c.Entries(0, 0) != 100 {
		t.Errorf("after a failed step: %d tokens, %d entries", c.Len(), c.Entries(0, 0))
	}
	l.Forward(backendtest.Must(b.Begin(c, 3, nil)), []int32{1, 2, 3}) // abandoned: no Flush
	backendtest.SameBits(t, "after an abandoned step", l.Step(c, ids[100:], nil), want)
}

// Sessions may run side by side on one backend.
func TestConcurrentSteps(t *testing.T) {
	b := backendtest.Must(New(Options{Threads: 2}))
	defer b.Close()
	l := backendtest.Bind(b, backendtest.Shapes["llama"])
	want := l.Step(l.Cache(backend.KVF16), backendtest.Tokens(70), nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				backendtest.SameBits(t, "beside others", l.Step(l.Cache(backend.KVF16), backendtest.Tokens(70), nil), want)
			}
		})
	}
	all.Wait()
}

// Not-a-numbers flow through; nothing panics or hangs.
func TestNaNFlowsThrough(t *testing.T) {
	for _, b := range backends(t, 2) {
		l := backendtest.Bind(b, backendtest.Shapes["llama"])
		bad := backendtest.F32Tensor("norm", append([]float32{float32(math.NaN())}, backendtest.Random(rand.New(rand.NewPCG(1, 1)), 95)...), 96)
		l.Norm = backendtest.Must(b.Weight(bad))
		out := l.Step(l.Cache(backend.KVF16), backendtest.Tokens(80), backendtest.WatchInto(map[string][]float32{}, nil, 79))
		if x := out[0]; x == x {
			t.Error("NaN weights gave a number")
		}
	}
}

func TestPoolRunsEachTaskOnceAndCarriesPanics(t *testing.T) {
	p := newPool(4)
	defer p.close()
	for n := range 200 {
		seen := make([]int32, n)
		p.run(n, func(_, task int) { seen[task]++ })
		for i, s := range seen {
			if s != 1 {
				t.Fatalf("task %d of %d ran %d times", i, n, s)
			}
		}
	}
	func() {
		defer func() {
			if r := recover(); r != "seven" {
				t.Errorf("recovered %v", r)
			}
		}()
		p.run(20, func(_, task int) {
			if task == 7 {
				panic("seven")
			}
		})
	}()
	p.run(20, func(_, task int) {})
}

func TestBadWeightsAndOptionsAreErrors(t *testing.T) {
	b := backendtest.Must(New(Options{Threads: 1}))
	defer b.Close()
	for _, bad := range []tensor.Tensor{
		{Name: "a", Type: 77, Shape: []int{2, 32}, Data: make([]byte, 64)},
		{Name: "a", Type: tensor.Q4_0, Shape: []int{2, 33}, Data: make([]byte, 64)},
		{Name: "a", Type: tensor.F32, Shape: []int{2, 33}, Data: make([]byte, 64)},
		{Name: "a", Type: tensor.F32, Shape: []int{0, 33}},
	} {
		if _, err := b.Weight(bad); err == nil {
			t.Errorf("%+v is no error", bad)
		}
	}
	if _, err := New(Options{Kernels: "abacus"}); err == nil {
		t.Error("unknown kernels are no error")
	}
	if _, err := New(Options{Threads: -1}); err == nil {
		t.Error("negative threads are no error")
	}
	c := backendtest.Must(b.NewCache(nil, backend.KVF32, 0))
	if _, err := b.Begin(c, 3, &backend.Watch{Rows: []int{2, 1}}); err == nil {
		t.Error("watched rows out of order are no error")
	}
	if _, err := b.Begin(backendtest.Must(plain.New().NewCache(nil, backend.KVF32, 0)), 3, nil); err == nil {
		t.Error("another backend's cache is no error")
	}
}
