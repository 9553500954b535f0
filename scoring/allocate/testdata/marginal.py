"""Best budgets of small models, by trying all of them: python3 marginal.py > marginal.json

A cache's loss at n entries is that of the lower envelope of its curve: the least
that a mixture of two measured points gives, after losses were lowered to the
least at fewer entries; left of the first point the steepest line from it goes
on, right of the last the loss stays. Exact fractions; the standard library only.
"""
import itertools
import json
import random
from fractions import Fraction as F

random.seed(5)


def envelope(kept, loss, most):
    loss = [min(loss[: i + 1]) for i in range(len(loss))]
    points = list(zip(kept, map(F, loss)))
    (k0, l0), rest = points[0], points[1:]
    steepest = min((l - l0) / (k - k0) for k, l in rest)
    out = []
    for n in range(most + 1):
        if n <= k0:
            out.append(l0 - steepest * (k0 - n))
        elif n >= kept[-1]:
            out.append(points[-1][1])
        else:
            out.append(min(a + (b - a) * F(n - i, j - i) for i, a in points if i <= n for j, b in points if j > n))
    return out


cases = []
for layers, heads, window in [(1, 2, 2), (2, 2, 3), (1, 3, 1), (3, 1, 4), (2, 2, 2), (5, 1, 1)] * 5:
    caches = layers * heads
    curves = []
    for _ in range(caches):
        kept = sorted(random.sample(range(2, 19), random.randint(2, 6)))
        # Fractions of 8 are exact in floating point; some losses rise, some are below 0.
        loss = sorted((random.randint(-8, 90) for _ in kept), reverse=True)
        for _ in range(random.randint(0, 2)):
            i, j = random.randrange(len(kept)), random.randrange(len(kept))
            loss[i], loss[j] = loss[j], loss[i]
        curves.append({"kept": kept, "loss": [v / 8 for v in loss]})
    context = random.choice([9, 14, 20])
    capacity = random.randint(window + 1, min(10, context))
    total = capacity * caches
    tables = [envelope(c["kept"], c["loss"], context) for c in curves]
    best, ways = None, []
    for some in itertools.product(range(window, context + 1), repeat=caches - 1):
        last = total - sum(some)
        if not window <= last <= context:
            continue
        plan = some + (last,)
        value = sum(t[n] for t, n in zip(tables, plan))
        if best is None or value < best:
            best, ways = value, []
        if value == best:
            ways.append(plan)
    cases.append({
        "layers": layers, "heads": heads, "window": window, "context": context, "capacity": capacity, "curves": curves,
        "loss_at": [[float(v) for v in t] for t in tables], "best": float(best), "only": list(ways[0]) if len(ways) == 1 else None,
    })

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")
