"""Files in the layouts of LongBench and LooGLE with expected scores, written to layouts.json.

The texts are our own. A score is LongBench's QA F1 (arXiv 2308.14508): lower
case, no punctuation, no articles, F1 of bags of words; the best accepted answer
counts. A column's checksum is the SHA-256 of its values, one a line, texts of a
list joined by NUL, 16 digits.
Run: python3 layouts.py   (Python 3, no packages)
"""
import hashlib
import json
import re
import string
from collections import Counter


def words(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", s).split()


def f1(output, answer):
    out, ref = words(output), words(answer)
    same = sum((Counter(out) & Counter(ref)).values())
    if not same:
        return 0.0
    p, r = same / len(out), same / len(ref)
    return 2 * p * r / (p + r)


def checksum(values):
    h = hashlib.sha256()
    for v in values:
        h.update(("\0".join([v] if isinstance(v, str) else v) + "\n").encode())
    return h.hexdigest()[:16]


TEXT = "Nora keeps the ferry at Oakham. Basil, her brother, was born four years before her and keeps the mill."
LATER = "In March the mill burned. In May a new one was built – by <Ivan>, in Ashford."


def longbench(dataset, context, question, answers, number):
    return {"input": question, "context": context, "answers": answers, "length": len(context.split()), "dataset": dataset,
            "language": "en", "all_classes": None, "_id": str(number)}


CASES = []


def case(layout, lines, columns, questions):
    """questions: (task, output, accepted answers) of every prompt, in order."""
    CASES.append({
        "layout": layout, "lines": lines, "tasks": [q[0] for q in questions], "outputs": [q[1] for q in questions],
        "scores": [max(f1(q[1], a) for a in q[2]) for q in questions],
        "checksums": " ".join(f"{name}={checksum(values)}" for name, values in columns),
    })


for name in ["narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique"]:
    rows = [longbench(name, TEXT, "Who keeps the ferry?", ["Nora", "Basil's sister"], 1),
            longbench(name + "_e" * (name == "hotpotqa"), LATER, "When was the mill built?", ["in May"], 2)]
    case("longbench:" + name, [json.dumps(r, ensure_ascii=i == 0) for i, r in enumerate(rows)],
         [(c, [r[c] for r in rows]) for c in ["input", "context", "answers"]],
         [(name, "The sister of Basil, Nora.", ["Nora", "Basil's sister"]), (name, "It was built in May", ["in May"])])

PAIRS = [("Who is older, Nora or Basil?", "Basil, by four years", "comprehension_and_reasoning"),
         ("How many years lie between them?", "4", "computation"),
         ("Where do the two work?", "at a ferry and at a mill", "multiple_information_retrieval")]
ORDER = ("Put in order: 1. the new mill 2. the fire", "2, 1", "timeline_reorder")
objects = [{"Q": q, "A": a, "S": ["x"], "type": t} for q, a, t in PAIRS]
lines = [
    json.dumps({"input": TEXT, "title": "A", "qa_pairs": repr(objects), "output": "none"}),  # as published
    json.dumps({"context": LATER, "question": ORDER[0], "answer": ORDER[1], "type": "Timeline reorder", "title": "B"}, ensure_ascii=False),
    json.dumps(longbench("timeline_reorder", LATER, ORDER[0], [ORDER[1]], 3)),  # as HeadKV has it
]
asked = PAIRS + [ORDER, ORDER]
case("loogle-long", lines,
     [("input", [TEXT] * 3 + [LATER] * 2), ("Q", [q for q, _, _ in asked]), ("A", [a for _, a, _ in asked]), ("type", [t for _, _, t in asked])],
     [(PAIRS[0][2], "Basil is older, by 4 years.", [PAIRS[0][1]]), (PAIRS[1][2], "four", [PAIRS[1][1]]),
      (PAIRS[2][2], "a mill, and a ferry", [PAIRS[2][1]]), (ORDER[2], "2, 1", [ORDER[1]]), (ORDER[2], "1 and 2", [ORDER[1]])])

json.dump(CASES, open("layouts.json", "w"), ensure_ascii=False, indent=1)
