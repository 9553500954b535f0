package needle

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// listed words: those of at least four letters of the embedded text.
var vocabulary = sync.OnceValue(func() []string {
	seen := map[string]bool{}
	var out []string
	for _, w := range regexp.MustCompile(`\b[a-z]{4,}\b`).FindAllString(EmbeddedHaystack().text, -1) {
		if !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
})

// commonWords is how many words of a list are common (RULER's num_cw).
const commonWords = 10

// wordList gives a numbered list of so many different words, of which the
// common ones stand there often and the others seldom, in random order.
func (r *ruler) wordList(words []string, often, seldom int) string {
	var all []string
	for i, w := range words {
		times := seldom
		if i < commonWords {
			times = often
		}
		all = append(all, slices.Repeat([]string{w}, times)...)
	}
	r.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, w := range all {
		all[i] = fmt.Sprintf("%d. %s", i+1, w)
	}
	return strings.Join(all, " ")
}

func (r *ruler) common() (*RulerTask, error) {
	// RULER's sizes; contexts below 4,096 tokens have smaller ones.
	exampleWords, exampleOften, exampleSeldom, often, seldom := 40, 10, 3, 30, 3
	if r.Length < 4096 {
		exampleWords, exampleOften, exampleSeldom, often, seldom = 20, 3, 1, 6, 1
	}
	words := slices.Clone(vocabulary())
	shuffle := func() {
		copy(words, vocabulary())
		r.random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	}
	const (
		intro    = "Below is a list of words with numbers. Some words stand there more often than others. Keep the most frequent ones in mind.\n"
		question = "\nQuestion: What are the 10 words that stand most often in the list above?"
		lead     = "\nAnswer: The 10 most frequent words of the list are:"
	)
	shuffle()
	shown := words[:exampleWords]
	example := intro + r.wordList(shown, exampleOften, exampleSeldom) + question + lead
	for i, w := range shown[:commonWords] {
		example += fmt.Sprintf(" %d. %s", i+1, w)
	}
	f := rulerFrame{intro: example + "\n\n\n" + intro, question: question, lead: lead}
	return r.fill(f, commonWords+1, len(words)-exampleWords, func(n int) (string, []string) {
		shuffle()
		own := words[exampleWords:][:n]
		return r.wordList(own, often, seldom), slices.Clone(own[:commonWords])
	})
}

const (
	frequentAnswers = 3
	zipf            = 2.0 // RULER's alpha
	codedLetters    = 6
	dots            = "..."
)

// zipfCount is how often the word of a rank stands in a text of about n words:
// n · rank^−α / ζ(α), rounded down; ζ(2) = π²/6.
func zipfCount(n, rank int) int {
	return int(float64(n) * math.Pow(float64(rank), -zipf) / (math.Pi * math.Pi / 6))
}

func (r *ruler) frequent() (*RulerTask, error) {
	f := rulerFrame{
		intro:    "Count how often each word stands in the coded text below and find the three most frequent ones.\n",
		question: "\nQuestion: Which three words stand most often in the coded text above? Take no account of the dots and explain nothing.",
		lead:     "\nAnswer: The three most frequent words of the coded text above are:",
	}
	// The most frequent "word" is dots, as in RULER.
	distinct := func(n int) bool {
		for rank := 2; rank <= frequentAnswers+1; rank++ {
			if zipfCount(n, rank) <= zipfCount(n, rank+1) {
				return false
			}
		}
		return true
	}
	least := 1
	for !distinct(least) {
		least++
	}
	t, err := r.fill(f, least, 1<<20, func(n int) (string, []string) {
		for !distinct(n) {
			n-- // least is distinct
		}
		var all, answers []string
		used := map[string]bool{}
		for rank := 1; zipfCount(n, rank) > 0; rank++ {
			w := dots
			for rank > 1 && (w == dots || used[w]) {
				w = r.letters(codedLetters, 'a')
			}
			used[w] = true
			if rank > 1 && rank <= frequentAnswers+1 {
				answers = append(answers, w)
			}
			all = append(all, slices.Repeat([]string{w}, zipfCount(n, rank))...)
		}
		r.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return strings.Join(all, " "), answers
	})
	if err != nil {
		return nil, err
	}
	if len(t.Answers) != frequentAnswers {
		return nil, errors.New("the coded text is too short")
	}
	return t, nil
}
