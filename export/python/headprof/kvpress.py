"""Presses for NVIDIA's kvpress (https://github.com/NVIDIA/kvpress) made of a profile.

    from transformers import pipeline
    from headprof.kvpress import HeadKVPress

    pipe = pipeline("kv-press-text-generation", model="meta-llama/Llama-3.1-8B-Instruct")
    press = HeadKVPress(headprof.read("profile"), capacity=128)
    answer = pipe(context, question=question, press=press)["answer"]

kvpress keeps keys that a press drops head by head in memory and masks them. These presses
show what a budget does to answers; they do not save memory. Decode with attention "sdpa" or
"flash_attention_2", not "eager".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Optional

import numpy as np
import torch
from kvpress import BasePress, SnapKVPress
from torch import nn
from torch.nn import functional as F

from .profile import Level, Policy, Profile, Reduce

__all__ = ["HeadKVPress", "ProfileDuoPress", "head_ratios"]


def _shape(model: Any) -> tuple[int, int]:
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    return config.num_hidden_layers, getattr(config, "num_key_value_heads", None) or heads


def _check(model: Any, layers: int, kv_heads: int, profile: Profile) -> None:
    if _shape(model) != (layers, kv_heads):
        raise ValueError(f"the profile {profile.path} is of {layers} layers and {kv_heads} KV heads, the model has {_shape(model)[0]} and {_shape(model)[1]}; it is another model's profile")


def _mask(module: nn.Module, drop: torch.Tensor) -> None:
    """Masks the entries [batch, KV head, position] that are to be dropped."""
    module.masked_key_indices = torch.nonzero(drop, as_tuple=True) if bool(drop.any()) else None


@dataclass
class HeadKVPress(BasePress):
    """HeadKV (arXiv 2410.19258): every KV head keeps its own number of entries.

    The budgets are those of ``headprof budget``. Which entries a head keeps is decided as
    ``headprof eval`` does: the attention of the last ``window`` prompt tokens, averaged over
    them and over the group's query heads, the running maximum over ``kernel`` positions, the
    largest first and of equals the first position; and the window itself. A head whose budget
    exceeds the prompt keeps all of it.

    Parameters
    ----------
    profile : Profile
    capacity : int
        Entries per KV head on average, window included.
    method : str, optional
        Score method; headkv-r2 where the profile has it.
    window : int, default=8
        α, the observation window in tokens.
    kernel : int, default=7
        Width of the max-pooling over positions; odd.
    policy, beta, temp, level, fit
        As in ``Profile.budget``; level is "kv-head" or "layer". fit hands what short prompts
        cannot use to other heads, so that the total is capacity × caches.
    """

    profile: Profile
    capacity: int
    method: Optional[str] = None
    window: int = 8
    kernel: int = 7
    policy: Policy = "headkv"
    beta: Optional[float] = None
    temp: Optional[float] = None
    level: Level = "kv-head"
    fit: bool = False
    kept: dict[int, torch.Tensor] = field(init=False, repr=False, default_factory=dict)  # by layer: kept entries, [batch, KV heads, prompt]

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"a window of {self.window} tokens observes nothing")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel} is not odd and at least 1")
        if self.level == "head":
            raise ValueError("level 'head' needs a cache per query head; kvpress has one per KV head")
        self._budgets: dict[int, np.ndarray] = {}
        if not self.fit:
            self._selected(0)  # errors of arguments come here, not in the forward pass

    def _selected(self, prompt: int) -> np.ndarray:
        """Entries to select, [layers, KV heads]; they depend on the prompt only with fit."""
        key = prompt if self.fit else 0
        if key not in self._budgets:
            plan = self.profile.budget(
                self.capacity, method=self.method, policy=self.policy, beta=self.beta, temp=self.temp, window=self.window,
                level=self.level, context=key or None, fit=self.fit,
            )
            self._budgets[key] = plan.kv_selected
        return self._budgets[key]

    @property
    def compression_ratio(self) -> float:
        """Share of the entries that the last prompt lost, over all layers that were compressed."""
        if not self.kept:
            raise AttributeError("the share is known after a prompt was compressed")
        total = sum(k.numel() for k in self.kept.values())
        return 1 - sum(int(k.sum()) for k in self.kept.values()) / total

    def post_init_from_model(self, model: Any) -> None:
        layers, kv_heads = self.profile.kv_heads(self.method).shape
        _check(model, layers, kv_heads, self.profile)
        self.kept = {}

    def compress(self, module: nn.Module, hidden_states: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, attentions: Any, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor]:
        if module.config._attn_implementation == "eager":
            raise ValueError("kvpress masks single heads' entries in sdpa and flash attention only; load the model with attn_implementation='sdpa'")
        batch, kv_heads, length, _ = keys.shape
        earlier = length - self.window
        keep = torch.ones(keys.shape[:3], dtype=torch.bool, device=keys.device)
        if earlier > 0:
            rows = SnapKVPress.compute_window_attention(module, hidden_states, keys, self.window, kwargs["position_embeddings"])
            seen = rows.float().mean(dim=-2)
            seen = seen.view(batch, kv_heads, -1, earlier).mean(dim=2)
            seen = F.max_pool1d(seen, self.kernel, padding=self.kernel // 2, stride=1)
            order = torch.argsort(seen, dim=-1, descending=True, stable=True)
            budgets = torch.as_tensor(self._selected(length)[module.layer_idx], device=keys.device)
            place = torch.arange(earlier, device=keys.device)
            keep[..., :earlier].scatter_(-1, order, (place < budgets.view(1, kv_heads, 1)).expand_as(order).contiguous())
        self.kept[module.layer_idx] = keep
        _mask(module, ~keep)
        return keys, values


@dataclass
class ProfileDuoPress(BasePress):
    """DuoAttention (arXiv 2410.10819) with a profile's scores: the best KV heads keep
    everything, the others the first ``sink`` and the last ``recent`` tokens.

    Parameters
    ----------
    profile : Profile
    streaming : float
        Share of the KV heads that stream, 0 to 1.
    method : str, optional
        Score method; headkv-r2 where the profile has it.
    sink, recent : int
        Tokens that a streaming head keeps.
    reduce : "max", "mean" or "sum"
        A KV head's score from its group's.
    """

    profile: Profile
    streaming: float = 0.5
    method: Optional[str] = None
    sink: int = 128
    recent: int = 256
    reduce: Reduce = "max"
    mask: np.ndarray = field(init=False, repr=False)  # [layers, KV heads]: streaming
    compression_ratio_: Optional[float] = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not 0 <= self.streaming <= 1:
            raise ValueError(f"streaming={self.streaming} is no share of the heads")
        if self.sink < 0 or self.recent < 1:
            raise ValueError("sink must be at least 0 and recent at least 1")
        scores = self.profile.kv_heads(self.method, reduce=self.reduce)
        order = np.argsort(np.nan_to_num(scores, nan=-np.inf), axis=None, kind="stable")
        self.mask = np.zeros(scores.size, dtype=bool)
        self.mask[order[: round(scores.size * self.streaming)]] = True
        self.mask = self.mask.reshape(scores.shape)

    @property
    def compression_ratio(self) -> float:
        if self.compression_ratio_ is None:
            raise AttributeError("the share is known after a prompt was compressed")
        return self.compression_ratio_

    def post_init_from_model(self, model: Any) -> None:
        _check(model, *self.mask.shape, self.profile)

    def compress(self, module: nn.Module, hidden_states: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, attentions: Any, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor]:
        if module.config._attn_implementation == "eager":
            raise ValueError("kvpress masks single heads' entries in sdpa and flash attention only; load the model with attn_implementation='sdpa'")
        length = keys.shape[2]
        drop = torch.zeros(keys.shape[:3], dtype=torch.bool, device=keys.device)
        middle = slice(self.sink, max(self.sink, length - self.recent))
        drop[:, torch.as_tensor(self.mask[module.layer_idx], device=keys.device), middle] = True
        _mask(module, drop)
        self.compression_ratio_ = float(self.mask.mean()) * max(0, length - self.sink - self.recent) / length
        return keys, values


def head_ratios(profile: Profile, compression_ratio: float, context: int, *, method: Optional[str] = None, beta: Optional[float] = None, window: Optional[int] = None) -> np.ndarray:
    """Compression ratios per KV head, [layers, KV heads], for presses that take such an array:
    the share of a context's entries that each head drops under HeadKV's budgets. Their mean is
    compression_ratio, up to half an entry per head, where every layer sees the whole context.
    """
    if not 0 <= compression_ratio < 1:
        raise ValueError(f"a compression ratio of {compression_ratio} is not in [0, 1)")
    plan = profile.budget(max(1, round(context * (1 - compression_ratio))), method=method, beta=beta, window=window, context=context, fit=True)
    return 1 - np.minimum(plan.kv_entries, context) / context
