// Package cuda drives NVIDIA GPUs by the driver's own library, opened at run
// time, with no cgo and no toolkit. Kernels are PTX text (kernels), which the
// driver compiles for the card; a program's constants are written into the text
// first, so that its compiler drops the branches that are not taken.
package cuda
