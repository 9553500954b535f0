package needle_test

import (
	"testing"

	"headprof/needle"
)

func TestTheWindowJudgeReadsScriptsAndNumbers(t *testing.T) {
	for _, c := range []struct {
		name, needle, question, answer, output string
		pass                                   bool
	}{
		{"Thai in a sentence", "รหัสลับของห้องคือดอกบัวสีแดง", "รหัสลับของห้องคืออะไร", "ดอกบัวสีแดง", "รหัสลับของห้องคือดอกบัวสีแดงครับ", true},
		{"another Thai word", "รหัสลับของห้องคือดอกบัวสีแดง", "รหัสลับของห้องคืออะไร", "ดอกบัวสีแดง", "รหัสลับของห้องคือปลาทองครับ", false},
		{"Khmer", "លេខសម្ងាត់គឺផ្កាឈូកក្រហម", "លេខសម្ងាត់គឺអ្វី?", "ផ្កាឈូកក្រហម", "លេខសម្ងាត់គឺផ្កាឈូកក្រហម។", true},
		{"Lao", "ລະຫັດລັບແມ່ນດອກບົວແດງ", "ລະຫັດລັບແມ່ນຫຍັງ", "ດອກບົວແດງ", "ລະຫັດລັບແມ່ນດອກບົວແດງເຈົ້າ", true},
		{"another Lao word", "ລະຫັດລັບແມ່ນດອກບົວແດງ", "ລະຫັດລັບແມ່ນຫຍັງ", "ດອກບົວແດງ", "ລະຫັດລັບແມ່ນປາທອງເຈົ້າ", false},
		{"Burmese", "လျှို့ဝှက်ကုဒ်မှာ ကြာပန်းနီဖြစ်သည်။", "လျှို့ဝှက်ကုဒ်မှာ ဘာလဲ။", "ကြာပန်းနီ", "လျှို့ဝှက်ကုဒ်မှာ ကြာပန်းနီဖြစ်ပါသည်။", true},
		{"another Burmese word", "လျှို့ဝှက်ကုဒ်မှာ ကြာပန်းနီဖြစ်သည်။", "လျှို့ဝှက်ကုဒ်မှာ ဘာလဲ။", "ကြာပန်းနီ", "လျှို့ဝှက်ကုဒ်မှာ ရွှေငါးဖြစ်ပါသည်။", false},
		{"Thai digits", "ราคา 450 บาท", "ราคาเท่าไร", "450 บาท", "๔๕๐ บาท", true},
		{"zero width space", "លេខសម្ងាត់គឺផ្កាឈូកក្រហម", "លេខសម្ងាត់គឺអ្វី?", "ផ្កាឈូកក្រហម", "ផ្កា\u200bឈូក\u200bក្រហម", true},
		{"Chinese", "钥匙在红色的花盆下面。", "钥匙在哪里？", "红色的花盆下面", "钥匙在红色的花盆下面。", true},
		{"Hangul jamo", "암호는 붉은 연꽃이다.", "암호는 무엇인가?", "붉은 연꽃", "\u1107\u116e\u11af\u1100\u1173\u11ab \u110b\u1167\u11ab\u1101\u1169\u11be", true},
		{"half-width Katakana", "合言葉はカメラ。", "合言葉は？", "カメラ", "ｶﾒﾗ", true},
		{"decomposed", "The code word is caf\u00e9 cr\u00e8me.", "What is the code word?", "caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me", true},
		{"full-width letters", "The code is Lotus.", "What is the code?", "Lotus", "Ｌｏｔｕｓ", true},
		{"ligature", "The code is office.", "What is the code?", "office", "oﬃce", true},
		{"final sigma", "Ο κωδικός είναι ΛΩΤΟΣ.", "Ποιος είναι ο κωδικός;", "ΛΩΤΟΣ", "λωτος", true},
		{"soft hyphen", "The code is harbour.", "What is the code?", "harbour", "har\u00adbour", true},
		{"sharp s", "Die Losung ist Straße.", "Was ist die Losung?", "Straße", "STRASSE", true},
		{"tatweel", "الكلمة السرية هي لوتس", "ما هي الكلمة السرية", "لوتس", "لوتـس", true},
		{"vowel signs", "الكلمة السرية هي لوتس", "ما هي الكلمة السرية", "كتاب", "كِتَاب", true},
		{"Hebrew points", "הסוד הוא שלום", "מה הסוד", "שלום", "שָׁלוֹם", true},
		{"Arabic-Indic digits", "في المدينة 450 بيتا", "كم بيتا", "450 بيتا", "٤٥٠ بيتا", true},
		{"Devanagari digits", "कमरा 450", "कौन सा", "450", "४५०", true},

		{"decimal moved", "The sample weighs 1.5 kilograms.", "How much does the sample weigh?", "1.5 kilograms", "15 kilograms", false},
		{"decimal moved in a sentence", "The box holds 1.5 kilograms of fine white salt.", "What does the box hold?", "1.5 kilograms of fine white salt", "It holds 15 kilograms of fine white salt.", false},
		{"decimal kept", "The sample weighs 1.5 kilograms.", "How much does the sample weigh?", "1.5 kilograms", "It weighs 1.50 kilograms.", true},
		{"decimal comma", "The sample weighs 1.5 kilograms.", "How much does the sample weigh?", "1.5 kilograms", "1,5 kilograms", true},
		{"decimal words", "The sample weighs 1.5 kilograms.", "How much does the sample weigh?", "1.5 kilograms", "one point five kilograms", true},
		{"sign lost", "The dial reads -40 degrees.", "What does the dial read?", "-40 degrees", "40 degrees", false},
		{"sign found", "The dial reads 40 degrees.", "What does the dial read?", "40 degrees", "-40 degrees", false},
		{"minus sign", "The dial reads -40 degrees.", "What does the dial read?", "-40 degrees", "\u221240 degrees", true},
		{"minus in words", "The dial reads -40 degrees.", "What does the dial read?", "-40 degrees", "minus forty degrees", true},
		{"plus", "The dial reads +40 degrees.", "What does the dial read?", "+40 degrees", "40 degrees", true},
		{"a hyphen is no sign", "The flight is KL-40.", "Which flight is it?", "KL-40", "KL 40", true},
		{"thousands", "The town has 12,500 inhabitants.", "How many inhabitants does the town have?", "12,500 inhabitants", "12500 inhabitants", true},
		{"thousands, no-break space", "The town has 12,500 inhabitants.", "How many inhabitants does the town have?", "12,500 inhabitants", "12\u202f500 inhabitants", true},
		{"thousands, apostrophe", "The town has 12,500 inhabitants.", "How many inhabitants does the town have?", "12,500 inhabitants", "12’500 inhabitants", true},
		{"millions, points", "The town has 1,250,000 inhabitants.", "How many inhabitants does the town have?", "1,250,000 inhabitants", "1.250.000 inhabitants", true},
		{"millions in words", "The town has 1,500,000 inhabitants.", "How many inhabitants does the town have?", "1,500,000 inhabitants", "1.5 million inhabitants", true},
		{"lakh", "It costs 1234567 rupees.", "What does it cost?", "1234567 rupees", "12,34,567 rupees", true},
		{"a list is no number", "The keys are 1, 2 and 3.", "Which keys?", "1, 2 and 3", "1,2 and 3", false},
		{"thousands lost", "The town has 12,500 inhabitants.", "How many inhabitants does the town have?", "12,500 inhabitants", "12 inhabitants", false},
		{"full-width digits", "The room is 450.", "Which room?", "450", "４５０", true},
		{"full-width thousands", "The town has 12,500 people.", "How many people?", "12,500", "１２，５００", true},
		{"hyphen", "The train has twenty-one cars.", "How many cars?", "twenty-one cars", "twenty one cars", true},
		{"digits for words", "The train has twenty-one cars.", "How many cars?", "twenty-one cars", "21 cars", true},
		{"words for digits", "The train has 105 cars.", "How many cars?", "105 cars", "one hundred and five cars", true},
		{"another number in words", "The train has twenty-one cars.", "How many cars?", "twenty-one cars", "twenty two cars", false},
		{"half a number in words", "The train has twenty-one cars.", "How many cars?", "twenty-one cars", "twenty cars", false},
		{"hyphenated words", "The code word is ice-cream van.", "What is the code word?", "ice-cream van", "ice cream van", true},
		{"hyphen left out", "The code word is re-entry.", "What is the code word?", "re-entry", "reentry", true},
		{"ordinal", "The key is under the seventh step.", "Where is the key?", "under the seventh step", "under the 7th step", true},
		{"another ordinal", "The key is under the seventh step.", "Where is the key?", "under the seventh step", "under the third step", false},
		{"time", "The ferry leaves at 9:05.", "When does the ferry leave?", "9:05", "90:5", false},
		{"time, leading zero", "The ferry leaves at 9:05.", "When does the ferry leave?", "9:05", "at 09:05.", true},
		{"time run together", "The ferry leaves at 9:05.", "When does the ferry leave?", "9:05", "905", false},
		{"time of day", "The ferry leaves at 9:05 am.", "When does the ferry leave?", "9:05 am", "9:05 a.m.", true},
		{"percent sign", "The tank is 50% full.", "How full is the tank?", "50%", "50 percent", true},
		{"percent words", "The tank is 50% full.", "How full is the tank?", "50%", "fifty per cent", true},
		{"percent lost", "The tank is 50% full.", "How full is the tank?", "50%", "50", false},
		{"fraction", "Add 1/2 cup.", "How much?", "1/2 cup", "½ cup", true},
		{"fraction lost", "Add 1/2 cup.", "How much?", "1/2 cup", "12 cup", false},
		{"fraction at a number", "Add 1½ cups.", "How much?", "1½ cups", "11/2 cups", false},
		{"power", "There are 10² stars.", "How many?", "10²", "102", false},
		{"power written out", "There are 10² stars.", "How many?", "10²", "10^2", true},
		{"range", "It takes 10-20 days.", "How long?", "10-20 days", "1020 days", false},
		{"range, dash", "It takes 10-20 days.", "How long?", "10-20 days", "10–20 days", true},
		{"unit without a space", "The wall is 5 km long.", "How long?", "5 km", "5km", true},
		{"version", "It runs 1.2.3.", "Which version?", "1.2.3", "123", false},
		{"name with digits", "The locker is B12.", "Which locker?", "B12", "locker 12", false},
		{"leading zeros", "The code is 0042.", "What is the code?", "0042", "42", false},
		{"currency", "It costs $5.", "What does it cost?", "$5", "5 dollars", true},
		{"thinking first", "The brass key is under the seventh step.", "Where is the key?", "under the seventh step", "<think>\nOkay, the user asks where the key is. The text says it is under the seventh step.", true},
		{"the number of the question may be left out", "In 1984 Ada lived in a small white house.", "Where did Ada live in 1984?", "In 1984 Ada lived in a small white house.", "Ada lived in a small white house.", true},
	} {
		n := needle.Needle{ID: "x", Text: c.needle, Question: c.question, Answers: []string{c.answer}, Evidence: c.answer}
		if v := (needle.Window{}).Judge(n, 20, steps(c.output)); v.Pass != c.pass {
			t.Errorf("%s: pass %v, want %v: %+v", c.name, v.Pass, c.pass, v)
		}
	}
}
