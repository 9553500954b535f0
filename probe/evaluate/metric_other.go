package evaluate

import (
	"math"
	"regexp"
	"strings"
)

// classification is LongBench's: the classes that the output names, but for
// those that are merely part of the right one; right if the right one is among
// them, shared by how many they are. Like the published code it looks at the
// list while taking names off it, and so passes over the one after each.
func classification(output, answer string, classes []string) float64 {
	var named []string
	for _, c := range classes {
		if strings.Contains(output, c) {
			named = append(named, c)
		}
	}
	for i := 0; i < len(named); i++ {
		c := named[i]
		if strings.Contains(answer, c) && c != answer {
			for j, d := range named {
				if d == c {
					named = append(named[:j:j], named[j+1:]...)
					break
				}
			}
		}
	}
	for _, c := range named {
		if c == answer {
			return 1 / float64(len(named))
		}
	}
	return 0
}

var (
	digits           = regexp.MustCompile(`\d+`)
	paragraph        = regexp.MustCompile(`Paragraph (\d+)`)
	paragraphChinese = regexp.MustCompile(`段落(\d+)`)
)

// share is how many of the numbers in the output are the right one.
func share(output, right string) float64 {
	all := digits.FindAllString(output, -1)
	n := 0
	for _, d := range all {
		if d == right {
			n++
		}
	}
	if len(all) == 0 {
		return 0
	}
	return float64(n) / float64(len(all))
}

// retrieval is LongBench's for passage retrieval: the share of the output's
// numbers that is the paragraph's.
func retrieval(output, answer string, _ []string) float64 {
	for _, p := range []*regexp.Regexp{paragraph, paragraphChinese} {
		if m := p.FindStringSubmatch(answer); m != nil {
			return share(output, m[1])
		}
	}
	return 0
}

// count is LongBench's for counting.
func count(output, answer string, _ []string) float64 { return share(output, answer) }

// codeSimilarity is LongBench's for code: of the first output line without a
// back quote, # or //, the edit similarity to the answer, 2·LCS over the sum
// of lengths in characters (the ratio of Levenshtein's distance in which a
// substitution costs two edits), rounded to a percent.
func codeSimilarity(output, answer string, _ []string) float64 {
	candidate := ""
	for line := range strings.SplitSeq(strings.TrimLeft(output, "\n"), "\n") {
		if !strings.Contains(line, "`") && !strings.Contains(line, "#") && !strings.Contains(line, "//") {
			candidate = line
			break
		}
	}
	a, b := []rune(candidate), []rune(answer)
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	lcs := lcsTable(len(a), len(b), func(i, j int) bool { return a[i] == b[j] })[len(a)][len(b)]
	return math.RoundToEven(100*2*float64(lcs)/float64(len(a)+len(b))) / 100
}
