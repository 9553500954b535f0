package scoring

import "fmt"

// Regroup sets every head's KV head from the number of KV heads per layer, for
// tables that do not say (the published form): consecutive query heads share
// one. What a table says otherwise is an error. Rows of KV heads stay as they
// are.
func (t *Table) Regroup(kvHeads int) error {
	for _, method := range t.Methods() {
		rows := t.Of(method)
		perLayer := map[int]int{}
		for _, h := range rows {
			perLayer[h.Layer] = max(perLayer[h.Layer], h.Head+1)
		}
		if t.Quantity(method).PerKVHead {
			for l, n := range perLayer {
				if n != kvHeads {
					return fmt.Errorf("layer %d has scores of %d KV heads, not %d", l, n, kvHeads)
				}
			}
			continue
		}
		for l, n := range perLayer {
			if kvHeads <= 0 || n%kvHeads != 0 {
				return fmt.Errorf("%d heads of layer %d cannot share %d KV heads evenly", n, l, kvHeads)
			}
		}
		for i, h := range rows {
			kv := h.Head / (perLayer[h.Layer] / kvHeads)
			if h.KVHead != Unknown && h.KVHead != kv {
				return fmt.Errorf("by the scores head %d of layer %d reads KV head %d, with %d KV heads it would read %d", h.Head, h.Layer, h.KVHead, kvHeads, kv)
			}
			rows[i].KVHead = kv
		}
	}
	return nil
}
