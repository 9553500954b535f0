"""Files of other tools that hold heads."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Sequence, Union

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

PathLike = Union[str, "os.PathLike[str]"]


def vllm_hook(heads: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """vLLM-Hook's configuration with these heads: {"params": {"important_heads": [[layer, head], …]}}."""
    return {"params": {"important_heads": [[int(layer), int(head)] for layer, head in heads]}}


def read_vllm_hook(path: PathLike) -> list[tuple[int, int]]:
    """The heads of a vLLM-Hook configuration as (layer, head), in the file's order."""
    with open(path, encoding="utf-8-sig") as file:
        config = json.load(file)
    try:
        heads = [(int(layer), int(head)) for layer, head in config["params"]["important_heads"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)} is no vLLM-Hook configuration: params.important_heads must list pairs of layer and head") from error
    if any(layer < 0 or head < 0 for layer, head in heads):
        raise ValueError(f"{os.fspath(path)} names a negative layer or head")
    return heads


def read_lukv(path: PathLike, ratio: float) -> "npt.NDArray[np.float64]":
    """The share of its entries that each KV head keeps at a compression ratio, [layers, KV heads].

    path holds LUKVPress's budget curve, a .npy file of shape [99, layers, KV heads] with shares
    to drop; ratio is rounded to whole percent as the press rounds it.
    """
    curve = np.load(path, allow_pickle=False)
    if curve.ndim != 3 or curve.shape[0] != 99:
        raise ValueError(f"{os.fspath(path)} has the shape {curve.shape}, not (99, layers, KV heads)")
    if not 0 <= ratio < 1:
        raise ValueError(f"a compression ratio of {ratio} is not in [0, 1)")
    at = max(0, min(98, int(round(ratio * 100)) - 1))
    return 1 - np.clip(curve[at].astype(np.float64), 0, 1)
