package needle_test

import (
	"regexp"

	"headprof/needle"
)

// fakeTokenizer splits text into words with one leading space, and single
// characters for all else: tokens that can be counted by hand.
type fakeTokenizer struct {
	ids   map[string]int32
	texts []string
}

var fakePiece = regexp.MustCompile(`(?s) ?[\pL\d]+|.`)

func (f *fakeTokenizer) Encode(text string) []needle.Token {
	if f.ids == nil {
		f.ids = make(map[string]int32)
	}
	var out []needle.Token
	for _, at := range fakePiece.FindAllStringIndex(text, -1) {
		piece := text[at[0]:at[1]]
		id, ok := f.ids[piece]
		if !ok {
			id = int32(len(f.texts))
			f.ids[piece] = id
			f.texts = append(f.texts, piece)
		}
		out = append(out, needle.Token{ID: id, Start: at[0], End: at[1]})
	}
	return out
}

func (f *fakeTokenizer) Text(id int32) string { return f.texts[id] }

// text joins what ids stand for.
func (f *fakeTokenizer) text(ids []int32) string {
	s := ""
	for _, id := range ids {
		s += f.Text(id)
	}
	return s
}
