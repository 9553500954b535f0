package tokenizer

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// preset is a pre-tokenizer that files call by name (tokenizer.ggml.pre). The
// patterns are the published ones of the models' own tokenizer.json files.
type preset struct {
	split      splitter
	wholeFirst bool // the model's BPE has ignore_merges
}

var (
	// llama3 and cl100k: numbers in threes.
	llama3Words = wordScan{digits: 3, fold: 1, letters: letter, others: letter | number | space, tail: "\r\n"}
	qwen2Words  = wordScan{digits: 1, fold: 1, letters: letter, others: letter | number | space, tail: "\r\n"}
	qwen35Words = wordScan{digits: 1, fold: 1, letters: letter | mark, others: letter | number | space | mark, tail: "\r\n"}
	// o200k: words also end where lower case turns to upper.
	gpt4oWords  = wordScan{digits: 3, fold: 1, others: letter | number | space, tail: "\r\n/", cased: true, suffix: true}
	tekkenWords = wordScan{digits: 1, fold: -1, others: letter | number | space, tail: "\r\n/", cased: true}
)

func digitsThenGPT2(s string, emit func(a, b int)) {
	sequence(isolateNumbers(1), scanGPT2)(s, emit)
}

const (
	bloomPattern      = ` ?[^(\s|.,!?…。，、।۔،)]+`
	deepseek3Pattern  = `[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + `{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	deepseek3Han      = `[一-龥぀-ゟ゠-ヿ]+`
	deepseekHan       = `[一-龥ࠀ-一가-퟿]+`
	deepseekMarks     = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	sparkPattern      = `[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + `{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+`
	youtuScripts      = `[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+`
	exaoneMoEPattern  = contractions + `|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`
	jais2Pattern      = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`
	contractions      = `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`
	cohereDigits      = `\d{1,3}(?=(?:\d{3})*(?![\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}Ⓐ-ⓩ]))` // Oniguruma's \b behind a digit
	kimiUpper         = `(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])`
	kimiLower         = `(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])`
	kimiPattern       = `\p{Han}+|[^\r\n\p{L}\p{N}]?` + kimiUpper + `*` + kimiLower + `+` + contractions + `?|[^\r\n\p{L}\p{N}]?` + kimiUpper + `+` + kimiLower + `*` + contractions + `?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	falconPunctuation = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
	plainPunctuation  = `[\p{P}\$\+<=>\^~\|]+`
	threeDigits       = `[0-9][0-9][0-9]`
)

// deepseekLetters is the cased letters of Unicode 11, as the model lists them;
// escapes, for many of these letters have twins that look the same.
const deepseekLetters = `\s?[A-Za-z` +
	"\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377" +
	"\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556" +
	"\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A" +
	"\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4" +
	"\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC" +
	"\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F" +
	"\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B" +
	"\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A" +
	"\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2" +
	"\U000118A0-\U000118DF\U0001E900-\U0001E943" +
	`]+`

// patterns splits with each pattern in turn: matches and what stands between
// them become words, and words are split by the next.
func patterns(list ...string) splitter {
	var out splitter
	for _, p := range list {
		s := mustIsolate(p)
		if out == nil {
			out = s
		} else {
			out = sequence(out, s)
		}
	}
	return out
}

// spacesAtEnd is \s+$: matched as a pattern it takes quadratic time.
func spacesAtEnd(s string, emit func(a, b int)) {
	at := len(strings.TrimRightFunc(s, unicode.IsSpace))
	if at > 0 {
		emit(0, at)
	}
	if at < len(s) {
		emit(at, len(s))
	}
}

// families maps each way of splitting to the names that ask for it.
var families = []struct {
	names string
	make  func() preset
}{
	{"gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat a.x-4.0 mellum modern-bert jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe",
		func() preset { return preset{split: scanGPT2} }},
	{"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
		func() preset { return preset{split: digitsThenGPT2} }},
	{"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
		func() preset { return preset{split: llama3Words.split, wholeFirst: true} }},
	{"dbrx smaug-bpe chatglm-bpe",
		func() preset { return preset{split: llama3Words.split} }},
	{"glm4 glm5", func() preset { return preset{split: llama3Words.split, wholeFirst: true} }},
	{"jais-2", func() preset { return preset{split: patterns(jais2Pattern)} }},
	{"qwen2 deepseek-r1-qwen megrez stablelm2 hunyuan solar-open grok-2 kormo f2llmv2 bailingmoe bailingmoe2 llada-moe",
		func() preset { return preset{split: qwen2Words.split} }},
	{"qwen35", func() preset { return preset{split: qwen35Words.split} }},
	{"ufakzeka", func() preset {
		w := qwen2Words
		w.fold = -1
		return preset{split: w.split}
	}},
	{"seed-coder", func() preset {
		w := qwen2Words
		w.tail = ""
		return preset{split: w.split}
	}},
	{"gpt-4o llama4 kanana2 talkie minimax-m2", func() preset { return preset{split: gpt4oWords.split} }},
	{"tekken", func() preset { return preset{split: tekkenWords.split, wholeFirst: true} }},
	{"minicpm5", func() preset {
		w := llama3Words
		w.digits = 0
		return preset{split: sequence(isolateNumbers(3), w.split), wholeFirst: true}
	}},
	{"deepseek-llm", func() preset {
		return preset{split: sequence(sequence(sequence(patterns(`[\r\n]`, deepseekLetters, deepseekMarks), spacesAtEnd), patterns(deepseekHan)), isolateNumbers(0))}
	}},
	{"deepseek-coder", func() preset {
		return preset{split: sequence(patterns(`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, deepseekHan), isolateNumbers(1))}
	}},
	{"laguna", func() preset { return preset{split: sequence(lines, qwen2Words.split)} }},
	{"exaone-moe", func() preset { return preset{split: patterns(exaoneMoEPattern)} }},
	{"cohere2moe tiny_aya", func() preset { return preset{split: sequence(patterns(cohereDigits), gpt4oWords.split)} }},
	{"kimi-k2", func() preset { return preset{split: patterns(kimiPattern)} }},
	{"youtu", func() preset {
		w := gpt4oWords
		w.digits = 1
		return preset{split: sequence(patterns(youtuScripts), w.split), wholeFirst: true}
	}},
	{"spark2_5", func() preset {
		return preset{split: sequence(isolateNumbers(3), sequence(patterns(deepseek3Han, sparkPattern), isolateNumbers(1)))}
	}},
	{"deepseek-v3 hunyuan-dense joyai-llm hy_v4", func() preset {
		return preset{split: sequence(isolateNumbers(3), patterns(deepseek3Han, deepseek3Pattern))}
	}},
	{"falcon", func() preset {
		return preset{split: sequence(sequence(patterns(falconPunctuation), scanGPT2), patterns(threeDigits))}
	}},
	{"bloom poro-chat gpt3-finnish", func() preset { return preset{split: patterns(bloomPattern)} }},
	{"viking", func() preset { return preset{split: sequence(patterns(bloomPattern), isolateNumbers(1))} }},
	{"default", func() preset {
		return preset{split: sequence(sequence(sequence(patterns(plainPunctuation), scanGPT2), isolateNumbers(0)), patterns(threeDigits))}
	}},
}

// bosByDefault names pre-tokenizers whose models begin with BOS even where a
// file does not say so.
var bosByDefault = map[string]bool{
	"llama-bpe": true, "llama3": true, "llama-v3": true, "falcon3": true, "falcon-h1": true,
	"pixtral": true, "midm-2.0": true, "lfm2": true, "jina-v5-nano": true, "tekken": true,
}

// PreTokenizers lists the names that Spec.Pre and --pre may have, sorted.
func PreTokenizers() []string {
	var all []string
	for _, f := range families {
		all = append(all, strings.Fields(f.names)...)
	}
	sort.Strings(all)
	return all
}

func preTokenizer(name string) (preset, error) {
	for _, f := range families {
		for _, n := range strings.Fields(f.names) {
			if n == name {
				return f.make(), nil
			}
		}
	}
	what := fmt.Sprintf("pre-tokenizer %q (tokenizer.ggml.pre) is not known", name)
	if name == "" {
		what = "the file names no pre-tokenizer (tokenizer.ggml.pre)"
	}
	return preset{}, fmt.Errorf("%s; name the one that splits like it with --pre, one of: %s", what, strings.Join(PreTokenizers(), ", "))
}
