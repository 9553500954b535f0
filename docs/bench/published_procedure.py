#!/usr/bin/env python3
"""What a plan costs when it is run the way the published scripts do, in PyTorch (float32).

Each trial begins at token 0: all prompt tokens but the last are prefilled (SDPA
attention), then the answer is decoded one token at a time with every layer's attention
row returned, and each head's k largest entries are added up. The trial at the middle depth of
each length stands for all trials of that length.

Needs: pip install torch transformers gguf accelerate
Usage: headprof prompts --model MODEL.gguf ... > plan.jsonl
       published_procedure.py MODEL.gguf plan.jsonl --threads 2
Prints one JSON line per length and one for the plan.
"""
import argparse
import json
import os
import time

import torch
from transformers import AutoModelForCausalLM


def run(m, ids, span, answer):
    """One trial; gives each head's score and the seconds it took."""
    t = time.perf_counter()
    k = len(answer)
    inside = torch.zeros(len(ids) + k, dtype=torch.bool)
    inside[span[0]:span[1]] = True
    scores = 0.0
    m.set_attn_implementation("sdpa")
    cache = m(torch.tensor([ids[:-1]]), use_cache=True, logits_to_keep=1).past_key_values
    m.set_attn_implementation("eager")  # SDPA gives no attention rows
    token = ids[-1]
    for _ in range(k):
        out = m(torch.tensor([[token]]), past_key_values=cache, use_cache=True, output_attentions=True)
        step = []
        for layer in out.attentions:
            rows = layer[0, :, -1]
            best = rows.topk(min(k, rows.shape[-1]), dim=-1)
            # A sliding window's rows end at the newest position.
            at = best.indices + (len(ids) + _ - rows.shape[-1])
            step.append((best.values * inside[at]).sum(-1) / k)
        scores = scores + torch.stack(step)
        token = int(out.logits[0, -1].argmax())
    return scores, time.perf_counter() - t


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("plan")
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    lengths = {}
    with open(a.plan) as f:
        for line in f:
            t = json.loads(line)
            lengths.setdefault(t["length"], []).append(t)
    folder, name = os.path.split(os.path.abspath(a.model))
    m = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    total = trials = 0
    with torch.inference_mode():
        for n, of in sorted(lengths.items()):
            t = sorted(of, key=lambda t: t["depth"])[len(of) // 2]
            if total == 0:
                run(m, t["prompt_ids"], t["span"], t["answer_ids"])  # the first run is slow
            scores, seconds = run(m, t["prompt_ids"], t["span"], t["answer_ids"])
            total += seconds * len(of)
            trials += len(of)
            print(json.dumps({"length": n, "trials": len(of), "seconds_each": round(seconds, 2),
                              "best_head": int(scores.argmax())}), flush=True)
    print(json.dumps({"trials": trials, "threads": a.threads, "seconds": round(total)}))


if __name__ == "__main__":
    main()
