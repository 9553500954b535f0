package scoring

import "fmt"

// Regroup sets every head's KV head from the number of KV heads per layer, for
// tables that do not say (the published form): consecutive query heads share one.
func (t *Table) Regroup(kvHeads int) error {
	perLayer := map[int]int{}
	for _, h := range t.Heads {
		perLayer[h.Layer] = max(perLayer[h.Layer], h.Head+1)
	}
	for l, n := range perLayer {
		if kvHeads <= 0 || n%kvHeads != 0 {
			return fmt.Errorf("%d heads of layer %d cannot share %d KV heads evenly", n, l, kvHeads)
		}
	}
	for i, h := range t.Heads {
		t.Heads[i].KVHead = h.Head / (perLayer[h.Layer] / kvHeads)
	}
	return nil
}
