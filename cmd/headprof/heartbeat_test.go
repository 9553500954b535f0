package main

import (
	"strings"
	"testing"
	"time"

	"headprof/probe"
)

// What a run says where stderr is no terminal and no trial has ended yet:
// tokens, speed and time left.
func TestALineTellsHowFarARunIsBeforeItsFirstTrialEnds(t *testing.T) {
	var b strings.Builder
	s := &speaker{err: &b}
	s.current = probe.Progress{Total: 20, TokensTotal: 50_000, Left: -1}
	h := newHeartbeat(&b, s.plainLine)
	s.beat = h
	s.progress(probe.Progress{Total: 20, TokensDone: 12_345, TokensTotal: 50_000, TokensPerSecond: 1234, Left: 30 * time.Second})
	if b.Len() > 0 {
		t.Errorf("a chunk of tokens printed %q", b.String())
	}
	h.change(func() bool { return true }) // as the timer does
	if want := "0/20 trials, 1,234 tokens/s, 30 s left, 12,345 of 50,000 prompt tokens\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	h.stop()
	b.Reset()
	h.change(func() bool { return true })
	if b.Len() > 0 {
		t.Errorf("%q after the end", b.String())
	}
}
