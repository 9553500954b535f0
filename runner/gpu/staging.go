package gpu

import (
	"runtime"
	"sync"

	"headprof/runner/gpu/driver"
)

// piece is a run of a weight's rows that does not fit on the device.
type piece struct {
	w           *weight
	first, rows int
	next        *piece // used after it, as far as is known ahead
}

func (p *piece) bytes() uint64 { return p.w.bytes(0, p.rows) }

// staging copies pieces to the device while it works on those before them.
// There are two slots. While the device computes with one, the host copies what
// comes next to the other's half in host memory; its copy to the device is
// recorded together with the first slot's computations, none of which waits
// for it. The host waits only where the device is more than a slot behind.
type staging struct {
	slots [2]slot
	now   int // slot in use
	last  *piece
	after map[*piece]*piece // what was used after a piece the last time
}

// slot holds consecutive pieces.
type slot struct {
	device, host region
	holds        map[*piece]uint64 // offset
	tail         *piece
	recorded     bool // a copy from its host half that no mark follows yet
	mark         driver.Mark
	pending      bool // the mark is under way
}

// openStaging makes the slots when they are first needed.
func (r *recorder) openStaging() bool {
	if r.staging != nil || r.err != nil {
		return r.err == nil
	}
	g := &staging{after: map[*piece]*piece{}}
	r.staging = g
	for i := range g.slots {
		s := &g.slots[i]
		s.holds = map[*piece]uint64{}
		var err error
		if s.device, err = r.b.streamed.alloc(r.b.placed.slot); err == nil {
			s.host, err = r.b.uploads.alloc(r.b.placed.slot)
		}
		if r.failed(err) {
			r.closeStaging()
			return false
		}
		if s.mark, err = r.q.NewMark(); r.failed(err) {
			r.closeStaging()
			return false
		}
	}
	return true
}

// closeStaging gives the slots back; nothing may be under way.
func (r *recorder) closeStaging() {
	if r.staging == nil {
		return
	}
	for _, s := range r.staging.slots {
		r.b.streamed.release(s.device)
		r.b.uploads.release(s.host)
		if s.mark != nil {
			s.mark.Close()
		}
	}
	r.staging = nil
}

// stage gives the place of a piece on the device: its bytes will be there when
// what is recorded next runs. It stays until the next call. ok is false after
// an error.
func (r *recorder) stage(p *piece) (span, bool) {
	if !r.openStaging() {
		return span{}, false
	}
	g := r.staging
	if g.last != nil {
		g.after[g.last] = p
	}
	g.last = p
	if _, ok := g.slots[g.now].holds[p]; !ok {
		other := 1 - g.now
		_, foreseen := g.slots[other].holds[p]
		r.handOver()
		if !foreseen {
			r.fill(other, p)
			r.handOver()
		}
		g.now = other
		if next := g.following(g.slots[other].tail); next != nil {
			_, here := g.slots[other].holds[next]
			_, there := g.slots[1-other].holds[next]
			if !here && !there {
				r.fill(1-other, next)
			}
		}
	}
	s := &g.slots[g.now]
	off, ok := s.holds[p]
	at := s.device.address() + off
	return span{From: at, To: at + p.bytes()}, ok && r.err == nil
}

func (g *staging) following(p *piece) *piece {
	if next := g.after[p]; next != nil {
		return next
	}
	return p.next
}

// handOver submits what is recorded, with a mark for the slots whose copies
// are in it.
func (r *recorder) handOver() {
	r.submit()
	for i := range r.staging.slots {
		if s := &r.staging.slots[i]; s.recorded && !s.pending && r.err == nil {
			s.recorded = false
			s.pending = !r.failed(s.mark.Set())
		}
	}
}

// fill copies a piece and as many of those that follow as fit to a slot.
func (r *recorder) fill(n int, p *piece) {
	g := r.staging
	s, other := &g.slots[n], &g.slots[1-n]
	clear(s.holds)
	if s.recorded {
		r.handOver()
	}
	if s.pending {
		r.failed(s.mark.Wait())
		s.pending = false
	}
	if r.err != nil {
		return
	}
	var size uint64
	var list []*piece
	for ; p != nil && size+p.bytes() <= s.device.len; p = g.following(p) {
		if _, here := s.holds[p]; here {
			break
		}
		if _, there := other.holds[p]; there {
			break
		}
		s.holds[p], s.tail = size, p
		list = append(list, p)
		size += p.bytes()
	}
	inParallel(list, func(p *piece) { p.w.read(s.host.bytes()[s.holds[p]:], p.first, p.rows) })
	r.copy(s.device, 0, s.host, 0, size)
	s.recorded = true
}

// inParallel calls f for each piece, one CPU having one at a time.
func inParallel(list []*piece, f func(*piece)) {
	var work sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, p := range list {
		work.Add(1)
		turn <- struct{}{}
		go func() {
			defer func() { <-turn; work.Done() }()
			f(p)
		}()
	}
	work.Wait()
}

// arrived notes that all that was submitted has ended; after an error, what the
// slots hold is not known.
func (g *staging) arrived(failed bool) {
	for i := range g.slots {
		s := &g.slots[i]
		if s.pending {
			_ = s.mark.Wait() // where it fails, so does the next submission
			s.pending = false
		}
		s.recorded = false
		if failed {
			clear(s.holds)
		}
	}
}
