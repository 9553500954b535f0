package backend

// Brancher is a Backend that computes the same few tokens against several
// caches at once: continuations of one sequence that differ in some layer.
type Brancher interface {
	// BeginBranches starts a step of n rows for each of the caches, which are
	// all of one length. Row b·n+i of a value is row i against caches[b]. A value
	// may hold the rows of the first caches only: the others then take no part
	// in what is done with it. Attend takes no list of rows. Flush leaves all
	// caches as they were.
	BeginBranches(caches []Cache, n int) (Ops, error)
}

// Batcher is a Backend that computes the next rows of several sequences in one step.
type Batcher interface {
	// BeginBatch starts a step of the parts' rows, one part after the other. Rows
	// named to the Ops count from the first part's; those of a part's Watch from
	// the part's own. No Watch asks for blocks. Results are those of a step of each part.
	BeginBatch(parts []Part) (Ops, error)
}

// Part is one sequence's share of a step.
type Part struct {
	Cache Cache
	Rows  int
	Watch *Watch // nil: nothing is watched
}

// HostOps is an Ops whose values lie in the host's memory.
type HostOps interface {
	Ops
	// Row gives row i of x, to read and to write.
	Row(x Value, i int) []float32
}
