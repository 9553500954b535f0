"""Expected choices of the eviction policies, written to policies.json.

An independent implementation of the published formulas, one KV head per group
as headprof does it (mean over the group's query heads):
  SnapKV      arXiv 2404.14469: window mean, max-pool, top (capacity - window)
  PyramidKV   arXiv 2406.02069 and its code's integer steps
  Ada-SnapKV  arXiv 2407.11550 and its code's floor 0.2, torch.round
  HeadKV      arXiv 2410.19258, section 3.3
Run: python3 policies.py   (numpy and torch)
"""
import json
import numpy as np
import torch

rng = np.random.default_rng(20240914)
LAYERS, HEADS, KV, DIM = 3, 6, 2, 8
N, ALPHA, KERNEL = 61, 4, 5
GROUP = HEADS // KV


def attention(window):
    """Softmaxed causal rows [HEADS][ALPHA][N] of the last ALPHA tokens."""
    q = torch.tensor(rng.normal(size=(HEADS, ALPHA, DIM)) * 2.0)
    k = torch.tensor(rng.normal(size=(KV, N, DIM)))
    s = torch.einsum("hqd,hkd->hqk", q, k.repeat_interleave(GROUP, 0)) / DIM**0.5
    pos_q = torch.arange(N - ALPHA, N)[:, None]
    pos_k = torch.arange(N)[None, :]
    hidden = pos_k > pos_q
    if window:
        hidden |= pos_k <= pos_q - window
    return s.masked_fill(hidden, float("-inf")).softmax(-1).to(torch.float32)


def pooled(rows):
    mean = rows.double()[:, :, : N - ALPHA].reshape(KV, GROUP * ALPHA, N - ALPHA).mean(1)
    return torch.nn.functional.max_pool1d(mean[None], KERNEL, 1, KERNEL // 2)[0].float().numpy()


def best(x, k, first=0):
    """The k largest at or after first; lowest index among equals."""
    order = [i for i in np.argsort(-x, kind="stable") if i >= first]
    return sorted(int(i) for i in order[: max(0, k)])


def kept(x, budget, window):
    first = max(0, N - window) if window else 0
    if window:
        budget = min(budget, window - ALPHA)
    return best(x, budget, first) + list(range(max(first, N - ALPHA), N))


def pyramid(capacity, beta, layer, layers, n):
    base = capacity - ALPHA
    if n < base * 2:
        return base
    least = base // beta
    most = base * 2 - least
    if most >= n - ALPHA:
        most = n - ALPHA
        least = base * 2 - most
    return most - layer * ((most - least) // (layers - 1))


def ada(x, capacity, floor_ratio):
    """x: [KV][N - ALPHA]. Budgets per KV head, as the published code counts them."""
    base = capacity - ALPHA
    ordered = torch.tensor(np.sort(x, axis=1)[:, ::-1].copy())
    flat = ordered.reshape(-1).numpy()
    won = np.argsort(-flat, kind="stable")[: KV * base] // x.shape[1]
    counts = torch.zeros(KV, dtype=torch.int64)
    for w in won:
        counts[w] += 1
    return torch.round(counts * (1 - floor_ratio) + int(base * floor_ratio)).int().tolist()


def headkv(scores, capacity, beta):
    """scores [LAYERS][HEADS] -> budgets [LAYERS][KV]."""
    s = np.array(scores, dtype=np.float64)
    s = s / s.sum()
    base = capacity - ALPHA
    each = int(base // beta)
    pool = each * LAYERS * HEADS
    floor = base - each
    group = s.reshape(LAYERS, KV, GROUP).mean(2)
    return [[int(round(v * pool + floor)) for v in row] for row in group]


windows = [0, 23, 0]
rows = [attention(w) for w in windows]
att = [pooled(r) for r in rows]
scores = [[round(float(v), 4) for v in rng.gamma(0.7, size=HEADS)] for _ in range(LAYERS)]

cases = []
for capacity in (10, 16, 24, 40):
    snap = [[kept(a, capacity - ALPHA, w) for a in layer] for layer, w in zip(att, windows)]
    pyr = [
        [kept(a, pyramid(capacity, 20, i, LAYERS, N), w) for a in layer]
        for i, (layer, w) in enumerate(zip(att, windows))
    ]
    ad = []
    for layer, w in zip(att, windows):
        if w:  # not in the papers: see the Go test
            ad.append(None)
            continue
        ad.append([kept(a, b, w) for a, b in zip(layer, ada(layer, capacity, 0.2))])
    budgets = headkv(scores, capacity, 1.2)
    head = [[kept(a, b, w) for a, b in zip(layer, bs)] for layer, bs, w in zip(att, budgets, windows)]
    cases.append(
        dict(capacity=capacity, snapkv=snap, pyramidkv=pyr, adasnapkv=ad, headkv=head, budgets=budgets)
    )

steps = [
    dict(capacity=c, layers=L, n=n, budgets=[pyramid(c, 20, i, L, n) for i in range(L)])
    for c, L, n in ((128, 32, 8000), (64, 18, 1000), (128, 32, 239), (128, 32, 241), (1024, 30, 2100))
]

with open("policies.json", "w") as f:
    json.dump(
        dict(
            n=N, alpha=ALPHA, kernel=KERNEL, heads=HEADS, kv_heads=KV, windows=windows, scores=scores,
            rows=[[[[float(x) for x in row] for row in head] for head in layer] for layer in rows],
            pooled=[[[float(x) for x in head] for head in layer] for layer in att],
            cases=cases, pyramid=steps,
        ),
        f,
    )
    f.write("\n")
