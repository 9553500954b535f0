package gguf

import (
	"fmt"
	"slices"
	"strings"

	"headprof/runner/tensor"
)

// foreign names GGML's formats that headprof does not read, for messages.
var foreign = map[tensor.Type]string{
	4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S",
	22: "IQ2_S", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8",
	33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}

// TypeName names a tensor's format, also one that headprof does not read.
func TypeName(t tensor.Type) string {
	if name, ok := foreign[t]; ok {
		return name
	}
	return t.String()
}

func unknownType(t tensor.Type) error {
	var names []string
	for k := tensor.Type(0); k < tensor.F8E4M3; k++ {
		if k.Known() {
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	what := fmt.Sprintf("type %d", uint32(t))
	if name, ok := foreign[t]; ok {
		what += " (" + name + ")"
	}
	return fmt.Errorf("its format is %s, which headprof does not read; use a file quantised as one of %s", what, strings.Join(names, " "))
}
