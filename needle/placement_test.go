package needle_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"headprof/needle"
)

// byteTokens are tokens of three bytes, whatever they cut: the worst case of a
// byte-level vocabulary.
type byteTokens struct{ texts []string }

func (b *byteTokens) Encode(text string) []needle.Token {
	var out []needle.Token
	for at := 0; at < len(text); at += 3 {
		end := min(at+3, len(text))
		out = append(out, needle.Token{ID: int32(len(b.texts)), Start: at, End: end})
		b.texts = append(b.texts, text[at:end])
	}
	return out
}

func (b *byteTokens) Text(id int32) string { return b.texts[id] }

// where composes a needle into text and gives what stands before and after it.
func where(t *testing.T, text string, depth float64, tok needle.Tokenizer) (before, after string, p *needle.Prompt) {
	t.Helper()
	h, err := needle.NewHaystack("t", text)
	if err != nil {
		t.Fatal(err)
	}
	p, err = needle.Compose(tok, h, ada, needle.Options{Length: 700, Depth: depth, Buffer: needle.NoBuffer})
	if err != nil {
		t.Fatal(err)
	}
	hay := h.Tokens(tok)
	end := hay[p.HaystackTokens-1].End
	if p.Insertion == 0 {
		return "", text[:end], p
	}
	at := hay[p.Insertion-1].End
	return text[:at], text[at:end], p
}

func TestNeedlesLieNearTheAskedDepthInEveryKindOfText(t *testing.T) {
	for _, c := range []struct {
		name, unit string
		before     string // what must stand before the needle, trimmed; "" for a word border
		placement  needle.Placement
	}{
		{"full stops", "The lamp on the table is green today. ", ".", needle.AfterSentence},
		{"exclamation", "The lamp on the table is green today! ", "!", needle.AfterSentence},
		{"question", "Is the lamp on the table green today? ", "?", needle.AfterSentence},
		{"dots", "The lamp on the table is green today... ", ".", needle.AfterSentence},
		{"ellipsis", "The lamp on the table is green today… ", "…", needle.AfterSentence},
		{"dialogue", `"The lamp on the table is green today." `, `."`, needle.AfterSentence},
		{"curly dialogue", "“The lamp on the table is green!” ", "!”", needle.AfterSentence},
		{"guillemets", "«The lamp on the table is green?» ", "?»", needle.AfterSentence},
		{"brackets", "(The lamp on the table is green.) ", ".)", needle.AfterSentence},
		{"Chinese", "桌子上的灯今天是绿色的。", "。", needle.AfterSentence},
		{"Chinese dialogue", "他说：「桌子上的灯今天是绿色的！」", "！」", needle.AfterSentence},
		{"Japanese", "机の上のランプは今日は緑色です。", "。", needle.AfterSentence},
		{"Hindi", "मेज पर दीपक आज हरा है। ", "।", needle.AfterSentence},
		{"Arabic", "هل المصباح على الطاولة أخضر اليوم؟ ", "؟", needle.AfterSentence},
		{"Urdu", "میز پر چراغ آج سبز ہے۔ ", "۔", needle.AfterSentence},
		{"Armenian", "Սեղանի լամպը այսօր կանաչ է։ ", "։", needle.AfterSentence},
		{"Khmer", "ចង្កៀងនៅលើតុពណ៌បៃតង។ ", "។", needle.AfterSentence},
		{"Burmese", "မီးအိမ်သည်စိမ်းသည်။ ", "။", needle.AfterSentence},
		{"code", "result := table.lamp(colour, today)\n", ")", needle.AfterLine},
		{"verse", "the lamp upon the table\n", "table", needle.AfterLine},
		{"paragraphs", "the lamp on\nthe table is\ngreen today\n\n", "", needle.AfterLine},
		{"Thai", "โคมไฟบนโต๊ะวันนี้เป็นสีเขียว", "", needle.AtWord},
		{"no marks", "the lamp on the table is green today ", "", needle.AtWord},
		{"decimals", "1.5 2.25 3.75 ", "", needle.AtWord},
		{"dotted names", "table.lamp.green ", "", needle.AtWord},
		{"emoji", "👩‍👩‍👧‍👦", "", needle.AtWord},
	} {
		for _, tok := range []needle.Tokenizer{&fakeTokenizer{}, &byteTokens{}} {
			text := strings.Repeat(c.unit, 12000/utf8.RuneCountInString(c.unit)+2)
			for _, depth := range []float64{0, 11, 25, 50, 75, 89, 100} {
				name := fmt.Sprintf("%s at %v with %T", c.name, depth, tok)
				before, after, p := where(t, text, depth, tok)
				real, ok := p.RealDepth()
				if !ok || math.Abs(real-depth) > 5 {
					t.Errorf("%s: really at %v", name, real)
				}
				if !utf8.ValidString(before) || !utf8.ValidString(after) {
					t.Errorf("%s: a character is cut", name)
				}
				if depth == 0 || depth == 100 {
					continue
				}
				if _, whole := tok.(*fakeTokenizer); !whole {
					continue
				}
				if p.Placement != c.placement || !strings.HasSuffix(strings.TrimSpace(before), c.before) {
					t.Errorf("%s: %s after %q", name, p.Placement, before[max(0, len(before)-30):])
				}
			}
		}
	}
}

func TestTheNearestSentenceEndIsTakenOnlyWhereItIsNear(t *testing.T) {
	// One sentence end at word 20 of 600: 280 words before depth 50.
	text := strings.Repeat("lamp ", 19) + "lamp. " + strings.Repeat("Lamp ", 900)
	_, _, p := where(t, text, 50, &fakeTokenizer{})
	if p.Placement != needle.AtWord || math.Abs(float64(p.Insertion)-float64(p.HaystackTokens)/2) > 1 {
		t.Errorf("at %d of %d, %s", p.Insertion, p.HaystackTokens, p.Placement)
	}
	// The published rule goes all the way back.
	h, err := needle.NewHaystack("t", text)
	if err != nil {
		t.Fatal(err)
	}
	q, err := needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 700, Depth: 50, Published: true})
	if err != nil || q.Insertion != 21 {
		t.Errorf("published rule: at %d, %v; want 21 (twenty words and a full stop)", q.Insertion, err)
	}
	// No sentence end at all: 0, as published.
	h, _ = needle.NewHaystack("t", strings.Repeat("lamp ", 900))
	if q, err = needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 700, Depth: 50, Published: true}); err != nil || q.Insertion != 0 || q.Placement != needle.AtStart {
		t.Errorf("published rule without full stops: %+v, %v", q, err)
	}
}

func TestTextIsKeptBeforeTheNeedleWhereNoSentenceEnds(t *testing.T) {
	h, err := needle.NewHaystack("t", strings.Repeat("lamp ", 900))
	if err != nil {
		t.Fatal(err)
	}
	p, err := needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 700, Depth: 0, KeepBefore: 8})
	if err != nil || p.Insertion != 8 {
		t.Errorf("at %d, %v; want 8", p.Insertion, err)
	}
}
