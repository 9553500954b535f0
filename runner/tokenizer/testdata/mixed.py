"""The mixed text of the parity tests: prose, code, scripts, emoji, numbers and
white space, drawn by a linear congruential generator so that mixed_test.go
makes the same bytes. Needs snippets.json beside it and nothing else."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ["prose", "code", "scripts", "emoji", "space", "marks"]
# Code points are drawn from these ranges, all assigned since Unicode 6.
RANGES = [(0x21, 0x7E), (0xA1, 0xFF), (0x100, 0x17F), (0x391, 0x3A1), (0x410, 0x44F), (0x5D0, 0x5EA),
          (0x905, 0x939), (0xE01, 0xE30), (0x2010, 0x2027), (0x2190, 0x21FF), (0x2460, 0x249B), (0x3041, 0x3096),
          (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E), (0x1F600, 0x1F640), (0x20000, 0x20100)]


def mixed(seed, size):
    """Text of at least size bytes of UTF-8."""
    with open(os.path.join(HERE, "snippets.json"), encoding="utf-8") as f:
        snippets = json.load(f)
    state = seed

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    out, total = [], 0
    while total < size:
        k = draw(10)
        if k < 3:
            s = snippets["prose"][draw(len(snippets["prose"]))]
        elif k < 5:
            s = snippets["code"][draw(len(snippets["code"]))]
        elif k < 8:
            kind = KINDS[draw(len(KINDS))]
            s = snippets[kind][draw(len(snippets[kind]))]
        elif k == 8:
            s = "".join(chr(0x30 + draw(10)) for _ in range(1 + draw(9)))
            if draw(3) == 0:
                s += ".,:-/ "[draw(6)] + str(draw(100000))
            if draw(2) == 0:
                s = " " + s
        else:
            lo, hi = RANGES[draw(len(RANGES))]
            s = "".join(chr(lo + draw(hi - lo + 1)) for _ in range(1 + draw(8)))
            if draw(2) == 0:
                s = " " + s
        out.append(s)
        total += len(s.encode("utf-8"))
    return "".join(out)
