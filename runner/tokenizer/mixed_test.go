package tokenizer_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// mixed makes the text of testdata/mixed.py, byte for byte.
func mixed(t testing.TB, seed uint64, size int) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/snippets.json")
	if err != nil {
		t.Fatal(err)
	}
	var snippets map[string][]string
	if err := json.Unmarshal(raw, &snippets); err != nil {
		t.Fatal(err)
	}
	kinds := []string{"prose", "code", "scripts", "emoji", "space", "marks"}
	ranges := [][2]int{
		{0x21, 0x7E}, {0xA1, 0xFF}, {0x100, 0x17F}, {0x391, 0x3A1}, {0x410, 0x44F}, {0x5D0, 0x5EA},
		{0x905, 0x939}, {0xE01, 0xE30}, {0x2010, 0x2027}, {0x2190, 0x21FF}, {0x2460, 0x249B}, {0x3041, 0x3096},
		{0x30A1, 0x30FA}, {0x4E00, 0x9FA5}, {0xAC00, 0xD7A3}, {0xFF01, 0xFF5E}, {0x1F600, 0x1F640}, {0x20000, 0x20100},
	}
	state := seed
	draw := func(n int) int {
		state = state*6364136223846793005 + 1442695040888963407
		return int(state>>33) % n
	}
	decimal := func(n int) string {
		b, _ := json.Marshal(n)
		return string(b)
	}
	var out strings.Builder
	for out.Len() < size {
		var s strings.Builder
		switch k := draw(10); {
		case k < 3:
			s.WriteString(snippets["prose"][draw(len(snippets["prose"]))])
		case k < 5:
			s.WriteString(snippets["code"][draw(len(snippets["code"]))])
		case k < 8:
			list := snippets[kinds[draw(len(kinds))]]
			s.WriteString(list[draw(len(list))])
		case k == 8:
			for range 1 + draw(9) {
				s.WriteByte(byte('0' + draw(10)))
			}
			if draw(3) == 0 {
				s.WriteByte(".,:-/ "[draw(6)])
				s.WriteString(decimal(draw(100000)))
			}
			if draw(2) == 0 {
				out.WriteByte(' ')
			}
		default:
			r := ranges[draw(len(ranges))]
			for range 1 + draw(8) {
				s.WriteRune(rune(r[0] + draw(r[1]-r[0]+1)))
			}
			if draw(2) == 0 {
				out.WriteByte(' ')
			}
		}
		out.WriteString(s.String())
	}
	return out.String()
}
