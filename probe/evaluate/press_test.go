package evaluate

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"headprof/export"
	"headprof/fixtures"
	"headprof/needle"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/kvcache"
)

// The entries that headprof.kvpress.HeadKVPress keeps with NVIDIA's kvpress on
// transformers (export/python/testdata/generate.py) are those that eval keeps.
func TestPressKeepsTheSame(t *testing.T) {
	dir := filepath.Join("..", "..", "export", "python", "testdata")
	data, err := os.ReadFile(filepath.Join(dir, "kept.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Prompt   []int32
		Settings map[string]any
		Kept     [][][]int // [layer][KV head]: positions, ascending
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	scores, err := export.Read(filepath.Join(dir, "scores.csv"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 12 {
		t.Fatalf("%d cases", len(cases))
	}
	for n, c := range cases {
		s := DefaultSetting()
		s.Scores = scores.Table
		capacity := int(c.Settings["capacity"].(float64))
		for name, value := range c.Settings {
			if name == "capacity" {
				continue
			}
			text, _ := json.Marshal(value)
			if v, ok := value.(string); ok {
				text = []byte(v)
			}
			if err := s.Params.Put(name, string(text)); err != nil {
				t.Fatal(err)
			}
		}
		vs, err := Variants([]string{"headkv-r2"}, []int{capacity})
		if err != nil {
			t.Fatal(err)
		}
		ev := newEvaluator(m, e, s, vs)
		it := &Item{ID: "x", Task: "x", Group: "x", Prompt: c.Prompt, AnswerIDs: []int32{5}, MaxTokens: 1, Score: func([]needle.Step) (float64, string) { return 0, "" }}
		base, observer, _, err := ev.prefill(context.Background(), it.Prompt)
		if err != nil {
			t.Fatal(err)
		}
		session, err := ev.compressed(it, vs[0], base, observer)
		if err != nil {
			t.Fatal(err)
		}
		cache := session.Cache().(*kvcache.Host)
		for l, heads := range c.Kept {
			for h, want := range heads {
				head := cache.Head(l, h)
				var got []int
				for i := range head.Len() {
					got = append(got, head.Position(i))
				}
				got = append(got, len(c.Prompt)-1) // eval feeds the last token next
				if !slices.Equal(got, want) {
					t.Errorf("case %d (%v), layer %d, KV head %d: eval keeps %v, the press %v", n, c.Settings, l, h, got, want)
				}
			}
		}
		session.Close()
		ev.prefix.Close()
	}
}
