"""Expected values of RULER's metrics, written to ruler.json.

Formulas of arXiv 2404.06654 (section 4, "recall-based accuracy"): an output is
stripped, control characters become line breaks, and an answer counts where it
occurs in the output whatever the case. "all" is the share of the answers, "part"
is whether any occurs.
Run: python3 ruler.py   (Python 3, no packages)
"""
import json
import re

CASES = [
    (" 1234567.", ["1234567"]), ("12345678", ["1234567"]), ("123456", ["1234567"]), ("", ["x"]),
    ("ABCDE, fghij", ["abcde", "FGHIJ", "KLMNO"]), ("the answer is\x00KLMNO\x1f", ["klmno", "abcde"]),
    ("A\tB", ["a\tb", "a", "b"]), ("a\nb", ["a\nb"]), (" 1, 2, 3, 4", ["1", "2", "3", "4", "5"]),
    ("Élan vital", ["élan"]), ("ride the Yellow Tram", ["ride the yellow tram and buy mittens", "yellow tram"]),
]


def clean(text):
    return re.sub(r"[\x00-\x1f]", "\n", text.strip()).strip()


def found(text, refs):
    return [ref.lower() in clean(text).lower() for ref in refs]


rows = []
for output, refs in CASES:
    hits = found(output, refs)
    rows.append({"output": output, "answers": refs, "all": sum(hits) / len(hits), "part": float(max(hits))})
json.dump(rows, open("ruler.json", "w"), ensure_ascii=False, indent=1)
