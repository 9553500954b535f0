"""Logistic regressions by PyTorch's L-BFGS in float64, written to logistic.json.

The loss is l2/2 |w|^2 + sum log(1 + exp(-y f)), f = w.x + b, b not shrunk: that of
scikit-learn's LogisticRegression with C = 1/l2.
Run: python3 logistic.py   (needs torch)
"""
import json

import torch


def fit(x, y, l2):
    w, b = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    o = torch.optim.LBFGS([w, b], lr=1, max_iter=2000, history_size=50, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe")

    def closure():
        o.zero_grad()
        loss = l2 / 2 * (w * w).sum() + torch.nn.functional.softplus(-(2 * y - 1) * (x @ w + b)).sum()
        loss.backward()
        return loss
    for _ in range(5):
        o.step(closure)
    return w.tolist(), b.item()


def sample(seed, n, d, scale, separable):
    g = torch.Generator().manual_seed(seed)
    x = (torch.randn(n, d, generator=g) * scale).float().double()
    y = ((x[:, 0] + (0 if separable else scale) * torch.randn(n, generator=g)) > 0).double()
    return x, y


cases = []
for seed, n, d, scale, separable, l2 in [(1, 30, 4, 1.0, False, 1.0), (2, 25, 3, 1.0, True, 1.0), (3, 12, 20, 0.05, True, 1.0), (4, 40, 5, 20.0, False, 0.1), (5, 10, 2, 1e-3, False, 1.0)]:
    x, y = sample(seed, n, d, scale, separable)
    w, b = fit(x, y, l2)
    cases.append({"x": x.tolist(), "label": [bool(v) for v in y], "l2": l2, "weights": w, "intercept": b})
json.dump(cases, open("logistic.json", "w"))
