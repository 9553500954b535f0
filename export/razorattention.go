package export

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// RazorAttention is the choice of retrieval heads of RazorAttention.
const RazorAttention Format = "razorattention"

func init() {
	register(Declaration{
		Format: RazorAttention, Order: 35, Output: "razorattention.json", Whole: true,
		About: "RazorAttention's retrieval heads: the KV heads with the best echo and induction scores",
		Write: writeRazorAttention,
	})
}

// The shares of KV heads that RazorAttention takes (arXiv 2407.15891, table 3).
const (
	defaultEchoShare      = 0.01
	defaultInductionShare = 0.14
)

// razorFile is the JSON file. Its maps are layer → KV heads, ascending, without
// layers that have none; prefix_matching and copying are the names of the
// authors' own files (Huawei's msmodelslim, ra_rope_tools.py).
type razorFile struct {
	Format         string           `json:"format"`
	Model          string           `json:"model,omitempty"`
	ModelSHA       string           `json:"model_sha256,omitempty"`
	KVHeads        int              `json:"kv_heads"` // of all layers
	InductionRatio float64          `json:"induction_head_ratio"`
	EchoRatio      float64          `json:"echo_head_ratio"`
	Induction      map[string][]int `json:"prefix_matching"`
	Echo           map[string][]int `json:"copying"`
	Retrieval      map[string][]int `json:"retrieval_heads"` // in either
}

// writeRazorAttention chooses retrieval heads as the authors' code does: a KV
// head scores what the best query head of its group scores; of all layers'
// KV heads together the best share by induction and the best share by echo are
// retrieval heads, each share rounded to a whole number, halves to even. Ties go
// to the lowest layer and head (there, all tied heads are taken).
func writeRazorAttention(path string, t *scoring.Table, _ []scoring.Head, o Options) error {
	f := razorFile{Format: "headprof-razorattention/1", Model: t.Meta.Model, ModelSHA: t.Meta.ModelSHA, InductionRatio: defaultInductionShare, EchoRatio: defaultEchoShare}
	if o.InductionShare != nil {
		f.InductionRatio = *o.InductionShare
	}
	if o.EchoShare != nil {
		f.EchoRatio = *o.EchoShare
	}
	chosen := map[[2]int]bool{}
	choose := func(method string, share float64) (map[string][]int, error) {
		rows := t.Of(method)
		switch {
		case rows == nil:
			return nil, fmt.Errorf("RazorAttention chooses by the methods echo and induction, and the profile has no %s; 'headprof score --method echo,induction' computes both", method)
		case !(share >= 0 && share <= 1):
			return nil, fmt.Errorf("a share of %v of the KV heads; it must lie in [0, 1]", share)
		case len(scoring.Scored(rows)) < len(rows):
			return nil, fmt.Errorf("%d heads have no %s score, and the best share of all heads needs every head's", len(rows)-len(scoring.Scored(rows)), method)
		case !scoring.KnowsKVHeads(rows):
			return nil, fmt.Errorf("RazorAttention chooses KV heads: %w", scoring.ErrKVHeads)
		}
		groups := scoring.BestOfGroup(rows)
		f.KVHeads = len(groups)
		best, _ := scoring.Top(groups, int(math.RoundToEven(float64(len(groups))*share)))
		marks := map[[2]int]bool{}
		for _, h := range best {
			marks[[2]int{h.Layer, h.KVHead}] = true
			chosen[[2]int{h.Layer, h.KVHead}] = true
		}
		return layersOf(marks, groups), nil
	}
	var err error
	if f.Induction, err = choose("induction", f.InductionRatio); err != nil {
		return err
	}
	if f.Echo, err = choose("echo", f.EchoRatio); err != nil {
		return err
	}
	f.Retrieval = layersOf(chosen, scoring.BestOfGroup(t.Of("echo")))
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(f)
	})
}

// layersOf lists marked KV heads by layer.
func layersOf(marks map[[2]int]bool, heads []scoring.Head) map[string][]int {
	out := map[string][]int{}
	for _, h := range heads {
		if marks[[2]int{h.Layer, h.KVHead}] {
			l := strconv.Itoa(h.Layer)
			out[l] = append(out[l], h.KVHead)
		}
	}
	return out
}
