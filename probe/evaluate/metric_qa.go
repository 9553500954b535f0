package evaluate

import (
	"regexp"
	"strings"
	"unicode"
)

// metric scores an output against one accepted answer, 0 to 1.
type metric func(output, answer string, classes []string) float64

var wholeWord = regexp.MustCompile(`[\p{L}\p{N}_]+`)

// qaF1 is LongBench's QA score for English: the F1 of bags of words after
// SQuAD's normalisation (Rajpurkar et al., arXiv 1606.05250): lower case, no
// ASCII punctuation, no articles.
func qaF1(output, answer string, _ []string) float64 {
	normal := func(s string) []string {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(asciiPunctuation, r) {
				return -1
			}
			return r
		}, strings.ToLower(s))
		return strings.Fields(wholeWord.ReplaceAllStringFunc(s, func(w string) string {
			if w == "a" || w == "an" || w == "the" {
				return " "
			}
			return w
		}))
	}
	return bagF1(normal(output), normal(answer))
}

const asciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// qaF1Chinese is the same for Chinese. The published score cuts words with a
// dictionary (jieba); here a Chinese character is a word, which needs none.
// Scores are comparable with each other, not with published ones.
func qaF1Chinese(output, answer string, _ []string) float64 {
	normal := func(s string) []string {
		var words []string
		for _, w := range charWords(strings.ToLower(s)) {
			w = strings.Map(func(r rune) rune {
				if strings.ContainsRune(asciiPunctuation, r) || unicode.IsPunct(r) || unicode.IsSymbol(r) {
					return -1
				}
				return r
			}, w)
			if w != "" {
				words = append(words, w)
			}
		}
		return words
	}
	return bagF1(normal(output), normal(answer))
}

// charWords cuts text into single Han characters, runs of letters and digits,
// and single other marks; white space only separates.
func charWords(s string) []string {
	var words []string
	run := -1 // where an open run of letters begins
	flush := func(end int) {
		if run >= 0 {
			words = append(words, s[run:end])
			run = -1
		}
	}
	for i, r := range s {
		switch {
		case unicode.IsSpace(r):
			flush(i)
		case unicode.Is(unicode.Han, r):
			flush(i)
			words = append(words, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if run < 0 {
				run = i
			}
		default:
			flush(i)
			words = append(words, string(r))
		}
	}
	flush(len(s))
	return words
}

// bagF1 is the harmonic mean of precision and recall over multisets of words.
func bagF1(output, answer []string) float64 {
	left := map[string]int{}
	for _, w := range answer {
		left[w]++
	}
	same := 0
	for _, w := range output {
		if left[w] > 0 {
			left[w]--
			same++
		}
	}
	if same == 0 {
		return 0
	}
	p, r := float64(same)/float64(len(output)), float64(same)/float64(len(answer))
	return 2 * p * r / (p + r)
}

// hasHan reports whether text holds Chinese characters.
func hasHan(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
}
