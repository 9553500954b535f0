package evaluate

import (
	"fmt"

	"headprof/probe/journal"
)

// Shard is a part of a run: number Which of Of parts, from 1. The zero value
// is the whole run. Shards of one run take its items in turn.
type Shard struct{ Which, Of int }

func (s Shard) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Which, s.Of)
}

// shardBlock is how many items in a row belong to one shard.
const shardBlock = 1

// items lists the numbers of the shard's items among n.
func (s Shard) items(n int) []int {
	step := max(1, s.Of)
	var out []int
	for i := max(0, s.Which-1); i < n; i += step {
		out = append(out, i)
	}
	return out
}

// BetaOf is HeadKV's β of a run.
func BetaOf(m *journal.Manifest) (float64, error) {
	s := DefaultSetting()
	if text, ok := m.Settings["beta"]; ok {
		if err := s.Params.Put("beta", text); err != nil {
			return 0, err
		}
	}
	return s.Beta(), nil
}

// MasksOf lists the masks of an ablation in the order of its records.
func MasksOf(m *journal.Manifest, records []*Masked) ([]Mask, error) {
	var out []Mask
	heads := map[string][]HeadID{}
	for _, r := range records {
		if _, seen := heads[r.Mask]; seen {
			continue
		}
		list, ok := m.Settings["mask "+r.Mask]
		if !ok {
			return nil, fmt.Errorf("the journal holds mask %s, which the manifest does not name", r.Mask)
		}
		k, err := parseMask(r.Mask, list)
		if err != nil {
			return nil, err
		}
		if k.Choice == Random {
			k.Elsewhere = elsewhere(k.Heads, heads[Mask{Choice: Top, Ablation: k.Ablation, Heads: k.Heads}.Name()])
		}
		heads[r.Mask] = k.Heads
		out = append(out, k)
	}
	return out, nil
}

// elsewhere counts random heads from other layers than the top ones: a layer
// that gave fewer than it has top heads had no more.
func elsewhere(random, top []HeadID) (n int) {
	short := map[int]int{}
	for _, h := range top {
		short[h.Layer]++
	}
	for _, h := range random {
		short[h.Layer]--
	}
	for _, k := range short {
		n += max(0, k)
	}
	return n
}
