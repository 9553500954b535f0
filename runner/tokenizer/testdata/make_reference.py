"""Writes the reference ids of parity_test.go: vocabularies trained here on the
mixed text with the tokenizers and sentencepiece packages (so that no download
is needed), and what those packages make of the text. Run in this folder:

    python3 make_reference.py [FOLDER WITH smollm2.gguf AND gemma3-270m.gguf]
    python3 make_reference.py named    # the vocabularies as they are; the GGUF names alone

With the folder the two models' vocabularies are tested as well. Made with
tokenizers 0.23.3, sentencepiece 0.2.3, gguf 0.19.0."""

import gzip
import hashlib
import io
import json
import os
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mixed import mixed

if sys.argv[1:] != ["named"]:
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2 as pb

TEXT = mixed(1, 1 << 20)
TRAIN = mixed(2, 1 << 19)
BLOCK = 4000  # ids per hash

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
ASCII_FOLD = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
UNICODE_FOLD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + TAIL
QWEN2 = r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + TAIL
QWEN35 = r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UP, LOW, LEAD = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"[^\r\n\p{L}\p{N}]?"
OTAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = LEAD + UP + "*" + LOW + "+|" + LEAD + UP + "+" + LOW + r"*|\p{N}" + OTAIL


def gpt4o(fold):
    return LEAD + UP + "*" + LOW + "+" + fold + "?|" + LEAD + UP + "+" + LOW + "*" + fold + r"?|\p{N}{1,3}" + OTAIL


DS3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPARK = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"""
# Written as escapes: many of these letters have twins that look the same.
DS_LETTERS = (
    "\\s?[A-Za-z"
    "\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377"
    "\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556"
    "\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A"
    "\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4"
    "\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC"
    "\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F"
    "\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B"
    "\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
    "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2"
    "\U000118A0-\U000118DF\U0001E900-\U0001E943"
    "]+"
)
DS_MARKS = r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
HAN = "[一-龥ࠀ-一가-퟿]+"
HAN3 = "[一-龥぀-ゟ゠-ヿ]+"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"

# GGUF name: the patterns applied in turn.
NAMED = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "llama-bpe": [ASCII_FOLD + LLAMA3],
    "qwen2": [ASCII_FOLD + QWEN2],
    "qwen35": [ASCII_FOLD + QWEN35],
    "tekken": [TEKKEN],
    "gpt-4o": [gpt4o(ASCII_FOLD)],
    "deepseek-llm": ["[\r\n]", DS_LETTERS, DS_MARKS, r"\s+$", HAN, r"\p{N}+"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", HAN3, DS3],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "bloom": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
    "seed-coder": [ASCII_FOLD + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "bailingmoe": [r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    "ufakzeka": [LEAD + r"\p{L}+|\p{N}" + TAIL],
    "minicpm5": [r"\p{N}{1,3}", ASCII_FOLD + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+" + TAIL],
    "glm4": [ASCII_FOLD + LLAMA3],
    "jais-2": [ASCII_FOLD + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"],
    "spark2_5": [r"\p{N}{1,3}", HAN3, SPARK, r"\p{N}"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", gpt4o(ASCII_FOLD).replace("{1,3}", "")],
    "exaone-moe": [ASCII_FOLD + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "cohere2moe": [r"\d{1,3}(?=(?:\d{3})*\b)", gpt4o(ASCII_FOLD)],
    "laguna": [r"[^\n]+|[\n]+", ASCII_FOLD + QWEN2],
    "kimi-k2": [r"[\p{Han}]+|" + gpt4o(ASCII_FOLD).replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]").replace("/", "")],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}
WHOLE_FIRST = {"llama-bpe", "tekken", "minicpm5", "glm4", "youtu"}


def split(pattern, behavior="Isolated", invert=False, literal=False):
    return {"type": "Split", "pattern": {"String" if literal else "Regex": pattern}, "behavior": behavior, "invert": invert}


def seq(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def byte_level(regex, space=False):
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": regex}


def norm(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


NOTHING = byte_level(False)
# tokenizer.json pipelines over the byte-level vocabulary, by the models that have them.
PIPELINES = {
    "gpt2": {"pre_tokenizer": byte_level(True)},
    "gpt2 with a space": {"pre_tokenizer": byte_level(True, True)},
    "smollm2, starcoder2": {"pre_tokenizer": seq({"type": "Digits", "individual_digits": True}, byte_level(True))},
    "llama 3, olmo 2": {"pre_tokenizer": seq(split(UNICODE_FOLD + LLAMA3), NOTHING)},
    "llama 3 ignore_merges": {"pre_tokenizer": seq(split(UNICODE_FOLD + LLAMA3), NOTHING), "model": {"ignore_merges": True}},
    "qwen 2, 3": {"normalizer": {"type": "NFC"}, "pre_tokenizer": seq(split(UNICODE_FOLD + QWEN2), NOTHING)},
    "mistral nemo": {"pre_tokenizer": seq(split(TEKKEN), NOTHING)},
    "gpt-4o, phi 4 mini": {"pre_tokenizer": seq(split(gpt4o(UNICODE_FOLD)), NOTHING)},
    "cl100k possessive": {"pre_tokenizer": seq(split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"), NOTHING)},
    "possessive, no scanner": {"pre_tokenizer": seq(split(r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"), NOTHING)},
    "deepseek v3": {"pre_tokenizer": seq(split(r"\p{N}{1,3}"), split(HAN3), split(DS3), NOTHING)},
    "gpt-neox": {"normalizer": {"type": "NFC"}, "pre_tokenizer": byte_level(True)},
    "punctuation": {"pre_tokenizer": seq({"type": "Punctuation", "behavior": "Isolated"}, NOTHING)},
    "punctuation contiguous": {"pre_tokenizer": seq({"type": "Punctuation", "behavior": "Contiguous"}, NOTHING)},
    "digits together": {"pre_tokenizer": seq({"type": "Digits", "individual_digits": False}, NOTHING)},
    "whitespace": {"pre_tokenizer": seq({"type": "Whitespace"}, NOTHING)},
    "whitespace split": {"pre_tokenizer": seq({"type": "WhitespaceSplit"}, NOTHING)},
    "merged with previous": {"pre_tokenizer": seq(split(r"[\s\p{P}]", "MergedWithPrevious"), NOTHING)},
    "merged with next": {"pre_tokenizer": seq(split(r"[\s\p{P}]", "MergedWithNext"), NOTHING)},
    "contiguous inverted": {"pre_tokenizer": seq(split(r"\p{L}", "Contiguous", True), NOTHING)},
    "removed": {"pre_tokenizer": seq(split(" ", "Removed", literal=True), NOTHING)},
    "nfd": {"normalizer": {"type": "NFD"}, "pre_tokenizer": byte_level(True)},
    "nfkc lowercase": {"normalizer": norm({"type": "NFKC"}, {"type": "Lowercase"}), "pre_tokenizer": byte_level(True)},
    "nfkd strip accents": {"normalizer": norm({"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Strip", "strip_left": True, "strip_right": True}), "pre_tokenizer": byte_level(True)},
    "replace": {"normalizer": {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, "pre_tokenizer": byte_level(True)},
}

# tokenizer.json pipelines over the vocabulary with marks for spaces.
MARK = "\u2581"
SPACED = {
    "llama 2, mistral, phi 3": {"normalizer": norm({"type": "Prepend", "prepend": MARK}, {"type": "Replace", "pattern": {"String": " "}, "content": MARK}), "pre_tokenizer": None},
    "gemma": {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": MARK}, "pre_tokenizer": split(" ", "MergedWithPrevious", literal=True)},
    "metaspace first": {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": False}},
    "metaspace always, split": {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}},
    "no fallback": {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": MARK}, "pre_tokenizer": None, "model": {"byte_fallback": False, "fuse_unk": True}},
    "no fallback, no fuse": {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": MARK}, "pre_tokenizer": None, "model": {"byte_fallback": False, "fuse_unk": False}},
}


def blocks(ids):
    return {"count": len(ids), "blocks": "".join(hashlib.sha256(json.dumps(ids[i:i + BLOCK], separators=(",", ":")).encode()).hexdigest()[:8] for i in range(0, len(ids), BLOCK))}


def write(name, data):
    if isinstance(data, str):
        data = data.encode()
    if name.endswith(".gz"):
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as z:
            z.write(data)
        data = out.getvalue()
    with open(name, "wb") as f:
        f.write(data)
    print(name, len(data))


def patched(base, patch):
    j = json.loads(json.dumps(base))
    for k, v in patch.items():
        if k == "model":
            j["model"].update(v)
        else:
            j[k] = v
    return j


def encode(j, text=TEXT):
    return Tokenizer.from_str(json.dumps(j)).encode(text, add_special_tokens=False).ids


def lines(text, n=200):
    """Pieces of the text that do not end at word boundaries."""
    return [text[i:i + n] for i in range(0, len(text), n)]


def byte_vocabulary():
    """Trained without words, so that merges cross what pre-tokenizers cut: a
    boundary that is missed changes the ids."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(lines(TRAIN), trainers.BpeTrainer(vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"], show_progress=False))
    return json.loads(t.to_str())


def spaced_vocabulary():
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Replace(" ", MARK)
    byte_names = [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(lines(TRAIN), trainers.BpeTrainer(vocab_size=2600, special_tokens=["<unk>", "<s>", "</s>"] + byte_names, limit_alphabet=400, show_progress=False))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if a["id"] < 3]
    j["decoder"] = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
    return j


def unigram_vocabulary():
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator(lines(TRAIN), trainers.UnigramTrainer(vocab_size=2500, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False))
    j = json.loads(t.to_str())
    # Sums of such scores are exact, so that ties do not hang on rounding.
    j["model"]["vocab"] = [[s, round(x * 2**16) / 2**16] for s, x in j["model"]["vocab"]]
    return j


def sentencepieces(kind, **more):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines(TRAIN.replace("\0", ""))), model_writer=out, model_type=kind, vocab_size=2500, character_coverage=0.995, num_threads=1, minloglevel=2, max_sentence_length=10000, **more)
    m = pb.ModelProto.FromString(out.getvalue())
    if kind == "unigram":
        for p in m.pieces:
            p.score = round(p.score * 2**10) / 2**10
    return m.SerializeToString()


def by_chunks(sp):
    """Chunks, because SentencePiece sums log probabilities in 32 bits, which is
    exact over a short text only."""
    text = "".join(c for c in TEXT if c != "\0")
    return [i for k in range(0, len(text), 1000) for i in sp.encode(text[k:k + 1000])]


def from_proto(data):
    sp = spm.SentencePieceProcessor()
    sp.LoadFromSerializedProto(data)
    return sp


def named(base):
    return {name: blocks(encode(patched(base, {"pre_tokenizer": seq(*[split(p) for p in ps], NOTHING), "model": {"ignore_merges": name in WHOLE_FIRST}}))) for name, ps in NAMED.items()}


def by_lines(spaced):
    """Gemma 4's way of GGUF files: words are lines and runs of newlines."""
    return blocks(encode(patched(spaced, {"pre_tokenizer": split(r"[^\n]+|\n+")})))


def names_alone():
    with open("reference.json") as f:
        ref = json.load(f)
    with gzip.open("byte-level.json.gz") as f, gzip.open("spaced.json.gz") as g:
        ref["named"], ref["gemma4"] = named(json.load(f)), by_lines(json.load(g))
    write("reference.json", json.dumps(ref, ensure_ascii=False, indent=0))


def main():
    """Everything anew. Training breaks ties at random, so vocabularies differ from run to run."""
    ref = {"text": {"sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "bytes": len(TEXT.encode())}, "block": BLOCK}
    base = byte_vocabulary()
    write("byte-level.json.gz", json.dumps(base, ensure_ascii=False))
    ref["named"] = named(base)
    ref["byte-level"] = {name: {"patch": p} | blocks(encode(patched(base, p))) for name, p in PIPELINES.items()}
    spaced = spaced_vocabulary()
    write("spaced.json.gz", json.dumps(spaced, ensure_ascii=False))
    ref["gemma4"] = by_lines(spaced)
    ref["spaced"] = {name: {"patch": p} | blocks(encode(patched(spaced, p))) for name, p in SPACED.items()}
    uni = unigram_vocabulary()
    write("unigram.json.gz", json.dumps(uni, ensure_ascii=False))
    ref["unigram"] = {"metaspace": {"patch": {}} | blocks(encode(uni)), "no words": {"patch": {"pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "never", "split": False}}}}
    ref["unigram"]["no words"] |= blocks(encode(patched(uni, ref["unigram"]["no words"]["patch"])))
    ref["sentencepiece"] = {}
    for name, kind, more in [
        ("bpe-identity", "bpe", dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, user_defined_symbols=["\n", "\n\n", "<b>", "</p>"])),
        ("unigram-nmt", "unigram", dict(normalization_rule_name="nmt_nfkc")),
        ("unigram-bytes", "unigram", dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False)),
    ]:
        data = sentencepieces(kind, **more)
        write(name + ".model.gz", data)
        ref["sentencepiece"][name] = blocks(by_chunks(from_proto(data)))
    if len(sys.argv) > 1:
        ref["models"] = {"smollm2.gguf": blocks(smollm(sys.argv[1])), "gemma3-270m.gguf": blocks(gemma(sys.argv[1]))}
    elif os.path.exists("reference.json"):
        with open("reference.json") as f:
            ref["models"] = json.load(f).get("models")
    write("reference.json", json.dumps(ref, ensure_ascii=False, indent=0))


def gguf_fields(path):
    import gguf
    r = gguf.GGUFReader(path)
    return lambda key: r.fields["tokenizer.ggml." + key].contents()


def smollm(folder):
    get = gguf_fields(os.path.join(folder, "smollm2.gguf"))
    merges = [tuple(m.split(" ")) for m in get("merges")]
    t = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(get("tokens"))}, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return t.encode(TEXT).ids


def gemma(folder):
    """A SentencePiece model with the file's pieces and scores."""
    get = gguf_fields(os.path.join(folder, "gemma3-270m.gguf"))
    m = pb.ModelProto()
    for s, score, kind in zip(get("tokens"), get("scores"), get("token_type")):
        if kind == 4:
            s = s.replace(" ", MARK)
        p = m.pieces.add()
        p.piece, p.score, p.type = s, score, kind
    m.trainer_spec.model_type = 2
    m.trainer_spec.byte_fallback = True
    m.trainer_spec.unk_id, m.trainer_spec.bos_id, m.trainer_spec.eos_id = 3, 2, 1
    m.trainer_spec.unk_piece, m.trainer_spec.bos_piece, m.trainer_spec.eos_piece = "<unk>", "<bos>", "<eos>"
    m.trainer_spec.pad_id, m.trainer_spec.pad_piece = 0, "<pad>"
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.add_dummy_prefix = False
    m.normalizer_spec.remove_extra_whitespaces = False
    return from_proto(m.SerializeToString()).encode(TEXT)


if __name__ == "__main__":
    names_alone() if sys.argv[1:] == ["named"] else main()
