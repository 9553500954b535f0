"""Expected values of agreement_test.go, by NumPy and pandas.

    python agreement.py
"""
import numpy as np
import pandas as pd

T, L, H, K = 12, 2, 5, 3
PAIRS = ((0, 1), (0, 2), (1, 2))


def score(m, t, l, h):
    return ((7 * (m + 1) * (5 * l + h + 1) + 3 * t * (l + h + m + 2) + t * t % 5 * (h + 1)) % 23) / 8


X = np.array([[[score(m, t, l, h) for l in range(L) for h in range(H)] for t in range(T)] for m in range(3)])
needle = np.arange(T) % 4
rng = np.random.default_rng(1)


def ranks(v):
    return pd.Series(v).rank().values


def top(v):
    return set(np.argsort(-v, kind="stable")[:K])


def draw():
    """Needles with replacement, then as many trials of each."""
    picked = []
    for c in rng.integers(0, 4, 4):
        own = np.where(needle == c)[0]
        picked += list(own[rng.integers(0, len(own), len(own))])
    return picked


means = X.mean(1)
table = pd.DataFrame(means.T, columns=list("abc"))
spearman = table.corr(method="spearman").values
print("spearman", spearman.tolist())
print("tops", [sorted(int(h) for h in top(m)) for m in means])
print("mean ranks", table.rank(ascending=False).mean(axis=1).tolist())

B = 20000
joint, separate, overlap, members = np.empty((B, 3)), np.empty((B, 3)), np.empty((B, 3)), np.zeros(L * H)
for b in range(B):
    m = X[:, draw()].mean(1)
    r = [ranks(v) for v in m]
    joint[b] = [np.corrcoef(r[p], r[q])[0, 1] for p, q in PAIRS]
    tops = [top(v) for v in m]
    overlap[b] = [len(tops[p] & tops[q]) / K for p, q in PAIRS]
    members += [sum(h in t for t in tops) >= 2 for h in range(L * H)]
    r = [ranks(X[q][draw()].mean(0)) for q in range(3)]
    separate[b] = [np.corrcoef(r[p], r[q])[0, 1] for p, q in PAIRS]
for n, (p, q) in enumerate(PAIRS):
    v = spearman[p, q]
    for name, values in (("joint", joint), ("separate", separate)):
        low, high = np.quantile(values[:, n], [0.025, 0.975])
        print("abc"[p], "abc"[q], name, max(-1, 2 * v - high), min(1, 2 * v - low))
    print("abc"[p], "abc"[q], "overlap", np.quantile(overlap[:, n], [0.025, 0.975]).tolist())
print("stability", (members / B).round(3).tolist())
