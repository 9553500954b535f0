package probe

import "time"

// Progress is how far a run is. It is reported after each chunk of tokens and
// each trial.
type Progress struct {
	Done, Total int // trials; Done includes those of an earlier process
	Resumed     int // of Done
	Passed      int // of Done
	CutOff      int // of Done, while the model was thinking
	// Tokens count what this process computes of prompts; answers are not in it.
	TokensDone, TokensTotal int64
	TokensPerSecond         float64       // of prompts, by this process; 0: not known yet
	Left                    time.Duration // estimated from the tokens left; negative: not known yet
	Trial                   *Record       // set when a trial has just ended
}

// clock estimates the time left. Prompt tokens are computed many at a time and
// answers a few at a time, so the two are timed apart.
type clock struct {
	now     func() time.Time
	start   time.Time
	decode  time.Duration // spent on answers beyond the first step
	trials  int           // ended in this process
	report  func(Progress)
	current Progress
}

func (c *clock) computed(tokens int) {
	c.current.TokensDone += int64(tokens)
	c.send(nil)
}

func (c *clock) ended(r *Record, decode time.Duration) {
	c.decode += decode
	c.trials++
	c.current.Done++
	if r.Pass {
		c.current.Passed++
	}
	if r.cut() {
		c.current.CutOff++
	}
	c.send(r)
}

func (c *clock) send(r *Record) {
	if c.report == nil {
		return
	}
	p := c.current
	p.Trial, p.Left = r, -1
	spent := (c.now().Sub(c.start) - c.decode).Seconds()
	if spent > 0 && p.TokensDone > 0 {
		p.TokensPerSecond = float64(p.TokensDone) / spent
		left := float64(max(0, p.TokensTotal-p.TokensDone)) / p.TokensPerSecond
		if c.trials > 0 {
			left += c.decode.Seconds() / float64(c.trials) * float64(p.Total-p.Done)
		}
		p.Left = time.Duration(left * float64(time.Second))
	}
	c.report(p)
}
