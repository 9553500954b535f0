package runner

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ExtendFunc is Session.Extend of the session given. It also tells how long that
// took: of a batch, the share of these tokens.
type ExtendFunc func(ctx context.Context, s *Session, tokens []int32, w Watch) ([][]float32, time.Duration, error)

// ExtendAlone is the ExtendFunc that computes each call by itself.
func ExtendAlone(ctx context.Context, s *Session, tokens []int32, w Watch) ([][]float32, time.Duration, error) {
	start := time.Now()
	logits, err := s.Extend(ctx, tokens, w)
	return logits, time.Since(start), err
}

// Together runs f(0) … f(n−1), which extend sessions of one model, and computes
// what they ask for in one batch: answers that are decoded together share what
// a weight costs. Each goes its own way; only one of them runs at a time, so
// they may share what is not safe for several goroutines. Results are those of
// Session.Extend. The first error in the order of f ends all.
func Together(ctx context.Context, n int, f func(ctx context.Context, i int, extend ExtendFunc) error) error {
	if n == 1 {
		return f(ctx, 0, ExtendAlone)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &rendezvous{running: n}
	r.turn = sync.NewCond(&r.mu)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			r.mu.Lock() // held while f runs; given up while it waits for a batch
			defer r.mu.Unlock()
			errs[i] = f(ctx, i, r.extend)
			if errs[i] != nil {
				cancel(errs[i])
			}
			r.running--
			r.compute(ctx)
		})
	}
	all.Wait()
	for _, err := range errs {
		// What stopped because another one failed says so no better than that one.
		if err != nil && !(errors.Is(err, context.Canceled) && context.Cause(ctx) != context.Canceled) {
			return err
		}
	}
	return context.Cause(ctx)
}

// rendezvous is where calls wait for each other.
type rendezvous struct {
	mu      sync.Mutex
	turn    *sync.Cond
	running int // functions that have not returned
	waiting []*request
}

// request is a call that waits.
type request struct {
	job    Job
	logits [][]float32
	took   time.Duration
	err    error
	done   bool
}

func (r *rendezvous) extend(ctx context.Context, s *Session, tokens []int32, w Watch) ([][]float32, time.Duration, error) {
	q := &request{job: Job{Session: s, Tokens: tokens, Watch: w}}
	r.waiting = append(r.waiting, q)
	r.compute(ctx)
	for !q.done {
		r.turn.Wait()
	}
	return q.logits, q.took, q.err
}

// compute serves all that wait once nobody else runs.
func (r *rendezvous) compute(ctx context.Context) {
	if len(r.waiting) == 0 || len(r.waiting) < r.running {
		return
	}
	jobs, tokens := make([]Job, len(r.waiting)), 0
	for i, q := range r.waiting {
		jobs[i], tokens = q.job, tokens+len(q.job.Tokens)
	}
	start := time.Now()
	logits, err := ExtendAll(ctx, jobs)
	took := time.Since(start)
	for i, q := range r.waiting {
		q.done, q.err = true, err
		q.took = took * time.Duration(len(q.job.Tokens)) / time.Duration(max(1, tokens))
		if err == nil {
			q.logits = logits[i]
		}
	}
	r.waiting = nil
	r.turn.Broadcast()
}
