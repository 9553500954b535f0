package tokenizer

import (
	"fmt"
	"sort"
	"strings"
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
	deepseekLetters   = `\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+`
	deepseekMarks     = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	falconPunctuation = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
	plainPunctuation  = `[\p{P}\$\+<=>\^~\|]+`
	threeDigits       = `[0-9][0-9][0-9]`
)

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
	{"dbrx smaug-bpe glm4 chatglm-bpe",
		func() preset { return preset{split: llama3Words.split} }},
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
		return preset{split: patterns(`[\r\n]`, deepseekLetters, deepseekMarks, `\s+$`, deepseekHan, `\p{N}+`)}
	}},
	{"deepseek-coder", func() preset {
		return preset{split: sequence(patterns(`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, deepseekHan), isolateNumbers(1))}
	}},
	{"deepseek-v3 hunyuan-dense joyai-llm", func() preset {
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
