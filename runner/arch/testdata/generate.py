"""Makes this folder's golden models: one tiny, randomly initialised checkpoint
per model family, as a Hugging Face folder and as GGUF, with the logits and
attention rows that transformers computes for it.

Run from this folder: python3 generate.py [case …]
Needs: pip install torch transformers gguf safetensors
(made with torch 2.15.0, transformers 5.24.0, gguf 0.19.0).

All parameters are random, norms and biases included, so that none can be
forgotten unseen; they are rounded to bfloat16 to halve the files. The model
runs in float32 with eager attention. The GGUF is written by the gguf package
from its own table of tensor names; permute, unweave and the like below are
what llama.cpp's converter does to the weights.

Per case:
  config.json         as transformers 5 writes it
  older.json          the same model as transformers 4 wrote it, where that differs
  model.safetensors   absent where golden.json names another case's weights
  model.gguf.gz       the same model; without the weights where they are another case's
  golden.json.gz      tokens; logits of some positions; attention rows of some
                      positions, [position][layer][head][key]
"""

import gzip
import json
import os
import re
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers as T
from safetensors.torch import load_file, save_file

import convert
import int4
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

TOKENS, POSITIONS = 40, [3, 17, 39]
SMALL = dict(vocab_size=67, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)
GQA = dict(SMALL, num_key_value_heads=2)
MOE = dict(GQA, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=32)
INT4 = dict(GQA, hidden_size=64, num_hidden_layers=1, num_attention_heads=4, head_dim=16)
TIED = dict(tie_word_embeddings=True)


def rope(kind, theta=10000.0, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **more))


LLAMA3 = rope("llama3", 5000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
LONG = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3, 1.7], long_factor=[1.0, 1.6, 4.0, 9.0])
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=16)
GPTOSS = dict(GQA, num_hidden_layers=2, intermediate_size=32, head_dim=16, num_local_experts=5, num_experts_per_tok=2, sliding_window=8,
              **rope("yarn", 150000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False, original_max_position_embeddings=16))
A = gguf.MODEL_ARCH
HYBRID = dict(MOE, head_dim=16, num_hidden_layers=4, intermediate_size=32, linear_conv_kernel_dim=4, linear_key_head_dim=8, linear_value_head_dim=12,
              linear_num_key_heads=2, linear_num_value_heads=6, **rope("default", partial_rotary_factor=0.5))

# case: config class, GGUF architecture (None: convert.py knows), settings, case whose weights it shares
CASES = {
    "llama": (T.LlamaConfig, A.LLAMA, dict(GQA, rms_norm_eps=1e-3, **rope("default", 500.0)), None),
    "llama-bias": (T.LlamaConfig, A.LLAMA, dict(GQA, **TIED, attention_bias=True, head_dim=16), None),
    "llama-llama3": (T.LlamaConfig, A.LLAMA, dict(GQA, **LLAMA3), "llama"),
    "llama-linear": (T.LlamaConfig, A.LLAMA, dict(GQA, **rope("linear", factor=4.0)), "llama"),
    "llama-yarn": (T.LlamaConfig, A.LLAMA, dict(GQA, **YARN), "llama"),
    "llama-yarn-attention": (T.LlamaConfig, A.LLAMA, dict(GQA, **rope(
        "yarn", 300.0, factor=3.0, original_max_position_embeddings=20, attention_factor=0.9, beta_fast=8.0, beta_slow=2.0)), "llama"),
    "llama-dynamic": (T.LlamaConfig, A.LLAMA, dict(GQA, **rope("dynamic", factor=4.0)), "llama"),
    "llama-mqa": (T.LlamaConfig, A.LLAMA, dict(SMALL, num_key_value_heads=1, head_dim=24), None),
    "mistral": (T.MistralConfig, A.LLAMA, dict(GQA, sliding_window=8, head_dim=16), None),
    "mixtral": (T.MixtralConfig, A.LLAMA, dict(GQA, intermediate_size=32, num_local_experts=5, num_experts_per_tok=2, sliding_window=None), None),
    "qwen2": (T.Qwen2Config, A.QWEN2, dict(GQA, **TIED), None),
    "qwen2-window": (T.Qwen2Config, A.QWEN2, dict(GQA, num_hidden_layers=3, use_sliding_window=True, sliding_window=8, max_window_layers=1), None),
    "qwen2-moe": (T.Qwen2MoeConfig, A.QWEN2MOE, dict(MOE, shared_expert_intermediate_size=48, norm_topk_prob=False), None),
    "qwen3": (T.Qwen3Config, A.QWEN3, dict(GQA, head_dim=24), None),
    "qwen3-yarn": (T.Qwen3Config, A.QWEN3, dict(GQA, head_dim=24, **YARN), "qwen3"),
    "qwen3-moe": (T.Qwen3MoeConfig, A.QWEN3MOE, dict(MOE, head_dim=16, norm_topk_prob=True), None),
    "gemma": (T.GemmaConfig, A.GEMMA, dict(GQA, **TIED, head_dim=16), None),
    "gemma2": (T.Gemma2Config, A.GEMMA2, dict(
        GQA, **TIED, head_dim=16, sliding_window=8, query_pre_attn_scalar=25, attn_logit_softcapping=4.0, final_logit_softcapping=6.0), None),
    "gemma3": (T.Gemma3TextConfig, A.GEMMA3, dict(
        GQA, **TIED, num_hidden_layers=6, head_dim=16, intermediate_size=32, sliding_window=8, query_pre_attn_scalar=25, rope_parameters=dict(
            sliding_attention=dict(rope_type="default", rope_theta=10000.0),
            full_attention=dict(rope_type="linear", rope_theta=100000.0, factor=8.0))), None),
    "phi3": (T.Phi3Config, A.PHI3, dict(GQA, sliding_window=8), None),
    "phi3-partial": (T.Phi3Config, A.PHI3, dict(GQA, **TIED, num_attention_heads=2, num_key_value_heads=1, **rope("default", partial_rotary_factor=0.75)), None),
    "phi3-short": (T.Phi3Config, A.PHI3, dict(GQA, max_position_embeddings=256, original_max_position_embeddings=48, rope_parameters=LONG), "phi3"),
    "phi3-long": (T.Phi3Config, A.PHI3, dict(GQA, max_position_embeddings=256, original_max_position_embeddings=16, rope_parameters=LONG), "phi3"),
    "olmo2": (T.Olmo2Config, A.OLMO2, dict(GQA), None),
    "granite": (T.GraniteConfig, A.GRANITE, dict(
        GQA, **TIED, embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.4, attention_multiplier=0.25), None),
    "stablelm": (T.StableLmConfig, A.STABLELM, dict(GQA, num_attention_heads=2, num_key_value_heads=2, use_qkv_bias=True), None),
    "stablelm-parallel": (T.StableLmConfig, A.STABLELM, dict(
        GQA, use_parallel_residual=True, qk_layernorm=True, **rope("default", partial_rotary_factor=0.5)), None),
    "gpt-neox": (T.GPTNeoXConfig, A.GPTNEOX, dict(SMALL, **rope("default", partial_rotary_factor=0.5)), None),
    "gpt-neox-sequential": (T.GPTNeoXConfig, A.GPTNEOX, dict(
        SMALL, use_parallel_residual=False, **rope("default", partial_rotary_factor=0.25)), "gpt-neox"),
    "gpt2": (T.GPT2Config, A.GPT2, dict(vocab_size=67, n_embd=32, n_layer=2, n_head=4, n_positions=61, n_inner=64, bos_token_id=1, eos_token_id=2), None),
    "qwen3-fp8": (T.Qwen3Config, A.QWEN3, dict(GQA, hidden_size=128, intermediate_size=128, num_hidden_layers=1, head_dim=32), None),
    "qwen3-moe-fp8": (T.Qwen3MoeConfig, A.QWEN3MOE, dict(MOE, head_dim=16, moe_intermediate_size=24, norm_topk_prob=True), None),
    "gpt-oss": (T.GptOssConfig, None, dict(GPTOSS), None),
    "gpt-oss-mxfp4": (T.GptOssConfig, None, dict(GPTOSS), None),
    "smollm3": (T.SmolLM3Config, None, dict(GQA, num_hidden_layers=4, intermediate_size=32), None),
    "seed-oss": (T.SeedOssConfig, None, dict(GQA, head_dim=16), None),
    "ministral3": (T.Ministral3Config, None, dict(GQA, head_dim=16, **rope(
        "yarn", factor=4.0, original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3)), None),
    "hunyuan-dense": (T.HunYuanDenseV1Config, None, dict(GQA, head_dim=16, **rope("dynamic", alpha=50.0, factor=1.0)), None),
    "exaone4": (T.Exaone4Config, None, dict(GQA, num_hidden_layers=4, intermediate_size=32, sliding_window=8), None),
    "olmo3": (T.Olmo3Config, None, dict(GQA, num_hidden_layers=4, intermediate_size=32, sliding_window=8, rope_parameters=dict(
        sliding_attention=dict(rope_type="default", rope_theta=500000.0), full_attention=dict(
            rope_type="yarn", rope_theta=500000.0, factor=4.0, original_max_position_embeddings=16))), None),
    "glm4-moe": (T.Glm4MoeConfig, None, dict(
        GQA, head_dim=16, num_hidden_layers=3, intermediate_size=32, moe_intermediate_size=32, n_routed_experts=6, num_experts_per_tok=2, n_group=2,
        topk_group=1, n_shared_experts=1, routed_scaling_factor=1.5, use_qk_norm=True, attention_bias=True), None),
    "granite-moe": (T.GraniteMoeSharedConfig, None, dict(
        GQA, **TIED, intermediate_size=32, num_local_experts=5, num_experts_per_tok=2, shared_intermediate_size=48, embedding_multiplier=3.0,
        logits_scaling=2.0, residual_multiplier=0.4, attention_multiplier=0.25), None),
    "llama4": (T.Llama4TextConfig, None, dict(
        GQA, head_dim=16, num_hidden_layers=4, intermediate_size=32, intermediate_size_mlp=48, num_local_experts=5, num_experts_per_tok=2,
        interleave_moe_layer_step=2), None),
    "glm4": (T.Glm4Config, None, dict(GQA, head_dim=16, eos_token_id=2), None),
    "cohere": (T.CohereConfig, None, dict(GQA, **TIED, use_qk_norm=True, logit_scale=0.3), None),
    "qwen3-next": (T.Qwen3NextConfig, None, dict(HYBRID, shared_expert_intermediate_size=48), None),
    "qwen35": (T.Qwen3_5TextConfig, None, {k: v for k, v in HYBRID.items() if "expert" not in k and "moe" not in k}, None),
    "qwen35-moe": (T.Qwen3_5MoeTextConfig, None, dict(HYBRID, shared_expert_intermediate_size=48), None),
    "lfm2": (T.Lfm2Config, None, dict(
        GQA, num_hidden_layers=4, conv_bias=True, block_multiple_of=8, layer_types=["conv", "conv", "full_attention", "conv"], norm_eps=1e-3), None),
    "cohere2": (T.Cohere2Config, None, dict(GQA, **TIED, num_hidden_layers=4, intermediate_size=32, sliding_window=8, logit_scale=0.3), None),
    "qwen3-awq": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-moe-awq": (T.Qwen3MoeConfig, A.QWEN3MOE, dict(INT4, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True), None),
    "qwen2-gptq": (T.Qwen2Config, A.QWEN2, dict(INT4, num_attention_heads=2, num_key_value_heads=1), None),
    "qwen3-gptq-order": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-gptq-v2": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-gptq-8": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-packed": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-packed-zeros": (T.Qwen3Config, A.QWEN3, INT4, None),
    "qwen3-packed-order": (T.Qwen3Config, A.QWEN3, INT4, None),
    "gemma4": (T.Gemma4TextConfig, None, dict(
        GQA, **TIED, intermediate_size=32, num_hidden_layers=6, head_dim=8, global_head_dim=16, sliding_window=8, num_kv_shared_layers=2,
        use_double_wide_mlp=True, vocab_size_per_layer_input=67, hidden_size_per_layer_input=8, final_logit_softcapping=6.0,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2), None),
    "gemma4-moe": (T.Gemma4TextConfig, None, dict(
        GQA, **TIED, intermediate_size=32, num_hidden_layers=3, head_dim=8, global_head_dim=16, num_global_key_value_heads=1, attention_k_eq_v=True,
        sliding_window=8, enable_moe_block=True, num_experts=5, top_k_experts=2, moe_intermediate_size=32, hidden_size_per_layer_input=0), None),
    "gemma3n": (T.Gemma3nTextConfig, None, dict(
        GQA, **TIED, intermediate_size=[32, 48, 32, 32, 32], num_hidden_layers=5, head_dim=8, sliding_window=8, num_kv_shared_layers=2,
        vocab_size_per_layer_input=67, hidden_size_per_layer_input=8, final_logit_softcapping=6.0, laurel_rank=8,
        activation_sparsity_pattern=[0.5, 0.8, 0.0, 0.0, 0.3], layer_types=["sliding_attention", "sliding_attention", "full_attention"] + [
            "sliding_attention", "full_attention"]), None),
    "deepseek-v2-lite": (T.DeepseekV2Config, None, dict(
        SMALL, num_key_value_heads=4, num_hidden_layers=2, intermediate_size=32, q_lora_rank=None, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=16,
        n_routed_experts=5, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=2, first_k_dense_replace=1, topk_method="greedy", **rope(
            "yarn", factor=4.0, original_max_position_embeddings=16, mscale=0.707, mscale_all_dim=0.707)), None),
    "deepseek-v3": (T.DeepseekV3Config, None, dict(
        SMALL, num_key_value_heads=4, num_hidden_layers=2, intermediate_size=32, q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=8,
        n_routed_experts=6, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=1, first_k_dense_replace=1, n_group=3, topk_group=2,
        routed_scaling_factor=1.5, norm_topk_prob=True), None),
    "falcon-h1": (T.FalconH1Config, None, dict(
        GQA, head_dim=16, intermediate_size=32, mamba_d_ssm=48, mamba_n_heads=6, mamba_n_groups=2, mamba_d_state=8, mamba_rms_norm=True, mamba_norm_before_gate=False,
        embedding_multiplier=2.5, lm_head_multiplier=0.4, attention_in_multiplier=0.8, attention_out_multiplier=0.9, key_multiplier=0.6, mlp_multipliers=[0.7, 1.2],
        ssm_in_multiplier=1.25, ssm_out_multiplier=0.5, ssm_multipliers=[0.7, 0.9, 1.1, 0.8, 0.6]), None),
    "granite-hybrid": (T.GraniteMoeHybridConfig, None, dict(
        GQA, num_hidden_layers=3, intermediate_size=32, shared_intermediate_size=48, num_local_experts=5, num_experts_per_tok=2, mamba_n_heads=4, mamba_n_groups=2,
        mamba_d_state=8, layer_types=["mamba", "attention", "mamba"], embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.4,
        attention_multiplier=0.25), None),
    "lfm2-moe": (T.Lfm2MoeConfig, None, dict(
        dict(MOE, **TIED), num_hidden_layers=3, intermediate_size=32, num_dense_layers=1, layer_types=["conv", "full_attention", "conv"], norm_eps=1e-3), None),
}


def initialise(model, seed):
    g = torch.Generator().manual_seed(seed)
    plus_one = re.match("gemma(?!3n|4)|qwen3_next|qwen3_5", model.config.model_type)
    buffers = [(n, b) for n, b in model.named_buffers() if re.search("bias$|layer_scalar$", n)]  # an expert's bias of choice; Gemma 4's scales
    for name, p in sorted([*model.named_parameters(), *buffers]):
        normal = torch.randn(p.shape, generator=g)
        if name.endswith("bias") or name.endswith("sinks"):
            p.data = 0.3 * normal
        elif "norm" in name or name.endswith("_scale") or name.endswith("scalar") or name.endswith("router.scale") or re.search(r"ln_\w\.", name):
            p.data = torch.rand(p.shape, generator=g) + (-0.5 if plus_one and "linear_attn" not in name else 0.5)
        elif name.endswith("A_log"):
            p.data = normal
        elif "conv1d" in name:
            p.data = 0.5 * normal
        elif "embed" in name or "wte" in name or "wpe" in name:
            p.data = 0.7 * normal
        else:
            inputs = p.shape[-2] if "c_" in name or len(p.shape) == 3 else p.shape[-1]  # Conv1D and merged experts are input × output
            p.data = 1.3 * normal / inputs**0.5
        p.data = p.data.to(torch.bfloat16).float()


def golden(model, seed):
    g = torch.Generator().manual_seed(seed + 1)
    ids = torch.randint(3, 67, (TOKENS,), generator=g)
    with torch.no_grad():
        out = model(ids[None], output_attentions=True, use_cache=False)
    number = lambda x: float(f"{x:.7g}")
    attentions = convert.by_layer(model.config, out.attentions)
    rows = [[[[number(w) for w in a[0, h, p, : p + 1].tolist()] for h in range(a.shape[1])] for a in attentions] for p in POSITIONS]
    logits = [[number(x) for x in out.logits[0, p].tolist()] for p in POSITIONS]
    return {"tokens": ids.tolist(), "positions": POSITIONS, "logits": logits, "rows": rows}


def older(config):
    """config.json as transformers 4 had it; None where nothing differs."""
    c = dict(config)
    p = c.pop("rope_parameters", None)
    if not p or c["model_type"] in ("ministral3", "gemma4_text", "gemma3n_text", "lfm2", "lfm2_moe"):  # of 5 only, or as 4 had it
        return None
    if "full_attention" in p:
        c["rope_theta"], c["rope_local_base_freq"] = p["full_attention"]["rope_theta"], p["sliding_attention"]["rope_theta"]
        p = dict(p["full_attention"])
    else:
        p = dict(p)
        c["rope_theta"] = p["rope_theta"]
    p.pop("rope_theta", None)
    partial = p.pop("partial_rotary_factor", None)
    if c["model_type"] == "gpt_neox":
        c["rotary_emb_base"], c["rotary_pct"] = c.pop("rope_theta"), partial
    elif partial is not None:
        c["partial_rotary_factor"] = partial
    p.pop("original_max_position_embeddings", None) if c["model_type"] == "phi3" else None
    if p.pop("rope_type", "default") != "default":
        kind = config["rope_parameters"].get("rope_type") or config["rope_parameters"]["full_attention"]["rope_type"]
        c["rope_scaling"] = dict(p, **{"type" if kind == "linear" else "rope_type": kind})
    types = c.pop("layer_types", None)
    if c["model_type"] == "granitemoehybrid":
        c["layer_types"] = [{"linear_attention": "mamba", "full_attention": "attention"}[t] for t in types]
    return c


def permute(w, heads):
    """Half-split pairs (i, i + d/2) become neighbours (2i, 2i + 1)."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(w.shape)


def unweave(w, heads):
    """GPT-NeoX's rows, head by head q, k, v, become all q, all k, all v."""
    return w.reshape(heads, 3, w.shape[0] // heads // 3, -1).swapaxes(0, 1).reshape(w.shape)


def gguf_tensors(arch, config, tensors):
    """GGUF's names and arrays of a checkpoint's tensors as they lie on disk."""
    table = gguf.get_tensor_name_map(arch, 16)
    heads = getattr(config, "num_attention_heads", 0)
    stacks, out = {}, {}
    for name, w in sorted(tensors.items()):
        if config.tie_word_embeddings and re.match("lm_head|embed_out", name):
            continue
        w = w.float().numpy()
        if arch in (A.LLAMA, A.GRANITE) and re.search(r"[qk]_proj\.", name):
            w = permute(w, heads if "q_proj" in name else config.num_key_value_heads)
        if arch == A.GPTNEOX and "query_key_value" in name:
            w = unweave(w, heads)
        if arch == A.GPT2 and re.search(r"c_\w+\.weight", name):
            w = w.T
        if arch in (A.GEMMA, A.GEMMA2, A.GEMMA3) and name.endswith("norm.weight"):
            w = w + 1
        if name.endswith("shared_expert_gate.weight"):
            w = w[0]
        name = name.replace(".block_sparse_moe.experts", ".mlp.experts")
        part = re.search(r"\.(?:experts|norms)\.(\d+)\.", name)
        name = re.sub(r"\.experts\.\d+\.", ".experts.", re.sub(r"layernorm\.norms\.\d+\.", "layernorm.", name))
        for old, new in ("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj"):
            name = name.replace(f"experts.{old}.", f"experts.{new}.")
        to = table.get_name(name, try_suffixes=(".weight", ".bias"))
        assert to, name
        if part:
            stacks.setdefault(to, {})[int(part[1])] = w
        else:
            out[to] = w
    for to, parts in stacks.items():
        out[to] = np.stack([parts[i] for i in range(len(parts))])
    return out


def write_gguf(path, case, arch, config, tensors, shared):
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    w.add_name(case)
    heads = config.num_attention_heads
    dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    w.add_block_count(config.num_hidden_layers)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length(config.n_inner if arch == A.GPT2 else config.intermediate_size)
    w.add_head_count(heads)
    w.add_head_count_kv(getattr(config, "num_key_value_heads", heads))
    if dim * heads != config.hidden_size or "gemma" in case:
        w.add_key_length(dim)
        w.add_value_length(dim)
    if hasattr(config, "rms_norm_eps"):
        w.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        w.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    if arch == A.GPT2:
        p = {}
    else:
        p = config.rope_parameters
        if "full_attention" in p:
            w.add_rope_freq_base_swa(p["sliding_attention"]["rope_theta"])
            p = p["full_attention"]
        w.add_rope_freq_base(p["rope_theta"])
        w.add_rope_dimension_count(int(dim * (p.get("partial_rotary_factor") or 1)))
    out = gguf_tensors(arch, config, tensors)
    kind = p.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR if kind == "linear" else gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(p["factor"])
        if kind == "yarn":
            w.add_rope_scaling_orig_ctx_len(p["original_max_position_embeddings"])
            if "beta_fast" in p and p["beta_fast"] is not None:
                w.add_rope_scaling_yarn_beta_fast(p["beta_fast"])
                w.add_rope_scaling_yarn_beta_slow(p["beta_slow"])
            if p.get("attention_factor"):
                # GGUF's readers multiply YaRN's own factor in.
                w.add_rope_scaling_attn_factors(p["attention_factor"] / (1 + 0.1 * np.log(p["factor"])))
    if kind == "llama3":
        out["rope_freqs.weight"] = llama3_factors(dim, p)
    if kind == "longrope":
        original = config.original_max_position_embeddings
        ratio = config.max_position_embeddings / original
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(ratio) / np.log(original))))
        out["rope_factors_short.weight"] = np.array(p["short_factor"], np.float32)
        out["rope_factors_long.weight"] = np.array(p["long_factor"], np.float32)
    experts = getattr(config, "num_local_experts", getattr(config, "num_experts", None))
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(config.num_experts_per_tok)
        if hasattr(config, "moe_intermediate_size"):
            w.add_expert_feed_forward_length(config.moe_intermediate_size)
        if hasattr(config, "shared_expert_intermediate_size"):
            w.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        w.add_sliding_window(config.sliding_window)
        types = getattr(config, "layer_types", None)
        if case == "qwen2-window":  # as newer converters say which layers slide
            w.add_sliding_window_pattern([t == "sliding_attention" for t in types])
    if arch == A.GEMMA2:
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch in (A.GEMMA2, A.GEMMA3):
        w.add_attention_scale(config.query_pre_attn_scalar**-0.5)
    if arch == A.GRANITE:
        w.add_attention_scale(config.attention_multiplier)
        w.add_embedding_scale(config.embedding_multiplier)
        w.add_residual_scale(config.residual_multiplier)
        w.add_logit_scale(config.logits_scaling)
    if arch in (A.STABLELM, A.GPTNEOX):
        w.add_parallel_residual(config.use_parallel_residual)
    for name, x in sorted(out.items()):
        if shared and not name.startswith("rope_"):
            continue
        w.add_tensor(name, np.ascontiguousarray(x, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_converted(path, case, config, tensors, packed):
    """GGUF of a newer family, as convert.py makes it."""
    keys, recipes = convert.convert(config, [n.removesuffix("_blocks") for n in tensors if not n.endswith("_scales")])
    w = gguf.GGUFWriter(path, keys.arch)
    w.add_name(case)
    for key, v in keys.items():
        if key == "general.architecture":
            continue
        kind = {bool: "bool", int: "uint32", float: "float32", str: "string", list: "array"}[type(v)]
        getattr(w, f"add_{kind}")(key, v)
    for name, sources, op, arg in sorted(recipes):
        if sources and sources[0] + "_blocks" in tensors:
            blocks, scales = (tensors[sources[0] + end].numpy()[:, arg[0]::arg[1]] for end in ("_blocks", "_scales"))
            codes = np.stack([blocks & 15, blocks >> 4], -1).reshape(*blocks.shape[:3], 32)
            data = np.concatenate([scales[..., None], codes[..., :16] | codes[..., 16:] << 4], -1)
            w.add_tensor(name, data.reshape(*data.shape[:2], -1), raw_dtype=gguf.GGMLQuantizationType.MXFP4)
            continue
        w.add_tensor(name, convert.apply([[name, sources, op, arg]], {s: tensors[s].float().numpy() for s in sources})[name])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def fp8(tensors, size):
    """The projections' weights as block-scaled FP8: what they stand for, and as they are stored."""
    values, stored = dict(tensors), dict(tensors)
    for name, w in tensors.items():
        if not re.search(r"_proj\.weight$", name):
            continue
        rows, cols = w.shape
        m, n = -(-rows // size[0]), -(-cols // size[1])
        scales = torch.ones(m, n)
        q, v = torch.zeros(rows, cols, dtype=torch.float8_e4m3fn), torch.zeros(rows, cols)
        for i in range(m):
            for j in range(n):
                block = (slice(i * size[0], (i + 1) * size[0]), slice(j * size[1], (j + 1) * size[1]))
                scales[i, j] = w[block].abs().max() / 448
                q[block] = (w[block] / scales[i, j]).to(torch.float8_e4m3fn)
                v[block] = q[block].float() * scales[i, j]
        values[name], stored[name], stored[name + "_scale_inv"] = v, q, scales
    return values, stored


def mxfp4(model, seed):
    """Gives gpt-oss random experts in MXFP4: blocks and scales, whose values the model gets."""
    rng, packed = np.random.default_rng(seed), {}
    for name, p in model.named_parameters():
        if name.endswith("experts.gate_up_proj") or name.endswith("experts.down_proj"):
            e, cols, rows = p.shape
            blocks = torch.from_numpy(rng.integers(0, 256, (e, rows, cols // 32, 16), dtype=np.uint8))
            scales = torch.from_numpy(rng.integers(122, 126, (e, rows, cols // 32), dtype=np.uint8))
            p.data = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32).contiguous()
            packed |= {name + "_blocks": blocks, name + "_scales": scales}
    return packed


def llama3_factors(dim, p):
    """What the converter stores for Llama 3.1's scaling: divisors of frequencies."""
    wave = 2 * np.pi * p["rope_theta"] ** (np.arange(0, dim, 2) / dim)
    longest = p["original_max_position_embeddings"] / p["low_freq_factor"]
    shortest = p["original_max_position_embeddings"] / p["high_freq_factor"]
    smooth = (p["original_max_position_embeddings"] / wave - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
    between = 1 / ((1 - smooth) / p["factor"] + smooth)
    return np.where(wave < shortest, 1, np.where(wave > longest, p["factor"], between)).astype(np.float32)


def pack(path, data):
    with open(path, "wb") as f:
        f.write(gzip.compress(data, 9, mtime=0))


def make(case, config_class, arch, settings, shared):
    seed = 1000 + list(CASES).index(shared or case)
    config = config_class(**settings)
    model = T.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    initialise(model, seed)
    packed = mxfp4(model, seed) if case.endswith("mxfp4") else {}
    os.makedirs(case, exist_ok=True)
    with tempfile.TemporaryDirectory() as d:
        model.save_pretrained(d)
        tensors = load_file(f"{d}/model.safetensors")
        config_json = json.load(open(f"{d}/config.json"))
        stored = tensors
        if case.endswith("fp8"):
            size = [64, 128] if "moe" not in case else [16, 16]
            tensors, stored = fp8(tensors, size)
            config_json["quantization_config"] = dict(quant_method="fp8", activation_scheme="dynamic", fmt="e4m3", weight_block_size=size)
            save_file(tensors, f"{d}/model.safetensors", {"format": "pt"})
            model = T.AutoModelForCausalLM.from_pretrained(d, attn_implementation="eager", dtype=torch.float32).eval()
        if scheme := int4.scheme(case):
            tensors, stored = int4.quantise(tensors, scheme, seed)
            config_json["quantization_config"] = int4.config(scheme)
            save_file(tensors, f"{d}/model.safetensors", {"format": "pt"})
            model = T.AutoModelForCausalLM.from_pretrained(d, attn_implementation="eager", dtype=torch.float32).eval()
        result = golden(model, seed)
        if packed:
            tensors |= packed
            for name in {n.rsplit("_", 1)[0] for n in packed}:
                del tensors[name]
            config_json["quantization_config"] = dict(quant_method="mxfp4")
        if arch is None:
            write_converted(f"{d}/model.gguf", case, model.config, tensors, packed)
        else:
            write_gguf(f"{d}/model.gguf", case, arch, model.config, tensors, shared)
        pack(f"{case}/model.gguf.gz", open(f"{d}/model.gguf", "rb").read())
    for key in ("dtype", "transformers_version"):
        config_json.pop(key, None)
    before = older(config_json)
    for name, c in ("config.json", config_json), ("older.json", before):
        if c:
            with open(f"{case}/{name}", "w") as f:
                json.dump(c, f, indent=1, sort_keys=True)
                f.write("\n")
    if shared:
        result["weights"] = shared
    else:
        stored = tensors if packed else stored
        exact = lambda k, v: v.dtype in (torch.uint8, torch.float8_e4m3fn, torch.int32, torch.int64, torch.float16) or k.endswith("_scale_inv")
        save_file({k: v if exact(k, v) else v.to(torch.bfloat16) for k, v in stored.items()}, f"{case}/model.safetensors", {"format": "pt"})
    pack(f"{case}/golden.json.gz", json.dumps(result, separators=(",", ":")).encode())


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in sys.argv[1:] or CASES:
        make(case, *CASES[case])
        print(case)
