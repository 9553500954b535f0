package cpu

import (
	"math"

	"headprof/runner/backend"
	"headprof/runner/kvcache"
	"headprof/runner/tensor"
)

const tile = kvcache.Tile

// blockRows is about how many query rows (batch rows × heads of a group) share
// an unpacked tile of keys: a multiple of the products' rows at a time.
const blockRows = 144

// attend is one layer's attention call.
type attend struct {
	*ops
	a      backend.Attention
	q, out *value
	rows   []int // batch rows to compute; nil: all
	group  int   // query heads per KV head
	pad    int   // ValueDim rounded up to panels
	scale  float32
	cap    float32   // soft cap in units of log 2; 0: none
	sinks  []float32 // [heads] logits of sinks; nil: none

	perBlock  int  // rows of a block
	blockwise bool // rows are delivered in blocks
}

var minusInf = float32(math.Inf(-1))

// Attend is attention of q's rows over the cache.
func (o *ops) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	n := o.n
	if rows != nil {
		n = len(rows)
	}
	out := o.arena.value(n, a.Heads*a.ValueDim)
	t := o.attend(out, q.(*value), a, rows)
	o.run(t.tasks(), t.task)
	t.finish()
	return out
}

// attend prepares Attend into out.
func (o *ops) attend(out, q *value, a backend.Attention, rows []int) *attend {
	n := out.rows
	t := o.attention(out, q, a, rows)
	t.perBlock = max(1, blockRows/t.group)
	if n*a.KVHeads < 2*t.perBlock*o.pool.threads {
		t.perBlock = max(1, min(t.perBlock, n*a.KVHeads/(2*o.pool.threads)))
	}
	t.blockwise = o.watch != nil && o.watch.Blocks != nil && len(o.watch.Blocks.Rows) > 0
	if t.blockwise {
		longest := o.cache.Entries(a.Layer, 0)
		for h := 1; h < a.KVHeads; h++ {
			longest = max(longest, o.cache.Entries(a.Layer, h))
		}
		t.perBlock = blockRowsFor(t.perBlock, longest, t.group)
	}
	if o.dry != nil {
		o.dry.attention(t, t.perBlock)
	}
	return t
}

// blocks is how many blocks of rows the call is cut into.
func (t *attend) blocks() int { return (t.out.rows + t.perBlock - 1) / t.perBlock }

// tasks is how many tasks the call is: a block of one KV head's group each.
func (t *attend) tasks() int { return t.blocks() * t.a.KVHeads }

// task computes one of them. The last rows see most keys: longest tasks first.
func (t *attend) task(worker, task int) {
	b, kv := t.blocks()-1-task/t.a.KVHeads, task%t.a.KVHeads
	i0, i1 := b*t.perBlock, min(t.out.rows, (b+1)*t.perBlock)
	s := &t.b.scratch[worker]
	var wanted []int
	if t.blockwise && t.wantsBlocks(kv) {
		wanted = t.wantedRows(s, i0, i1)
	}
	t.block(s, kv, i0, i1, wanted)
}

// finish masks heads and delivers watched rows once all tasks are done.
func (t *attend) finish() {
	if t.dry != nil {
		return
	}
	if t.a.Masked != nil {
		t.mask()
	}
	if t.watch != nil && len(t.watch.Rows) > 0 {
		w := t.watch.Rows
		t.run(len(w)*t.a.KVHeads, func(worker, task int) {
			t.watched(&t.b.scratch[worker], task%t.a.KVHeads, w[task/t.a.KVHeads])
		})
	}
}

// attention prepares a call.
func (o *ops) attention(out, q *value, a backend.Attention, rows []int) *attend {
	t := &attend{ops: o, a: a, q: q, out: out, rows: rows, group: a.Heads / a.KVHeads, pad: roundUp(a.ValueDim, panelWidth), sinks: vector(a.Sinks)}
	// Scores are kept in units of log 2, so that softmax needs only powers of
	// two. With a soft cap, what is scaled first is tanh's argument.
	t.scale = float32(float64(a.Scale) * log2e)
	if a.SoftCap > 0 {
		t.scale = float32(float64(a.Scale) / float64(a.SoftCap))
		t.cap = float32(float64(a.SoftCap) * log2e)
	}
	return t
}

// batchRow is the batch row of the call's row i.
func (t *attend) batchRow(i int) int {
	if t.rows != nil {
		return t.rows[i]
	}
	return i
}

// span gives the entries [lo, hi) that a batch row sees.
func (t *attend) span(head *kvcache.Head, row int) (lo, hi int) {
	hi = head.Len() - t.n + row + 1
	if t.a.Window > 0 {
		lo = min(head.FirstFrom(t.first+row-t.a.Window+1), hi-1)
	}
	if t.a.Chunk > 0 {
		lo = min(head.FirstFrom((t.first+row)/t.a.Chunk*t.a.Chunk), hi-1)
	}
	return lo, hi
}

// queries copies the group's heads of batch rows into q, scaled, head by head within a row.
func (t *attend) queries(q []float32, kv, i0, i1 int) {
	d := t.a.KeyDim
	for i := i0; i < i1; i++ {
		scale := t.scale
		if t.a.Temperature.Scale != 0 {
			scale *= t.a.Temperature.Factor(t.first + t.batchRow(i))
		}
		for h := range t.group {
			src := t.q.row(t.batchRow(i))[(kv*t.group+h)*d:][:d]
			dst := q[((i-i0)*t.group+h)*d:][:d]
			for j, x := range src {
				dst[j] = x * scale
			}
		}
	}
}

// blockRowsFor lessens the rows of a block so that a worker's stash stays within bounds.
func blockRowsFor(perBlock, entries, group int) int {
	return max(1, min(perBlock, stashFloats/(group*roundUp(max(1, entries), tile))))
}

// block computes rows [i0, i1) of the call for one KV head's group, and
// delivers the wanted of them.
func (t *attend) block(s *scratch, kv, i0, i1 int, wanted []int) {
	head := t.cache.Head(t.a.Layer, kv)
	g, d, n := t.group, t.a.KeyDim, (i1-i0)*t.group
	q, sc, out := grown(&s.q, n*d), grown(&s.s, n*tile), grown(&s.o, n*t.pad)
	m, l, al := grown(&s.m, n), grown(&s.l, n), grown(&s.al, n)
	t.queries(q, kv, i0, i1)
	clear(out)
	clear(l)
	for i := range m {
		m[i] = minusInf
	}
	first, _ := t.span(head, t.batchRow(i0))
	_, end := t.span(head, t.batchRow(i1-1))
	var st *stash
	if len(wanted) > 0 {
		tiles := (end - first/tile*tile + tile - 1) / tile
		st = &stash{first / tile * tile, n, grown(&s.exps, tiles*n*tile), grown(&s.tops, tiles*n)}
	}
	for e := first / tile * tile; e < end; e += tile {
		// Rows of the block that see some of the tile: the tile is no step at all for others.
		ra, rb := i0, i1
		for ra < rb && t.hi(head, ra) <= e {
			ra++
		}
		for rb > ra && t.lo(head, rb-1) >= e+tile {
			rb--
		}
		// Windows and causality both move on with the row, so what is left between is contiguous.
		if ra == rb {
			continue
		}
		some := min(tile, t.hi(head, rb-1)-e)
		b := head.Blocks[e/tile]
		keys, values := t.unpackKeys(s, b), t.unpackValues(s, b, some)
		at, rows := (ra-i0)*g, (rb-ra)*g
		scores := sc[at*tile:]
		if st != nil {
			exps, _ := st.tile(e)
			scores = exps[at*tile:]
		}
		t.scores(rows, q[at*d:], keys, scores, some)
		for i := ra; i < rb; i++ {
			lo, hi := t.lo(head, i)-e, t.hi(head, i)-e
			if lo <= 0 && hi >= tile {
				continue
			}
			for h := range g {
				r := scores[((i-ra)*g+h)*tile:][:tile]
				for j := range r {
					if j < lo || j >= hi {
						r[j] = minusInf
					}
				}
			}
		}
		t.k.softmax(rows, &scores[0], &m[at], &l[at], &al[at])
		if st != nil {
			_, tops := st.tile(e)
			copy(tops[at:], m[at:at+rows])
		}
		for c := 0; c < t.pad; c += panelWidth {
			t.k.product(rows, some, &scores[0], tile, &values[c], t.pad, &out[at*t.pad+c], t.pad, &al[at], fromC)
		}
	}
	if t.sinks != nil {
		for i := range l {
			l[i] += exp2(float32(t.sinks[kv*g+i%g]*log2e) - m[i])
		}
	}
	if st != nil {
		t.deliverBlocks(s, st, kv, i0, wanted, m, l)
	}
	v := t.a.ValueDim
	for i := range n {
		inv := 1 / l[i]
		dst := t.out.row(i0 + i/g)[(kv*g+i%g)*v:][:v]
		for j, x := range out[i*t.pad:][:v] {
			dst[j] = float32(x*inv) + 0 // +0: a zero has no sign that would tell of masked keys
		}
	}
}

func (t *attend) lo(head *kvcache.Head, i int) int {
	lo, _ := t.span(head, t.batchRow(i))
	return lo
}

func (t *attend) hi(head *kvcache.Head, i int) int {
	return head.Len() - t.n + t.batchRow(i) + 1
}

// scores computes rows of q·kᵀ for the first some entries of a tile; what
// follows them up to the tile's end is −∞ or to be masked.
func (t *attend) scores(rows int, q, keys, scores []float32, some int) {
	d := t.a.KeyDim
	t.k.product(rows, d, &q[0], d, &keys[0], tile, &scores[0], tile, nil, fromZero)
	if some > panelWidth {
		t.k.product(rows, d, &q[0], d, &keys[panelWidth], tile, &scores[panelWidth], tile, nil, fromZero)
	} else {
		for r := range rows {
			for j := panelWidth; j < tile; j++ {
				scores[r*tile+j] = minusInf
			}
		}
	}
	if t.cap != 0 {
		for i, x := range scores[:rows*tile] {
			if x != minusInf {
				scores[i] = t.cap * tanh32(x)
			}
		}
	}
}

// unpackKeys gives a block's keys as float32 [KeyDim][tile]. Columns past the block's capacity are stale.
func (t *attend) unpackKeys(s *scratch, b *kvcache.Block) []float32 {
	if b.Capacity == tile {
		if b.K16 == nil {
			return b.K32
		}
		keys := grown(&s.keys, t.a.KeyDim*tile)
		t.k.fromHalf(len(keys), &keys[0], &b.K16[0])
		return keys
	}
	keys := grown(&s.keys, t.a.KeyDim*tile)
	for d := range t.a.KeyDim {
		if b.K16 == nil {
			copy(keys[d*tile:], b.K32[d*b.Capacity:][:b.Capacity])
		} else {
			t.k.fromHalf(b.Capacity, &keys[d*tile], &b.K16[d*b.Capacity])
		}
	}
	return keys
}

// unpackValues gives a block's first some values as float32 [entry][pad].
func (t *attend) unpackValues(s *scratch, b *kvcache.Block, some int) []float32 {
	v := t.a.ValueDim
	if b.V16 == nil && v == t.pad {
		return b.V32
	}
	values := grown(&s.values, tile*t.pad)
	if v == t.pad {
		t.k.fromHalf(some*v, &values[0], &b.V16[0])
		return values
	}
	for i := range some {
		row := values[i*t.pad:][:t.pad]
		clear(row)
		if b.V16 == nil {
			copy(row, b.V32[i*v:][:v])
			continue
		}
		for j := range v {
			row[j] = tensor.F16ToF32(b.V16[i*v+j])
		}
	}
	return values
}

func (t *attend) mask() {
	v := t.a.ValueDim
	for h, masked := range t.a.Masked {
		if !masked {
			continue
		}
		for i := range t.out.rows {
			clear(t.out.row(i)[h*v : (h+1)*v])
		}
	}
}
