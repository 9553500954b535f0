package backend

import (
	"math"
	"sync"
)

// sumFraction makes weights whole numbers of 2^-40, whose sum does not depend
// on the order of rows and has space for 2^22 of them.
const sumFraction = 40

// ColumnSum is the sum over attention rows, per cache entry, of one head. It
// adds whole numbers: a weight is rounded to a multiple of 2^-40 (1e-12). The
// zero value is empty.
type ColumnSum struct {
	mu     sync.Mutex
	values []int64
}

// Add takes a block's rows. It may be called from several goroutines at once;
// the result depends on the rows alone, not on their order or blocks.
func (s *ColumnSum) Add(b RowBlock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.values) < b.First+b.Width {
		s.values = append(s.values, 0)
	}
	sum := s.values[b.First:][:b.Width]
	for i := range b.Positions {
		for j, w := range b.Row(i)[:len(sum)] {
			sum[j] += Fixed(float64(w))
		}
	}
}

// Sum gives the sum of an entry's weights; 0 for entries that no row saw.
func (s *ColumnSum) Sum(entry int) float64 {
	if entry >= len(s.values) {
		return 0
	}
	return FromFixed(s.values[entry])
}

// Fixed gives a weight in units of 2^-40, to the nearest even. Sums of such
// numbers are exact in any order.
func Fixed(w float64) int64 { return int64(math.RoundToEven(w * (1 << sumFraction))) }

// FromFixed is what a sum of Fixed numbers stands for.
func FromFixed(sum int64) float64 { return float64(sum) / (1 << sumFraction) }
