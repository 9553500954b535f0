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
			text := strings.Repeat(c.unit, 9000/utf8.RuneCountInString(c.unit)+2)
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
				if words := strings.Fields(before); c.name == "no marks" && !strings.Contains(" "+c.unit, " "+words[len(words)-1]+" ") {
					t.Errorf("%s: a word is cut: %q", name, before[max(0, len(before)-30):])
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

// Texts of one token a word; marks stand at given tokens. The haystack has 600
// tokens: 5 % are 30, and depth 50 is 300. Worked out by hand from the rules in
// docs/method.md.
func TestTheRulesOfPlacementInTurn(t *testing.T) {
	type marks map[int]string // the mark that ends at a token, so that a needle may go there
	for _, c := range []struct {
		name  string
		marks marks
		depth float64
		keep  int
		at    int
		want  needle.Placement
	}{
		{"a full stop within 5 %", marks{270: "."}, 50, 0, 270, needle.AfterSentence},
		{"at the place itself", marks{300: "."}, 50, 0, 300, needle.AfterSentence},
		{"rather than a nearer question mark", marks{270: ".", 290: "?"}, 50, 0, 270, needle.AfterSentence},
		{"not beyond", marks{269: ".", 290: "?"}, 50, 0, 290, needle.AfterSentence},
		{"the nearest", marks{260: ".", 280: ".", 285: "."}, 50, 0, 285, needle.AfterSentence},
		{"a question mark within 5 %", marks{270: "?"}, 50, 0, 270, needle.AfterSentence},
		{"no farther", marks{269: "?"}, 50, 0, 300, needle.AtWord},
		{"a full stop within 128 tokens", marks{172: "."}, 50, 0, 172, needle.AfterSentence},
		{"rather than onward", marks{172: ".", 310: "?"}, 50, 0, 172, needle.AfterSentence},
		{"no farther back", marks{171: "."}, 50, 0, 300, needle.AtWord},
		{"onward within 5 %", marks{171: ".", 330: "?"}, 50, 0, 330, needle.AfterSentence},
		{"onward no farther", marks{331: "?"}, 50, 0, 300, needle.AtWord},
		{"onward to a full stop", marks{330: "."}, 50, 0, 330, needle.AfterSentence},
		{"a sentence onward rather than a line", marks{290: "\n", 330: "?"}, 50, 0, 330, needle.AfterSentence},
		// The needle goes before the line break, or behind it if that is nearer.
		{"a line within 5 %", marks{270: "\n"}, 50, 0, 270, needle.AfterLine},
		{"before its break", marks{301: "\n"}, 50, 0, 300, needle.AfterLine},
		{"no farther line", marks{269: "\n"}, 50, 0, 300, needle.AtWord},
		{"the start within 5 %", marks{}, 5, 0, 0, needle.AtStart},
		{"a sentence before it", marks{20: "?"}, 5, 0, 20, needle.AfterSentence},
		{"no farther start", marks{}, 5.2, 0, 31, needle.AtWord},
		{"the start of the first sentence", marks{159: "."}, 5.2, 0, 0, needle.AtStart},
		{"which a full stop ends", marks{159: "?"}, 5.2, 0, 31, needle.AtWord},
		{"within 128 tokens", marks{160: "."}, 5.2, 0, 31, needle.AtWord},
		{"the start 128 tokens back", marks{200: "."}, 21.34, 0, 0, needle.AtStart},
		{"no farther start, and no sentence ends near", marks{200: "."}, 21.5, 0, 129, needle.AtWord},
		{"depth 0", marks{5: "."}, 0, 0, 0, needle.AtStart},
		{"depth 100", marks{590: "."}, 100, 0, 600, needle.AtEnd},
		{"kept text: a full stop there", marks{8: "."}, 0, 8, 8, needle.AfterSentence},
		{"kept text: onward within 5 %", marks{38: "."}, 0, 8, 38, needle.AfterSentence},
		{"kept text: no farther", marks{39: "."}, 0, 8, 8, needle.AtWord},
		{"kept text: not before", marks{7: "."}, 5, 8, 30, needle.AtWord},
		{"kept text: a full stop behind it", marks{8: "."}, 5, 8, 8, needle.AfterSentence},
		{"kept text: within 128 tokens", marks{8: "."}, 21, 8, 8, needle.AfterSentence},
		{"kept text: one token", marks{1: "?"}, 0, 1, 1, needle.AfterSentence},
		{"kept text: not one token before", marks{7: "?"}, 0, 8, 8, needle.AtWord},
		{"behind the mark, not the space after it", marks{270: "?", 271: " "}, 50, 0, 270, needle.AfterSentence},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			for i := 1; i <= 700; i++ {
				if mark := c.marks[i]; mark != "" {
					b.WriteString(mark)
				} else if i == 1 {
					b.WriteString("lamp")
				} else {
					b.WriteString(" lamp")
				}
			}
			h, err := needle.NewHaystack("t", b.String())
			if err != nil {
				t.Fatal(err)
			}
			// ada has nine tokens.
			p, err := needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 609, Depth: c.depth, Buffer: needle.NoBuffer, KeepBefore: c.keep})
			if err != nil {
				t.Fatal(err)
			}
			if p.HaystackTokens != 600 || p.Insertion != c.at || p.Placement != c.want {
				t.Errorf("at %d of %d, %s; want %d, %s", p.Insertion, p.HaystackTokens, p.Placement, c.at, c.want)
			}
		})
	}
}

// A word without end is parted between characters, near the depth.
func TestAnEndlessWordIsPartedBetweenCharacters(t *testing.T) {
	for _, depth := range []float64{11, 50, 89} {
		before, after, p := where(t, strings.Repeat("𐐷", 1000), depth, &byteTokens{})
		if real, _ := p.RealDepth(); math.Abs(real-depth) > 1 || p.Placement != needle.AtWord || !utf8.ValidString(before) || !utf8.ValidString(after) {
			t.Errorf("at %v: really at %v, %s", depth, real, p.Placement)
		}
	}
}

// The only sentence ends where the haystack does.
func TestASentenceMayEndTheHaystack(t *testing.T) {
	h, err := needle.NewHaystack("t", strings.TrimSpace(strings.Repeat("lamp ", 79))+"?")
	if err != nil {
		t.Fatal(err)
	}
	p, err := needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 89, Depth: 97, Buffer: needle.NoBuffer})
	if err != nil || p.HaystackTokens != 80 || p.Insertion != 80 || p.Placement != needle.AfterSentence {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestThePublishedPlacementWalksAllTheWay(t *testing.T) {
	for _, c := range []struct {
		text  string
		depth float64
		keep  int
		at    int
		want  needle.Placement
	}{
		// One full stop, token 21, in 600: 279 tokens before depth 50.
		{strings.Repeat("lamp ", 19) + "lamp. " + strings.Repeat("Lamp ", 900), 50, 0, 21, needle.AfterSentence},
		{strings.Repeat("lamp ", 900), 50, 0, 0, needle.AtStart},
		{strings.Repeat("lamp ", 900), 100, 0, 600, needle.AtEnd},
		{strings.Repeat("lamp ", 900), 50, 8, 8, needle.AtWord},
		{"lamp. " + strings.Repeat("lamp ", 20) + "lamp. " + strings.Repeat("lamp ", 900), 0, 8, 24, needle.AfterSentence},
		// Not beyond the middle of the haystack, token 300.
		{strings.Repeat("lamp ", 298) + "lamp. " + strings.Repeat("lamp ", 900), 0, 8, 300, needle.AfterSentence},
		{strings.Repeat("lamp ", 299) + "lamp. " + strings.Repeat("lamp ", 900), 0, 8, 8, needle.AtWord},
	} {
		h, err := needle.NewHaystack("t", strings.TrimSuffix(c.text, " "))
		if err != nil {
			t.Fatal(err)
		}
		p, err := needle.Compose(&fakeTokenizer{}, h, ada, needle.Options{Length: 609, Depth: c.depth, Buffer: needle.NoBuffer, KeepBefore: c.keep, Published: true})
		if err != nil {
			t.Fatal(err)
		}
		if p.Insertion != c.at || p.Placement != c.want {
			t.Errorf("at %d of %d, %s; want %d, %s", p.Insertion, p.HaystackTokens, p.Placement, c.at, c.want)
		}
	}
}

func TestTheCutLeavesCharactersWhole(t *testing.T) {
	// Tokens of three bytes, characters of two: a cut at 9 bytes is inside one.
	h, err := needle.NewHaystack("t", strings.Repeat("ж", 300))
	if err != nil {
		t.Fatal(err)
	}
	tok := &byteTokens{}
	k := len(tok.Encode(" " + ada.Text))
	for published, want := range map[bool]int{false: 2, true: 3} {
		p, err := needle.Compose(tok, h, ada, needle.Options{Length: k + 3, Depth: 100, Buffer: needle.NoBuffer, Published: published})
		if err != nil || p.HaystackTokens != want {
			t.Errorf("published %v: %d tokens, %v; want %d", published, p.HaystackTokens, err, want)
		}
	}
}

func TestTheRealDepthIsThePlaceAmongTheHaystacksTokens(t *testing.T) {
	p := needle.Prompt{HaystackTokens: 59, Insertion: 28} // 47.457…
	if d, ok := p.RealDepth(); !ok || d != 47.46 {
		t.Errorf("%v, %v", d, ok)
	}
	if d, ok := (&needle.Prompt{}).RealDepth(); ok {
		t.Errorf("%v without a haystack", d)
	}
}
