"""Values of truth for the embedded model: python3 truth.py

Writes truth.json. An independent program: heads' outputs by functions.py's forward
pass (PyTorch, float64), and for each head and fold a logistic regression (loss
1/2 |w|^2 + sum log(1 + exp(-y f))) by PyTorch's L-BFGS. Groups go to the folds in
turn. "decision" is f of the probe that was fitted without the statement's fold.
"""
import json
import pathlib

import torch

import functions as model

g = torch.Generator().manual_seed(4)
statements = []
for group in range(9):
    base = torch.randint(20, 400, (5,), generator=g).tolist()
    for twin in range(2):
        label = twin == 0
        ids = [1] + base + ([60] if label else [61, 62]) + torch.randint(20, 60 if label else 90, (1,), generator=g).tolist()
        statements.append({"id": f"s{group}-{twin}", "ids": ids, "label": label, "group": f"g{group}"})
FOLDS = 3
order = list(dict.fromkeys(s["group"] for s in statements))
fold = [order.index(s["group"]) % FOLDS for s in statements]
outputs = torch.stack([model.forward(s["ids"])[1][:, :, -1] for s in statements])  # [n, layers, heads, D]
y = torch.tensor([s["label"] for s in statements]).double()


def fit(x, y):
    w, b = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    o = torch.optim.LBFGS([w, b], lr=1, max_iter=1000, history_size=50, tolerance_grad=1e-11, tolerance_change=1e-15, line_search_fn="strong_wolfe")

    def closure():
        o.zero_grad()
        loss = (w * w).sum() / 2 + torch.nn.functional.softplus(-(2 * y - 1) * (x @ w + b)).sum()
        loss.backward()
        return loss
    o.step(closure)
    return w.detach(), b.detach()


decision = torch.zeros(len(statements), model.L, model.H, dtype=torch.float64)
f = torch.tensor(fold)
for l in range(model.L):
    for h in range(model.H):
        for k in range(FOLDS):
            w, b = fit(outputs[f != k, l, h], y[f != k])
            decision[f == k, l, h] = outputs[f == k, l, h] @ w + b
pathlib.Path(__file__).with_name("truth.json").write_text(json.dumps({
    "folds": FOLDS, "statements": statements,
    "decision": [[[float(f"{v:.6g}") for v in row] for row in s] for s in decision.tolist()]}) + "\n")
right = ((decision > 0) == y.bool()[:, None, None]).double().mean(0)
print(right.min().item(), right.max().item(), decision.abs().min().item())
