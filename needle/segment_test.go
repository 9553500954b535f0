package needle

import (
	"strings"
	"testing"
)

// What the window judge takes for one word, by what the text means. A bar
// stands between words.
func TestSegmentsAreNumbersWordsAndClusters(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"The quick, brown Fox!", "quick|brown|fox"},
		{"a座 A 号", "a|座|号"},
		{"don't", "dont"},
		{"half \xe6\x9d character", "half|character"},
		{"caf\xe9x", "cafx"},

		// Digits of every script, full width and mathematical ones included.
		{"０１２３４５６７８９", "0123456789"},
		{"٠١٢٣٤٥٦٧٨٩", "0123456789"},
		{"०१२३४५६७८९", "0123456789"},
		{"๐๑๒๓๔๕๖๗๘๙", "0123456789"},
		{"០១២៣៤៥៦៧៨៩", "0123456789"},
		{"𞥐𞥑𞥒𞥓𞥔𞥕𞥖𞥗𞥘𞥙", "0123456789"},
		{"𝟎𝟏𝟗𝟘𝟙𝟡", "019019"},
		{"①", "1"},

		// Numbers.
		{"12,500 12'500 12’500 12\u00a0500 12\u2009500 12\u202f500 12500", "12500|12500|12500|12500|12500|12500|12500"},
		{"12 500", "12|500"},
		{"1,250,000 1.250.000 1'250'000", "1250000|1250000|1250000"},
		{"12,500.75 12'500,75 1.234,56 1.250.000,5", "12500.75|12500.75|1234.56|1250000.5"},
		{"12,34,567 1,23,456.5", "1234567|123456.5"},
		{"1.5 1,5 1.50 1.0 .5 0.5 0,5 ٫5 1٫5 12٬500", "1.5|1.5|1.5|1|0.5|0.5|0.5|0.5|1.5|12500"},
		{"0,500 1234,567", "0.5|1234.567"},
		{"1.234 12.500", "1.234|12.5"},
		{"1,2,3 1, 2", "1|2|3|1|2"},
		{"0042 007 00", "0042|007|00"},
		{"1.2.3 192.168.0.1", "1.2.3|192.168.0.1"},
		{"-40 −40 (-40) =-40 ‑40 －40", "-40|-40|-40|-40|-40|-40"},
		{"10-20 10–20 10−20", "10|20|10|20|10|20"},
		{"+40 ±5 -1,5 -.5 -$5", "40|±5|-1.5|-0.5|-5"},
		{"- 40", "40"},
		{"9:05 09:05 9:05:30 ９：０５ 12:30", "9:05|9:05|9:05:30|9:05|12:30"},
		{"9:05am 9:05 a.m.", "9:05|am|9:05|am"},
		{"1/2 ½ 1½ 2⁄3 5/12/2024", "1/2|1/2|1|1/2|2/3|5/12/2024"},
		{"10² 10^2 m² 1.5³", "10^2|10^2|m2|1.5^3"},
		{"1.5e-3 1e6 2E+5 3e4x", "1.5e-3|1e6|2e5|3e4x"},
		{"50% 50 % ５０％ 50٪ 1.5‰ %", "50%|50%|50%|50%|1.5‰|%"},
		{"1st 2nd 3rd 4th 21ST 5thing", "1th|2th|3th|4th|21th|5|thing"},
		{"5km 5 km 12b 7f3a B12 x86 KL-40", "5|km|5|km|12|b|7f3a|b12|x86|kl40"},
		{"weighs:5 x=5 (5) room,12", "weighs|5|x|5|5|room|12"},
		{"$5 5$ €5 5 euros 5 dollars £1 ¥2 ₹3 3 rupees 2 pounds ₽1 1 roubles ₩9", "dollar|5|5|dollar|euro|5|5|euro|5|dollar|pound|1|yen|2|rupee|3|3|rupee|2|pound|rouble|1|1|rouble|won|9"},
		{"-40°C -40 °C ℃", "-40|°c|-40|°c|°c"},

		// Number words.
		{"zero one ten nineteen twenty ninety", "0|1|10|19|20|90"},
		{"twenty-one twenty one twentyone", "21|21|21"},
		{"twenty ten thirty-zero", "20|10|thirtyzero"},
		{"first second third twentieth twenty-first ninety ninth", "1th|2th|3th|20th|21th|99th"},
		{"a hundred; a thousand. Million", "100|1000|1000000"},
		{"one hundred and five; two hundred twenty-one; nineteen hundred", "105|221|1900"},
		{"two thousand three hundred and four", "2304"},
		{"two million three hundred thousand and five", "2300005"},
		{"a hundred and first", "101th"},
		{"one hundred and fifth seven", "105th|7"},
		{"two thousand, two million", "2000|2000000"},
		{"in twenty, one left", "in|20|1|left"},
		{"three trillion one billion", "3001000000000"},
		{"one hundred and counting", "100|and|counting"},
		{"one thousand and one nights", "1001|nights"},
		{"two and three", "2|and|3"},
		{"5 million 1.5 million 2 hundred 1.25 thousand 0.5 million 1.2345 thousand", "5000000|1500000|200|1250|500000|1234.5"},
		{"5 thousand million", "5000000000"},
		{"9:05 million", "9:05|1000000"},
		{"one point five; three point one four; two point oh; zero point five zero", "1.5|3.14|2|point|oh|0.5"},
		{"six point seven eight nine ten", "6.789|10"},
		{"point five", "point|5"},
		{"minus forty negative 5 minus sign minus", "-40|-5|minus|sign|minus"},
		{"fifty percent 50 per cent 5 pct 50 per cow fifty %", "50%|50%|5%|50|per|cow|50%"},
		{"seventh heaven", "7th|heaven"},

		// Scripts.
		{"東京タワーABー", "東|京|タ|ワ|ー|ab|ー"},
		{"ﾀﾜｰ", "タ|ワ|ー"},
		{"서울 \u1109\u1165", "서|울|서"},
		{"ดอกบัวสีแดง", "ด|อ|ก|บั|ว|สี|แด|ง"},
		{"น้ำ เป็ด กระทะ", "น้ํา|เป็|ด|ก|ระ|ทะ"},
		{"ດອກ ແມ່ນ", "ດ|ອ|ກ|ແມ່|ນ"},
		{"ផ្កាឈូក", "ផ្កា|ឈូ|ក"},
		{"ကြာပန်းနီ", "ကြာ|ပန်း|နီ"},
		{"မန္တလေး", "မန္|တ|လေး"},
		{"ផ្កា\u200bឈូក", "ផ្កា|ឈូ|ក"},
		{"ខ្មែរ។", "ខ្មែ|រ"},
		{"كِتَابٌ كتـاب", "كتاب|كتاب"},
		{"أحمد إحمد آحمد ٱحمد", "احمد|احمد|احمد|احمد"},
		{"ی ى ي ک ك", "ي|ي|ي|ك|ك"},
		{"שָׁלוֹם", "שלום"},
		{"cafe\u0301 CAFÉ", "café|café"},
		{"Straße STRASSE ΟΔΟΣ οδος oﬃce", "strasse|strasse|οδοσ|οδοσ|office"},
		{"har\u00adbour a\u200db x\ufe0fy l\u2019eau", "harbour|ab|xy|leau"},
	} {
		var got []string
		for _, w := range segments(c.text, false) {
			got = append(got, w.text)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%q:\n %s, want\n %s", c.text, s, c.want)
		}
	}
}

func TestAHyphenSeparatesWordsOrIsDeleted(t *testing.T) {
	for _, c := range []struct{ text, joined, split string }{
		{"ice-cream", "icecream", "ice|cream"},
		{"KL-40", "kl40", "kl|40"},
		{"40-ton", "40|ton", "40|ton"},
		{"10-20 -x b- - c", "10|20|x|b|c", "10|20|x|b|c"},
		{"re‑entry", "reentry", "re|entry"},
	} {
		for hyphens, want := range map[bool]string{false: c.joined, true: c.split} {
			var got []string
			for _, w := range segments(c.text, hyphens) {
				got = append(got, w.text)
			}
			if s := strings.Join(got, "|"); s != want {
				t.Errorf("%q, %v: %s, want %s", c.text, hyphens, s, want)
			}
		}
	}
}

func TestSegmentsKeepTheirPlace(t *testing.T) {
	text := "It's «twenty-one» 12’500 ﬃ 50 %, ｶﾞ minus forty ½ แดง e\u0301t 1½."
	want := []string{"It's", "twenty-one", "12’500", "ﬃ", "50 %", "ｶﾞ", "minus forty", "½", "แด", "ง", "e\u0301t", "1", "½"}
	got := segments(text, false)
	if len(got) != len(want) {
		t.Fatalf("%d words: %v", len(got), got)
	}
	for i, w := range got {
		if s := text[w.start:w.end]; s != want[i] {
			t.Errorf("word %d covers %q, want %q", i, s, want[i])
		}
	}
}

func TestOneFirstAndSecondNeedNotBeNumbers(t *testing.T) {
	for text, want := range map[string]bool{
		"one": false, "first": false, "second": false, "two": true, "third": true, "1": true, "1st": true, "2nd": true,
		"one percent": true, "seven": true, "twenty-one": true, "lamp": false, "9:05": true, "B12": false,
	} {
		ws := segments(text, true)
		if ws[0].number != want {
			t.Errorf("%s: number %v", text, ws[0].number)
		}
	}
}
