package attention

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Select reads a list of numbers and ranges over n things: "3", "-1" (the
// last), "10:20", "-8:", ":4", "all", several by commas. Ranges are half open
// and are cut to what there is, as in Python; a number outside is an error. The
// result is ascending, without repeats.
func Select(text string, n int) ([]int, error) { return choose(text, n, nil) }

// choose is Select with further words; a word gives a range [from, to).
func choose(text string, n int, words map[string]func() (from, to int, err error)) ([]int, error) {
	marks := map[int]bool{}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		from, to := 0, n
		word, known := words[part]
		first, last, isRange := strings.Cut(part, ":")
		var err error
		switch {
		case known:
			if from, to, err = word(); err != nil {
				return nil, err
			}
		case part == "all":
		case isRange:
			if from, err = place(first, 0, n); err == nil {
				to, err = place(last, n, n)
			}
			if err != nil {
				return nil, wrong(part, words)
			}
			from, to = max(0, from), min(n, to)
		default:
			if from, err = strconv.Atoi(part); err != nil {
				return nil, wrong(part, words)
			}
			if from < -n || from >= n {
				return nil, fmt.Errorf("%d is not among the %d there are", from, n)
			}
			if from < 0 {
				from += n
			}
			to = from + 1
		}
		for i := from; i < to; i++ {
			marks[i] = true
		}
	}
	out := make([]int, 0, len(marks))
	for i := range marks {
		out = append(out, i)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q selects none of %d", text, n)
	}
	slices.Sort(out)
	return out, nil
}

// place is one end of a range.
func place(text string, missing, n int) (int, error) {
	if text == "" {
		return missing, nil
	}
	i, err := strconv.Atoi(text)
	if i < 0 {
		i = max(0, i+n)
	}
	return i, err
}

func wrong(part string, words map[string]func() (int, int, error)) error {
	more := ""
	for _, w := range []string{"last", "evidence", "answer"} {
		if words[w] != nil {
			more += ", " + w
		}
	}
	return fmt.Errorf("%q is no selection; known are a number, -1 for the last, a range as 10:20 or -8:, all%s, and several by commas", part, more)
}
