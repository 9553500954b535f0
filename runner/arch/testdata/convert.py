"""What llama.cpp's converter makes of a Hugging Face folder, for the families
that random_configs.py also holds as GGUF: metadata, and a recipe for each tensor.

A recipe is [name, [source, …], operation, argument]:
  copy              the source as it is
  permute heads     rows of half-split pairs (i, i + d/2) become neighbours (2i, 2i + 1)
  stack             sources along a new outermost dimension
  merged from,step  [experts × in × out] becomes [experts × out/step × in], from the from-th on
  every from,step   elements of the last dimension
  rows from,to      rows of the last but one dimension, as fractions of their number
  one               the only row of a matrix, as a vector
  plus              1 is added
"""

import re

import gguf
import numpy as np

A = gguf.MODEL_ARCH


def apply(recipe, tensors):
    """The arrays that recipes stand for."""
    out = {}
    for name, sources, op, arg in recipe:
        w = [tensors[s] for s in sources]
        x = w[0]
        if op == "permute":
            x = x.reshape(arg, 2, x.shape[0] // arg // 2, -1).swapaxes(1, 2).reshape(x.shape)
        elif op == "stack":
            x = np.stack(w)
        elif op == "merged":
            x = x.swapaxes(1, 2)[:, arg[0]::arg[1]]
        elif op == "every":
            x = x[..., arg[0]::arg[1]]
        elif op == "rows":
            n = x.shape[-2]
            x = x[..., int(arg[0] * n):int(arg[1] * n), :]
        elif op == "one":
            x = x[0]
        elif op == "plus":
            x = x + 1
        out[name] = np.ascontiguousarray(x, np.float32)
    return out


class Keys(dict):
    def __init__(self, arch):
        super().__init__({"general.architecture": gguf.MODEL_ARCH_NAMES[arch]})
        self.arch = gguf.MODEL_ARCH_NAMES[arch]

    def add(self, key, value):
        if value is not None:
            self[key.format(arch=self.arch) if "{arch}" in key else f"{self.arch}.{key}"] = value


def base(arch, c):
    """TextModel.set_gguf_parameters."""
    k = Keys(arch)
    k.add("block_count", c.num_hidden_layers)
    k.add("context_length", c.max_position_embeddings)
    k.add("embedding_length", c.hidden_size)
    k.add("feed_forward_length", getattr(c, "intermediate_size", None))
    k.add("attention.head_count", c.num_attention_heads)
    k.add("attention.head_count_kv", getattr(c, "num_key_value_heads", None))
    p = ropes(c)[0]
    k.add("rope.freq_base", p.get("rope_theta") and float(p["rope_theta"]))
    if getattr(c, "rms_norm_eps", None) is not None:
        k.add("attention.layer_norm_rms_epsilon", float(c.rms_norm_eps))
    if getattr(c, "layer_norm_eps", None) is not None:
        k.add("attention.layer_norm_epsilon", float(c.layer_norm_eps))
    experts = getattr(c, "num_local_experts", None) or getattr(c, "n_routed_experts", None) or getattr(c, "num_experts", None)
    k.add("expert_count", experts)
    if experts:
        k.add("expert_used_count", c.num_experts_per_tok)
    k.add("expert_group_count", getattr(c, "n_group", None))
    k.add("expert_group_used_count", getattr(c, "topk_group", None))
    dim = getattr(c, "head_dim", None)
    if dim is not None:
        k.add("attention.key_length", dim)
        k.add("attention.value_length", dim)
    return k


def ropes(c):
    """The rotary settings of full and of sliding layers, which most families do not tell apart."""
    p = dict(c.rope_parameters or {})
    if "full_attention" in p or "sliding_attention" in p:
        return p.get("full_attention"), p.get("sliding_attention")
    return p, None


def head_dim(c):
    return getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads


def scaling(k, c, out):
    """rope.scaling.*; gives the kind, "odd" where GGUF cannot say it."""
    p = ropes(c)[0]
    kind = p.get("rope_type", "default")
    if kind not in ("default", "linear", "yarn") or kind == "yarn" and p.get("mscale") and p.get("mscale_all_dim"):
        return "odd"
    if kind in ("linear", "yarn"):
        k.add("rope.scaling.type", kind)
        k.add("rope.scaling.factor", float(p["factor"]))
    if kind == "yarn":
        k.add("rope.scaling.original_context_length", p["original_max_position_embeddings"])
        if p.get("beta_fast"):
            k.add("rope.scaling.yarn_beta_fast", float(p["beta_fast"]))
        if p.get("beta_slow"):
            k.add("rope.scaling.yarn_beta_slow", float(p["beta_slow"]))
        if p.get("attention_factor"):
            k.add("rope.scaling.attn_factor", float(p["attention_factor"] / (1 + 0.1 * np.log(p["factor"]))))
    return kind


def named(arch, c, names, rules):
    """Recipes of tensors, by name; rules override what the gguf package's table
    says: a pattern and a function of the match and the source's name that gives recipes."""
    table = gguf.get_tensor_name_map(arch, c.num_hidden_layers)
    out, stacks = [], {}
    for name in sorted(names):
        if getattr(c, "tie_word_embeddings", False) and name == "lm_head.weight":
            continue
        for pattern, rule in rules:
            if m := re.search(pattern, name):
                out += rule(m, name)
                break
        else:
            if m := re.search(r"\.experts\.(\d+)\.", name):
                merged = name.replace(m[0], ".experts.")
                stacks.setdefault(table.get_name(merged, try_suffixes=(".weight",)), {})[int(m[1])] = name
                continue
            to = table.get_name(name, try_suffixes=(".weight", ".bias"))
            assert to, name
            out.append([to, [name], "copy", None])
    for to, parts in stacks.items():
        assert to, parts
        out.append([to, [parts[i] for i in range(len(parts))], "stack", None])
    return out


def permuted(c):
    """Llama's rule for queries and keys."""
    def rule(m, name):
        heads = c.num_attention_heads if m[2] == "q" else c.num_key_value_heads
        return [[f"blk.{m[1]}.attn_{m[2]}.{m[3]}", [name], "permute", heads]]
    return (r"layers\.(\d+)\.self_attn\.([qk])_proj\.(weight|bias)", rule)


def gpt_oss(c, names):
    k = base(A.GPT_OSS, c)
    k.add("attention.sliding_window", c.sliding_window)
    k.add("expert_feed_forward_length", c.intermediate_size)
    kind = scaling(k, c, None)
    # GGUF has no keys for these; llama.cpp knows one value of each.
    fits = kind in ("default", "yarn") and not (kind == "yarn" and ropes(c)[0].get("truncate", True)) and c.swiglu_alpha == 1.702 and c.swiglu_limit == 7.0
    fits = fits and c.layer_types == [("sliding_attention", "full_attention")[i % 2] for i in range(c.num_hidden_layers)]
    if not fits:
        return None

    def experts(m, name):
        at, what, bias = f"blk.{m[1]}.ffn_", m[2], m[3]
        kind, op = ("bias", "every") if bias else ("weight", "merged")
        if what == "down_proj":
            return [[at + "down_exps." + kind, [name], "copy" if bias else op, None if bias else [0, 1]]]
        return [[at + f"{part}_exps.{kind}", [name], op, [i, 2]] for i, part in enumerate(("gate", "up"))]

    return k, named(A.GPT_OSS, c, names, [
        (r"layers\.(\d+)\.mlp\.experts\.(gate_up_proj|down_proj)(_bias)?$", experts),
        (r"layers\.(\d+)\.self_attn\.sinks$", lambda m, name: [[f"blk.{m[1]}.attn_sinks.weight", [name], "copy", None]]),
        (r"layers\.(\d+)\.mlp\.router\.(\w+)$", lambda m, name: [[f"blk.{m[1]}.ffn_gate_inp.{m[2]}", [name], "copy", None]]),
    ])


FAMILIES = {"gpt_oss": gpt_oss}


def convert(c, names):
    """Keys and recipes of a model; None where there is no GGUF of such a one."""
    f = FAMILIES.get(c.model_type)
    return f(c, names) if f else None
