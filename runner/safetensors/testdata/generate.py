"""Makes families.json.gz: what tiny models of every family look like on disk.

For each: the config.json that transformers writes, and every tensor's name,
shape and GGUF name as the gguf package maps it (experts stacked).

Run from this folder: python3 generate.py
Needs: pip install gguf torch transformers (made with gguf 0.19.0, transformers 5.24.0).
"""

import gzip
import json
import re

import gguf
import transformers as T

SMALL = dict(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GQA = dict(SMALL, num_key_value_heads=2)
MOE = dict(GQA, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
A = gguf.MODEL_ARCH
FAMILIES = {
    "llama": (T.LlamaConfig, A.LLAMA, dict(GQA, rope_parameters=LLAMA3)),
    "mistral": (T.MistralConfig, A.LLAMA, dict(GQA, sliding_window=16, head_dim=16)),
    "mixtral": (T.MixtralConfig, A.LLAMA, dict(GQA, num_local_experts=4, num_experts_per_tok=2)),
    "qwen2": (T.Qwen2Config, A.QWEN2, GQA),
    "qwen2_moe": (T.Qwen2MoeConfig, A.QWEN2MOE, dict(MOE, shared_expert_intermediate_size=40)),
    "qwen3": (T.Qwen3Config, A.QWEN3, dict(GQA, head_dim=16)),
    "qwen3_moe": (T.Qwen3MoeConfig, A.QWEN3MOE, dict(MOE, head_dim=16)),
    "gemma": (T.GemmaConfig, A.GEMMA, dict(GQA, head_dim=16)),
    "gemma2": (T.Gemma2Config, A.GEMMA2, dict(GQA, head_dim=16, sliding_window=16, query_pre_attn_scalar=25)),
    "gemma3_text": (T.Gemma3TextConfig, A.GEMMA3,
                    dict(GQA, num_hidden_layers=6, head_dim=16, sliding_window=16, query_pre_attn_scalar=25)),
    "phi3": (T.Phi3Config, A.PHI3, dict(GQA, sliding_window=16)),
    "olmo2": (T.Olmo2Config, A.OLMO2, GQA),
    "granite": (T.GraniteConfig, A.GRANITE,
                dict(GQA, embedding_multiplier=12.0, logits_scaling=8.0, residual_multiplier=0.25,
                     attention_multiplier=0.015625)),
    "stablelm": (T.StableLmConfig, A.STABLELM, dict(GQA, use_qkv_bias=True, qk_layernorm=True)),
    "gpt_neox": (T.GPTNeoXConfig, A.GPTNEOX, SMALL),
    "gpt2": (T.GPT2Config, A.GPT2, dict(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64,
                                        bos_token_id=1, eos_token_id=2)),
}


def on_disk(kind, model):
    """Names and shapes as published checkpoints have them, one tensor per expert."""
    for name, value in model.state_dict().items():
        shape = list(value.shape)
        if name.endswith("lm_head.weight") and model.config.tie_word_embeddings:
            continue
        if kind == "gpt_neox":
            name = name.replace("lm_head.", "embed_out.")
        merged = re.fullmatch(r"(.*\.mlp\.)experts\.(gate_up_proj|down_proj)", name)
        if not merged:
            if kind == "mixtral":
                name = name.replace(".mlp.gate.", ".block_sparse_moe.gate.")
            yield name, shape
            continue
        prefix = merged[1].replace(".mlp.", ".block_sparse_moe.") if kind == "mixtral" else merged[1]
        words = ("w1", "w3", "w2") if kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
        for e in range(shape[0]):
            if merged[2] == "down_proj":
                yield f"{prefix}experts.{e}.{words[2]}.weight", shape[1:]
            else:
                for word in words[:2]:
                    yield f"{prefix}experts.{e}.{word}.weight", [shape[1] // 2, shape[2]]


def gguf_name(table, name):
    # The converter stacks experts and per-head norms before it asks for a name.
    name = name.replace(".block_sparse_moe.experts", ".mlp.experts")
    name = re.sub(r"\.experts\.\d+\.", ".experts.", name)
    name = re.sub(r"layernorm\.norms\.\d+\.", "layernorm.", name)
    for old, new in ("experts.w1.", "experts.gate_proj."), ("experts.w2.", "experts.down_proj."), ("experts.w3.", "experts.up_proj."):
        name = name.replace(old, new)
    return table.get_name(name, try_suffixes=(".weight", ".bias"))


def main():
    out = {}
    for kind, (config, arch, settings) in FAMILIES.items():
        model = T.AutoModelForCausalLM.from_config(config(**settings))
        table = gguf.get_tensor_name_map(arch, 8)
        tensors = [[name, shape, gguf_name(table, name)] for name, shape in on_disk(kind, model)]
        settings = model.config.to_diff_dict()
        settings["architectures"] = [type(model).__name__]
        out[kind] = {"config": settings, "tensors": tensors}
    text = json.dumps(out, sort_keys=True)
    with open("families.json.gz", "wb") as f:
        f.write(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
