package export

import (
	"cmp"
	"fmt"
	"slices"

	"headprof/scoring"
)

// Declaration is all that is said of a format outside its writer. The format's
// file registers it; the command's flags, help and checks follow.
type Declaration struct {
	Format Format
	Order  int    // of lists, ascending
	Output string // name of the file or folder where none is given
	About  string // help: what the file is and who reads it

	Folder     bool // it is a folder, made where absent
	QueryHeads bool // it lists query heads, so it cannot hold scores of KV heads
	Complete   bool // it has an entry for every head, also for those without a score
	Trials     bool // it holds the scores of single trials
	Listed     bool // it lists the Options.TopHeads best heads only
	Comments   bool // it has a place for settings: Options.CSVMeta

	// Write writes one method's heads to path; heads is nil where the format
	// holds the whole table.
	Write func(path string, t *scoring.Table, heads []scoring.Head, o Options) error
	Whole bool // it holds all methods
}

var declarations []Declaration

// register adds a format; for the init of its file.
func register(d Declaration) {
	declarations = append(declarations, d)
	slices.SortStableFunc(declarations, func(a, b Declaration) int { return cmp.Compare(a.Order, b.Order) })
}

// Declarations lists the formats of Write.
func Declarations() []Declaration { return slices.Clone(declarations) }

// Formats lists the formats' names.
func Formats() []Format {
	var names []Format
	for _, d := range declarations {
		names = append(names, d.Format)
	}
	return names
}

// Lookup finds a format by its name.
func Lookup(name Format) (Declaration, error) {
	for _, d := range declarations {
		if d.Format == name {
			return d, nil
		}
	}
	return Declaration{}, fmt.Errorf("no format %q; known: %v", name, Formats())
}
