package evaluate

import (
	"strings"
	"testing"

	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/scoring/allocate"
)

// Policies that cut the heads of a layer differently are refused by name where a
// layer has a latent cache; others keep entries of the layer.
func TestLatentCachesAreNotCutPerHead(t *testing.T) {
	m := allocate.Model{Layers: shape.Uniform(2, shape.Layer{Kind: shape.Latent, Heads: 4, KVHeads: 1, KeyDim: 24, ValueDim: 16}), ElementBytes: 4}
	for policy, refused := range map[string]bool{"adasnapkv": true, "headkv-r2": true, "headkv-r": true, "headkv-permuted": true, "duoattention": true,
		"full": false, "streaming": false, "snapkv": false, "pyramidkv": false} {
		_, err := (Setting{Params: kvcache.Parameters()}).policy(Variant{policy, 64}, m, 200)
		if refused != (err != nil && strings.Contains(err.Error(), policy) && strings.Contains(err.Error(), "latent")) {
			t.Errorf("%s: %v", policy, err)
		}
	}
}
