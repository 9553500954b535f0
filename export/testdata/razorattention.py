"""Prints what TestRazorAttention expects: RazorAttention's choice of KV heads
(arXiv 2407.15891) from made-up scores of 10 layers of 4 query heads, 2 of them a
KV head. Python 3 alone, written after the paper and the order of steps in
Huawei's msmodelslim (ra_rope_tools.py)."""


def score(layer, head, method):
    return (37 * layer + 61 * head + 17 * method) * 29 % 101 / 8


def choose(method, ratio):
    groups = [(max(score(l, 2 * g, method), score(l, 2 * g + 1, method)), l, g) for l in range(10) for g in range(2)]
    groups.sort(key=lambda x: -x[0])
    out = {}
    for _, layer, group in groups[: round(len(groups) * ratio)]:
        out.setdefault(layer, []).append(group)
    return {layer: sorted(out[layer]) for layer in sorted(out)}


for induction, echo in (0.14, 0.01), (0.125, 0.1), (1, 0):
    print(induction, echo, choose(1, induction), choose(0, echo))
