"""Loads what headprof exports with the calls that its consumers make, and
prints what they would see as one JSON line.

    python3 load_downstream.py headkv FILE LAYERS HEADS
    python3 load_downstream.py duoattention DIR
    python3 load_downstream.py qrhead FILE
    python3 load_downstream.py budget FILE.csv

Needs NumPy only.
"""
import csv
import json
import os
import sys

import numpy as np


def headkv(path, layers, heads):
    """HeadKV (headkv/snapkv_utils.py) and Retrieval-Head (README): the first
    line is the whole object, and the order of its keys gives the shape."""
    with open(path, "r") as file:
        head_list = json.loads(file.readline())
    means = [np.mean(item[1]) for item in head_list.items()]
    share = (np.array(means) / sum(means)).reshape(int(layers), int(heads))
    ranked = sorted(
        (([int(part) for part in key.split("-")], np.mean(values)) for key, values in head_list.items()),
        key=lambda pair: pair[1],
        reverse=True,
    )
    return {"share": share.tolist(), "best": ranked[0][0], "best_mean": float(ranked[0][1])}


def duoattention(folder):
    """DuoAttention (duo_attn/utils.py) and kvpress (duo_attention_press.py)."""
    scores = np.loadtxt(os.path.join(folder, "full_attention_heads.tsv"), dtype=float, delimiter="\t")
    scores = np.clip(scores, 0, 1)
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    return {
        "shape": list(scores.shape),
        "scores": scores.tolist(),
        "sink_size": config["sink_size"],
        "recent_size": config["recent_size"],
    }


def qrhead(path):
    """QRHead (src/qrretriever/attn_retriever.py) splits attn_head_set so. It
    reads the file with PyYAML; here a flat file's quoted scalars are enough."""
    config = {}
    with open(path) as file:
        for line in file:
            if line.startswith("#") or ":" not in line:
                continue
            key, value = line.split(":", 1)
            config[key.strip()] = json.loads(value.strip())
    heads = [tuple(map(int, pair.split("-"))) for pair in config["attn_head_set"].split(",")]
    return {"heads": heads, "model_name_or_path": config["model_name_or_path"], "model_base_class": config["model_base_class"]}


def budget(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {"columns": list(rows[0]), "entries": sum(int(row["entries"]) for row in rows)}


loaders = {f.__name__: f for f in (headkv, duoattention, qrhead, budget)}
print(json.dumps(loaders[sys.argv[1]](*sys.argv[2:])))
