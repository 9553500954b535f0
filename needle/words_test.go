package needle

import (
	"math"
	"strings"
	"testing"
)

func TestWordsAreNormalisedAsSQuADDoesAndCJKCharactersStandAlone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"The quick, brown Fox!", "quick brown fox"},
		{"A theory of an answer", "theory of answer"}, // "theory" is no article
		{"don't re-use it", "dont reuse it"},
		{"“Smart” quotes — and dashes…", "smart quotes and dashes"},
		{"$5 + 3 = 8", "5 3 8"},
		{"the. a, AN", ""},
		{"  \n\t ", ""},
		{"Über-straße", "überstraße"},
		{"東京タワーの高さ", "東 京 タ ワ ー の 高 さ"},
		{"スーーパー ABー", "ス ー ー パ ー ab ー"},
		{"서울 시", "서 울 시"},
		{"A座 3号", "a 座 3 号"},
		{"在北京，读书。", "在 北 京 读 书"},
		{"half \xe6\x9d character", "half character"},
	} {
		var got []string
		for _, w := range words(c.text) {
			got = append(got, w.text)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: %q, want %q", c.text, s, c.want)
		}
	}
}

func TestWordsKeepTheirPlace(t *testing.T) {
	text := "It's «the 本» end."
	want := []string{"It's", "本", "end"} // "the" is dropped
	for i, w := range words(text) {
		if got := text[w.start:w.end]; got != want[i] {
			t.Errorf("word %d covers %q, want %q", i, got, want[i])
		}
	}
}

// Worked by hand with the formula of SQuAD's official scorer: F1 = 2PR/(P+R),
// P = shared/words of the output, R = shared/words of the answer, words being
// counted as often as both sides hold them. The first two outputs and their
// values are also in the issue and the reference scores of this project.
func TestF1IsSQuADs(t *testing.T) {
	const lisbon = "ride the yellow tram and read a mystery novel by the window"
	for _, c := range []struct {
		output, answer string
		want           float64
	}{
		// 16 words, 9 words, 6 shared: 12/25.
		{"The best way to spend a rainy morning in Lisbon is to ride the yellow tram and read a mystery", lisbon, 0.48},
		// 9 words, 9 words; tomas keeps savings in: 8/18.
		{"The younger one between Ines and Tomas keeps the savings in", "Tomas keeps his savings in a leather boot under the stairs.", 8.0 / 18},
		{"Ride the YELLOW tram, and read a mystery novel by the window!", lisbon, 1},
		{"red red red", "red blue", 2.0 / 5},  // red is shared once
		{"red red blue", "red red", 4.0 / 5},  // and here twice
		{"", "red", 0},                        // nothing said
		{"the a an", "red", 0},                // nothing left
		{"green", "red", 0},                   // nothing shared
		{"京都の寺", "京都の古い寺", 2 * 4.0 / (4 + 6)}, // per character
	} {
		if got := F1(c.output, c.answer); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("F1(%q, %q) = %v, want %v", c.output, c.answer, got, c.want)
		}
	}
}
