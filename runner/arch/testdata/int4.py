"""Packed integer weights by their definitions, for generate.py: random codes,
zero points and scales for each projection of a checkpoint, the numbers that they
stand for, scale · (code − zero), and the tensors as AutoAWQ (GEMM), GPTQ and
compressed-tensors lay them out in 32-bit words."""

import re

import numpy as np
import torch

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # nibble i of a word holds the output AWQ_ORDER[i] of eight


def words(codes, bits, axis, order=None):
    """Joins 32/bits neighbours along an axis, the first in the lowest bits."""
    n = 32 // bits
    x = np.moveaxis(codes.astype(np.uint64), axis, -1)
    if x.shape[-1] % n:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1] % n)])
    x = x.reshape(*x.shape[:-1], -1, n)
    if order:
        x = x[..., order]
    packed = sum(x[..., i] << np.uint64(i * bits) for i in range(n)).astype(np.uint32).view(np.int32)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(packed, -1, axis)))


# name: layout, bits, group size (-1: all inputs), symmetric, groups of any inputs, quantization_config
SCHEMES = {
    "awq": ("awq", 4, 32, False, False, dict(quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm", modules_to_not_convert=None)),
    "gptq": ("gptq", 4, 32, True, False, dict(
        quant_method="gptq", bits=4, group_size=32, desc_act=False, sym=True, true_sequential=True, damp_percent=0.1, lm_head=False)),
    "gptq-order": ("gptq", 4, 16, False, True, dict(quant_method="gptq", bits=4, group_size=16, desc_act=True, sym=False, damp_percent=0.1)),
    "gptq-v2": ("gptq2", 4, -1, False, False, dict(
        quant_method="gptq", bits=4, group_size=-1, desc_act=False, sym=False, checkpoint_format="gptq_v2", pack_dtype="int32")),
    "gptq-8": ("gptq", 8, 32, True, False, dict(quant_method="gptq", bits=8, group_size=32, desc_act=False, sym=True, checkpoint_format="gptq")),
    "packed": ("compressed", 4, 32, True, False, {}),
    "packed-zeros": ("compressed", 4, -1, False, False, {}),
    "packed-order": ("compressed", 4, 16, True, True, {}),
}


def scheme(case):
    """The scheme that a case's name ends in; None: none."""
    found = [s for s in SCHEMES if case.endswith("-" + s)]
    return max(found, key=len) if found else None


def config(name):
    layout, bits, size, symmetric, ordered, c = SCHEMES[name]
    if layout != "compressed":
        return c
    weights = dict(num_bits=bits, type="int", symmetric=symmetric, strategy="group" if size > 0 else "channel", group_size=size if size > 0 else None,
                   actorder="group" if ordered else None, block_structure=None, dynamic=False, observer="minmax", observer_kwargs={})
    return dict(quant_method="compressed-tensors", format="pack-quantized", quantization_status="compressed", ignore=["lm_head"], kv_cache_scheme=None,
                global_compression_ratio=None, config_groups=dict(group_0=dict(
                    targets=["Linear"], weights=weights, input_activations=None, output_activations=None)))


def quantise(tensors, name, seed):
    """The projections' values, and the tensors as they are stored."""
    layout, bits, size, symmetric, ordered, _ = SCHEMES[name]
    rng = np.random.default_rng(seed)
    values, stored = dict(tensors), dict(tensors)
    for key in sorted(tensors):
        if not re.search(r"_proj\.weight$", key):
            continue
        out, inputs = tensors[key].shape
        n = size if size > 0 else inputs
        groups = -(-inputs // n)
        codes = rng.integers(0, 1 << bits, (out, inputs))
        lowest = 1 if layout == "gptq" else 0  # which stores zeros less 1
        zeros = np.full((out, groups), 1 << bits - 1) if symmetric else rng.integers(lowest, 1 << bits, (out, groups))
        dtype = torch.bfloat16 if name == "packed-order" else torch.float16
        scales = torch.from_numpy(rng.uniform(0.5, 1.5, (out, groups)) * 2.6 / inputs**0.5 / (1 << bits)).to(dtype)
        group = np.arange(inputs) // n
        if ordered:
            group = rng.permutation(group)
        w = scales.float().numpy()[:, group] * (codes - zeros[:, group]).astype(np.float32)
        values[key] = torch.from_numpy(w)
        stem = key.removesuffix(".weight")
        del stored[key]
        if layout == "awq":
            more = dict(qweight=words(codes.T, 4, 1, AWQ_ORDER), qzeros=words(zeros.T, 4, 1, AWQ_ORDER), scales=scales.T)
        elif layout.startswith("gptq"):
            more = dict(qweight=words(codes.T, bits, 0), qzeros=words(zeros.T - lowest, bits, 1), scales=scales.T, g_idx=torch.from_numpy(group.astype(np.int32)))
            if name == "gptq":  # as early writers did, whether the model has a bias or not
                more["bias"] = tensors.get(stem + ".bias", torch.zeros(out))
        else:
            more = dict(weight_packed=words(codes, 4, 1), weight_scale=scales, weight_shape=torch.tensor([out, inputs]))
            if not symmetric:
                more["weight_zero_point"] = words(zeros, 4, 0)
            if ordered:
                more["weight_g_idx"] = torch.from_numpy(group.astype(np.int32))
        for end, x in more.items():
            stored[f"{stem}.{end}"] = x.contiguous()
    return values, stored
