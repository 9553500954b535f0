#!/usr/bin/env python3
"""Prefill speed of PyTorch (float32, SDPA attention) on a GGUF file's dequantised weights.

Needs: pip install torch transformers gguf accelerate
Usage: torch_prefill.py MODEL.gguf --tokens 512,2048,4096 --threads 2 --repeat 3
Prints one JSON line per length. Only the last position's logits are computed, as headprof does.
"""
import argparse
import json
import os
import statistics
import time

import torch
from transformers import AutoModelForCausalLM


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("model")
    ap.add_argument("--tokens", default="512,2048,4096")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    folder, name = os.path.split(os.path.abspath(a.model))
    m = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, attn_implementation=a.attention).eval()
    vocab = m.config.vocab_size
    for n in [int(x) for x in a.tokens.split(",")]:
        ids = torch.tensor([[(i * 7919) % (vocab - 300) + 200 for i in range(n)]])
        speeds = []
        with torch.inference_mode():
            for _ in range(a.repeat):
                t = time.perf_counter()
                m(ids, use_cache=True, logits_to_keep=1)
                speeds.append(n / (time.perf_counter() - t))
        print(json.dumps({"tokens": n, "threads": a.threads, "attention": a.attention,
                          "prefill_tok_s_best": round(max(speeds), 1),
                          "prefill_tok_s_median": round(statistics.median(speeds), 1)}), flush=True)


if __name__ == "__main__":
    main()
