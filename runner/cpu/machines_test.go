package cpu

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
)

// The same bytes come from every machine and kernel set. The sums are of a
// run on amd64; a run on arm64 (under qemu) gave the same. Weights and angles
// are simple enough to be computed alike everywhere.
func TestSameBytesOnEveryMachine(t *testing.T) {
	want := map[string]uint32{"llama": 0x516f21a, "gemma": 0x495310ea, "capped": 0x2f2b51e1, "odd": 0xd6f91933}
	for name, s := range backendtest.Shapes {
		for kernels, b := range backends(t, 2) {
			l := backendtest.Bind(b, s)
			out := l.Step(l.Cache(backend.KVF16), backendtest.Tokens(100), nil)
			sum := crc32.NewIEEE()
			for _, x := range out {
				binary.Write(sum, binary.LittleEndian, math.Float32bits(x))
			}
			if sum.Sum32() != want[name] {
				t.Errorf("%s with %s: checksum %#x, want %#x", name, kernels, sum.Sum32(), want[name])
			}
		}
	}
}
