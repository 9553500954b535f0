"""Profiles: tables of scores of attention heads."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Mapping, Optional, Sequence, Union

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from . import formats
from ._program import HeadprofError, run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

PathLike = Union[str, "os.PathLike[str]"]
Reduce = Literal["max", "mean", "sum"]
Policy = Literal["headkv", "uniform", "pyramid", "top-heads", "marginal"]
Level = Literal["kv-head", "head", "layer"]


@dataclass(frozen=True)
class Budget:
    """Cache entries of every head, as ``headprof budget`` writes them.

    All arrays hold whole numbers. ``entries`` counts the window, ``selected`` does not.
    """

    entries: "npt.NDArray[np.int64]"  # [layers, heads]
    selected: "npt.NDArray[np.int64]"  # [layers, heads]
    kv_entries: "npt.NDArray[np.int64]"  # [layers, KV heads]; at level "head": summed over copies
    kv_selected: "npt.NDArray[np.int64]"  # [layers, KV heads]
    window: int  # last prompt tokens kept besides
    capacity: int
    policy: str
    level: str
    method: str
    totals: Mapping[str, Any] = field(repr=False)  # as docs/formats.md says


@dataclass(frozen=True)
class Profile:
    """Scores of every head of a model under one or more methods.

    ``table`` has the columns of scores.parquet: layer, head, kv_head, method, mean,
    std_error, n, rank, ci_low, ci_high, rank_low, rank_high, share, window, decode, fast.
    """

    path: str
    table: pa.Table
    meta: Mapping[str, Any]  # model, decode, trials, passed, …
    options: Sequence[str] = field(default=(), repr=False)  # flags that tell the model's shape

    def to_pandas(self) -> "pd.DataFrame":
        """The table as a data frame; needs pandas."""
        return self.table.to_pandas()

    @property
    def model(self) -> str:
        return str(self.meta.get("model", ""))

    @property
    def methods(self) -> list[str]:
        """The score methods, in the table's order."""
        return list(dict.fromkeys(self.table.column("method").to_pylist()))

    def method(self, name: Optional[str] = None) -> str:
        """The method of that name; without one headkv-r2, or else the first."""
        known = self.methods
        if name is None:
            return "headkv-r2" if "headkv-r2" in known else known[0]
        if name not in known:
            raise HeadprofError(f"{self.path} has no method {name!r}; it has {', '.join(known)}")
        return name

    def _rows(self, name: Optional[str]) -> pa.Table:
        name = self.method(name)
        return self.table.filter(pc.equal(self.table.column("method"), name))

    def values(self, column: str, method: Optional[str] = None) -> "npt.NDArray[np.float64]":
        """Any numeric column as [layers, heads]; NaN where it is null or a layer has fewer heads.

        Of a method that scores KV heads it is [layers, KV heads].
        """
        rows = self._rows(method)
        layer = rows.column("layer").to_numpy().astype(np.int64)
        head = rows.column("kv_head" if self.per_kv_head(method) else "head").to_numpy().astype(np.int64)
        out = np.full((layer.max() + 1, head.max() + 1), np.nan)
        out[layer, head] = rows.column(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return out

    def per_kv_head(self, method: Optional[str] = None) -> bool:
        """Whether the method scores KV heads instead of query heads."""
        return self._rows(method).column("head").null_count > 0

    def scores(self, method: Optional[str] = None) -> "npt.NDArray[np.float64]":
        """Mean scores, [layers, heads] ([layers, KV heads] of methods that score those)."""
        return self.values("mean", method)

    def kv_heads(self, method: Optional[str] = None, reduce: Reduce = "max") -> "npt.NDArray[np.float64]":
        """Mean scores by KV head, [layers, KV heads]: the groups' largest, mean or sum."""
        if reduce not in ("max", "mean", "sum"):
            raise ValueError(f"reduce={reduce!r}: known are max, mean and sum")
        if self.per_kv_head(method):
            return self.scores(method)
        rows = self._rows(method)
        if rows.column("kv_head").null_count:
            raise HeadprofError(f"{self.path} does not say which KV head each head reads; give read(…, kv_heads=N) or read(…, shape='32x32/8')")
        layer = rows.column("layer").to_numpy().astype(np.int64)
        kv = rows.column("kv_head").to_numpy().astype(np.int64)
        mean = rows.column("mean").cast(pa.float64()).to_numpy(zero_copy_only=False)
        known = ~np.isnan(mean)
        shape = (layer.max() + 1, kv.max() + 1)
        count = np.zeros(shape)
        np.add.at(count, (layer[known], kv[known]), 1)
        out = np.zeros(shape) if reduce != "max" else np.full(shape, -np.inf)
        combine = np.maximum if reduce == "max" else np.add
        combine.at(out, (layer[known], kv[known]), mean[known])
        if reduce == "mean":
            out = np.divide(out, count, out=np.full(shape, np.nan), where=count > 0)
        return np.where(count > 0, out, np.nan)

    def top(self, k: int, method: Optional[str] = None) -> list[tuple[int, int]]:
        """The k best heads as (layer, head), best first; equal scores by layer, then head."""
        rank = self.values("rank", method)
        ranked = [(rank[at], int(at[0]), int(at[1])) for at in zip(*np.nonzero(rank > 0))]
        return [(layer, head) for _, layer, head in sorted(ranked)[:k]]

    def trials(self) -> pa.Table:
        """Each head's score in each trial: the columns of trials.parquet."""
        path = Path(self.path) / "trials.parquet"
        if not path.is_file():
            raise HeadprofError(f"{self.path} is no run's folder, so scores of single trials are not known")
        return pq.read_table(path)

    def budget(
        self,
        capacity: int,
        *,
        method: Optional[str] = None,
        policy: Policy = "headkv",
        beta: Optional[float] = None,
        temp: Optional[float] = None,
        window: Optional[int] = None,
        level: Level = "kv-head",
        context: Optional[int] = None,
        fit: bool = False,
    ) -> Budget:
        """Divides a KV cache over the heads: what ``headprof budget`` prints, by the same program.

        capacity is what a cache gets on average, window included; context is the prompt's
        length, for the share of the full cache. Arguments that are left out take the
        program's defaults.
        """
        return self.budgets([capacity], method=method, policy=policy, beta=beta, temp=temp, window=window, level=level, context=context, fit=fit)[0]

    def budgets(
        self,
        capacities: Sequence[int],
        *,
        method: Optional[str] = None,
        policy: Policy = "headkv",
        beta: Optional[float] = None,
        temp: Optional[float] = None,
        window: Optional[int] = None,
        level: Level = "kv-head",
        context: Optional[int] = None,
        fit: bool = False,
    ) -> list[Budget]:
        """Budgets of several capacities at once. The policy marginal goes by curves, not by a method."""
        args = ["budget", self.path, "--capacity", ",".join(str(int(c)) for c in capacities), "--policy", policy, "--level", level, "--format", "json", "--out", "-", *self.options]
        if policy != "marginal":
            args += ["--method", self.method(method)]
        for flag, value in (("--beta", beta), ("--temp", temp), ("--window", window), ("--context", context)):
            if value is not None:
                args += [flag, str(value)]
        if fit:
            args.append("--fit")
        out = json.loads(run(args))

        def array(rows: list[list[int]]) -> "npt.NDArray[np.int64]":
            widest = max(map(len, rows))
            return np.array([row + [0] * (widest - len(row)) for row in rows], dtype=np.int64)

        return [
            Budget(
                entries=array(p["entries"]), selected=array(p["budget"]), kv_entries=array(p["kv_entries"]), kv_selected=array(p["kv_budget"]),
                window=p["window"], capacity=p["capacity"], policy=p["policy"], level=p["level"], method=out["method"], totals=p["totals"],
            )
            for p in out["plans"]
        ]

    def vllm_hook(self, k: int = 16, method: Optional[str] = None) -> dict[str, Any]:
        """vLLM-Hook's configuration with the k best heads, best first."""
        return formats.vllm_hook(self.top(k, method))

    def lukv(self, context: int, *, method: Optional[str] = None, beta: Optional[float] = None) -> "npt.NDArray[np.float64]":
        """The budget curve of kvpress's LUKVPress, [99, layers, KV heads].

        Entry [t - 1] holds, for a compression ratio of t %, the share of each KV head's
        entries to drop: one minus HeadKV's budget over the context, its total exact.
        """
        capacities = [max(1, round(context * (100 - t) / 100)) for t in range(1, 100)]
        window = min(8, min(capacities) - 1)
        plans = self.budgets(capacities, method=method, beta=beta, window=window, context=context, fit=True)
        return np.stack([1 - p.kv_entries / context for p in plans]).clip(0, 1)


def read(path: PathLike, *, shape: Optional[str] = None, kv_heads: Optional[int] = None, model: Optional[PathLike] = None) -> Profile:
    """Reads a profile of any form that headprof reads: a run's folder, its tables, published
    headkv.json, DuoAttention and QRHead files.

    What a file leaves out of its model is told by shape ("32x32/8"), kv_heads, or model, a
    GGUF file or a Hugging Face folder.
    """
    path = os.fspath(path)
    options: list[str] = []
    for flag, value in (("--shape", shape), ("--kv-heads", kv_heads), ("--model", model)):
        if value is not None:
            options += [flag, os.fspath(value) if not isinstance(value, int) else str(value)]
    own = Path(path) / "scores.parquet" if Path(path).is_dir() else Path(path)
    table: Optional[pa.Table] = None
    if not options and own.suffix == ".parquet" and own.is_file():
        own_table = pq.read_table(own, memory_map=True)
        if (own_table.schema.metadata or {}).get(b"headprof.format") == b"scores/1":
            table = own_table
    if table is None:
        table = pq.read_table(pa.BufferReader(run(["export", path, "--format", "parquet", "--out", "-", *options])))
    meta = json.loads((table.schema.metadata or {}).get(b"headprof.meta", b"{}"))
    return Profile(path, table, meta, tuple(options))
