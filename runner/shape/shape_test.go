package shape

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Layers of OpenELM's kind: heads grow with depth, and one layer has none.
var uneven = Model{
	{Heads: 12, KVHeads: 3, KeyDim: 64, ValueDim: 64},
	{Heads: 12, KVHeads: 3, KeyDim: 64, ValueDim: 64},
	{Kind: Recurrent},
	{Heads: 16, KVHeads: 4, KeyDim: 64, ValueDim: 32, Window: 512},
}

func TestUnevenModel(t *testing.T) {
	if h, kv, widest := uneven.Heads(), uneven.KVHeads(), uneven.MaxHeads(); h != 40 || kv != 10 || widest != 16 {
		t.Errorf("%d heads, %d KV heads, widest %d; want 12+12+0+16 = 40, 3+3+0+4 = 10, 16", h, kv, widest)
	}
	if !uneven.Has(3, 15) || uneven.Has(0, 15) || uneven.Has(2, 0) || uneven.Has(4, 0) {
		t.Error("a head is where none is, or missing")
	}
	if got := uneven[3].KVHead(15); got != 3 {
		t.Errorf("head 15 of 16 on 4 KV heads reads KV head %d, want 3", got)
	}
	if got := uneven.String(); got != "3 of 4 layers × 12 to 16 heads" {
		t.Errorf("%q", got)
	}
}

func TestJSONHoldsRunsOfEqualLayers(t *testing.T) {
	data, err := json.Marshal(uneven)
	const want = `[{"layers":2,"heads":12,"kv_heads":3,"key_dim":64,"value_dim":64},{"layers":1,"kind":"recurrent","heads":0},{"layers":1,"heads":16,"kv_heads":4,"key_dim":64,"value_dim":32,"window":512}]`
	if err != nil || string(data) != want {
		t.Fatalf("%s, %v\nwant %s", data, err, want)
	}
	var back Model
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, uneven) {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{`[{"layers":0,"heads":1}]`, `[{"layers":99999999,"heads":1}]`, `[{"layers":1,"heads":3,"kv_heads":2}]`, `[{"layers":1,"kind":"magic"}]`, `[{"layers":1,"heads":-1}]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
