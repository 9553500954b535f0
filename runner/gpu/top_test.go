package gpu

import (
	"fmt"
	"sort"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
)

// Of a watched row the largest weights come and those of the entries to keep,
// bit by bit those of the whole row, of equal ones those of the lower entries,
// and zeros in place of the others: with windows, dropped entries, rows in
// several pieces and rows that are equal throughout.
func TestLargestWeightsOfWatchedRows(t *testing.T) { OnEach(t, testLargestWeightsOfWatchedRows) }

func testLargestWeightsOfWatchedRows(t *testing.T) {
	b := onDevice(t, Options{})
	defer func(n int) { rowsAtOnce = n }(rowsAtOnce)
	rowsAtOnce = 2 * 4 * 9 * 70 // two rows of the first shape, then one at a time
	plain := backendtest.Shapes["llama"]
	plain.Rope = 0 // equal tokens then get equal weights
	for name, s := range map[string]backendtest.Shape{"llama": backendtest.Shapes["llama"], "capped": backendtest.Shapes["capped"], "ties": plain} {
		l := backendtest.Bind(b, s)
		ids := backendtest.Tokens(90)
		if name == "ties" {
			for i := range ids {
				ids[i] = int32(7 * (i % 2))
			}
		}
		run := func(top int, keep [2]int) (map[string][]float32, []float32) {
			rows := map[string][]float32{}
			c := l.Cache(backend.KVF32)
			defer c.Close()
			w := backendtest.WatchInto(rows, nil, 0, 5, 69)
			w.Top, w.Keep = top, keep
			l.Step(c, ids[:70], w)
			for h := range s.KVHeads {
				var kept []int32
				for e := int32(h); e < 70; e += int32(2 + h) {
					kept = append(kept, e)
				}
				if err := c.Keep(1, h, kept); err != nil {
					t.Fatal(err)
				}
			}
			w = backendtest.WatchInto(rows, nil, 0, 19)
			w.Top, w.Keep = top, keep
			return rows, l.Step(c, ids[70:], w)
		}
		want, states := run(0, [2]int{})
		for _, c := range []struct {
			k    int
			keep [2]int
		}{{1, [2]int{}}, {3, [2]int{}}, {17, [2]int{}}, {60, [2]int{}}, {1, [2]int{0, 3}}, {2, [2]int{1, 9}}, {1, [2]int{50, 66}}} {
			k := c.k
			got, same := run(k, c.keep)
			backendtest.SameBits(t, "states", same, states)
			if len(got) != len(want) {
				t.Fatalf("%s: %d rows, want %d", name, len(got), len(want))
			}
			zeros := 0
			for key, row := range want {
				backendtest.SameBits(t, fmt.Sprint(name, " top ", k, " of row ", key), nonZero(got[key], k), nonZero(row, k))
				var layer, head, position, first int
				fmt.Sscan(key, &layer, &head, &position, &first)
				from, to := min(max(0, c.keep[0]-first), len(row)), min(max(0, c.keep[1]-first), len(row))
				backendtest.SameBits(t, fmt.Sprint(name, " keep ", c.keep, " of row ", key), got[key][from:to], row[from:to])
				for _, x := range got[key] {
					if x == 0 {
						zeros++
					}
				}
			}
			if zeros == 0 && k < 17 {
				t.Errorf("%s: whole rows came where the %d largest were asked for", name, k)
			}
		}
	}
}

// nonZero is a row in which all but the k largest weights are 0.
func nonZero(row []float32, k int) []float32 {
	order := make([]int, len(row))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return row[order[i]] > row[order[j]] })
	out := make([]float32, len(row))
	for _, i := range order[:min(k, len(row))] {
		out[i] = row[i]
	}
	return out
}
