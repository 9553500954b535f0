package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// pool runs numbered tasks on persistent goroutines. The caller works too, and
// waits only for tasks that somebody has begun: a worker that the operating
// system has put aside, or that wakes up late, holds nobody up.
type pool struct {
	threads int
	mu      sync.Mutex // one run at a time: worker numbers index scratch
	current atomic.Pointer[job]
	wake    []chan struct{}
	asleep  []atomic.Bool
	quit    chan struct{}
	stopped sync.WaitGroup
}

type job struct {
	tasks int64
	next  atomic.Int64
	done  atomic.Int64
	f     func(worker, task int)
	end   chan struct{}
	panic atomic.Pointer[any]
}

// spins bounds how long a goroutine looks for work before it sleeps; each
// round yields to other goroutines.
const spins = 200

func newPool(threads int) *pool {
	p := &pool{threads: threads, quit: make(chan struct{})}
	p.wake = make([]chan struct{}, threads)
	p.asleep = make([]atomic.Bool, threads)
	for w := 1; w < threads; w++ {
		p.wake[w] = make(chan struct{}, 1)
		p.stopped.Add(1)
		go p.worker(w)
	}
	return p
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.quit:
	default:
		close(p.quit)
	}
	p.stopped.Wait()
}

func (j *job) work(worker int) {
	for {
		t := j.next.Add(1) - 1
		if t >= j.tasks {
			return
		}
		j.one(worker, int(t))
		if j.done.Add(1) == j.tasks {
			close(j.end)
		}
	}
}

// one runs a task; a panic in it is carried to the caller of run.
func (j *job) one(worker, task int) {
	defer func() {
		if r := recover(); r != nil {
			j.panic.CompareAndSwap(nil, &r)
		}
	}()
	j.f(worker, task)
}

func (p *pool) worker(w int) {
	defer p.stopped.Done()
	var last *job
	for {
		j := p.current.Load()
		for i := 0; j == last && i < spins; i++ {
			runtime.Gosched()
			j = p.current.Load()
		}
		if j == last {
			p.asleep[w].Store(true)
			if j = p.current.Load(); j == last {
				select {
				case <-p.wake[w]:
				case <-p.quit:
					return
				}
			}
			p.asleep[w].Store(false)
			continue
		}
		last = j
		if j != nil {
			j.work(w)
		}
	}
}

// run calls f(worker, task) for every task in [0, tasks), with worker in
// [0, threads) telling concurrent calls apart. Low tasks begin first.
func (p *pool) run(tasks int, f func(worker, task int)) {
	if tasks <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.threads == 1 || tasks == 1 {
		for t := range tasks {
			f(0, t)
		}
		return
	}
	j := &job{tasks: int64(tasks), f: f, end: make(chan struct{})}
	p.current.Store(j)
	for w := 1; w < p.threads && w < tasks; w++ {
		if p.asleep[w].Load() {
			select {
			case p.wake[w] <- struct{}{}:
			default:
			}
		}
	}
	j.work(0)
	for i := 0; i < spins && j.done.Load() < j.tasks; i++ {
		runtime.Gosched()
	}
	<-j.end
	if r := j.panic.Load(); r != nil {
		panic(*r)
	}
}
