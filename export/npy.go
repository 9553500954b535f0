package export

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// npyHeader writes the header of a float32 array in C order (NumPy's format 1.0,
// numpy.lib.format); the values follow it.
func npyHeader(w io.Writer, shape ...int) error {
	var sizes strings.Builder
	for _, n := range shape {
		fmt.Fprintf(&sizes, "%d, ", n)
	}
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", sizes.String())
	const before = 10 // magic, version, length
	head += strings.Repeat(" ", 63-(before+len(head))%64) + "\n"
	_, err := w.Write(append([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, byte(len(head)), byte(len(head) >> 8)}, head...))
	return err
}

// littleEndian encodes values into data, which has 4 bytes for each.
func littleEndian(data []byte, values []float32) []byte {
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	return data
}
