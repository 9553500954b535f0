package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// When a line is printed although nothing has happened since the last one.
const (
	firstBeat = 8 * time.Second
	nextBeats = 30 * time.Second
)

// heartbeat prints lines on how far a run is, for people who read no terminal:
// when change asks for one, and after firstBeat and then every nextBeats
// without one, however long a step takes.
type heartbeat struct {
	w     io.Writer
	mu    sync.Mutex
	line  func() string // called with mu held
	timer *time.Timer
}

// newHeartbeat begins the lines.
func newHeartbeat(w io.Writer, line func() string) *heartbeat {
	h := &heartbeat{w: w, line: line}
	h.timer = time.AfterFunc(firstBeat, func() { h.change(func() bool { return true }) })
	return h
}

// change changes what line reads, and prints one if f says so.
func (h *heartbeat) change(f func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f() && h.line != nil {
		fmt.Fprintln(h.w, h.line())
		h.timer.Reset(nextBeats)
	}
}

// stop ends the lines.
func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line = nil
	h.timer.Stop()
}
