package runner

import (
	"context"
	"fmt"
	"sort"

	"headprof/runner/backend"
)

// Watch names what an Extend must deliver besides filling the cache.
// Positions are absolute token positions within the range being extended.
type Watch struct {
	// Attention lists positions whose attention rows go to Rows, ascending.
	Attention []int
	// Rows receives each watched row; see backend.Watch for concurrency.
	Rows func(backend.Row)
	// Top, if not 0, says that no more than a row's so many largest weights and
	// those of the positions [Keep[0], Keep[1]) matter: the others may come as
	// 0, which spares a GPU most of their way. Keep counts entries of the cache,
	// which are positions while nothing is dropped.
	Top  int
	Keep [2]int
	// Blocks asks for the attention rows of many positions, in blocks; nil: none.
	Blocks *Blocks
	// Projections, if set, receives each layer's queries and keys before their
	// rotation, layer by layer and chunk by chunk, from one goroutine.
	Projections func(backend.Projections)
	// Inputs, if set, receives each layer's queries, keys and values as attention
	// takes them, in the same order. Only for backends that take gradients.
	Inputs func(backend.AttentionInputs)
	// Outputs, if set, receives the heads' outputs, layer by layer and chunk by
	// chunk, from one goroutine; in the last layer those of positions whose
	// logits or attention are wanted, or with AllOutputs of every position.
	Outputs    func(backend.Outputs)
	AllOutputs bool
	// Logits lists positions whose logits are wanted, ascending.
	Logits []int
	// Progress, if set, is called after each computed chunk with its number of tokens.
	Progress func(tokens int)
}

// Blocks asks for the attention rows of the positions [From, To); see
// backend.Blocks for what is delivered and what a reduction must not depend on.
type Blocks struct {
	From, To int
	Wants    func(layer, head int) bool // nil: every head
	Deliver  func(backend.RowBlock)
}

// Session is one token sequence and its KV cache. It is used by one goroutine
// at a time; sessions of one model may run side by side.
type Session struct {
	model    *Model
	cache    backend.Cache
	masked   [][]bool     // [layer][head]; nil: none
	replaced *Replacement // nil: none
	past     *past        // nil: the model has no recurrent states
}

// Len is the number of tokens in the sequence.
func (s *Session) Len() int { return s.cache.Len() }

// Bytes is the memory that the session's cache holds.
func (s *Session) Bytes() int64 { return s.cache.Bytes() }

// Cache gives the session's cache, for eviction policies.
func (s *Session) Cache() backend.Cache { return s.cache }

// Close releases the cache.
func (s *Session) Close() { s.cache.Close() }

// Truncate forgets the tokens from position n on. Where a model has recurrent
// states and none is kept for that position, the tokens since the last one that
// is are computed again.
func (s *Session) Truncate(n int) error {
	if s.past != nil && n >= 0 && n < s.Len() {
		return s.past.truncate(s, n)
	}
	return s.cache.Truncate(n)
}

// Fork gives an independent session over the first n tokens; see Truncate.
func (s *Session) Fork(n int) (*Session, error) {
	if s.past != nil && n >= 0 && n < s.Len() {
		return s.past.fork(s, n)
	}
	c, err := s.cache.Fork(n)
	if err != nil {
		return nil, err
	}
	return &Session{model: s.model, cache: c, masked: s.masked, replaced: s.replaced, past: s.past.clone()}, nil
}

// Extend appends tokens to the sequence and computes them. The result holds
// one row of logits per position in w.Logits, in that order. Results do not
// depend, to the byte, on how a sequence is cut into Extend calls. On an error
// (a cancelled ctx among them) the sequence is as long as before the chunk
// that failed.
func (s *Session) Extend(ctx context.Context, tokens []int32, w Watch) ([][]float32, error) {
	out, err := ExtendAll(ctx, []Job{{s, tokens, w}})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// Job is what one of several sessions is to compute.
type Job struct {
	Session *Session
	Tokens  []int32
	Watch   Watch
}

// ExtendAll is Extend for several sessions of one model, each at most once, so
// that a weight is read once for all of them: in one batch of rows where the
// device has it and the rows are few, else layer by layer. The scratch of all
// is held at once. Results are those of single calls. On an error every session
// is as long as before the chunk that failed.
func ExtendAll(ctx context.Context, jobs []Job) ([][][]float32, error) {
	longest := 0
	for _, j := range jobs {
		if err := j.Session.check(j.Tokens); err != nil {
			return nil, err
		}
		longest = max(longest, len(j.Tokens))
	}
	logits := make([][][]float32, len(jobs))
	if longest == 0 {
		return logits, nil
	}
	chunk := jobs[0].Session.model.options.Chunk
	for at := 0; at < longest; at += chunk {
		var round []*step
		for i, j := range jobs {
			if at < len(j.Tokens) {
				round = append(round, &step{s: j.Session, job: i, tokens: j.Tokens[at:min(len(j.Tokens), at+chunk)], watch: j.Watch})
			}
		}
		if err := together(ctx, round); err != nil {
			return nil, err
		}
		for _, t := range round {
			t.s.past.extend(t.tokens)
			logits[t.job] = append(logits[t.job], t.logits...)
			if t.watch.Progress != nil {
				t.watch.Progress(len(t.tokens))
			}
		}
	}
	return logits, nil
}

// check fails for tokens that the session cannot take.
func (s *Session) check(tokens []int32) error {
	start, c := s.Len(), s.model.config
	if start+len(tokens) > c.Context {
		more := ""
		if c.LongContext > 0 {
			more = fmt.Sprintf("; opened for longer sequences (a context of up to %d), it has other position frequencies", c.LongContext)
		}
		return fmt.Errorf("%s: a sequence of %d tokens is over the model's limit of %d%s", s.model.name, start+len(tokens), c.Context, more)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= c.Vocab {
			return fmt.Errorf("%s: token %d at position %d is outside the vocabulary of %d", s.model.name, id, start+i, c.Vocab)
		}
	}
	return nil
}

// step is one session's chunk while it is computed.
type step struct {
	s            *Session
	job          int
	tokens       []int32
	watch        Watch
	first        int
	live, wanted []int // rows that the last layer computes, and those of which logits are wanted
	o            backend.Ops
	x            backend.Value
	logits       [][]float32
}

// together computes one chunk of each session.
func together(ctx context.Context, round []*step) error {
	err := compute(ctx, round)
	if err == nil {
		return nil
	}
	// The steps are abandoned: what was stored is forgotten.
	for _, t := range round {
		if t.o == nil {
			continue
		}
		if e := t.s.cache.Truncate(t.first); e != nil {
			return e
		}
	}
	return err
}

func compute(ctx context.Context, round []*step) error {
	m := round[0].s.model
	if b, ok := m.backend.(backend.Batcher); ok && joinable(round) {
		return m.batch(ctx, b, round)
	}
	for i, t := range round {
		if err := t.begin(i == len(round)-1); err != nil {
			return err
		}
	}
	if m.stream != nil {
		m.stream.ask(0)
		m.stream.ask(1)
	}
	for l := range m.config.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, t := range round {
			t.x = m.layer(t.o, l, t.x, t.live)
		}
	}
	for _, t := range round {
		v := m.config.Vocab
		all := m.logits(t.o, t.x, t.live, t.wanted)
		for i := range t.wanted {
			t.logits = append(t.logits, append([]float32(nil), all[i*v:(i+1)*v]...))
		}
		if err := t.o.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// joinable tells whether steps can be the parts of one batch, which is no
// larger than a chunk.
func joinable(round []*step) bool {
	if len(round) == 1 || round[0].s.model.stream != nil {
		return false
	}
	rows := 0
	for _, t := range round {
		rows += len(t.tokens)
		if t.s.masked != nil || t.s.replaced != nil || t.watch.Blocks != nil || t.watch.Projections != nil || t.watch.Inputs != nil || t.watch.Outputs != nil {
			return false
		}
	}
	return rows <= round[0].s.model.options.Chunk
}

// batch computes the steps as one.
func (m *Model) batch(ctx context.Context, b backend.Batcher, round []*step) error {
	var parts []backend.Part
	var tokens []int32
	live, wanted := []int{}, []int{}
	for _, t := range round {
		watch := t.prepare()
		parts = append(parts, backend.Part{Cache: t.s.cache, Rows: len(t.tokens), Watch: &watch})
		for _, r := range t.live {
			live = append(live, len(tokens)+r)
		}
		for _, r := range t.wanted {
			wanted = append(wanted, len(tokens)+r)
		}
		tokens = append(tokens, t.tokens...)
	}
	o, err := b.BeginBatch(parts)
	if err != nil {
		return err
	}
	for _, t := range round {
		t.o = o
	}
	x := o.Keep(m.arch.Embed(o, tokens))
	for l := range m.config.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		x = m.layer(o, l, x, live)
	}
	all, v := m.logits(o, x, live, wanted), m.config.Vocab
	for _, t := range round {
		for range t.wanted {
			t.logits, all = append(t.logits, append([]float32(nil), all[:v]...)), all[v:]
		}
	}
	return o.Flush()
}

// prepare finds out which of the step's rows are computed to the end.
func (t *step) prepare() backend.Watch {
	w := t.watch
	t.first = t.s.Len()
	watch := backend.Watch{Rows: within(w.Attention, t.first, len(t.tokens)), Top: w.Top, Keep: w.Keep, Deliver: w.Rows}
	t.wanted = within(w.Logits, t.first, len(t.tokens))
	t.live = union(watch.Rows, t.wanted)
	return watch
}

// begin starts a step and embeds its tokens.
func (t *step) begin(last bool) error {
	m, w := t.s.model, t.watch
	watch := t.prepare()
	if rows := w.Blocks.rows(t.first, len(t.tokens)); len(rows) > 0 {
		t.live = union(t.live, rows)
		watch.Blocks = &backend.Blocks{Rows: rows, Wants: w.Blocks.Wants, Deliver: w.Blocks.Deliver}
		if _, ok := m.backend.(backend.BlockWatcher); !ok {
			watch = rowByRow(watch, t.first)
		}
	}
	if w.Outputs != nil && w.AllOutputs {
		t.live = upTo(len(t.tokens))
	}
	o, err := m.backend.Begin(t.s.cache, len(t.tokens), &watch)
	if err != nil {
		return err
	}
	t.o = o
	if m.stream != nil {
		t.o = &streaming{Ops: t.o, stream: m.stream, last: last}
	}
	if t.s.masked != nil {
		t.o = &masking{t.o, t.s.masked}
	}
	if t.s.replaced != nil {
		host, ok := o.(backend.HostOps)
		if !ok {
			return m.CheckReplace()
		}
		t.o = &substituting{t.o, host, t.s.replaced}
	}
	if w.Projections != nil && m.config.NormedLate {
		return fmt.Errorf("family %q normalises queries and keys after their rotation, and what was asked for needs them before it; leave that score out", m.config.Family)
	}
	if why := m.config.NoProjections; w.Projections != nil && why != "" {
		return fmt.Errorf("family %q: %s; leave the score that needs them out", m.config.Family, why)
	}
	if w.Projections != nil && m.config.Shape().Shares() {
		return fmt.Errorf("layers of family %q share keys and values, and what was asked for needs those of every layer; leave that score out", m.config.Family)
	}
	if w.Projections != nil {
		t.o = &projecting{Ops: t.o, deliver: w.Projections}
	}
	if w.Inputs != nil {
		d, ok := o.(backend.Differentiator)
		if !ok {
			return errNoGradients(m)
		}
		t.o = &feeding{Ops: t.o, vector: d.Vector, deliver: w.Inputs}
	}
	if w.Outputs != nil {
		t.o = &outputting{t.o, len(t.tokens), w.Outputs}
	}
	t.x = t.o.Keep(m.arch.Embed(t.o, t.tokens))
	return nil
}

// layer computes layer l, the last one for the live rows only.
func (m *Model) layer(o backend.Ops, l int, x backend.Value, live []int) backend.Value {
	var rows []int
	if l == len(m.config.Layers)-1 {
		rows = live
	}
	if y := m.arch.Layer(o, l, x, rows); y != x {
		x = o.Keep(y)
	}
	o.EndLayer()
	return x
}

// logits reads the logits of the wanted rows, which are among the live ones.
func (m *Model) logits(o backend.Ops, x backend.Value, live, wanted []int) []float32 {
	if len(wanted) == 0 {
		return nil
	}
	at := make([]int, len(wanted))
	for i, r := range wanted {
		at[i] = sort.SearchInts(live, r)
	}
	return o.Read(m.arch.Logits(o, o.Gather(x, at)))
}

// forward computes one chunk: what a step does, for predictions of its memory.
func (m *Model) forward(o backend.Ops, tokens []int32, live, wanted []int) {
	x := o.Keep(m.arch.Embed(o, tokens))
	for l := range m.config.Layers {
		x = m.layer(o, l, x, live)
	}
	m.logits(o, x, live, wanted)
}

// within gives the positions that lie in the chunk, as row indexes; never nil.
func within(positions []int, first, n int) []int {
	rows := []int{}
	for _, p := range positions {
		if p >= first && p < first+n {
			rows = append(rows, p-first)
		}
	}
	return rows
}

// union merges two ascending lists without repeating; never nil.
func union(a, b []int) []int {
	out := []int{}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0] < b[0]):
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}
