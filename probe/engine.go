// Package probe runs prompts through a model and keeps what comes out. It sees
// a model through two small interfaces and does not know how attention is
// computed.
//
// Every kind of run has the same four pieces. A plan is items in order, each
// with its tokens, spans and cost ([Plan] and [Trial] for needles; evaluate has
// items of tasks, cases has prompts of other score methods). A procedure turns
// one item into a record: it prepares a session ([Prefix] keeps what prompts
// share; needle plans also keep a cache per haystack), computes the prompt and
// answers with a [Decoding], greedily or by teacher forcing. A journal
// (package probe/journal) holds the records: it resumes a run, ends it early,
// locks its folder, and merges shards. An aggregation makes tables of the
// records, with the intervals of package scoring/stats.
//
// A new kind of run is a record type, its journal.Kind, and a journal.Run whose
// Item is the procedure; [Run] and evaluate.Run are the examples.
package probe

import (
	"context"

	"headprof/needle"
	"headprof/runner"
	"headprof/runner/shape"
)

// Watch names what an Extend delivers besides filling the cache.
type Watch = runner.Watch

// Session is one token sequence and its KV cache.
type Session interface {
	// Len is the number of tokens in the cache: the position of the next one.
	Len() int
	// Extend computes tokens and appends them. It returns one row of logits
	// per position of w.Logits. How a sequence is cut into Extend calls must
	// not change a bit of what they deliver.
	Extend(ctx context.Context, tokens []int32, w Watch) ([][]float32, error)
	// Truncate forgets all tokens from position n on.
	Truncate(n int) error
	// Fork gives an independent session that holds the first n tokens.
	Fork(n int) (Session, error)
	// Bytes is the memory the cache holds.
	Bytes() int64
	Close()
}

// Model is what a run needs of a model.
type Model interface {
	needle.Tokenizer
	// NewSession makes an empty session for up to capacity tokens.
	NewSession(capacity int) (Session, error)
	// Shape describes the layers; score tables have its query heads.
	Shape() shape.Model
	// Context is the most tokens a sequence may hold.
	Context() int
	// Vocabulary is the number of token ids, which run from 0.
	Vocabulary() int
	// Decode gives the text of generated tokens.
	Decode(ids []int32) string
	// IsEnd tells whether a token ends a sequence (or a turn).
	IsEnd(id int32) bool
	// Name and SHA256 identify the weights in a run's manifest.
	Name() string
	SHA256() string
}

// Brancher is a Session that computes continuations which differ from its own
// in one layer; see [runner.Session.Branches].
type Brancher interface {
	Branches(ctx context.Context, tokens []int32, list []runner.Branch, each func(branch int, logits [][]float32) error) error
}

// Differentiator is a Model that takes gradients; see [runner.Model.Backward].
type Differentiator interface {
	Backward(ctx context.Context, tokens []int32, g runner.Gradient) error
}
