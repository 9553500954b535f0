"""Prints where the ids of TestParity differ first from the reference's:

    HEADPROF_IDS=/tmp/ids go test -run TestParity ./runner/tokenizer
    python3 first_difference.py /tmp/ids [FOLDER WITH THE MODELS]
"""

import gzip
import json
import os
import sys

import make_reference as ref


def load(name):
    with gzip.open(name) as f:
        return f.read()


def references(folder):
    base = json.loads(load("byte-level.json.gz"))
    for name, ps in ref.NAMED.items():
        patch = {"pre_tokenizer": ref.seq(*[ref.split(p) for p in ps], ref.NOTHING), "model": {"ignore_merges": name in ref.WHOLE_FIRST}}
        yield "pre " + name, lambda patch=patch: tokens(ref.patched(base, patch))
    with open("reference.json") as f:
        cases = json.load(f)
    for file in ["byte-level", "spaced", "unigram"]:
        data = json.loads(load(file + ".json.gz"))
        for name, case in cases[file].items():
            yield file + " " + name, lambda data=data, case=case: tokens(ref.patched(data, case["patch"]))
    for name in cases["sentencepiece"]:
        yield "sentencepiece " + name, lambda name=name: pieces(ref.from_proto(load(name + ".model.gz")))
    if folder:
        yield "smollm2.gguf", lambda: (ref.smollm(folder), None)
        yield "gemma3-270m.gguf", lambda: (ref.gemma(folder), None)


def tokens(j):
    t = ref.Tokenizer.from_str(json.dumps(j))
    return ref.encode(j), t.id_to_token


def pieces(sp):
    return ref.by_chunks(sp), sp.id_to_piece


def main():
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    for name, make in references(folder):
        path = os.path.join(sys.argv[1], "TestParity " + name.replace(" ", "_") + ".json")
        if not os.path.exists(path):
            continue
        with open(path) as f:
            got = json.load(f)
        want, show = make()
        if got == want:
            continue
        i = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        show = show or str
        print(f"{name}: {len(got)} ids, reference {len(want)}; first difference at {i}")
        print("   got", [(x, show(x)) for x in got[max(0, i - 3):i + 8]])
        print("  want", [(x, show(x)) for x in want[max(0, i - 3):i + 8]])


if __name__ == "__main__":
    main()
