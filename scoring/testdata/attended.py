"""Expected values of attended_test.go, by NumPy.

    python attended.py

Follows QRHead's attn_retriever.py and detect_qrhead_lme.py (arXiv 2506.09944),
CoRe (arXiv 2510.02219, equation 2), the Attention Tracker (arXiv 2411.00348),
RazorAttention (arXiv 2407.15891) and kvpress's duo_attention_press.py.
"""
import numpy as np

i = np.arange(20)
query = (7 * i * i + 3 * i) % 31 / 256
null = (5 * i * i + i) % 13 / 256
documents = [(0, 6), (6, 7), (7, 12), (13, 19)]


def calibrated(start, end):
    c = (query - null)[start:end]
    if len(c) < 2:
        return 0.0
    return c[c > c.mean() - 2 * c.std(ddof=1)].sum()


scores = np.array([calibrated(*d) for d in documents])
print("qrhead", scores.tolist(), "gold 1, 3:", scores[[1, 3]].sum())


# A document with one token far below: mean - 2 std leaves it out.
c = np.array([9, 9, 9, 9, 9, 9, 9, -9]) / 64
print("with an outlier", c[c > c.mean() - 2 * c.std(ddof=1)].sum(), "all", c.sum())


def ndcg(scores, gold, depth):
    order = np.argsort(-np.array(scores, float), kind="stable")[:depth]
    gain = sum(1 / np.log2(r + 2) for r, d in enumerate(order) if d in gold)
    ideal = sum(1 / np.log2(r + 2) for r in range(min(depth, len(gold))))
    return gain / ideal if ideal else 0.0


for s, gold, depth in (([5, 1, 4, 2], [0], 10), ([5, 1, 4, 2], [3, 1], 10), ([5, 1, 4, 2], [3, 1], 3),
                       ([2, 2, 2], [1], 10), ([2, 2, 2], [0, 2], 1), ([1, 2], [], 10), ([0, -1, 3], [1, 2], 2)):
    print("ndcg", s, gold, depth, ndcg(s, gold, depth))

for t in (0.1, 0.05):
    a = np.array([query[s:e].sum() for s, e in documents])
    e = np.exp((a - a.max()) / t)
    for positive, negatives in ((2, [0, 3]), (3, [2])):
        kept = [positive] + negatives
        print("core", t, positive, negatives, (e[positive] / e[kept].sum()))

print("tracker", query[2:5].sum() / (query[2:5].sum() + query[9:15].sum() + 1e-8))
print("icl", query[2:3].sum() + query[8:11].sum())

logits = np.array([0.5, -1, 2, 0, 0.25])
weights = np.exp(logits - logits.max())
weights /= weights.sum()
print("duo", weights.cumsum().mean())

ids = [1, 7, 8, 7, 9, 8, 7]  # the first is BOS
w = (3 * np.arange(7) + 1) / 64
for p in (3, 5, 6):
    copies = [j for j in range(1, p) if ids[j] == ids[p]]
    print("echo", p, w[: p + 1][copies].sum(), "induction", w[[j + 1 for j in copies]].sum())
