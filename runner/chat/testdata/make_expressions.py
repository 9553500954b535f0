"""Writes expressions.json: what jinja2 makes of each line of expressions.txt
(null where it raises an error), set up as make_expected.py does."""

import json

import make_expected as m

out = []
with open("expressions.txt", encoding="utf-8") as f:
    for line in f.read().splitlines():
        try:
            text = m.render(line, "<s>", "</s>", "hi")
        except Exception:
            text = None
        out.append([line, text])
with open("expressions.json", "w") as f:
    json.dump(out, f, ensure_ascii=False, indent=0)
    f.write("\n")
