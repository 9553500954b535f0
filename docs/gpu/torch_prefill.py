#!/usr/bin/env python3
"""Prefill speed of PyTorch on a CUDA card, for comparison with `headprof bench --device gpu`.

Without --gguf: a Llama of 7B shape (width 4096, 32 layers, 32 heads, 8 KV heads,
feed-forward 14336) with random weights, the shape that runner/gpu/synthetic writes.
Only the last position's logits are computed, as headprof does.
"""
import argparse
import json
import os
import statistics
import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM


def load(a, attention, dtype):
    if a.gguf:
        folder, name = os.path.split(os.path.abspath(a.gguf))
        return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype, attn_implementation=attention)
    c = LlamaConfig(vocab_size=49152, hidden_size=4096, num_hidden_layers=32, num_attention_heads=32,
                    num_key_value_heads=8, intermediate_size=14336, max_position_embeddings=131072)
    c._attn_implementation = attention
    torch.set_default_dtype(dtype)
    with torch.device("cuda"):
        return LlamaForCausalLM(c)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--gguf", default="")
    ap.add_argument("--tokens", default="2048,8000")
    ap.add_argument("--repeat", type=int, default=3)
    a = ap.parse_args()
    for attention in ("eager", "sdpa"):
        for dtype in (torch.float32, torch.bfloat16):
            try:
                m = load(a, attention, dtype).to("cuda").eval()
                for n in [int(x) for x in a.tokens.split(",")]:
                    ids = torch.tensor([[(i * 7919) % (m.config.vocab_size - 300) + 200 for i in range(n)]], device="cuda")
                    speeds = []
                    with torch.inference_mode():
                        for _ in range(a.repeat + 1):
                            torch.cuda.synchronize()
                            t = time.perf_counter()
                            m(ids, use_cache=True, logits_to_keep=1)
                            torch.cuda.synchronize()
                            speeds.append(n / (time.perf_counter() - t))
                    speeds = speeds[1:]  # the first call warms up
                    print(json.dumps({"model": a.gguf or "random 7B", "card": torch.cuda.get_device_name(), "attention": attention,
                                      "dtype": str(dtype), "tokens": n, "prefill_tok_s_best": round(max(speeds), 1),
                                      "prefill_tok_s_median": round(statistics.median(speeds), 1)}), flush=True)
                del m
            except torch.cuda.OutOfMemoryError:
                print(json.dumps({"model": a.gguf or "random 7B", "attention": attention, "dtype": str(dtype), "error": "out of memory"}), flush=True)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
