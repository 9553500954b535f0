package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/fixtures/reference"
)

// attentionGolden is what transformers computes for a tiny model (runner/arch/testdata/generate.py).
type attentionGolden struct {
	Tokens    []int32
	Positions []int
	Rows      [][][][]float64 // [position][layer][head][key]
}

// tinyFamily makes a folder of a golden model, with a tokenizer, and a trials
// file of the golden's tokens.
func tinyFamily(t *testing.T, name string) (dir, trials string, want attentionGolden) {
	t.Helper()
	dir = t.TempDir()
	from := filepath.Join("../../runner/arch/testdata", name)
	for _, file := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			t.Fatal(err)
		}
		writeBytes(t, filepath.Join(dir, file), data)
	}
	vocab := map[string]int{"<s>": 1, "</s>": 2}
	for i := range 64 {
		vocab[string(rune('?'+i))] = 3 + i
	}
	vocab["<unk>"] = 0
	tokenizer, err := json.Marshal(map[string]any{
		"added_tokens": []map[string]any{{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}, {"id": 2, "content": "</s>", "special": true}},
		"model":        map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}, "unk_token": "<unk>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	writeBytes(t, filepath.Join(dir, "tokenizer.json"), tokenizer)
	if err := json.Unmarshal(reference.Unzip(t, from, "golden.json.gz"), &want); err != nil {
		t.Fatal(err)
	}
	// The last four tokens are the answer, so that its rows are there too.
	n := len(want.Tokens) - 4
	line, err := json.Marshal(map[string]any{"id": "golden", "prompt_ids": want.Tokens[:n], "span": []int{2, 4}, "answer_ids": want.Tokens[n:]})
	if err != nil {
		t.Fatal(err)
	}
	trials = filepath.Join(dir, "trials.jsonl")
	writeBytes(t, trials, append(line, '\n'))
	return dir, trials, want
}

func writeBytes(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func headprof(t *testing.T, args ...string) {
	t.Helper()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// readNPY reads a float32 array of four axes by NumPy's format.
func readNPY(t *testing.T, path string) (shape [4]int, values []float32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%q", data[:10])
	}
	n := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	if _, err := fmt.Sscanf(string(data[10:n]), "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d, %d, %d, ), }", &shape[0], &shape[1], &shape[2], &shape[3]); err != nil || n%64 != 0 {
		t.Fatalf("%q: %v", data[10:n], err)
	}
	values = make([]float32, (len(data)-n)/4)
	if err := binary.Read(bytes.NewReader(data[n:]), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	if len(values) != shape[0]*shape[1]*shape[2]*shape[3] {
		t.Fatalf("%v holds %d values", shape, len(values))
	}
	return shape, values
}

// The rows are those of transformers, of grouped heads (llama), of sliding
// windows (gemma3, layers differ), of latent caches (deepseek-v3) and of one head per KV head (gpt-neox), and do
// not depend on threads and chunks.
func TestAttentionEqualsTransformers(t *testing.T) {
	for _, name := range []string{"llama", "gemma3", "gpt-neox", "deepseek-v3"} {
		t.Run(name, func(t *testing.T) {
			dir, trials, want := tinyFamily(t, name)
			out := filepath.Join(dir, "rows.npy")
			headprof(t, "attention", "--model", dir, "--trials", trials, "--rows", "3,17,answer", "--out", out)
			shape, got := readNPY(t, out)
			layers, heads := len(want.Rows[0]), len(want.Rows[0][0])
			if shape != [4]int{6, layers, heads, 39} {
				t.Fatalf("shape %v", shape)
			}
			row := func(r, l, h int) []float32 { return got[((r*layers+l)*heads+h)*39:][:39] }
			for r, position := range []int{3, 17} {
				for l := range layers {
					for h := range heads {
						for k, v := range row(r, l, h) {
							w := 0.
							if k <= position {
								w = want.Rows[r][l][h][k]
							}
							if math.Abs(float64(v)-w) > 2e-6 {
								t.Fatalf("position %d, layer %d, head %d, key %d: %g, want %g", position, l, h, k, v, w)
							}
						}
					}
				}
			}
			// Position 39 is the last of the golden's: a prompt of all tokens has it.
			line, err := json.Marshal(map[string]any{"id": "all", "prompt_ids": want.Tokens, "span": []int{2, 4}, "answer_ids": []int{5}})
			if err != nil {
				t.Fatal(err)
			}
			all := filepath.Join(dir, "all.jsonl")
			writeBytes(t, all, append(line, '\n'))
			parquetFile := filepath.Join(dir, "rows.parquet")
			headprof(t, "attention", "--model", dir, "--trials", all, "--rows", "last", "--layers", "1:", "--heads", "-1", "--out", parquetFile)
			rows, err := parquet.ReadFile[struct {
				Position int32     `parquet:"position"`
				Layer    int32     `parquet:"layer"`
				Head     int32     `parquet:"head"`
				First    int32     `parquet:"first"`
				Weights  []float32 `parquet:"weights,list"`
			}](parquetFile)
			if err != nil || len(rows) != layers-1 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for i, r := range rows {
				if r.Position != 39 || int(r.Layer) != i+1 || int(r.Head) != heads-1 || int(r.First)+len(r.Weights) != 40 {
					t.Fatalf("row %d: layer %d, head %d, %d weights from %d on", i, r.Layer, r.Head, len(r.Weights), r.First)
				}
				for k, w := range want.Rows[2][r.Layer][r.Head] {
					v := 0.
					if k >= int(r.First) {
						v = float64(r.Weights[k-int(r.First)])
					}
					if math.Abs(v-w) > 2e-6 {
						t.Fatalf("layer %d, key %d: %g, want %g", r.Layer, k, v, w)
					}
				}
			}
			for i, flags := range [][]string{{"--threads", "1", "--chunk", "512"}, {"--threads", "2", "--chunk", "7"}} {
				path := filepath.Join(dir, fmt.Sprint(i, ".parquet"))
				headprof(t, append([]string{"attention", "--model", dir, "--trials", all, "--rows", "all", "--out", path}, flags...)...)
			}
			one, _ := os.ReadFile(filepath.Join(dir, "0.parquet"))
			two, _ := os.ReadFile(filepath.Join(dir, "1.parquet"))
			if len(one) == 0 || !bytes.Equal(one, two) {
				t.Error("the file depends on threads or chunks")
			}
		})
	}
}

func TestAttentionSelections(t *testing.T) {
	dir, trials, _ := tinyFamily(t, "llama")
	for rows, want := range map[string][]int{
		"last": {35}, "-1": {35}, "evidence": {2, 3}, "answer": {35, 36, 37, 38}, "0,2:4,-2:": {0, 2, 3, 34, 35}, "33:99": {33, 34, 35},
	} {
		out := filepath.Join(dir, "rows.npy")
		headprof(t, "attention", "--model", dir, "--trials", trials, "--rows", rows, "--layers", "0", "--out", out)
		data, err := os.ReadFile(out + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var about struct {
			Layers, Heads []int
			Prompts       []struct {
				IDs   []int32
				Texts []string
				Rows  []int
			}
		}
		if err := json.Unmarshal(data, &about); err != nil {
			t.Fatal(err)
		}
		p := about.Prompts[0]
		if fmt.Sprint(p.Rows) != fmt.Sprint(want) || len(p.Texts) != len(p.IDs) || p.Texts[0] != "l" || len(about.Heads) != 4 || len(about.Layers) != 1 {
			t.Errorf("--rows %s: rows %v of %d tokens, first %q", rows, p.Rows, len(p.IDs), p.Texts[0])
		}
	}
}

// A run that is stopped while it writes leaves no file and says so by its exit code.
func TestAttentionStopped(t *testing.T) {
	dir, trials, _ := tinyFamily(t, "llama")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := filepath.Join(dir, "rows.npy")
	root := newRoot()
	root.SetArgs([]string{"attention", "--model", dir, "--trials", trials, "--rows", "0,5,9", "--out", out})
	root.SetErr(writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("on disk")) { // the estimate has been said
			cancel()
		}
		return len(p), nil
	}))
	err := root.ExecuteContext(ctx)
	var e *exit
	if !errors.As(err, &e) || e.code != exitInterrupted {
		t.Fatalf("%v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*rows.npy*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
