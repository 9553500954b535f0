"""Makes ablations.json: what transformers gives for answers while heads of two
of runner/arch's tiny models are ablated, and some of them restored.

Run from this folder: python3 ablations.py
Needs: pip install torch transformers safetensors
(made with torch 2.15.0, transformers 5.24.0).

A head's output is its part of what the output projection reads. Two prompts
are each other's partner for resampling: the position p of a prompt of n tokens
takes the partner's p - n + m of m, or the nearest that the partner's prompt and
answer (without its last token) have. Means are over all tokens of both prompts.
"""

import json

import torch
from transformers import AutoModelForCausalLM

CASES = {"llama": [[0, 1], [1, 0], [1, 3]], "gemma3": [[0, 1], [3, 2], [5, 0], [5, 3]]}


class Heads:
    """Reads and replaces what every layer's output projection reads."""

    def __init__(self, model):
        self.dim, self.seen, self.change = model.config.head_dim, {}, lambda layer, x: x
        for i, layer in enumerate(model.model.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(lambda m, args, i=i: (self.hook(i, args[0].clone()),))

    def hook(self, layer, x):
        x = self.change(layer, x)
        self.seen[layer] = x[0].clone()
        return x

    def of(self, layer, head):
        return self.seen[layer][:, head * self.dim:(head + 1) * self.dim]


def run(model, heads, tokens, change=lambda layer, x: x):
    heads.seen, heads.change = {}, change
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].double()


def main():
    out = []
    for name, masked in CASES.items():
        model = AutoModelForCausalLM.from_pretrained(f"../../../runner/arch/testdata/{name}", attn_implementation="eager", dtype=torch.float32).eval()
        heads, dim = Heads(model), model.config.head_dim
        g = torch.Generator().manual_seed(7)
        draw = lambda n: torch.randint(3, 67, (n,), generator=g).tolist()
        items = [dict(prompt=draw(20), answer=draw(3)), dict(prompt=draw(14), answer=draw(2))]
        fed = [i["prompt"] + i["answer"][:-1] for i in items]

        clean = []
        for tokens in fed:
            run(model, heads, tokens)
            clean.append({(l, h): heads.of(l, h).clone() for l, h in masked})
        sums = {}
        for i in items:
            run(model, heads, i["prompt"])
            for l, h in masked:
                sums[l, h] = sums.get((l, h), 0) + heads.of(l, h).double().sum(0)
        mean = {k: v.float() / sum(len(i["prompt"]) for i in items) for k, v in sums.items()}

        def instead(how, item, head, positions):
            if how == "zero":
                return torch.zeros(positions, dim)
            if how == "mean":
                return mean[head].expand(positions, dim)
            n, m = len(items[item]["prompt"]), len(items[1 - item]["prompt"])
            at = [min(max(p - n + m, 0), len(fed[1 - item]) - 1) for p in range(positions)]
            return clean[1 - item][head][at]

        def logprob(item, how=None, restored=()):
            def change(layer, x):
                for l, h in masked:
                    if l == layer and how:
                        part = slice(h * dim, (h + 1) * dim)
                        x[0, :, part] = clean[item][l, h] if [l, h] in restored else instead(how, item, (l, h), x.shape[1])
                return x

            logits = run(model, heads, fed[item], change).log_softmax(-1)
            first = len(items[item]["prompt"]) - 1
            return sum(logits[first + t, id].item() for t, id in enumerate(items[item]["answer"]))

        masks = [dict(ablation=a, restored=r, logprob=[logprob(i, a, r) for i in range(2)]) for a in ("zero", "mean", "resample") for r in ([], masked[:1], masked[-2:])]
        out.append(dict(model=name, items=items, heads=masked, clean=[logprob(i) for i in range(2)], masks=masks))
    with open("ablations.json", "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


main()
