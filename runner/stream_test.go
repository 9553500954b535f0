package runner_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// randomModel writes a llama of random F32 weights.
func randomModel(t testing.TB, layers, width, ff int) string {
	t.Helper()
	const vocab = 64
	rng := rand.New(rand.NewPCG(1, 2))
	var tensors []tensor.Tensor
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64() / math.Sqrt(float64(shape[len(shape)-1])))
		}
		tensors = append(tensors, tensor.FromF32(name, shape, x))
	}
	add("token_embd.weight", vocab, width)
	add("output_norm.weight", width)
	for l := range layers {
		block := func(name string, shape ...int) { add(fmt.Sprintf("blk.%d.%s.weight", l, name), shape...) }
		block("attn_norm", width)
		for _, n := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
			block(n, width, width)
		}
		block("ffn_norm", width)
		block("ffn_gate", ff, width)
		block("ffn_up", ff, width)
		block("ffn_down", width, ff)
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, llamaSettings(layers, width, ff, vocab), tensors); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "random.gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// llamaSettings are the metadata of a llama with 4 heads and one token per character.
func llamaSettings(layers, width, ff, vocab int) []gguf.KV {
	tokens, scores, types := make([]string, vocab), make([]float32, vocab), make([]int32, vocab)
	for i := range tokens {
		tokens[i], types[i] = string(rune('0'+i)), 1
	}
	types[0] = 2
	return []gguf.KV{
		{Key: "general.architecture", Value: "llama"}, {Key: "llama.block_count", Value: layers}, {Key: "llama.embedding_length", Value: width},
		{Key: "llama.feed_forward_length", Value: ff}, {Key: "llama.context_length", Value: 256}, {Key: "llama.attention.head_count", Value: 4},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)}, {Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens}, {Key: "tokenizer.ggml.scores", Value: scores}, {Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
	}
}

// prompts gives n prompts of different lengths.
func prompts(n int) [][]int32 {
	all := make([][]int32, n)
	for i := range all {
		for p := range 40 + 13*i {
			all[i] = append(all[i], int32((7*p*p+i*11)%64))
		}
	}
	return all
}

// result is what a session delivers: logits, and all attention weights by
// layer, head, position.
type result struct {
	logits [][]float32
	rows   map[[3]int][]float32
}

// jobs runs prompts in sessions of their own, together or one after the other.
func jobs(t testing.TB, m *runner.Model, prompts [][]int32, together bool) []result {
	t.Helper()
	out := make([]result, len(prompts))
	var all []runner.Job
	var lock sync.Mutex
	for i, p := range prompts {
		s, err := m.NewSession(len(p))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		rows := map[[3]int][]float32{}
		out[i].rows = rows
		w := runner.Watch{Attention: []int{5, len(p) - 1}, Logits: []int{20, len(p) - 1}}
		w.Rows = func(r backend.Row) {
			lock.Lock()
			defer lock.Unlock()
			rows[[3]int{r.Layer, r.Head, r.Position}] = append([]float32(nil), r.Weights...)
		}
		all = append(all, runner.Job{Session: s, Tokens: p, Watch: w})
	}
	if together {
		logits, err := runner.ExtendAll(context.Background(), all)
		if err != nil {
			t.Fatal(err)
		}
		for i := range logits {
			out[i].logits = logits[i]
		}
		return out
	}
	for i, j := range all {
		logits, err := j.Session.Extend(context.Background(), j.Tokens, j.Watch)
		if err != nil {
			t.Fatal(err)
		}
		out[i].logits = logits
	}
	return out
}

// Sessions that are computed layer by layer together, and weights that come
// and go, change no byte of a result.
func TestStreamedAndTogetherAreExact(t *testing.T) {
	path := randomModel(t, 6, 64, 128)
	ps := prompts(3)
	var want []result
	for _, resident := range []int64{0, 1, 300 << 10} {
		m, err := runner.Open(path, runner.Options{Threads: 2, Chunk: 32, Resident: resident})
		if err != nil {
			t.Fatal(err)
		}
		for _, together := range []bool{false, true} {
			got := jobs(t, m, ps, together)
			if want == nil {
				want = got
			}
			if len(got[0].logits) != 2 || len(got[0].rows) != 6*4*2 || !reflect.DeepEqual(got, want) {
				t.Errorf("resident %d, together %t: results differ", resident, together)
			}
		}
		m.Close()
	}
}

// A failing session leaves all as they were.
func TestTogetherFailsWhole(t *testing.T) {
	m, err := runner.Open(randomModel(t, 2, 64, 128), runner.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var all []runner.Job
	for _, n := range []int{10, 300} {
		s, err := m.NewSession(n)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		all = append(all, runner.Job{Session: s, Tokens: make([]int32, n)})
	}
	if _, err := runner.ExtendAll(context.Background(), all); err == nil || !strings.Contains(err.Error(), "limit of 256") {
		t.Errorf("a sequence over the limit: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := runner.ExtendAll(gone, all[:1]); err == nil {
		t.Error("cancelled, and no error")
	}
	if n, k := all[0].Session.Len(), all[1].Session.Len(); n != 0 || k != 0 {
		t.Errorf("sessions hold %d and %d tokens", n, k)
	}
}

// residentBytes is how much of a mapped file this process holds in memory.
func residentBytes(t testing.TB, path string) (n int64) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := false
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.Contains(s.Text(), "-") && strings.Contains(s.Text(), " r") {
			in = strings.HasSuffix(s.Text(), path)
		}
		var kb int64
		if k, _ := fmt.Sscanf(s.Text(), "Rss: %d kB", &kb); k == 1 && in {
			n += kb << 10
		}
	}
	return n
}

// Of a model larger than Resident, what stays in memory after a step is bounded.
func TestResidentWeightsAreBounded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process holds in memory is read from Linux's /proc")
	}
	const layers, layer = 12, 4 * (4*128*128 + 3*128*512 + 2*128) // 1 MiB each
	path := randomModel(t, layers, 128, 512)
	held := map[int64]int64{}
	for _, resident := range []int64{0, 4 << 20} {
		m, err := runner.Open(path, runner.Options{Threads: 1, Resident: resident})
		if err != nil {
			t.Fatal(err)
		}
		jobs(t, m, prompts(2), true)
		held[resident] = residentBytes(t, path)
		m.Close()
	}
	if held[0] < layers*layer {
		t.Errorf("all weights stay, but %d bytes are held: the measure is wrong", held[0])
	}
	if most := int64(4<<20 + 2*layer); held[4<<20] > most {
		t.Errorf("%d bytes of weights are in memory, want at most %d", held[4<<20], most)
	}
}
