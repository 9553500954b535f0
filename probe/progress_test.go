package probe

import (
	"testing"
	"time"
)

// A clock that jumps (suspended machine, time server) spoils an estimate at
// worst: what is reported is a duration ahead or "not known", and the counts go on.
func TestClockJumps(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var got []Progress
	c := &clock{start: at, now: func() time.Time { return at }, report: func(p Progress) { got = append(got, p) }}
	c.current = Progress{Total: 10, TokensTotal: 1000}
	for i, jump := range []time.Duration{time.Second, -time.Hour, 48 * time.Hour, -400 * 24 * time.Hour, 401 * 24 * time.Hour, 0} {
		at = at.Add(jump)
		c.computed(100)
		c.ended(&Record{Pass: true}, 10*time.Millisecond)
		for _, p := range got[len(got)-2:] {
			if p.Left < -1 || p.TokensPerSecond < 0 || p.TokensDone != int64(100*(i+1)) {
				t.Errorf("after a jump of %v: %+v", jump, p)
			}
		}
		if p := got[len(got)-1]; p.Done != i+1 || p.Passed != i+1 {
			t.Errorf("after a jump of %v: %d trials done, %d passed", jump, p.Done, p.Passed)
		}
	}
	// 100 tokens in the first second: nine more seconds for the other 900.
	if got[0].TokensPerSecond != 100 || got[0].Left != 9*time.Second {
		t.Errorf("first report: %v tokens/s, %v left; want 100 and 9s", got[0].TokensPerSecond, got[0].Left)
	}
}
