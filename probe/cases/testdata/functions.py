"""Values of icl-causal for the embedded model: python3 functions.py

Writes functions.json. An independent program: PyTorch in float64 on
fixtures/model.py's weights as the GGUF file holds them, with the forward pass
written out below (arXiv 2310.15213, eq. 5: the mean of a head's outputs at the
last token of prompts with right labels replaces its output there in prompts with
shuffled ones; the change of the answer's probability, averaged over the latter).
Also the heads' outputs at the last token of a prompt, which truth.py reads, too.
Needs torch and gguf. Nothing here knows headprof's code.
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
L, H, KV, D = C["layers"], C["heads"], C["kv_heads"], C["head_dim"]


def norm(x, w):
    return x / (x.pow(2).mean(-1, keepdim=True) + C["eps"]).sqrt() * w


def turn(x):
    inv = (C["theta"] ** (-torch.arange(0, D, 2).float() / D)).double()
    angle = torch.arange(x.shape[1]).double()[:, None] * inv
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1).flatten(-2)


def split(x, n):
    return x.view(x.shape[0], n, D).transpose(0, 1)


@torch.no_grad()
def forward(ids, patch=None):
    """Logits, and heads' outputs [layers, heads, T, D]; patch: (layer, head, position, vector)."""
    T = len(ids)
    x, seen = net.embed.weight[torch.tensor(ids)], []
    for l, layer in enumerate(net.layers):
        y = norm(x, layer.attn_norm.weight)
        q = turn(split(y @ layer.q.weight.T, H))
        k = turn(split(y @ layer.k.weight.T, KV)).repeat_interleave(H // KV, 0)
        v = split(y @ layer.v.weight.T, KV).repeat_interleave(H // KV, 0)
        z = (q @ k.transpose(1, 2) / D ** 0.5 + torch.full((T, T), float("-inf")).triu(1)).softmax(-1) @ v
        if patch and patch[0] == l:
            z = z.clone()
            z[patch[1], patch[2]] = patch[3]
        seen.append(z)
        x = x + z.transpose(0, 1).reshape(T, -1) @ layer.o.weight.T
        y = norm(x, layer.ffn_norm.weight)
        x = x + (F.silu(y @ layer.gate.weight.T) * (y @ layer.up.weight.T)) @ layer.down.weight.T
    return norm(x, net.norm.weight) @ net.embed.weight.T, torch.stack(seen)


def probability(prompt, answer, patch=None):
    logits, _ = forward(prompt + answer[:-1], patch)
    return sum(logits[len(prompt) - 1 + i].log_softmax(-1)[t] for i, t in enumerate(answer)).exp().item()


def demonstrations(pairs, shift):
    """w1 : l1 . w2 : l2 . … w :, labels moved shift places on."""
    shots, ids = pairs[:-1], [1]
    for i, (w, _) in enumerate(shots):
        ids += [w, 12, shots[(i + shift) % len(shots)][1], 13]
    return ids + [pairs[-1][0], 12]


def table(rows):
    return [[float(f"{x:.9g}") for x in row] for row in rows]


if __name__ == "__main__":
    pairs = [(20 + 3 * i, 200 + 5 * i) for i in range(7)]
    clean = [demonstrations(pairs[i:] + pairs[:i], 0) for i in range(3)]
    shuffled = [demonstrations(pairs[i:] + pairs[:i], 1) for i in (1, 4)]
    # What the model says, so that probabilities are not tiny: the numbers are what is tested.
    first = forward(shuffled[0])[0][-1].argmax().item()
    second = forward(shuffled[1])[0][-1].topk(2).indices[1].item()
    answers = [[first], [second, forward(shuffled[1] + [second])[0][-1].argmax().item()]]
    mean = torch.stack([forward(p)[1][:, :, -1] for p in clean]).mean(0)
    effect = [[sum(probability(p, a, (l, h, len(p) - 1, mean[l, h])) - probability(p, a) for p, a in zip(shuffled, answers)) / len(shuffled)
               for h in range(H)] for l in range(L)]
    (here / "functions.json").write_text(json.dumps({
        "case": {"id": "f", "clean_ids": clean, "shuffled_ids": shuffled, "answer_ids": answers},
        "icl-causal": table(effect),
        "outputs": [table(layer) for layer in forward(clean[0])[1][:, :, -1].tolist()],
    }) + "\n")
    print(max(abs(x) for row in effect for x in row), [probability(p, a) for p, a in zip(shuffled, answers)])
