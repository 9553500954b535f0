package main

import (
	"fmt"
	"sync"
	"time"

	"headprof/probe"
)

// When a line tells how far a run is although no trial has ended.
const (
	firstLine = 8 * time.Second
	nextLines = 30 * time.Second
)

// plainProgress prints lines where stderr is no terminal: at each tenth of the
// trials, and, as long as nothing else was printed, after firstLine and then
// every nextLines, however long a trial takes.
type plainProgress struct {
	s       *speaker
	mu      sync.Mutex
	current probe.Progress
	tenth   int
	timer   *time.Timer
	stopped bool
}

func newPlainProgress(s *speaker, start probe.Progress) *plainProgress {
	p := &plainProgress{s: s, current: start}
	p.timer = time.AfterFunc(firstLine, p.tick)
	return p
}

// update takes in how far the run is.
func (p *plainProgress) update(now probe.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = now
	if tenth := 10 * now.Done / max(1, now.Total); now.Trial != nil && tenth > p.tenth {
		p.tenth = tenth
		p.print()
	}
}

func (p *plainProgress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print()
}

func (p *plainProgress) print() {
	if p.stopped {
		return
	}
	p.timer.Reset(nextLines)
	c := p.current
	line := p.s.describe(c)
	if c.Done < c.Total {
		line = fmt.Sprintf("%s, %s of %s prompt tokens", line, thousands(c.TokensDone), thousands(max(c.TokensDone, c.TokensTotal)))
	}
	fmt.Fprintln(p.s.err, line)
}

// stop ends the lines.
func (p *plainProgress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.timer.Stop()
}
