"""Expected values for the tests of package scoring: python3 expected.py > expected.json

Made with Python 3, NumPy and SciPy (versions in the output). Nothing here
knows headprof's code: means, standard errors, ranks and correlations are
SciPy's, the two-stage cluster bootstrap is written anew in NumPy.
"""
import json
import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(7)
rng_fixed = np.random.default_rng(8)
layers, heads = 3, 4
trials = []
for needle in range(6):
    shift = rng.gamma(2.0, 0.2, size=(layers, heads))  # what all trials of a needle share
    for t in range(2 + needle):
        scores = shift * rng.gamma(20.0, 0.05, size=(layers, heads))
        scores[0, :2] = 0.0  # two heads that see nothing
        trials.append(dict(id=f"n{needle}-{t}", needle=f"n{needle}", scores=scores.round(6).tolist()))
x = np.array([t["scores"] for t in trials]).reshape(len(trials), -1)
needle = np.array([t["needle"] for t in trials])

groups = [np.flatnonzero(needle == n) for n in sorted(set(needle))]
boot, boot_ranks = [], []
for _ in range(40000):
    chosen = np.concatenate([rng.choice(groups[g], len(groups[g])) for g in rng.integers(len(groups), size=len(groups))])
    m = x[chosen].mean(axis=0)
    boot.append(m)
    boot_ranks.append(np.argsort(np.lexsort((np.arange(len(m)), -m))) + 1)
boot, boot_ranks = np.array(boot), np.array(boot_ranks)
table = dict(
    mean=x.mean(axis=0).tolist(),
    stderr=stats.sem(x, axis=0).tolist(),
    low=np.percentile(boot, 2.5, axis=0).tolist(),
    high=np.percentile(boot, 97.5, axis=0).tolist(),
    rank=(np.argsort(np.lexsort((np.arange(x.shape[1]), -x.mean(axis=0)))) + 1).tolist(),
    rank_low=np.percentile(boot_ranks, 2.5, axis=0).tolist(),
    rank_high=np.percentile(boot_ranks, 97.5, axis=0).tolist(),
    share=(x.mean(axis=0) / x.mean(axis=0).sum()).tolist(),
)
top = 4
best = set(np.argsort(-x.mean(axis=0), kind="stable")[:top].tolist())
overlap = [len(best & set(np.argsort(-b, kind="stable")[:top].tolist())) / top for b in boot]
# The same with the needles kept: only the trials of each are drawn.
strata = np.array([np.concatenate([rng_fixed.choice(g, len(g)) for g in groups]) for _ in range(40000)])
fixed = [len(best & set(np.argsort(-x[c].mean(axis=0), kind="stable")[:top].tolist())) / top for c in strata]
halves = []
for _ in range(4000):
    p = rng.permutation(len(groups))
    a = np.concatenate([groups[i] for i in p[:3]])
    b = np.concatenate([groups[i] for i in p[3:]])
    halves.append(stats.spearmanr(x[a].mean(axis=0), x[b].mean(axis=0)).statistic)

pairs = []
for n, levels in [(2, 9), (3, 9), (5, 3), (10, 4), (40, 5), (200, 1000), (200, 7)]:
    a = rng.integers(levels, size=n).astype(float)
    b = (a + rng.integers(levels, size=n)).astype(float)
    if n == 40:
        a[3] = b[7] = np.nan
    keep = ~(np.isnan(a) | np.isnan(b))
    nan = lambda v: None if np.isnan(v) else float(v)
    pairs.append(dict(
        x=[nan(v) for v in a], y=[nan(v) for v in b],
        spearman=nan(stats.spearmanr(a[keep], b[keep]).statistic),
        kendall=nan(stats.kendalltau(a[keep], b[keep]).statistic)))
pairs.append(dict(x=[1, 1, 1], y=[1, 2, 3], spearman=None, kendall=None))

print(json.dumps(dict(
    versions=dict(numpy=np.__version__, scipy=scipy.__version__),
    trials=trials, table=table,
    stability=dict(k=top, overlap=float(np.mean(overlap)), overlap_low=float(np.percentile(overlap, 5)),
                   fixed=float(np.mean(fixed)), fixed_low=float(np.percentile(fixed, 5))),
    split_half=float(np.mean(halves)),
    pairs=pairs)))
