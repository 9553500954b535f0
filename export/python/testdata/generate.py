"""What HeadKVPress keeps on the built-in model, for probe/evaluate's test.

Made with kvpress 0.5.5, transformers 5.2.0, torch 2.15.0, gguf, and the program
named in $HEADPROF:

    PYTHONPATH=export/python HEADPROF=./headprof python export/python/testdata/generate.py
"""

import json
import subprocess
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, DynamicCache

import headprof
from headprof.kvpress import HeadKVPress

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

program = headprof.program()
lines = subprocess.run([program, "prompts", "--count", "3", "--lengths", "128,400,700"], check=True, capture_output=True, text=True).stdout.splitlines()
prompts = [json.loads(line)["prompt_ids"] for line in lines]
model = AutoModelForCausalLM.from_pretrained(ROOT / "fixtures", gguf_file="tiny.gguf", dtype=torch.float32, attn_implementation="sdpa")
profile = headprof.read(HERE / "scores.csv")

cases = []
for prompt in prompts:
    for settings in (
        {"capacity": 24}, {"capacity": 64, "beta": 1.05}, {"capacity": 64, "window": 16, "kernel": 1, "level": "layer"}, {"capacity": 96, "fit": True},
    ):
        press = HeadKVPress(profile, **settings)
        with torch.no_grad(), press(model):
            model(torch.tensor([prompt]), past_key_values=DynamicCache(), use_cache=True)
        kept = [[torch.nonzero(head).flatten().tolist() for head in press.kept[layer][0]] for layer in sorted(press.kept)]
        cases.append({"prompt": prompt, "settings": {"window": 8, "kernel": 7, "beta": 1.2, "level": "kv-head", "fit": False, **settings}, "kept": kept})

with open(HERE / "kept.json", "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
