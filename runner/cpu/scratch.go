package cpu

// scratch is one worker's buffers, grown on first use and kept.
type scratch struct {
	panel    []float32 // an unpacked weight panel
	row      []float32 // one dequantised weight row
	product  []float32 // products on their way to an epilogue
	dot      []float32 // what a product of one row works in
	norm     []float32 // a padded row
	q, s, o  []float32 // attention: queries, scores, outputs of a block
	keys     []float32 // an unpacked tile of keys
	values   []float32 // an unpacked tile of values
	m, l, al []float32 // running maxima, sums and rescalings
	weights  []float32 // whole rows of watched attention
	factors  []float32 // what the weights of a tile's rows are multiplied by, on the way back

	// Rows in blocks: exponentials and running maxima of all tiles, the rows
	// that are wanted and their positions.
	exps, tops        []float32
	wanted, positions []int
}

// grown gives *buf with n floats, with unknown contents.
func grown(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = aligned(n)
	}
	*buf = (*buf)[:n]
	return *buf
}
