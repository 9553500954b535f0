package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// renamed are flags' former names; they keep working, unlisted.
var renamed = map[string]pflag.NormalizedName{
	"top":     "top-k",
	"kv-type": "cache-type",
	"fast":    "int8",
}

// oneName gives the same thing the same name in every command, the one that
// llama.cpp, vLLM and transformers know it by.
func oneName(root *cobra.Command) {
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if now, ok := renamed[name]; ok {
			return now
		}
		return pflag.NormalizedName(name)
	})
}
