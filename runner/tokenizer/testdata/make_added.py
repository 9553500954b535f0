"""Writes added.json: what the tokenizers package makes of texts with added
tokens, and of the settings around a text. Uses byte-level.json.gz and
spaced.json.gz, which make_reference.py writes."""

import gzip
import json

from tokenizers import Tokenizer

MARK = "\u2581"


def load(name):
    with gzip.open(name) as f:
        return json.load(f)


def added(i, content, **how):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} | how


BYTES = [
    added(0, "<|endoftext|>", special=True),
    added(3000, "<|im_start|>", special=True),
    added(3001, "<|im_end|>", special=True),
    added(3002, "<left>", lstrip=True),
    added(3003, "<right>", rstrip=True, special=True),
    added(3004, "<both>", lstrip=True, rstrip=True),
    added(3005, "word", single_word=True),
    added(3006, "LOUD", normalized=True),
    added(3007, "    "),
    added(3008, "  "),
    added(3009, "<lef"),
]
SPACES = [
    added(0, "<unk>", special=True),
    added(1, "<s>", special=True),
    added(2, "</s>", special=True),
    added(2600, "<|end|>", special=True, rstrip=True),
    added(2601, "[TOOL]", normalized=True),
    added(2602, "\n\n"),
]
TEXTS = [
    "", "plain", "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|><|endoftext|>x",
    "a  <left>  b", "a  <right>  b", "a \n <both> \n b", "<left><right> <both>", "word words aword word, word_ wordword",
    "so LOUD and loud", "x        y    z  w   v     u", "<lef <left <left>", "  <right>", "<both>   ", "<s>hello</s>",
    "a<|end|>\n\n  b", "see [TOOL] now[TOOL]", "one\n\ntwo\n\n\nthree", " lead", "\n\n", "<unk> <0x0A>", "tail ",
    "ünï <left> ß", "<|im_end", "wordé éword word",
]
CASES = [
    ("byte-level.json.gz", {"added_tokens": BYTES, "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}}),
    ("byte-level.json.gz", {"added_tokens": BYTES, "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}}),
    ("spaced.json.gz", {"added_tokens": SPACES, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK}, {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]}, "pre_tokenizer": None}),
    ("spaced.json.gz", {"added_tokens": SPACES, "normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": False}}),
    ("spaced.json.gz", {"added_tokens": SPACES, "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": MARK}, "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}}),
]

out = []
for file, patch in CASES:
    j = load(file)
    j.update(patch)
    t = Tokenizer.from_str(json.dumps(j))
    texts = []
    for text in TEXTS:
        t.encode_special_tokens = True
        plain = t.encode(text, add_special_tokens=False).ids
        t.encode_special_tokens = False
        texts.append({"text": text, "plain": plain, "special": t.encode(text, add_special_tokens=False).ids})
    out.append({"file": file, "patch": patch, "texts": texts})
with open("added.json", "w") as f:
    json.dump(out, f, ensure_ascii=False, indent=0)
    f.write("\n")
