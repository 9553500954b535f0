package scoring

func init() {
	register(Declaration{
		Order: 90, Probe: Recital, KVHeads: true, Source: "arXiv 2505.23416 (KVzip)",
		Label:    "largest attention while repeating",
		Measures: "the largest attention to a text while it is repeated",
		New:      func() Named { return new(KVzip) },
	})
}

// KVzip is the head score of KVzip: the largest weight that any token of the
// repetition, the request for it included, pays to any position of the text's
// first copy; of a KV head the largest of its query heads.
type KVzip struct{}

// Name implements Named.
func (KVzip) Name() string { return "kvzip" }
