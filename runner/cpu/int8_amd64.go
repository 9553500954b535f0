package cpu

import (
	"golang.org/x/sys/cpu"

	"headprof/runner/tensor"
)

// vnniIfHere gives the kernels where the processor has AVX-512 VNNI.
func vnniIfHere() *int8Kernels {
	if cpu.X86.HasAVX512VNNI && cpu.X86.HasAVX512VL {
		return &vnni
	}
	return nil
}

var vnni = int8Kernels{
	form:     offset128,
	quantise: quantiseVNNI,
	lanes:    16,
	codes: [32]func(dst *byte, src *byte, stride, count int){
		tensor.Q4_0: codesQ4_0VNNI, tensor.Q4_1: codesQ4_1VNNI, tensor.Q5_0: codesQ5_0VNNI, tensor.Q5_1: codesQ5_1VNNI,
		tensor.Q8_0: codesQ8_0VNNI, tensor.Q4_K: codesQ4_KVNNI, tensor.Q5_K: codesQ5_KVNNI, tensor.Q6_K: codesQ6_KVNNI,
	},
	product: byCoding([halved + 1]productInt8Func{
		centred: inGroups(productCentredVNNIx1, productCentredVNNIx2, productCentredVNNIx3, productCentredVNNIx4, productCentredVNNIx5, productCentredVNNIx6),
		shifted: inGroups(productShiftedVNNIx1, productShiftedVNNIx2, productShiftedVNNIx3, productShiftedVNNIx4, productShiftedVNNIx5, productShiftedVNNIx6),
		halved:  inGroups(productHalvedVNNIx1, productHalvedVNNIx2, productHalvedVNNIx3, productHalvedVNNIx4, productHalvedVNNIx5, productHalvedVNNIx6),
	}),
}

var pairs = int8Kernels{
	quantise: quantiseAVX2,
	lanes:    8,
	form:     stored,
	codes: [32]func(dst *byte, src *byte, stride, count int){
		tensor.Q4_0: codesQ4_0AVX2, tensor.Q4_1: codesQ4_1AVX2, tensor.Q5_0: codesQ5_0AVX2, tensor.Q5_1: codesQ5_1AVX2,
		tensor.Q8_0: codesQ8_0AVX2, tensor.Q4_K: codesQ4_KAVX2, tensor.Q5_K: codesQ5_KAVX2, tensor.Q6_K: codesQ6_KAVX2,
	},
	product: [32]productInt8Func{
		tensor.Q4_0: inColumns(16, productCentred4AVX2x1, productCentred4AVX2x2, productCentred4AVX2x3),
		tensor.Q4_1: inColumns(16, productShifted4AVX2x1, productShifted4AVX2x2, productShifted4AVX2x3),
		tensor.Q4_K: inColumns(16, productShifted4AVX2x1, productShifted4AVX2x2, productShifted4AVX2x3),
		tensor.Q5_0: inColumns(16, productCentred5AVX2x1, productCentred5AVX2x2),
		tensor.Q5_1: inColumns(16, productShifted5AVX2x1, productShifted5AVX2x2),
		tensor.Q5_K: inColumns(16, productShifted5AVX2x1, productShifted5AVX2x2),
		tensor.Q6_K: inColumns(16, productHalved6AVX2x1, productHalved6AVX2x2),
		tensor.Q8_0: inColumns(8, productCentred8AVX2x1, productCentred8AVX2x2, productCentred8AVX2x3),
	},
}
