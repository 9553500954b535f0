package evaluate

import "strings"

// said is an output as RULER's metrics read it: control characters are line
// breaks, case does not count.
func said(output string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r < 0x20 {
			return '\n'
		}
		return r
	}, output))
}

// matchAll is RULER's string_match_all: the share of the answers that the
// output holds.
func matchAll(output string, answers []string) float64 {
	n := 0
	for _, a := range answers {
		if strings.Contains(said(output), strings.ToLower(a)) {
			n++
		}
	}
	return float64(n) / float64(len(answers))
}

// matchPart is RULER's string_match_part: 1 if the output holds any answer.
func matchPart(output string, answers []string) float64 {
	if matchAll(output, answers) > 0 {
		return 1
	}
	return 0
}
