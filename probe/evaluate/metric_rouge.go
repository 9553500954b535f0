package evaluate

import "strings"

// rougeL is the summary-level ROUGE-L F that LongBench reports (Lin, "ROUGE: a
// package for automatic evaluation of summaries", 2004, section 3.2), as the
// Python package rouge 1.0.1 computes it: sentences end at full stops, words
// are what white space separates and count once each, and the union of the
// longest common subsequences of all pairs of sentences is the overlap.
func rougeL(output, answer string, _ []string) float64 {
	out, ref := rougeSentences(output), rougeSentences(answer)
	if len(out) == 0 || len(ref) == 0 {
		return 0
	}
	different := func(sentences [][]string) float64 {
		words := map[string]bool{}
		for _, s := range sentences {
			for _, w := range s {
				words[w] = true
			}
		}
		return float64(len(words))
	}
	union := map[string]bool{}
	for _, r := range ref {
		for _, o := range out {
			addLCS(union, r, o)
		}
	}
	recall, precision := float64(len(union))/different(ref), float64(len(union))/different(out)
	return 2 * (precision * recall / (precision + recall + 1e-8))
}

// rougeChinese is rougeL over single characters; see qaF1Chinese.
func rougeChinese(output, answer string, _ []string) float64 {
	return rougeL(strings.Join(charWords(output), " "), strings.Join(charWords(answer), " "), nil)
}

func rougeSentences(text string) [][]string {
	var out [][]string
	for s := range strings.SplitSeq(text, ".") {
		if s == "" {
			continue
		}
		words := strings.Fields(s)
		if len(words) == 0 {
			words = []string{""} // Python's "".split(" ")
		}
		out = append(out, words)
	}
	return out
}

// addLCS adds the words of a longest common subsequence of x and y.
func addLCS(words map[string]bool, x, y []string) {
	table := lcsTable(len(x), len(y), func(i, j int) bool { return x[i] == y[j] })
	for i, j := len(x), len(y); i > 0 && j > 0; {
		switch {
		case x[i-1] == y[j-1]:
			words[x[i-1]] = true
			i, j = i-1, j-1
		case table[i-1][j] > table[i][j-1]:
			i--
		default:
			j--
		}
	}
}

// lcsTable holds the longest common subsequence's length of each pair of
// beginnings.
func lcsTable(n, m int, equal func(i, j int) bool) [][]int32 {
	table := make([][]int32, n+1)
	for i := range table {
		table[i] = make([]int32, m+1)
	}
	for i := range n {
		for j := range m {
			if equal(i, j) {
				table[i+1][j+1] = table[i][j] + 1
			} else {
				table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			}
		}
	}
	return table
}
