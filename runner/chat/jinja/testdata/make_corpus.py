"""Writes corpus.json: templates by hand (expressions.txt, one a line; hand.txt,
separated by %%) and random ones, with what jinja2 3.1.6 makes of them. Run in
this folder:

    python3 fuzz.py variables > variables.json
    python3 make_corpus.py"""

import copy
import json
import random

from fuzz import VARIABLES, Gen
from reference import render

templates = [("line %d" % i, l) for i, l in enumerate(open("expressions.txt", encoding="utf-8").read().splitlines(), 1) if l]
templates += [("hand %d" % i, t[:-1]) for i, t in enumerate(open("hand.txt", encoding="utf-8").read().split("%%\n"), 1)]
for i in range(600):
    g = Gen(random.Random(-1 - i))
    t = "{{ " + g.expr(3) + " }}" if i % 2 else "".join(g.statement(3) for _ in range(2))
    if len(t) < 900:
        templates.append(("random %d" % i, t))
rows = [{"name": n, "template": t, "want": render(t, copy.deepcopy(VARIABLES))} for n, t in templates]
rows = [r for r in rows if not r["name"].startswith("random") or r["want"] is not None or int(r["name"].split()[1]) % 4 == 0]
with open("corpus.json", "w", encoding="utf-8") as f:
    f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n")
print(len(rows), sum(r["want"] is None for r in rows), "errors")
