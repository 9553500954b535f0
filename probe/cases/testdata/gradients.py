"""Values of gradient scores for the embedded model: python3 gradients.py

Writes gradients.json. An independent program: PyTorch's autograd in float64 on
fixtures/model.py's weights as the GGUF file holds them, with attention written
out below. Needs torch and gguf. Nothing here knows headprof's code.

  kvgrad      sum over all positions i and entries j of |a_ij * dL/da_ij|, where
              L = -log P(answer) and a are a head's attention weights
              (fed as they are: no gradient through the softmax is needed).
  atp-query, atp-key
              at the prompt's last token: (z' - z) . d log P(answer)/dz on the
              corrupted prompt, where z is the head's output and z' what it is
              with the clean prompt's query (keys), softmax recomputed
              (AtP*'s QK fix, arXiv 2403.00745, section 3.1.1).
  atp-drop    GradDrop (section 3.1.2): the mean over the layers l, L - 1 of
              them counted, of |(z_clean - z) . d/dz| with no gradient through
              what layer l adds to the residual stream.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here / "../../../fixtures"))
import export  # noqa: E402

net = export.load(str(here / "../../../fixtures/tiny.gguf")).double()
C = net.c
H, KV, D = C["heads"], C["kv_heads"], C["head_dim"]


def norm(x, w):
    return x / (x.pow(2).mean(-1, keepdim=True) + C["eps"]).sqrt() * w


def turn(x):
    """x [heads, T, D], pairs (2i, 2i+1)."""
    inv = (C["theta"] ** (-torch.arange(0, D, 2).float() / D)).double()
    angle = torch.arange(x.shape[1]).double()[:, None] * inv
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1).flatten(-2)


def heads_of(x, n):
    return x.view(x.shape[0], n, D).transpose(0, 1)


def forward(ids, drop=None):
    """Logits and, per layer, rotated q, k, then v, weights a, outputs z [heads, T, ...]."""
    T = len(ids)
    x = net.embed.weight[torch.tensor(ids)]
    seen = []
    for l, layer in enumerate(net.layers):
        before = x
        y = norm(x, layer.attn_norm.weight)
        q = turn(heads_of(y @ layer.q.weight.T, H))
        k = turn(heads_of(y @ layer.k.weight.T, KV)).repeat_interleave(H // KV, 0)
        v = heads_of(y @ layer.v.weight.T, KV).repeat_interleave(H // KV, 0)
        a = (q @ k.transpose(1, 2) / D ** 0.5 + torch.full((T, T), float("-inf")).triu(1)).softmax(-1)
        z = a @ v
        for t in (a, z):
            t.retain_grad()
        seen.append((q, k, v, a, z))
        x = x + z.transpose(0, 1).reshape(T, -1) @ layer.o.weight.T
        y = norm(x, layer.ffn_norm.weight)
        x = x + (F.silu(y @ layer.gate.weight.T) * (y @ layer.up.weight.T)) @ layer.down.weight.T
        if drop == l:
            x = before + (x - before).detach()
    return norm(x, net.norm.weight) @ net.embed.weight.T, seen


def log_p(prompt, answer, drop=None):
    logits, seen = forward(prompt + answer[:-1], drop)
    p = sum(logits[len(prompt) - 1 + i].log_softmax(-1)[t] for i, t in enumerate(answer))
    p.backward()
    return seen


def table(rows):
    return [[float(f"{x:.9g}") for x in row] for row in rows]


words = [20 + i * i * 7 % 60 for i in range(40)]
out = {"answer": {"id": "a", "prompt_ids": words, "answer_ids": [31, 44, 27]}}
seen = log_p(words, out["answer"]["answer_ids"])
out["kvgrad"] = table([[(a[h] * a.grad[h]).abs().sum() for h in range(H)] for _, _, _, a, _ in seen])

corrupted = words[:10] + [70, 71, 25, 39] + words[14:]
out["swap"] = {"id": "s", "clean_ids": words, "corrupted_ids": corrupted, "answer_ids": [31, 44]}
_, clean = forward(words)
last = len(words) - 1
seen = log_p(corrupted, [31, 44])


def row(q, k, v):
    return (q @ k[:, :last + 1].transpose(1, 2) / D ** 0.5).softmax(-1) @ v[:, :last + 1]


for name, parts in ("atp-query", (True, False)), ("atp-key", (False, True)):
    values = []
    for (q, k, v, _, z), (cq, ck, _, _, _) in zip(seen, clean):
        q, k = (cq if parts[0] else q), (ck if parts[1] else k)
        changed = row(q[:, last:last + 1], k, v)[:, 0]
        values.append(((changed - z[:, last]) * z.grad[:, last]).sum(-1))
    out[name] = table(values)

total = [torch.zeros(H, dtype=torch.float64) for _ in clean]
for drop in range(C["layers"]):
    seen = log_p(corrupted, [31, 44], drop)
    for l, ((_, _, _, _, z), (_, _, _, _, cz)) in enumerate(zip(seen, clean)):
        g = z.grad[:, last] if z.grad is not None else torch.zeros(H, D)
        total[l] += ((cz[:, last] - z[:, last]) * g).sum(-1).abs() / (C["layers"] - 1)
out["atp-drop"] = table([t.tolist() for t in total])

(here / "gradients.json").write_text(json.dumps(out) + "\n")
