package cpu

import (
	"golang.org/x/sys/cpu"

	"headprof/runner/tensor"
)

// dotProdIfHere gives the kernels where the processor has NEON's dot products (ARMv8.2).
func dotProdIfHere() *int8Kernels {
	if cpu.ARM64.HasASIMDDP {
		return &dotProd
	}
	return nil
}

var dotProd = int8Kernels{
	quantise: quantiseNEON,
	lanes:    4,
	form:     signed,
	codes: [32]func(dst *byte, src *byte, stride, count int){
		tensor.Q4_0: codesQ4_0NEON, tensor.Q4_1: codesQ4_1NEON, tensor.Q5_0: codesQ5_0NEON, tensor.Q5_1: codesQ5_1NEON,
		tensor.Q8_0: codesQ8_0NEON, tensor.Q4_K: codesQ4_KNEON, tensor.Q5_K: codesQ5_KNEON, tensor.Q6_K: codesQ6_KNEON,
	},
	product: byCoding([halved + 1]productInt8Func{
		centred: inColumns(8, productCentredNEONx1, productCentredNEONx2, productCentredNEONx3, productCentredNEONx4),
		shifted: inColumns(8, productShiftedNEONx1, productShiftedNEONx2, productShiftedNEONx3, productShiftedNEONx4),
		halved:  inColumns(8, productHalvedNEONx1, productHalvedNEONx2, productHalvedNEONx3, productHalvedNEONx4),
	}),
}
