package scoring

import (
	"strings"
	"testing"
)

func TestRegroup(t *testing.T) {
	table := &Table{Heads: unknownKV(profile(6, 1, make([]float64, 12)...))}
	if err := table.Regroup(2); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1} {
		if table.Heads[i].KVHead != want {
			t.Errorf("row %d reads KV head %d, want %d", i, table.Heads[i].KVHead, want)
		}
	}
	if err := table.Regroup(3); err == nil || !strings.Contains(err.Error(), "head 2 of layer 0 reads KV head 0, with 3 KV heads it would read 1") {
		t.Errorf("other KV heads than the scores say: %v", err)
	}
	if err := table.Regroup(2); err != nil {
		t.Errorf("told again: %v", err)
	}
	for _, n := range []int{4, 0, -1, 7} {
		if err := table.Regroup(n); err == nil {
			t.Errorf("six heads share %d KV heads", n)
		}
	}
	// Rows of KV heads are as many as there are, and stay as they are.
	kv := &Table{Heads: profile(2, 1, 1, 2, 3, 4)}
	kv.SetQuantity(Quantity{PerKVHead: true})
	if err := kv.Regroup(2); err != nil || kv.Heads[3].KVHead != 1 {
		t.Errorf("%+v, %v", kv.Heads, err)
	}
	if err := kv.Regroup(1); err == nil {
		t.Error("two KV heads are taken for one")
	}
}

// unknownKV forgets which KV heads are read.
func unknownKV(heads []Head) []Head {
	for i := range heads {
		heads[i].KVHead = Unknown
	}
	return heads
}
