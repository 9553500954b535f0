"""Draws random config.json files of every supported model type and records what
transformers computes for them, one JSON line each:

  config     the config.json, some settings left out or null
  tensors    names and shapes of the checkpoint as save_pretrained lays it out
  tokens, positions, logits, rows   as in generate.py
  version    of transformers
  gguf       of newer families, where there is a GGUF of such a model: keys and
             tensors as llama.cpp's converter makes them (convert.py)

Weights are not stored: element i of tensor t is weight(t, i) below, which
TestRandomConfigs computes likewise. Configurations that transformers itself
refuses are left out, and of models with recurrent layers those that magnify rounding. Run it under several versions of transformers with the same
seeds; the same seed draws the same configuration.

  python3 random_configs.py FIRST LAST [TYPE …] > configs.jsonl   # seeds FIRST … LAST-1
  HEADPROF_CONFIGS=configs.jsonl go test ./runner/arch -run TestRandomConfigs -v
  HEADPROF_CONFIGS=configs.jsonl HEADPROF_KEEP=6 go test …    # and store 6 of each model type and form in configs/

Needs: pip install torch transformers safetensors
"""

import json
import math
import os
import random
import sys
import tempfile
import zlib

import numpy as np
import torch
import transformers as T
from safetensors.torch import load_file, save_file

import convert

TOKENS = 28


def weight(name, shape):
    """Uniform numbers from a hash of name and index, exact in float32."""
    n = math.prod(shape)
    x = (np.uint64(zlib.crc32(name.encode())) + np.arange(n, dtype=np.uint64) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(13)
    u = (x >> np.uint64(8)).astype(np.float64) / (1 << 24) - 0.5
    if len(shape) > 1:
        u *= 4 / math.sqrt(shape[-1])
    elif name.endswith("weight"):
        u = u * 0.5 + 0.75
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


class Draw:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def one(self, *choices):
        return self.r.choice(choices)

    def maybe(self, p=0.5):
        return self.r.random() < p


def scaling(d, kinds, rotated, context, untruncated=None):
    kind = d.one(*kinds)
    s = {"rope_type": kind}
    if kind in ("linear", "dynamic"):
        s["factor"] = d.one(2.0, 3.5)
    elif kind == "yarn":
        s |= dict(factor=d.one(2.0, 4.0))
        if d.maybe(0.8):
            s["original_max_position_embeddings"] = d.one(16, 32, context)
        if d.maybe(0.3):
            s["attention_factor"] = 0.8
        if d.maybe(0.3):
            s |= dict(beta_fast=d.one(0, 16), beta_slow=d.one(1, 2))
        if d.maybe(0.2):
            s |= dict(mscale=0.7, mscale_all_dim=d.one(0, 1.2))
        if d.maybe(0.1 if untruncated is None else untruncated):
            s["truncate"] = False
    elif kind == "llama3":
        s |= dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=d.one(2.0, 4.0), original_max_position_embeddings=d.one(16, 32))
    elif kind in ("longrope", "su"):
        s |= dict(short_factor=[1 + i / 10 for i in range(rotated // 2)], long_factor=[1.5 + i for i in range(rotated // 2)])
    return s


def rope(d, c, dim, kinds, theta="rope_theta", partial=None, share=1.0):
    """The rotary settings in the form of transformers 4 or 5."""
    base = d.one(None, 500.0, 10000.0, 1e6)
    where = {theta: base} if base else {}
    if partial and d.maybe(0.7):
        share = d.one(0.5, 1.0)
        where[partial] = share
    context = c["max_position_embeddings"]
    s = scaling(d, kinds, int(dim * share), context, 0.7 if c["model_type"] == "gpt_oss" else None) if d.maybe(0.6) else None
    if s and s["rope_type"] in ("longrope", "su"):
        if c["model_type"] != "phi3":
            s["factor"] = 4.0
        if d.maybe(0.7):
            (c if d.maybe(0.6) else s)["original_max_position_embeddings"] = d.one(context // 4, 64, context)
    if d.maybe(0.5):
        p = dict(s or {"rope_type": "default"})
        for key, name in ((theta, "rope_theta"), (partial, "partial_rotary_factor")):
            if key in where:
                p[name] = where[key]
        if len(p) > 1 or d.maybe():
            c["rope_parameters"] = p
    else:
        c |= where
        if s:
            if d.maybe(0.5):
                s["type"] = s.pop("rope_type")
            c["rope_scaling"] = s
        elif d.maybe(0.3):
            c["rope_scaling"] = None


def drop(d, c, *keys):
    """Leaves some settings to the class's default."""
    for k in keys:
        if k in c and d.maybe(0.35):
            del c[k]


def layer_types(d, c, p=0.4):
    if d.maybe(p):
        c["layer_types"] = [d.one("full_attention", "sliding_attention") for _ in range(c["num_hidden_layers"])]


def config(kind, seed):
    d = Draw(f"{kind} {seed}")
    heads = d.one(2, 4, 6)
    dim = d.one(8, 12)
    c = dict(model_type=kind, vocab_size=61, hidden_size=heads * dim, intermediate_size=d.one(32, 44), num_hidden_layers=d.one(2, 3),
             num_attention_heads=heads, num_key_value_heads=d.one(1, 2, heads), max_position_embeddings=d.one(64, 128, 200),
             rms_norm_eps=d.one(1e-6, 1e-5, 1e-2), hidden_act="silu", tie_word_embeddings=d.maybe(0.3),
             pad_token_id=0, bos_token_id=1, eos_token_id=2)
    every = ["linear", "dynamic", "yarn", "llama3", "longrope", "default"]
    own_dim = d.maybe(0.4)

    def head_dim(p=True):
        nonlocal dim
        if own_dim and p:
            dim = d.one(4, 10, 16)
            c["head_dim"] = dim

    if kind == "llama":
        head_dim()
        c |= dict(attention_bias=d.maybe(0.3), mlp_bias=d.maybe(0.1))
        if d.maybe(0.2):
            c["sliding_window"] = 9
        rope(d, c, dim, every)
    elif kind == "mistral":
        head_dim()
        c["sliding_window"] = d.one(9, None, 4096)
        layer_types(d, c, 0.2)
        rope(d, c, dim, every)
    elif kind == "mixtral":
        head_dim()
        c |= dict(num_local_experts=d.one(4, 8), num_experts_per_tok=d.one(1, 2, 3), sliding_window=d.one(9, None))
        drop(d, c, "num_experts_per_tok")
        rope(d, c, dim, every)
    elif kind in ("qwen2", "qwen3"):
        if kind == "qwen3":
            dim = d.one(8, 16)
            c |= dict(head_dim=dim, attention_bias=d.maybe(0.3))
        c |= dict(use_sliding_window=d.maybe(), sliding_window=d.one(9, None, 4096), max_window_layers=d.one(0, 1, 2, 28))
        layer_types(d, c, 0.3)
        drop(d, c, "max_window_layers", "use_sliding_window")
        rope(d, c, dim, every)
    elif kind in ("qwen2_moe", "qwen3_moe"):
        c |= dict(num_experts=d.one(4, 7), num_experts_per_tok=d.one(1, 2, 3), moe_intermediate_size=24, norm_topk_prob=d.maybe(),
                  use_sliding_window=d.maybe(0.3), sliding_window=d.one(9, 4096), max_window_layers=d.one(0, 1, 28),
                  decoder_sparse_step=d.one(1, 1, 1, 2), mlp_only_layers=d.one([], [], [], [1], None))
        if kind == "qwen2_moe":
            c |= dict(shared_expert_intermediate_size=d.one(20, 36), qkv_bias=d.maybe(0.7))
        else:
            head_dim()
            c["attention_bias"] = d.maybe(0.3)
        drop(d, c, "norm_topk_prob", "decoder_sparse_step", "mlp_only_layers", "use_sliding_window")
        rope(d, c, dim, every)
    elif kind in ("deepseek_v2", "deepseek_v3"):
        groups, experts = d.one(1, 2, 3), 6
        c |= dict(num_key_value_heads=heads, attention_bias=d.maybe(0.05), q_lora_rank=d.one(None, 8, 12), kv_lora_rank=d.one(8, 12), qk_rope_head_dim=d.one(4, 6),
                  qk_nope_head_dim=d.one(4, 8, 7), v_head_dim=d.one(4, 10), n_routed_experts=experts, num_experts_per_tok=d.one(1, 2), moe_intermediate_size=24,
                  n_shared_experts=d.one(1, 2), first_k_dense_replace=d.one(0, 1, 2), n_group=groups, topk_group=d.one(1, groups), routed_scaling_factor=d.one(1.0, 2.5),
                  norm_topk_prob=d.maybe(0.1 if kind == "deepseek_v2" else 0.7))
        if kind == "deepseek_v2":
            c |= dict(topk_method=d.one("greedy", "group_limited_greedy"), mlp_bias=d.maybe(0.05))
            drop(d, c, "topk_method", "routed_scaling_factor", "first_k_dense_replace")
        else:
            c["rope_interleave"] = d.maybe(0.8)
            drop(d, c, "rope_interleave", "norm_topk_prob", "routed_scaling_factor")
        s = d.one(None, None, "yarn", "yarn", "linear")
        if s:
            s = scaling(d, [s], c["qk_rope_head_dim"], c["max_position_embeddings"])
            s.pop("mscale", None), s.pop("mscale_all_dim", None)
            if s["rope_type"] == "yarn" and d.maybe(0.7):
                s |= dict(mscale=d.one(1.0, 0.7), mscale_all_dim=d.one(1.0, 0.7))
            c["rope_parameters"] = dict(s, rope_theta=d.one(500.0, 10000.0))
    elif kind == "gemma3n_text":
        dim = d.one(8, 16)
        n = d.one(3, 4, 6)
        del c["hidden_act"]
        c |= dict(head_dim=dim, num_hidden_layers=n, attention_bias=d.maybe(0.05), tie_word_embeddings=d.maybe(0.8), hidden_activation="gelu_pytorch_tanh",
                  sliding_window=d.one(9, 5, 512), hidden_size_per_layer_input=d.one(6, 10), vocab_size_per_layer_input=d.one(61, 61, 40), laurel_rank=d.one(4, 6),
                  num_kv_shared_layers=d.one(0, 0, 1, 2), final_logit_softcapping=d.one(5.0, 30.0), altup_active_idx=d.one(0, 0, 1, 2),
                  altup_num_inputs=d.one(4, 4, 3), altup_correct_scale=d.maybe(0.8))
        if d.maybe(0.5):
            c["intermediate_size"] = [d.one(32, 44) for _ in range(n)]
        if d.maybe(0.7):
            c["activation_sparsity_pattern"] = [d.one(0.0, 0.5, 0.95) for _ in range(n)]
        layer_types(d, c, 0.8)
        if d.maybe(0.6):
            full = scaling(d, ["linear", "yarn", "default"], dim, 64)
            c["rope_parameters"] = dict(full_attention=dict(full, rope_theta=d.one(500.0, 1e6)),
                                        sliding_attention=dict(rope_type="default", rope_theta=d.one(100.0, 10000.0)))
        elif d.maybe(0.5):
            c |= dict(rope_theta=d.one(500.0, 1e6), rope_local_base_freq=d.one(100.0, 10000.0))
        drop(d, c, "final_logit_softcapping", "sliding_window", "hidden_activation", "altup_active_idx", "altup_correct_scale")
    elif kind == "gemma4_text":
        dim = d.one(8, 16)
        n = d.one(3, 4, 6)
        del c["hidden_act"]
        moe = d.maybe(0.3)
        c |= dict(head_dim=dim, num_hidden_layers=n, attention_bias=d.maybe(0.05), tie_word_embeddings=d.maybe(0.8), hidden_activation="gelu_pytorch_tanh",
                  global_head_dim=d.one(dim, 8, 24), sliding_window=d.one(9, 5, 512), hidden_size_per_layer_input=d.one(0, 6, 10), vocab_size_per_layer_input=61,
                  attention_k_eq_v=d.maybe(0.4), num_global_key_value_heads=d.one(None, 1, heads), num_kv_shared_layers=d.one(0, 0, 1, 2),
                  use_double_wide_mlp=d.maybe(0.4), final_logit_softcapping=d.one(None, 5.0, 30.0), enable_moe_block=moe)
        if moe:
            c |= dict(num_experts=d.one(4, 6), top_k_experts=d.one(1, 2, 3), moe_intermediate_size=d.one(24, 20))
        layer_types(d, c, 0.8)
        if d.maybe(0.7):
            full = d.one(dict(rope_type="proportional", partial_rotary_factor=d.one(0.25, 0.5, 1.0, 0.3)), dict(rope_type="proportional"), dict(rope_type="default"),
                         dict(rope_type="linear", factor=2.0), dict(rope_type="proportional", factor=4.0, partial_rotary_factor=0.5))
            c["rope_parameters"] = dict(full_attention=dict(full, rope_theta=d.one(500.0, 1e6)),
                                        sliding_attention=dict(rope_type="default", rope_theta=d.one(100.0, 10000.0)))
        drop(d, c, "final_logit_softcapping", "sliding_window", "use_double_wide_mlp", "hidden_activation", "num_global_key_value_heads", "num_kv_shared_layers")
    elif kind.startswith("gemma"):
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.2), tie_word_embeddings=d.maybe(0.8))
        del c["hidden_act"]
        c["hidden_act" if kind == "gemma" else "hidden_activation"] = "gelu_pytorch_tanh"
        if kind == "gemma" and d.maybe(0.3):
            c |= dict(hidden_act=d.one("gelu", "gelu_pytorch_tanh"), hidden_activation=d.one(None, "gelu_pytorch_tanh"))
        if kind != "gemma":
            c |= dict(query_pre_attn_scalar=d.one(16, 25, 144), sliding_window=d.one(9, 5, 4096))
            if kind == "gemma2":
                c |= dict(attn_logit_softcapping=d.one(None, 3.0, 50.0), final_logit_softcapping=d.one(None, 5.0, 30.0))
            else:
                c |= dict(final_logit_softcapping=d.one(None, None, 5.0), sliding_window_pattern=d.one(2, 3, 6))
            layer_types(d, c)
            drop(d, c, "query_pre_attn_scalar", "sliding_window", "attn_logit_softcapping", "final_logit_softcapping",
                 "sliding_window_pattern", "hidden_activation")
        if kind == "gemma3_text":
            full = scaling(d, ["linear", "yarn", "default"], dim, 64) if d.maybe() else {"rope_type": "default"}
            if d.maybe():
                c["rope_parameters"] = dict(full_attention=dict(full, rope_theta=d.one(500.0, 1e6)),
                                            sliding_attention=dict(rope_type="default", rope_theta=d.one(100.0, 10000.0)))
            else:
                c |= dict(rope_theta=d.one(500.0, 1e6), rope_local_base_freq=d.one(100.0, 10000.0), rope_scaling=full if len(full) > 1 else None)
                drop(d, c, "rope_theta", "rope_local_base_freq", "rope_scaling")
        else:
            rope(d, c, dim, every)
        drop(d, c, "hidden_act")
    elif kind == "phi3":
        c["sliding_window"] = d.one(9, None)
        drop(d, c, "sliding_window")
        rope(d, c, dim, ["longrope", "longrope", "su", "default"], partial="partial_rotary_factor")
    elif kind == "olmo2":
        c["attention_bias"] = d.maybe(0.4)
        rope(d, c, dim, every)
    elif kind == "granite":
        c |= dict(attention_bias=d.maybe(0.3), mlp_bias=d.maybe(0.1), embedding_multiplier=d.one(1.0, 3.0), logits_scaling=d.one(1.0, 2.0),
                  residual_multiplier=d.one(1.0, 0.4), attention_multiplier=d.one(1.0, 0.2))
        drop(d, c, "attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling")
        rope(d, c, dim, every)
    elif kind == "stablelm":
        c |= dict(layer_norm_eps=c.pop("rms_norm_eps"), use_qkv_bias=d.maybe(), qk_layernorm=d.maybe(), use_parallel_residual=d.maybe())
        drop(d, c, "use_qkv_bias", "qk_layernorm", "use_parallel_residual")
        rope(d, c, dim, ["linear", "dynamic", "yarn", "default"], partial="partial_rotary_factor", share=0.25)
    elif kind == "gpt_neox":
        c.pop("num_key_value_heads")
        c |= dict(layer_norm_eps=c.pop("rms_norm_eps"), use_parallel_residual=d.maybe(), attention_bias=d.maybe(0.7), hidden_act="gelu")
        drop(d, c, "use_parallel_residual", "attention_bias")
        rope(d, c, dim, ["linear", "dynamic", "yarn", "default"], "rotary_emb_base", "rotary_pct", 0.25)
    elif kind == "gpt2":
        c = dict(model_type=kind, vocab_size=61, n_embd=heads * dim, n_layer=2, n_head=heads, n_positions=d.one(64, 100),
                 n_inner=d.one(None, 40), layer_norm_epsilon=d.one(1e-5, 1e-2), activation_function=d.one("gelu_new", "gelu_pytorch_tanh", "gelu"),
                 bos_token_id=1, eos_token_id=2, scale_attn_by_inverse_layer_idx=d.maybe(0.1), scale_attn_weights=not d.maybe(0.1))
        drop(d, c, "n_inner", "layer_norm_epsilon", "activation_function", "scale_attn_weights")
    elif kind == "gpt_oss":
        del c["hidden_act"]
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, num_local_experts=d.one(4, 7), num_experts_per_tok=d.one(1, 2, 3), sliding_window=d.one(9, 5, 4096),
                  attention_bias=d.maybe(0.7), swiglu_limit=d.one(7.0, 7.0, 1.0))
        layer_types(d, c, 0.3)
        drop(d, c, "num_experts_per_tok", "sliding_window", "swiglu_limit")
        rope(d, c, dim, ["yarn", "yarn", "linear", "default"])
    elif kind == "smollm3":
        head_dim()
        c |= dict(num_hidden_layers=d.one(3, 4, 5), attention_bias=d.maybe(0.3), mlp_bias=d.maybe(0.05), no_rope_layer_interval=d.one(4, 4, 2, 3),
                  use_sliding_window=d.maybe(0.3), sliding_window=d.one(9, None))
        if d.maybe(0.3):
            c["no_rope_layers"] = [d.one(0, 1) for _ in range(c["num_hidden_layers"])]
        layer_types(d, c, 0.15)
        drop(d, c, "no_rope_layer_interval", "use_sliding_window", "sliding_window")
        rope(d, c, dim, every)
    elif kind == "seed_oss":
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.7), attention_out_bias=d.maybe(0.3), mlp_bias=d.maybe(0.05), residual_dropout=0.1)
        drop(d, c, "attention_out_bias")
        rope(d, c, dim, every)
    elif kind == "ministral3":
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, sliding_window=d.one(None, None, None, 9))
        s = scaling(d, ["yarn", "yarn", "yarn", "default", "linear"], dim, c["max_position_embeddings"])
        s |= dict(rope_theta=d.one(500.0, 10000.0, 1e6), llama_4_scaling_beta=d.one(0.1, 0.5), original_max_position_embeddings=d.one(8, 16, 5))
        if d.maybe(0.7):
            s |= dict(mscale=1.0, mscale_all_dim=d.one(1.0, 0.7))
        c["rope_parameters"] = s
        drop(d, c, "sliding_window")
    elif kind == "hunyuan_v1_dense":
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.3))
        rope(d, c, dim, every)
        if d.maybe(0.3):
            c["rope_parameters" if d.maybe() else "rope_scaling"] = dict(rope_type="dynamic", alpha=d.one(50.0, 1000.0), factor=1.0, rope_theta=10000.0)
            for key in ("rope_theta", "rope_scaling" if "rope_parameters" in c else ""):
                c.pop(key, None)
    elif kind == "exaone4":
        head_dim()
        c |= dict(num_hidden_layers=d.one(3, 4, 5), sliding_window=d.one(9, 5, None), sliding_window_pattern=d.one(4, 2, 3, "LLLG"))
        layer_types(d, c, 0.4)
        drop(d, c, "sliding_window", "sliding_window_pattern")
        rope(d, c, dim, every)
    elif kind == "olmo3":
        c |= dict(num_hidden_layers=d.one(3, 4, 5), sliding_window=d.one(9, 5), attention_bias=d.maybe(0.3))
        layer_types(d, c, 0.4)
        full = scaling(d, ["linear", "yarn", "default"], dim, 64) if d.maybe() else {"rope_type": "default"}
        if d.maybe(0.7):
            base = d.one(500.0, 1e6)
            c["rope_parameters"] = dict(full_attention=dict(full, rope_theta=base),
                                        sliding_attention=dict(rope_type="default", rope_theta=d.one(base, base, 10000.0)))
        elif len(full) > 1:
            c |= dict(rope_scaling=full, rope_theta=500000.0)
            drop(d, c, "rope_theta")
        drop(d, c, "sliding_window")
    elif kind == "glm4":
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.6))
        rope(d, c, dim, ["linear", "yarn", "default"], partial="partial_rotary_factor", share=0.5)
    elif kind == "glm4_moe":
        dim = d.one(8, 16)
        groups = d.one(1, 1, 1, 2)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.5), use_qk_norm=d.maybe(), num_hidden_layers=d.one(2, 3), moe_intermediate_size=24,
                  n_routed_experts=d.one(4, 6), num_experts_per_tok=d.one(1, 2), n_shared_experts=d.one(1, 2), n_group=groups, topk_group=1,
                  routed_scaling_factor=d.one(1.0, 2.5), first_k_dense_replace=d.one(0, 1, 2), norm_topk_prob=d.maybe(0.7))
        drop(d, c, "norm_topk_prob", "routed_scaling_factor", "use_qk_norm", "n_shared_experts", "first_k_dense_replace")
        rope(d, c, dim, ["linear", "yarn", "default"], partial="partial_rotary_factor", share=0.5)
    elif kind in ("granitemoe", "granitemoeshared"):
        c |= dict(attention_bias=d.maybe(0.3), num_local_experts=d.one(4, 6), num_experts_per_tok=d.one(1, 2, 3), embedding_multiplier=d.one(1.0, 3.0),
                  logits_scaling=d.one(1.0, 2.0), residual_multiplier=d.one(1.0, 0.4), attention_multiplier=d.one(1.0, 0.2))
        if kind == "granitemoeshared":
            c["shared_intermediate_size"] = d.one(20, 36, 0)
        drop(d, c, "attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling", "num_experts_per_tok")
        rope(d, c, dim, every)
    elif kind == "granitemoehybrid":
        c |= dict(attention_bias=d.maybe(0.3), num_local_experts=d.one(0, 0, 4), num_experts_per_tok=d.one(1, 2), embedding_multiplier=d.one(1.0, 3.0),
                  logits_scaling=d.one(1.0, 2.0), residual_multiplier=d.one(1.0, 0.4), attention_multiplier=d.one(1.0, 0.2), mamba_n_heads=2,
                  shared_intermediate_size=d.one(20, 36), position_embedding_type=d.one("rope", "rope", None, "nope"))
        c["layer_types"] = [d.one(*["attention"] * 19, "mamba") for _ in range(c["num_hidden_layers"])]
        if seed >= 1000:  # models with Mamba layers
            c["num_hidden_layers"] = d.one(2, 3, 4)
            c["layer_types"] = [d.one("attention", "mamba", "mamba") for _ in range(c["num_hidden_layers"] - 1)]
            c["layer_types"].insert(d.one(0, 1), d.one("attention", "full_attention"))
            expand = d.one(1, 2)
            c |= dict(mamba_n_heads=d.one(2, 4), mamba_n_groups=d.one(1, 2), mamba_d_state=d.one(4, 10, 16), mamba_d_conv=d.one(4, 2, 3), mamba_expand=expand,
                      mamba_conv_bias=d.maybe(0.7), mamba_proj_bias=d.maybe(0.3))
            c["mamba_d_head"] = d.one("auto", expand * c["hidden_size"] // c["mamba_n_heads"])
            if seed >= 2000:  # that GGUF can say
                c |= dict(mamba_proj_bias=False, position_embedding_type="nope")
                if not c["num_local_experts"]:
                    c |= dict(shared_intermediate_size=c["intermediate_size"], num_experts_per_tok=0)
            drop(d, c, "mamba_conv_bias", "mamba_proj_bias", "mamba_d_head", "mamba_d_conv", "mamba_n_groups")
        drop(d, c, "attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling", "num_experts_per_tok", "position_embedding_type")
        rope(d, c, dim, every)
    elif kind in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"):
        dim = d.one(8, 16)
        keys = d.one(1, 2, 3)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.3), num_hidden_layers=d.one(2, 4, 5), linear_conv_kernel_dim=d.one(4, 4, 2, 1, 7),
                  linear_key_head_dim=d.one(4, 10, 16), linear_value_head_dim=d.one(4, 9, 40), linear_num_key_heads=keys, linear_num_value_heads=keys * d.one(1, 2, 3))
        if kind != "qwen3_5_text":
            c |= dict(moe_intermediate_size=24, shared_expert_intermediate_size=d.one(20, 36), num_experts=d.one(4, 6), num_experts_per_tok=d.one(1, 2, 3))
        if kind == "qwen3_next":
            c |= dict(norm_topk_prob=d.maybe(0.8), decoder_sparse_step=d.one(1, 1, 2), mlp_only_layers=d.one([], None, [0], [1, 3]))
            drop(d, c, "norm_topk_prob", "decoder_sparse_step", "mlp_only_layers")
        if d.maybe(0.3):
            c["layer_types"] = [d.one("linear_attention", "linear_attention", "full_attention") for _ in range(c["num_hidden_layers"])]
        elif d.maybe(0.3):
            c["full_attention_interval"] = d.one(2, 3, 4)
        drop(d, c, "linear_conv_kernel_dim")
        rope(d, c, dim, ["linear", "yarn", "llama3", "default"], partial="partial_rotary_factor", share=0.25)
    elif kind == "lfm2":
        c["norm_eps"] = c.pop("rms_norm_eps")
        c |= dict(num_hidden_layers=d.one(2, 4, 5), conv_bias=d.maybe(0.4), conv_L_cache=d.one(3, 3, 4, 1, 6), block_multiple_of=d.one(8, 16, 256),
                  block_ffn_dim_multiplier=d.one(1.0, 1.3, None), block_auto_adjust_ff_dim=d.maybe(0.6))
        if d.maybe(0.4):
            c["block_ff_dim"] = d.one(36, 60)
        if d.maybe(0.3):
            c["tie_embedding"] = d.maybe()
        if d.maybe(0.6):
            c["layer_types"] = [d.one("conv", "conv", "full_attention") for _ in range(c["num_hidden_layers"])]
        elif d.maybe(0.7):
            c["full_attn_idxs"] = sorted(d.r.sample(range(c["num_hidden_layers"]), 1))
        drop(d, c, "conv_bias", "conv_L_cache", "block_multiple_of", "block_ffn_dim_multiplier", "block_auto_adjust_ff_dim", "norm_eps")
        rope(d, c, dim, every)
    elif kind == "lfm2_moe":
        c["norm_eps"] = c.pop("rms_norm_eps")
        c |= dict(num_hidden_layers=d.one(2, 3, 4), conv_bias=d.maybe(0.3), conv_L_cache=d.one(3, 3, 4, 1, 6), num_dense_layers=d.one(0, 1, 2), num_experts=d.one(4, 6),
                  num_experts_per_tok=d.one(1, 2, 3), moe_intermediate_size=24, use_expert_bias=d.maybe(0.9), routed_scaling_factor=d.one(1.0, 1.0, 2.5),
                  norm_topk_prob=d.maybe(0.8))
        c["layer_types"] = [d.one("conv", "conv", "full_attention") for _ in range(c["num_hidden_layers"])]
        drop(d, c, "conv_bias", "conv_L_cache", "num_dense_layers", "use_expert_bias", "routed_scaling_factor", "norm_topk_prob", "norm_eps")
        rope(d, c, dim, every + ["default"] * 5)
    elif kind == "falcon_h1":
        head_dim()
        expand = d.one(1, 2)
        ssm = d.one(None, 16, 24, 48, 48)
        c |= dict(attention_bias=d.maybe(0.3), mlp_bias=d.maybe(0.03), projectors_bias=d.maybe(0.1), mamba_d_ssm=ssm, mamba_n_heads=d.one(2, 4), mamba_n_groups=d.one(1, 2),
                  mamba_d_state=d.one(4, 10, 16), mamba_d_conv=d.one(4, 4, 2, 3, 1), mamba_expand=expand, mamba_conv_bias=d.maybe(0.7), mamba_proj_bias=d.maybe(0.1),
                  mamba_norm_before_gate=d.maybe(0.2), mamba_rms_norm=d.maybe(0.5), tie_word_embeddings=d.maybe(0.1))
        c["mamba_d_head"] = d.one("auto", (ssm or expand * c["hidden_size"]) // c["mamba_n_heads"])
        for key in ("lm_head", "embedding", "key", "attention_out", "attention_in", "ssm_in", "ssm_out"):
            if d.maybe(0.7):
                c[f"{key}_multiplier"] = d.one(1.0, 0.25, 0.7, 1.5)
        if d.maybe(0.7):
            c["mlp_multipliers"] = d.one(None, [0.6, 1.3], [1.0, 0.2])
        if d.maybe(0.7):
            c["ssm_multipliers"] = [d.one(0.35, 0.8, 1.0, 1.4) for _ in range(5)]
        drop(d, c, "mamba_norm_before_gate", "mamba_rms_norm", "mamba_conv_bias", "mamba_proj_bias", "mamba_d_conv", "mamba_n_groups", "mamba_expand" if ssm else "")
        rope(d, c, dim, every + ["default"] * 10)
    elif kind == "llama4_text":
        dim = d.one(8, 16)
        c |= dict(head_dim=dim, attention_bias=d.maybe(0.3), num_hidden_layers=d.one(3, 4, 5), intermediate_size_mlp=d.one(32, 40), num_local_experts=d.one(4, 6),
                  num_experts_per_tok=d.one(1, 1, 2), interleave_moe_layer_step=d.one(1, 1, 2), use_qk_norm=d.maybe(0.7), no_rope_layer_interval=d.one(4, 4, 2),
                  attention_chunk_size=d.one(8192, 8, 5, None), attn_temperature_tuning=d.maybe(0.8), floor_scale=d.one(8192, 6), attn_scale=d.one(0.1, 0.1, 0.4))
        if d.maybe(0.2):
            c["no_rope_layers"] = [d.one(0, 1) for _ in range(c["num_hidden_layers"])]
        drop(d, c, "use_qk_norm", "attention_chunk_size", "attn_temperature_tuning", "floor_scale", "attn_scale", "interleave_moe_layer_step", "no_rope_layer_interval")
        rope(d, c, dim, ["llama3", "linear", "yarn", "default", "default"])
    elif kind in ("cohere", "cohere2"):
        c |= dict(layer_norm_eps=c.pop("rms_norm_eps"), logit_scale=d.one(0.0625, 0.5), attention_bias=d.maybe(0.3), tie_word_embeddings=d.maybe(0.7))
        if kind == "cohere":
            c["use_qk_norm"] = d.maybe(0.4)
            drop(d, c, "use_qk_norm")
        else:
            c |= dict(num_hidden_layers=d.one(3, 4, 5), sliding_window=d.one(9, 5), sliding_window_pattern=d.one(4, 4, 2))
            layer_types(d, c, 0.3)
            drop(d, c, "sliding_window", "sliding_window_pattern")
        drop(d, c, "logit_scale")
        rope(d, c, dim, ["linear", "default", "default", "default"])
    drop(d, c, "rms_norm_eps", "layer_norm_eps", "sliding_window" if kind == "mistral" else "", "attention_bias", "tie_word_embeddings")
    return c


def record(c, seed):
    version = T.__version__
    if version < "5" and "rope_parameters" in c:
        return None  # which it does not read
    with tempfile.TemporaryDirectory() as folder:
        model = T.AutoModelForCausalLM.from_config(T.AutoConfig.for_model(**json.loads(json.dumps(c))))
        model.save_pretrained(folder)
        tensors = {name: weight(name, list(t.shape)) for name, t in load_file(f"{folder}/model.safetensors").items()}
        save_file(tensors, f"{folder}/model.safetensors", {"format": "pt"})
        with open(f"{folder}/config.json", "w") as f:
            json.dump(c, f)
        model = T.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    ids = [random.Random(seed).randrange(3, 61) for _ in range(TOKENS)]
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_attentions=True, use_cache=False)
    if c["model_type"] in RECURRENT:
        # Norms of heads that give next to nothing magnify rounding, transformers' own included: such draws tell nothing.
        with torch.no_grad():
            e = model.get_input_embeddings().weight
            e *= 1 + 2e-7 * torch.randn(e.shape, generator=torch.Generator().manual_seed(seed))
            moved = model(torch.tensor([ids]), output_attentions=True, use_cache=False)
        change = lambda a, b: (a - b).abs().max().item()
        if change(moved.logits, out.logits) > 3e-5 or any(change(a, b) > 3e-6 for a, b in zip(moved.attentions, out.attentions)):
            raise ValueError("it magnifies rounding")
    number = lambda x: float(f"{x:.6g}")
    positions = [TOKENS - 1]
    rows = [[[[number(w) for w in a[0, h, p, : p + 1].tolist()] for h in range(a.shape[1])] for a in convert.by_layer(model.config, out.attentions)] for p in positions]
    logits = [[number(x) for x in out.logits[0, p].tolist()] for p in positions]
    made = convert.convert(model.config, list(tensors))
    more = dict(gguf=dict(keys=made[0], tensors=made[1])) if made else {}
    return dict(**more, config=c, tensors=[[n, list(t.shape)] for n, t in sorted(tensors.items())], tokens=ids, positions=positions, logits=logits,
                rows=rows, version=version)


KINDS = ["llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2",
         "granite", "stablelm", "gpt_neox", "gpt2"]
RECURRENT = ["lfm2_moe", "falcon_h1", "granitemoehybrid", "lfm2", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"]
NEWER = ["gpt_oss", "smollm3", "seed_oss", "ministral3", "hunyuan_v1_dense", "exaone4", "olmo3", "glm4", "cohere", "cohere2",
         "glm4_moe", "granitemoe", "granitemoeshared", "granitemoehybrid", "llama4_text", "gemma4_text", "gemma3n_text",
         "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "lfm2", "lfm2_moe", "falcon_h1", "deepseek_v2", "deepseek_v3"]  # with their GGUF

if __name__ == "__main__":
    torch.set_num_threads(1)
    T.logging.set_verbosity_error()
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        for kind in sys.argv[3:] or KINDS + NEWER:
            try:
                line = record(config(kind, seed), seed)
            except Exception as e:  # transformers refuses it: nothing to compare with
                print(kind, seed, type(e).__name__, str(e)[-100:].replace("\n", " "), file=sys.stderr)
                continue
            if line:
                print(json.dumps(line, separators=(",", ":")), flush=True)
