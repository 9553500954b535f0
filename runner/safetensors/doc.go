// Package safetensors reads Hugging Face model folders: config.json and
// memory-mapped safetensors files, whole or sharded. A Folder speaks GGUF's
// vocabulary, the same keys and tensor names as a gguf.File, so that model
// families need to know one form only; names_*.go hold the translation, one
// table per family.
//
// Where the two forms differ in substance, keys of our own say so:
//
//	headprof.rope.half_split  true: Q and K rows are not permuted for interleaved pairs
//	headprof.norm.add_one     true: RMSNorm multiplies by 1 + weight
//	headprof.eos_token_ids    every token that ends a text, where config.json lists several
//
// Files are not trusted: counts, lengths, shapes and offsets are checked
// before use, and every error names file, tensor or setting, and a remedy.
package safetensors
