package tokenizer_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"headprof/runner/tokenizer"
)

// added.json comes from the tokenizers package; see testdata/make_added.py.
func TestAddedTokens(t *testing.T) {
	raw, err := os.ReadFile("testdata/added.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File  string
		Patch map[string]json.RawMessage
		Texts []struct {
			Text           string
			Plain, Special []int32
		}
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		tok, err := tokenizer.FromJSON(patched(t, readGzip(t, c.File), c.Patch), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range c.Texts {
			if got := ids(tok.Encode(x.Text)); !slices.Equal(got, x.Plain) {
				t.Errorf("case %d: plain %q: %v, want %v", i, x.Text, got, x.Plain)
			}
			if got := ids(tok.EncodeSpecial(x.Text)); !slices.Equal(got, x.Special) {
				t.Errorf("case %d: special %q: %v, want %v", i, x.Text, got, x.Special)
			}
		}
	}
}
