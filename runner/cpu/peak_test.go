package cpu

import "testing"

func TestPeakIsMeasuredWhereThereAreVectorKernels(t *testing.T) {
	if got := PeakGFLOPS(1); (got > 0) != (len(native()) > 0) {
		t.Errorf("peak %v with %d vector kernel sets", got, len(native()))
	}
}
