package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

// speaker tells people (stderr) or machines (stdout) how a run goes.
type speaker struct {
	err, out    io.Writer
	quiet, json bool
	forced      bool // every answer is teacher-forced, so nothing passes or fails
	resumed     bool // the user knows that a run continues
	moved       bool // something was computed
	bar         *progressbar.ProgressBar
	beat        *heartbeat // where stderr is no terminal
	current     probe.Progress
	tenth       int // of the trials, as of the last line
}

func newSpeaker(cmd *cobra.Command, quiet, asJSON bool) *speaker {
	return &speaker{err: cmd.ErrOrStderr(), out: cmd.OutOrStdout(), quiet: quiet || asJSON, json: asJSON}
}

// start says what will be done, and what it takes.
func (s *speaker) start(m *runner.Model, p *probe.Plan, c probe.Cost, memory runner.Memory, device string) {
	if s.quiet {
		return
	}
	cfg := m.Config()
	fmt.Fprintf(s.err, "%s: %s, %s, on %s (%s)\n", m.Name(), cfg.Family, m.Shape(), device, m.Kernels())
	fmt.Fprintf(s.err, "%s, %s prompt tokens to compute", trialsText(len(p.Trials)), thousands(c.Planned))
	if c.Naive > c.Planned {
		fmt.Fprintf(s.err, " (%s without shared prefixes)", thousands(c.Naive))
	}
	fmt.Fprintf(s.err, "\nmemory: %s\n", memoryText(memory))
	if p.Rules.Decode == probe.Forced {
		s.forced = true
		fmt.Fprintln(s.err, "teacher forcing: the model gets the answers, and every trial counts")
	}
	if f, ok := s.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.bar = progressbar.NewOptions64(max(1, c.Planned),
			progressbar.OptionSetWriter(s.err), progressbar.OptionSetWidth(20), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))
		return
	}
	s.current = probe.Progress{Total: len(p.Trials), TokensTotal: c.Planned, Left: -1}
	s.beat = newHeartbeat(s.err, s.plainLine)
}

// progress shows how far a run is.
func (s *speaker) progress(p probe.Progress) {
	s.moved = true
	if p.Resumed > 0 && !s.resumed && !s.quiet {
		s.resumed = true
		s.clear()
		fmt.Fprintf(s.err, "continuing: %s of %d are in the journal already\n", trialsText(p.Resumed), p.Total)
	}
	switch {
	case s.json:
		if p.Trial != nil {
			event := map[string]any{"event": "trial", "id": p.Trial.ID, "pass": p.Trial.Pass, "f1": p.Trial.F1, "done": p.Done, "total": p.Total,
				"passed": p.Passed, "tokens_done": p.TokensDone, "tokens_total": p.TokensTotal, "tokens_per_second": math.Round(p.TokensPerSecond), "seconds_left": math.Round(p.Left.Seconds())}
			if p.Trial.Thinking != nil {
				event["thinking_tokens"], event["cut_off_in_thinking"] = len(p.Trial.Thinking.IDs), p.Trial.Thinking.Cut
			}
			printJSON(s.out, event)
		}
	case s.quiet:
	case s.bar != nil:
		s.bar.ChangeMax64(max(1, p.TokensTotal))
		s.bar.Describe(s.describe(p))
		_ = s.bar.Set64(p.TokensDone)
	case s.beat != nil:
		s.beat.change(func() bool {
			s.current = p
			tenth := 10 * p.Done / max(1, p.Total)
			more := p.Trial != nil && tenth > s.tenth
			if more {
				s.tenth = tenth
			}
			return more
		})
	}
}

func (s *speaker) describe(p probe.Progress) string {
	t := fmt.Sprintf("%d/%d trials", p.Done, p.Total)
	if p.Done > 0 && !s.forced {
		t += fmt.Sprintf(", %.0f %% passed", 100*float64(p.Passed)/float64(p.Done))
	}
	if p.CutOff > 0 {
		t += fmt.Sprintf(", %d cut off in thinking", p.CutOff)
	}
	if p.TokensPerSecond > 0 {
		t += fmt.Sprintf(", %s tokens/s", thousands(int64(p.TokensPerSecond)))
	}
	if p.Left >= 0 && p.Done < p.Total {
		t += ", " + durationText(p.Left) + " left"
	}
	return t
}

// plainLine is a line of progress for people who read no terminal.
func (s *speaker) plainLine() string {
	p := s.current
	line := s.describe(p)
	if p.Done < p.Total {
		line += fmt.Sprintf(", %s of %s prompt tokens", thousands(p.TokensDone), thousands(max(p.TokensDone, p.TokensTotal)))
	}
	return line
}

// end takes the bar away; done trials are in the journal.
func (s *speaker) end(done int) {
	if !s.moved && done > 0 && !s.quiet {
		fmt.Fprintf(s.err, "%s are in the journal already; nothing is left to compute\n", trialsText(done))
	}
	if s.bar != nil {
		s.clear()
		s.bar = nil
	}
	if s.beat != nil {
		s.beat.stop()
	}
}

// clear empties the bar's line, a terminal's ^C included.
func (s *speaker) clear() {
	if s.bar != nil {
		_, _ = io.WriteString(s.err, "\r\x1b[K")
	}
}

// warn prints warnings about the result.
func (s *speaker) warn(ws []probe.Warning) {
	var remedies []string
	for _, w := range ws {
		if s.json {
			printJSON(s.out, map[string]any{"event": "warning", "kind": w.Kind, "text": w.Text, "remedies": w.Remedies})
			continue
		}
		fmt.Fprintf(s.err, "warning: %s\n", w.Text)
		for _, r := range w.Remedies {
			if !slices.Contains(remedies, r) {
				remedies = append(remedies, r)
			}
		}
	}
	if len(remedies) > 0 {
		fmt.Fprintf(s.err, "What helps:\n")
		for _, r := range remedies {
			fmt.Fprintf(s.err, "  - %s\n", r)
		}
	}
}

// How many heads the table on the screen holds: the top ones within bounds.
const (
	leastShown = 5
	mostShown  = 12
)

// result shows the top heads and where everything lies.
func (s *speaker) result(t *scoring.Table, r *probe.Result, method string, top int, paths []string) {
	if s.json {
		var heads []map[string]any
		for _, h := range t.Of(method) {
			if h.Rank <= top {
				heads = append(heads, map[string]any{"layer": h.Layer, "head": h.Head, "kv_head": h.KVHead, "mean": h.Mean, "std_err": finite(h.StdErr), "low": finite(h.Low), "high": finite(h.High), "rank": h.Rank})
			}
		}
		result := map[string]any{"event": "result", "method": method, "trials": r.Done, "passed": r.Passed, "counted": r.Counted, "stopped_early": r.Stopped, "top": heads, "files": paths}
		if t.Meta.Fast {
			result["fast"] = true
		}
		if t.Meta.Thinking != "" {
			result["thinking"], result["cut_off_in_thinking"] = t.Meta.Thinking, r.CutOff
		}
		if t.Meta.Partial != "" {
			result["partial"] = t.Meta.Partial
		}
		if tied := scoring.TieText(t.Of(method), top); tied != "" {
			result["tied"] = tied
		}
		printJSON(s.out, result)
		return
	}
	if s.quiet {
		return
	}
	counted := "all count in the scores"
	if r.Counted != r.Passed {
		counted = fmt.Sprintf("%d of them count in the scores", r.Counted)
	}
	if s.forced {
		fmt.Fprintf(s.err, "%s with teacher forcing, %s\n", trialsText(r.Done), counted)
	} else {
		fmt.Fprintf(s.err, "%d of %s passed, %s\n", r.Passed, trialsText(r.Done), counted)
	}
	if r.Stopped != nil {
		fmt.Fprintf(s.err, "stopped after %d of %d trials: %s\n", r.Stopped.Trials, r.Stopped.Of, r.Stopped.Why)
	}
	if t.Meta.Thinking != "" {
		fmt.Fprintf(s.err, "%s\n", t.Meta.Thinking)
	}
	if t.Meta.Partial != "" {
		fmt.Fprintf(s.err, "%s\n", t.Meta.Partial)
	}
	if t.Meta.Fast {
		fmt.Fprintf(s.err, "computed with %s: close to a run without, not equal to it\n", fastNote)
	}
	fmt.Fprintf(s.err, "\n%s", headTable(t, method, min(max(top, leastShown), mostShown, len(t.Of(method)))))
	if tied := scoring.TieText(t.Of(method), top); tied != "" {
		fmt.Fprintf(s.err, "\nTies: %s.\n", tied)
	}
	for _, h := range t.Halves {
		if h.Method == method && !math.IsNaN(h.Correlation) {
			fmt.Fprintf(s.err, "\nTwo halves of this run rank the heads with correlation %.2f (%.2f for the whole run).\n", h.Correlation, h.Corrected)
		}
	}
	fmt.Fprintf(s.err, "\nWritten:\n")
	for _, p := range paths {
		fmt.Fprintf(s.err, "  %s\n", p)
	}
}

// next says what can be done with a run's folder.
func (s *speaker) next(dir, model string) {
	if s.quiet || s.json {
		return
	}
	of := ""
	if model != "" {
		of = " -m " + quote(model)
	}
	fmt.Fprintf(s.err, "\nNext:\n")
	for _, line := range [][2]string{
		{"report " + quote(dir), "one page to look at"},
		{"budget " + quote(dir) + " --capacity 128", "KV-cache entries per head"},
		{"eval" + of + " --scores " + quote(dir), "try them: accuracy, memory, speed"},
	} {
		fmt.Fprintf(s.err, "  headprof %-42s  %s\n", line[0], line[1])
	}
}

// finite is x, or nil where JSON has no number for it.
func finite(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}

// headTable draws the n best heads with bars and error bars.
func headTable(t *scoring.Table, method string, n int) string {
	heads := make([]scoring.Head, n)
	var longest float64
	for _, h := range t.Of(method) {
		if h.Rank >= 1 && h.Rank <= n {
			heads[h.Rank-1] = h
			longest = max(longest, h.Mean)
			if !math.IsNaN(h.High) {
				longest = max(longest, h.High)
			}
		}
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "%4s  %-9s %-7s  %-32s %7s  %s\n", "rank", "head", "KV head", method, "mean", "95 % interval")
	for _, h := range heads {
		interval := ""
		if !math.IsNaN(h.Low) {
			interval = fmt.Sprintf("[%.4f, %.4f]", h.Low, h.High)
			if h.RankHigh > 0 {
				interval += fmt.Sprintf("  rank %d to %d", h.RankLow, h.RankHigh)
			}
		}
		fmt.Fprintf(b, "%4d  %-9s %-7d  %s %7.4f  %s\n", h.Rank, fmt.Sprintf("L%d.H%d", h.Layer, h.Head), h.KVHead, bar(h.Mean, h.Low, h.High, longest, 32), h.Mean, interval)
	}
	return b.String()
}

// bar draws mean with its interval on a line of width characters: full up to
// the interval's lower end, shaded across it, the mean marked.
func bar(mean, low, high, longest float64, width int) string {
	at := func(x float64) int {
		if longest <= 0 || math.IsNaN(x) {
			return 0
		}
		return min(width, max(0, int(math.Round(x/longest*float64(width)))))
	}
	line := []rune(strings.Repeat(" ", width))
	m := at(mean)
	for i := range m {
		line[i] = '█'
	}
	if !math.IsNaN(low) {
		for i := at(low); i < at(high); i++ {
			line[i] = '░'
			if i < m {
				line[i] = '▓'
			}
		}
	}
	return string(line)
}

// trialsText is "1 trial", "2 trials".
func trialsText(n int) string {
	if n == 1 {
		return "1 trial"
	}
	return thousands(int64(n)) + " trials"
}

// thousands prints a whole number with separators.
func thousands(n int64) string {
	t := fmt.Sprint(n)
	for i := len(t) - 3; i > 0; i -= 3 {
		t = t[:i] + "," + t[i:]
	}
	return t
}

// durationText prints a duration for people.
func durationText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
