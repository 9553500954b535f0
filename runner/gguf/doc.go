// Package gguf reads GGUF model files, versions 2 and 3, without copying their
// weights: metadata by key, tensors by name, as slices of the mapped file.
//
// Files are not trusted. Every count, length, dimension and offset is checked
// before it is used, and what is wrong is said in one error that names the
// file, the key or tensor, and what to do.
package gguf
