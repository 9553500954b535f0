package runner

import (
	"context"
	"errors"

	"headprof/runner/backend"
)

// Watch names what an Extend must deliver besides filling the cache.
// Positions are absolute token positions within the range being extended.
type Watch struct {
	// Attention lists positions whose attention rows go to Rows, ascending.
	Attention []int
	// Rows receives each watched row; see backend.Watch for concurrency.
	Rows func(backend.Row)
	// Logits lists positions whose logits are wanted, ascending.
	Logits []int
}

// Session is one token sequence and its KV cache on one backend.
type Session struct{}

// Extend appends tokens to the sequence and computes them. The result holds
// one logit row per position in w.Logits, in that order. Results do not depend
// on how a sequence is cut into Extend calls.
func (s *Session) Extend(ctx context.Context, tokens []int32, w Watch) ([][]float32, error) {
	return nil, errors.New("not built yet")
}
