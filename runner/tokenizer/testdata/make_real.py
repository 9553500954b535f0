"""Writes real.json: what the tokenizers package makes of the mixed text with
published models' own tokenizer.json. Run in this folder:

    python3 make_real.py DIR    # the folder that fetch_real.sh makes

Made with tokenizers 0.23.3."""

import hashlib
import json
import os
import sys

from tokenizers import Tokenizer

from mixed import mixed

TEXT = mixed(5, 1 << 17)
BLOCK = 1000  # ids per hash


def blocks(ids):
    return {"count": len(ids), "blocks": "".join(hashlib.sha256(json.dumps(ids[i:i + BLOCK], separators=(",", ":")).encode()).hexdigest()[:8] for i in range(0, len(ids), BLOCK))}


def main():
    out = {"block": BLOCK, "tokenizers": {}}
    for name in ["qwen3", "gptoss", "deepseek_v3", "gemma3"]:
        t = Tokenizer.from_file(os.path.join(sys.argv[1], name, "tokenizer.json"))
        out["tokenizers"][name] = blocks(t.encode(TEXT, add_special_tokens=False).ids)
    with open("real.json", "w") as f:
        json.dump(out, f, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
