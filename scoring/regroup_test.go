package scoring

import "testing"

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
	for _, n := range []int{4, 0, -1, 7} {
		if err := table.Regroup(n); err == nil {
			t.Errorf("six heads share %d KV heads", n)
		}
	}
}

// unknownKV forgets which KV heads are read.
func unknownKV(heads []Head) []Head {
	for i := range heads {
		heads[i].KVHead = Unknown
	}
	return heads
}
