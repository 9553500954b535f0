// Package plots draws what headprof measures: heads as a heatmap and as a
// ranking, the needle grid, score by layer, two profiles against each other,
// budgets, evaluations and ablations. Every constructor checks its input and
// returns a Figure, which writes itself as PNG, SVG or PDF.
//
// The package sees small structs of plain numbers. It knows neither the files
// they come from nor the models behind them. The same input gives the same
// bytes: no clock, no random numbers, no map order.
//
// Layers, heads and KV heads are numbered from 0, as in model code. Layer 0 is
// drawn at the top and head 0 at the left, as the rows and columns of a table.
package plots

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Meta is what a title says about a run. Empty fields are left out.
type Meta struct {
	Model  string // model name; long ones are shortened in the middle
	Method string // score method or budget policy, e.g. "headkv-r2"
	Decode string // "greedy" or "forced"
	Trials int    // trials run; 0 where unknown (published files)
	Passed int    // trials that passed; forced decoding: that count in the scores
	Cases  int    // in place of trials: prompts that ask for no answer
	Note   string // one short remark, e.g. "published file"
	Title  string // in place of the figure's own title; ""
}

// title is the figure's own title or the one that was asked for.
func (m Meta) title(own string) string {
	if m.Title != "" {
		return shorten(m.Title, 120)
	}
	return own
}

// fewPassed and lowRate are the limits under which a title warns: below them a
// ranking rests on too few trials to be stable.
const (
	fewPassed = 20
	lowRate   = 0.5
)

func (m Meta) check() error {
	if m.Trials < 0 || m.Passed < 0 || (m.Trials > 0 && m.Passed > m.Trials) {
		return fmt.Errorf("plot: %d passed of %d trials is impossible", m.Passed, m.Trials)
	}
	return nil
}

// facts are the parts of the subtitle, in order; the page breaks lines between
// them and never inside one.
func (m Meta) facts() []string {
	var f []string
	if m.Model != "" {
		f = append(f, shorten(m.Model, 44))
	}
	if m.Method != "" {
		f = append(f, "method "+shorten(m.Method, 32))
	}
	switch m.Decode {
	case "":
	case "forced":
		f = append(f, "forced decoding")
	default:
		f = append(f, m.Decode+" decoding")
	}
	switch {
	case m.Cases > 0:
		f = append(f, counted(m.Cases, "case"))
	case m.Trials > 0 && m.Decode == "forced": // nothing was asked of the model, so nothing passed
		if m.Passed < m.Trials {
			f = append(f, thousands(m.Passed)+" of "+counted(m.Trials, "trial")+" counted")
		} else {
			f = append(f, counted(m.Trials, "trial"))
		}
	case m.Trials > 0:
		f = append(f, fmt.Sprintf("%s of %s trials passed (%s)",
			thousands(m.Passed), thousands(m.Trials), percent(float64(m.Passed)/float64(m.Trials))))
	case m.Passed > 0:
		f = append(f, counted(m.Passed, "passing trial"))
	}
	if m.Note != "" {
		f = append(f, shorten(m.Note, 60))
	}
	return f
}

// warning is the caution that a title adds in colour, or "".
func (m Meta) warning() string {
	if m.Cases > 0 && m.Cases < fewPassed {
		return "few cases: ranking not reliable"
	}
	if m.Trials == 0 {
		return ""
	}
	switch {
	case m.Decode == "forced":
		if m.Passed < fewPassed {
			return "few trials: ranking not reliable"
		}
	case m.Passed < fewPassed:
		return "few passing trials: ranking not reliable"
	case float64(m.Passed) < lowRate*float64(m.Trials):
		return "low pass rate: read with care"
	}
	return ""
}

// shorten keeps both ends of s, where names differ: the family at the front,
// size and quantisation at the back.
func shorten(s string, max int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	r := []rune(s)
	tail := (max - 1) * 2 / 5
	return string(r[:max-1-tail]) + "…" + string(r[len(r)-tail:])
}

// percent writes a share with as many digits as it carries: 94 %, 3.1 %, 0.25 %.
func percent(v float64) string {
	p := 100 * v
	switch {
	case p == 0 || math.Abs(p) >= 10:
		if r := math.Round(p); (r == 100) == (p == 100) && (r == 0) == (p == 0) {
			return fmt.Sprintf("%.0f %%", p)
		}
		return fmt.Sprintf("%.1f %%", p)
	case math.Abs(p) >= 1:
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.2g %%", p)
}

// thousands groups digits with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// value writes a number with three significant digits, without an exponent
// where that stays short.
func value(v float64) string {
	if a := math.Abs(v); v != 0 && (a < 0.0001 || a >= 1e6) {
		return fmt.Sprintf("%.1e", v)
	}
	return strconv.FormatFloat(v, 'f', decimals(v), 64)
}

// decimals is the number of decimals that give v three significant digits. A
// column of numbers takes that of its largest, so that the points align.
func decimals(v float64) int {
	if v = math.Abs(v); v == 0 || !finite(v) {
		return 0
	}
	return max(0, min(9, 2-int(math.Floor(math.Log10(v)))))
}

// decimal writes v with n decimals; where that would be mostly zeros, with an
// exponent.
func decimal(v float64, n int) string {
	if n > 6 {
		return value(v)
	}
	return strconv.FormatFloat(v, 'f', n, 64)
}

// counted writes "1 head" and "3 heads".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// headName is the field's short name for a head.
func headName(layer, head int) string { return fmt.Sprintf("L%d.H%d", layer, head) }

// capital gives a title its first capital.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
