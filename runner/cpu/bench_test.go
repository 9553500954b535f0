package cpu

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

func BenchmarkPeak(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(PeakGFLOPS(1), "GFLOP/s-1")
		b.ReportMetric(PeakGFLOPS(2), "GFLOP/s-2")
	}
}

// benchThreads is HEADPROF_BENCH_THREADS, or as many as there are CPUs.
func benchThreads() int {
	n, _ := strconv.Atoi(os.Getenv("HEADPROF_BENCH_THREADS"))
	return n
}

// clock is the time that a benchmark counts: the wall's, or where the system
// tells it, the thread's own when there is one thread, which other processes disturb less.
var clock = func() time.Duration { return time.Since(start) }

var start = time.Now()

// best runs f for b's loop and reports flops per second of the fastest run.
func best(b *testing.B, flops float64, f func()) {
	fastest := time.Duration(1 << 62)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for b.Loop() {
		begin := clock()
		f()
		fastest = min(fastest, clock()-begin)
	}
	b.ReportMetric(flops/float64(fastest.Nanoseconds()), "best-GFLOP/s")
}

// SmolLM2's and Gemma 3 270M's matrices.
func BenchmarkLinear(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, f := range formats {
		for _, s := range [][2]int{{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {640, 2048}} {
			if _, e := f.Block(); e > 0 {
				if n, _ := f.Block(); s[1]%n != 0 {
					continue
				}
			}
			for _, c := range []struct {
				m    int
				fast bool
			}{{1, false}, {16, false}, {512, false}, {1, true}, {16, true}, {512, true}} {
				m := c.m
				name := fmt.Sprintf("%v/%dx%d/m%d", f, s[0], s[1], m)
				if c.fast {
					if codingOf(f) == notCoded || native()[0].int8 == nil {
						continue
					}
					name += "-fast"
				}
				b.Run(name, func(b *testing.B) {
					be := backendtest.Must(New(Options{Threads: benchThreads(), Fast: c.fast}))
					defer be.Close()
					w := backendtest.Must(be.Weight(quantised(rng, f, s[0], s[1])))
					c := backendtest.Must(be.NewCache(nil, backend.KVF16, 0))
					o := backendtest.Must(be.Begin(c, m, nil)).(*ops)
					x, y := o.arena.value(m, s[1]), o.arena.value(m, s[0])
					copy(x.x, backendtest.Random(rng, len(x.x)))
					best(b, 2*float64(m*s[0]*s[1]), func() { o.AddLinear(y, x, w, nil, 1) })
				})
			}
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, a := range []backend.Attention{
		{Heads: 9, KVHeads: 3, KeyDim: 64, ValueDim: 64, Scale: 0.125},
		{Heads: 4, KVHeads: 1, KeyDim: 256, ValueDim: 256, Scale: 0.0625},
		{Heads: 4, KVHeads: 1, KeyDim: 256, ValueDim: 256, Scale: 0.0625, Window: 512},
	} {
		for _, n := range []int{512, 2048, 4096} {
			for _, kv := range []backend.KVType{backend.KVF16, backend.KVF32} {
				b.Run(fmt.Sprintf("%dx%d/w%d/%d/kv%d", a.Heads, a.KeyDim, a.Window, n, kv), func(b *testing.B) {
					be := backendtest.Must(New(Options{Threads: benchThreads()}))
					defer be.Close()
					const m = 512
					c := backendtest.Must(be.NewCache([]shape.Layer{{KVHeads: a.KVHeads, KeyDim: a.KeyDim, ValueDim: a.ValueDim}}, kv, n))
					var o *ops
					var q *value
					for at := 0; at < n; at += m {
						o = backendtest.Must(be.Begin(c, m, nil)).(*ops)
						k, v := o.arena.value(m, a.KVHeads*a.KeyDim), o.arena.value(m, a.KVHeads*a.ValueDim)
						q = o.arena.value(m, a.Heads*a.KeyDim)
						for _, x := range []*value{k, v, q} {
							copy(x.x, backendtest.Random(rng, len(x.x)))
						}
						o.Store(0, k, v)
						if at+m < n {
							if err := o.Flush(); err != nil {
								b.Fatal(err)
							}
						}
					}
					seen := 0
					for r := range m {
						s := n - m + r + 1
						if a.Window > 0 {
							s = min(s, a.Window)
						}
						seen += s
					}
					flops := 4 * float64(seen*a.Heads*a.KeyDim)
					best(b, flops, func() {
						o.arena.drop(o.Attend(q, a, nil).(*value))
					})
				})
			}
		}
	}
}

// The cheap operations, as elements per nanosecond of the fastest run.
func BenchmarkCheap(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	be := backendtest.Must(New(Options{Threads: benchThreads()}))
	defer be.Close()
	const m, width = 512, 1536
	c := backendtest.Must(be.NewCache([]shape.Layer{{KVHeads: 24, KeyDim: 64, ValueDim: 64}}, backend.KVF16, 0))
	o := backendtest.Must(be.Begin(c, m, nil)).(*ops)
	x, y := o.arena.value(m, width), o.arena.value(m, width)
	copy(x.x, backendtest.Random(rng, len(x.x)))
	copy(y.x, backendtest.Random(rng, len(y.x)))
	w := backendtest.Must(be.Weight(backendtest.F32Tensor("w", backendtest.Random(rng, width), width)))
	rope := backend.Rope{InvFreq: backendtest.Random(rng, 32), Dims: 64, Scale: 1}
	pairs := rope
	pairs.Interleaved = true
	for name, f := range map[string]func(){
		"norm":     func() { o.arena.drop(o.Norm(x, backend.Norm{Weight: w, Eps: 1}).(*value)) },
		"headnorm": func() { o.HeadNorm(x, 24, backend.Norm{Eps: 1}) },
		"rope":     func() { o.Rope(x, 24, rope) },
		"pairs":    func() { o.Rope(x, 24, pairs) },
		"silu":     func() { o.arena.drop(o.Gate(x, y, backend.SiLU).(*value)) },
		"gelu":     func() { o.arena.drop(o.Gate(x, y, backend.GELUTanh).(*value)) },
		"add":      func() { o.Add(x, y) },
		"store":    func() { o.Store(0, x, y); c.(interface{ Rollback() }).Rollback() },
	} {
		b.Run(name, func(b *testing.B) { best(b, m*width, f) })
	}
	_ = tensor.F32
}

// One thread's multiply-adds per nanosecond, the yardstick of the others.
func BenchmarkPeakThread(b *testing.B) {
	for _, k := range native() {
		b.Run(k.name, func(b *testing.B) { best(b, float64(k.peak(1)*20000), func() { k.peak(20000) }) })
	}
}

// Quantisation of activations, as elements per nanosecond of the fastest run.
func BenchmarkQuantise(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, k := range native() {
		if k.int8 == nil {
			continue
		}
		const blocks = 64
		x, dst := backendtest.Random(rng, blocks*codeBlock), alignedBytes(blocks*codeBytes)
		b.Run(k.name, func(b *testing.B) {
			best(b, 200*blocks*codeBlock, func() {
				for range 200 {
					k.int8.quantise(blocks, &dst[0], &x[0])
				}
			})
		})
	}
}
