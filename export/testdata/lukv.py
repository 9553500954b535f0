"""LUKVPress's budget curve for TestLUKV: python3 lukv.py > lukv.json

Needs NumPy, PyTorch 2.15.0 and kvpress 0.5.5. "kept" holds the entries of each
KV head at ratios of 1 to 99 %, the best of all by dynamic programming over
single entries. "press" holds how many keys of a layer's heads kvpress itself
keeps with the array made of them, at every ratio.
"""
import json
from fractions import Fraction as F
from types import SimpleNamespace

import numpy as np
import torch
from kvpress import LUKVPress
from kvpress.presses.scorer_press import ScorerPress

LAYERS, HEADS, CONTEXT = 3, 2, 60
KEPT = [8, 16, 32, 60]


def loss(layer, head, point):
    """Also in the test. Losses fall, but for some that rise."""
    falls = (37 * layer + 61 * head + 7) % 29 / (1 + point * (1 + layer + head)) ** 2
    return falls + (0.25 if (layer, head, point) == (1, 1, 1) else 0)


def envelope(points):
    """The least that a mixture of two points loses at 0 … CONTEXT entries."""
    points = [(k, min(l for _, l in points[: i + 1])) for i, (k, l) in enumerate(points)]
    (k0, l0), rest = points[0], points[1:]
    steepest = min((l - l0) / (k - k0) for k, l in rest)
    out = []
    for n in range(CONTEXT + 1):
        if n <= k0:
            out.append(l0 - steepest * (k0 - n))
        elif n == KEPT[-1]:
            out.append(points[-1][1])
        else:
            out.append(min(a + (b - a) * F(n - i, j - i) for i, a in points if i <= n for j, b in points if j > n))
    return out


tables = [envelope([(k, F(loss(l, h, i))) for i, k in enumerate(KEPT)]) for l in range(LAYERS) for h in range(HEADS)]


def best(total):
    """Entries of each cache, at least one, that lose least; the way must be unique."""
    worth = {0: (F(0), ())}
    for t in tables:
        more = {}
        for used, (value, plan) in worth.items():
            for n in range(1, CONTEXT + 1):
                if used + n > total:
                    break
                v = value + t[n]
                if used + n not in more or v < more[used + n][0]:
                    more[used + n] = (v, plan + (n,))
        worth = more
    return list(worth[total][1])


whole = CONTEXT * LAYERS * HEADS
kept = [best(max(LAYERS * HEADS, round(whole * (100 - t) / 100))) for t in range(1, 100)]
curve = (1 - np.array(kept).reshape(99, LAYERS, HEADS) / CONTEXT).astype(np.float32)


class Any(ScorerPress):
    def score(self, module, hidden_states, keys, values, attentions, kwargs):
        return torch.rand(keys.shape[:3], generator=torch.Generator().manual_seed(1))


press_kept = []
for t in range(1, 100):
    press = LUKVPress(press=Any(), compression_ratio=t / 100, sink=4, window=1)
    press._budget_curves = curve
    row = []
    for l in range(LAYERS):
        module = SimpleNamespace(layer_idx=l, config=SimpleNamespace(_attn_implementation="sdpa"), masked_key_indices=None)
        keys = torch.zeros(1, HEADS, CONTEXT, 4)
        press.compress(module, None, keys, keys, None, {})
        dropped = [0] * HEADS
        if module.masked_key_indices is not None:
            for h in module.masked_key_indices[1].tolist():
                dropped[h] += 1
        row += [CONTEXT - d for d in dropped]
    press_kept.append(row)

print(json.dumps({"layers": LAYERS, "heads": HEADS, "context": CONTEXT, "kept": kept, "press": press_kept}, separators=(",", ":")))
