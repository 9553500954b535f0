"""What llama.cpp's converter makes of a Hugging Face folder, for the families
that random_configs.py also holds as GGUF: metadata, and a recipe for each tensor.

A recipe is [name, [source, …], operation, argument]:
  copy              the source as it is
  permute heads     rows of half-split pairs (i, i + d/2) become neighbours (2i, 2i + 1)
  stack             sources along a new outermost dimension
  merged from,step  [experts × in × out] becomes [experts × out/step × in], from the from-th on
  mergedhalf i,2    [experts × in × 2·out] becomes [experts × out × in], its i-th half
  every from,step   elements of the last dimension
  rows from,to      rows of the last but one dimension, as fractions of their number
  one               the only row of a matrix, as a vector
  flat              dimensions of one element are left out
  decay             −exp(x)
  column            a vector as a matrix of one column; decaycolumn: of −exp(x)
  split n           a vector as n rows
  scaled f,…        times f; of several f, n: the first n rows times f, and so on
  groups …          rows of heads, group by group (a number of groups and the rows of each kind
                    in one), sorted by kind; the kinds named are kept
  tile from,g,n     rows (or elements) from the from-th on, blocks of n of g groups each, become tiled:
                    the first blocks of all groups, then the second ones
  tilecols g,n      likewise, columns
  plus              1 is added
  keysof, valuesof heads,key,value   of rows (key, value) head by head the former, transposed, or the latter
  numbers           the argument's, of no source
"""

import copy
import re

import gguf
import numpy as np
import torch

A = gguf.MODEL_ARCH


def apply(recipe, tensors):
    """The arrays that recipes stand for."""
    out = {}
    for name, sources, op, arg in recipe:
        w = [tensors[s] for s in sources]
        x = w[0] if w else np.array(arg)
        if op == "permute":
            x = x.reshape(arg, 2, x.shape[0] // arg // 2, -1).swapaxes(1, 2).reshape(x.shape)
        elif op == "stack":
            x = np.stack(w)
        elif op == "merged":
            x = x.swapaxes(1, 2)[:, arg[0]::arg[1]]
        elif op == "mergedhalf":
            x = np.split(x.swapaxes(1, 2), 2, 1)[arg[0]]
        elif op == "every":
            x = x[..., arg[0]::arg[1]]
        elif op == "rows":
            n = x.shape[-2]
            x = x[..., int(arg[0] * n):int(arg[1] * n), :]
        elif op == "one":
            x = x[0]
        elif op in ("keysof", "valuesof"):
            both = x.reshape(arg[0], arg[1] + arg[2], -1)
            x = both[:, :arg[1]].swapaxes(1, 2) if op == "keysof" else both[:, arg[1]:]
        elif op == "plus":
            x = x + 1
        elif op == "flat":
            x = x.squeeze()
        elif op == "decay":
            x = -np.exp(x.astype(np.float64)).astype(np.float32)
        elif op == "groups":
            heads, sizes, kinds = arg[0], arg[1:5], arg[5:]
            parts = np.split(x.reshape(heads, sum(sizes), -1), np.cumsum(sizes)[:-1], 1)
            x = np.concatenate([parts[k].reshape(-1, x.shape[-1]) for k in kinds])
        elif op == "tile":
            at, groups, n = arg
            x = np.concatenate([x[:at], tiled(x[at:], groups, n)])
        elif op == "tilecols":
            x = tiled(x.T, *arg).T
        elif op == "column":
            x = x[:, None]
        elif op == "decaycolumn":
            x = -np.exp(x.astype(np.float64)).astype(np.float32)[:, None]
        elif op == "split":
            x = x.reshape(arg, -1)
        elif op == "scaled":
            factors = np.repeat(arg[0::2], arg[1::2]) if len(arg) > 1 else np.array(arg)
            x = x * factors.astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
        elif op == "decaytile":
            x = tiled(-np.exp(x.astype(np.float64)).astype(np.float32), *arg)
        elif op == "flattile":
            at, groups, n = arg
            x = x.squeeze()
            x = np.concatenate([x[:at], tiled(x[at:], groups, n)])
        out[name] = np.ascontiguousarray(x, np.float32)
    return out


def tiled(x, groups, n):
    """Blocks of n rows, group by group, become tiled."""
    return x.reshape(groups, -1, n, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def by_layer(config, attentions):
    """Attention rows of every layer, none for layers without attention."""
    types = getattr(config, "layer_types", None)
    if types is None or len(attentions) == len(types):
        return attentions
    attentions = iter(attentions)
    return [next(attentions) if "attention" in t and t != "linear_attention" else np.zeros((1, 0)) for t in types]


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
        k.add("expert_used_count", getattr(c, "num_experts_per_tok", None))
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
            if not to:
                raise KeyError(name)
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


def plain_rope(k, c, out):
    """The scalings that any family may have; False where GGUF cannot say it."""
    return scaling(k, c, out) != "odd" and ropes(c)[0].get("truncate") is not False


def window(k, c):
    if c.sliding_window is not None:
        k.add("attention.sliding_window", c.sliding_window)
        if getattr(c, "layer_types", None):
            k.add("attention.sliding_window_pattern", [t == "sliding_attention" for t in c.layer_types])


def smollm3(c, names):
    k = base(A.SMOLLM3, c)
    fits = plain_rope(k, c, None) and "sliding_attention" not in c.layer_types
    if not fits or c.no_rope_layers != [int((i + 1) % 4 != 0) for i in range(c.num_hidden_layers)]:
        return None
    return k, named(A.SMOLLM3, c, names, [permuted(c)])


def seed_oss(c, names):
    k = base(A.SEED_OSS, c)
    return (k, named(A.SEED_OSS, c, names, [])) if plain_rope(k, c, None) else None


def ministral3(c, names):
    k = base(A.MISTRAL3, c)
    p = c.rope_parameters
    if p["rope_type"] != "yarn" or p.get("mscale") != 1 or not p.get("mscale_all_dim") or p.get("attention_factor") or not p.get("truncate", True) or c.sliding_window:
        return None
    scaling(k, type("", (), dict(rope_parameters={a: b for a, b in p.items() if a != "mscale"})), None)
    k.add("rope.scaling.yarn_log_multiplier", float(p["mscale_all_dim"]))
    k.add("attention.temperature_scale", float(p["llama_4_scaling_beta"]))
    return k, named(A.MISTRAL3, c, names, [permuted(c)])


def hunyuan(c, names):
    k = base(A.HUNYUAN_DENSE, c)
    p = c.rope_parameters
    if p["rope_type"] == "dynamic" and p.get("alpha"):
        dim = head_dim(c)
        k.add("rope.freq_base", p["rope_theta"] * p["alpha"] ** (dim / (dim - 2)))
        k.add("rope.scaling.type", "none")
        k.add("rope.scaling.factor", 1.0)
    elif not plain_rope(k, c, None):
        return None
    return k, named(A.HUNYUAN_DENSE, c, names, [])


def exaone4(c, names):
    k = base(A.EXAONE4, c)
    k.add("vocab_size", c.vocab_size)
    window(k, c)
    fits = plain_rope(k, c, None) and ("sliding_attention" in c.layer_types) == (c.sliding_window is not None)
    return (k, named(A.EXAONE4, c, names, [])) if fits else None


def olmo3(c, names):
    k = base(A.OLMO2, c)
    window(k, c)
    full, local = ropes(c)
    fits = plain_rope(k, c, None) and full["rope_theta"] == local["rope_theta"] and local["rope_type"] == "default"
    return (k, named(A.OLMO2, c, names, [])) if fits else None


def glm4(c, names):
    k = base(A.GLM4, c)
    k.add("rope.dimension_count", int(head_dim(c) * c.rope_parameters.get("partial_rotary_factor", 0.5)))
    return (k, named(A.GLM4, c, names, [])) if plain_rope(k, c, None) else None


def cohere(c, names):
    k = base(A.COMMAND_R, c)
    k.add("logit_scale", c.logit_scale)
    k.add("rope.scaling.type", "none")
    return (k, named(A.COMMAND_R, c, names, [])) if c.rope_parameters["rope_type"] == "default" else None


def cohere2(c, names):
    k = base(A.COHERE2, c)
    k.add("logit_scale", c.logit_scale)
    k.add("attention.sliding_window", c.sliding_window)
    k.add("vocab_size", c.vocab_size)
    k.add("rope.dimension_count", head_dim(c))
    k.add("rope.scaling.type", "none")
    fits = c.rope_parameters["rope_type"] == "default" and not c.attention_bias
    fits = fits and c.layer_types == ["full_attention" if (i + 1) % 4 == 0 else "sliding_attention" for i in range(c.num_hidden_layers)]
    return (k, named(A.COHERE2, c, names, [])) if fits else None


def glm4_moe(c, names):
    k = base(A.GLM4_MOE, c)
    if not plain_rope(k, c, None):
        return None
    k.add("rope.dimension_count", int(head_dim(c) * c.rope_parameters.get("partial_rotary_factor", 0.5)))
    k.add("expert_feed_forward_length", c.moe_intermediate_size)
    k.add("expert_shared_count", c.n_shared_experts)
    k.add("leading_dense_block_count", c.first_k_dense_replace)
    k.add("expert_gating_func", 2)
    k.add("expert_weights_scale", float(c.routed_scaling_factor))
    k.add("expert_weights_norm", c.norm_topk_prob)
    # The files of published models hold the draft model's layers, too.
    k.add("block_count", c.num_hidden_layers + 1)
    k.add("nextn_predict_layers", 1)
    recipes = named(A.GLM4_MOE, c, names, [
        (r"layers\.(\d+)\.mlp\.gate\.e_score_correction_bias$", lambda m, name: [[f"blk.{m[1]}.exp_probs_b.bias", [name], "copy", None]])])
    recipes.append([f"blk.{c.num_hidden_layers}.nextn.enorm.weight", ["model.norm.weight"], "copy", None])
    return k, recipes


def granite_keys(arch, c):
    """GraniteMoeModel.set_gguf_parameters."""
    k = base(arch, c)
    k.add("attention.scale", float(c.attention_multiplier))
    k.add("embedding_scale", float(c.embedding_multiplier))
    k.add("residual_scale", float(c.residual_multiplier))
    k.add("logit_scale", float(c.logits_scaling))
    k.add("expert_shared_feed_forward_length", getattr(c, "shared_intermediate_size", None) or None)
    return k


def granitemoe(c, names):
    k = granite_keys(A.GRANITE_MOE, c)
    if not plain_rope(k, c, None):
        return None

    def halves(m, name):
        end = "exps" if m[2] == "block_sparse_moe" else "shexp"
        return [[f"blk.{m[1]}.ffn_{part}_{end}.weight", [name], "rows", [i / 2, (i + 1) / 2]] for i, part in enumerate(("gate", "up"))]

    return k, named(A.GRANITE_MOE, c, names, [permuted(c), (r"layers\.(\d+)\.(\w+)\.input_linear\.weight$", halves)])


def llama4(c, names):
    k = base(A.LLAMA4, c)
    k.add("feed_forward_length", c.intermediate_size_mlp)
    k.add("interleave_moe_layer_step", c.interleave_moe_layer_step)
    k.add("expert_feed_forward_length", c.intermediate_size)
    k.add("vocab_size", c.vocab_size)
    n = c.num_hidden_layers
    fits = plain_rope(k, c, None) and c.attention_chunk_size == 8192 and c.floor_scale == 8192 and c.attn_scale == 0.1 and c.attn_temperature_tuning
    fits = fits and c.use_qk_norm and c.no_rope_layers == [int((i + 1) % 4 != 0) for i in range(n)]
    fits = fits and c.moe_layers == list(range(c.interleave_moe_layer_step - 1, n, c.interleave_moe_layer_step))
    fits = fits and all((t == "full_attention") == (not r) for t, r in zip(c.layer_types, c.no_rope_layers))
    if not fits:
        return None
    return k, named(A.LLAMA4, c, names, [
        (r"layers\.(\d+)\.feed_forward\.experts\.gate_up_proj$", lambda m, name: [
            [f"blk.{m[1]}.ffn_{part}_exps.weight", [name], "mergedhalf", [i, 2]] for i, part in enumerate(("gate", "up"))]),
        (r"layers\.(\d+)\.feed_forward\.experts\.down_proj$", lambda m, name: [[f"blk.{m[1]}.ffn_down_exps.weight", [name], "merged", [0, 1]]]),
    ])


def granite_mamba(c, names):
    """GraniteHybridModel with Mamba layers, whose attention it takes for unrotated."""
    dense = not c.num_local_experts
    fits = plain_rope(Keys(A.GRANITE_HYBRID), c, None) and c.position_embedding_type != "rope" and not c.mamba_proj_bias and c.mamba_d_conv != 1
    # llama.cpp's feed-forward of a dense model is as wide as one setting says, its converter's as another.
    if not fits or dense and (c.intermediate_size != c.shared_intermediate_size or c.num_experts_per_tok):
        return None
    k = granite_keys(A.GRANITE_HYBRID, c)
    if dense:
        k.add("expert_count", 0)
        k.add("expert_used_count", 0)
    k.add("context_length", 2**20)
    k.add("attention.head_count_kv", [0 if t == "linear_attention" else c.num_key_value_heads for t in c.layers_block_type])
    k.add("rope.dimension_count", head_dim(c))
    k.add("rope.scaling.finetuned", False)
    k.add("vocab_size", c.vocab_size)
    mamba(k, c, c.mamba_expand * c.hidden_size)

    def halves(m, name):
        end = "exps" if m[2] == "block_sparse_moe" else "shexp"
        return [[f"blk.{m[1]}.ffn_{part}" + ("" if dense else "_" + end) + ".weight", [name], "rows", [i / 2, (i + 1) / 2]] for i, part in enumerate(("gate", "up"))]

    rules = [permuted(c), (r"layers\.(\d+)\.(\w+)\.input_linear\.weight$", halves)]
    if dense:
        rules.append((r"layers\.(\d+)\.shared_mlp\.output_linear\.weight$", lambda m, name: [[f"blk.{m[1]}.ffn_down.weight", [name], "copy", None]]))
    return k, named(A.GRANITE_HYBRID, c, names, MAMBA(c) + rules)


def granitehybrid(c, names):
    """Models without Mamba layers become granite or granitemoe."""
    if "linear_attention" in c.layers_block_type:
        return granite_mamba(c, names)
    if c.num_local_experts:
        made = granitemoe(c, names)
    else:
        k = base(A.GRANITE, c)
        k.add("feed_forward_length", c.shared_intermediate_size)
        if not plain_rope(k, c, None):
            return None
        for key in ("expert_count", "expert_used_count"):
            k.pop(f"granite.{key}", None)
        k.add("attention.scale", float(c.attention_multiplier))
        k.add("embedding_scale", float(c.embedding_multiplier))
        k.add("residual_scale", float(c.residual_multiplier))
        k.add("logit_scale", float(c.logits_scaling))
        made = k, named(A.GRANITE, c, names, [
            permuted(c),
            (r"layers\.(\d+)\.shared_mlp\.input_linear\.weight$", lambda m, name: [
                [f"blk.{m[1]}.ffn_{part}.weight", [name], "rows", [i / 2, (i + 1) / 2]] for i, part in enumerate(("gate", "up"))]),
            (r"layers\.(\d+)\.shared_mlp\.output_linear\.weight$", lambda m, name: [[f"blk.{m[1]}.ffn_down.weight", [name], "copy", None]]),
        ])
    if made and c.position_embedding_type != "rope":
        made[0].add("rope.scaling.finetuned", False)
    return made


def gemma4(c, names):
    c = copy.deepcopy(c)
    c.allow_global_per_layer_attribute_access = True
    k = base(A.GEMMA4, c)
    full, local = ropes(c)
    sliding = [t == "sliding_attention" for t in c.layer_types]
    dims, heads = {}, {}
    for l, s in enumerate(sliding):
        one = c.per_layer_config[l]
        dims.setdefault(s, one.head_dim)
        heads.setdefault(s, one.num_key_value_heads)
    if full["rope_type"] != "proportional" or full.get("factor", 1.0) != 1.0 or c.attention_bias:
        return None
    for key in ("key_length", "value_length"):
        k.add(f"attention.{key}", dims[False])
        k.add(f"attention.{key}_swa", dims.get(True, c.head_dim))
    k.add("attention.sliding_window", c.sliding_window)
    k.add("attention.sliding_window_pattern", sliding)
    k.add("attention.shared_kv_layers", c.num_kv_shared_layers)
    k.add("embedding_length_per_layer_input", c.hidden_size_per_layer_input or 0)
    k.add("final_logit_softcapping", c.final_logit_softcapping)
    if heads[False] != c.num_key_value_heads:
        k.add("attention.head_count_kv", [heads[s] for s in sliding])
    if c.use_double_wide_mlp:
        first = c.num_hidden_layers - c.num_kv_shared_layers
        k.add("feed_forward_length", [c.intermediate_size * (1 if l < first else 2) for l in range(c.num_hidden_layers)])
    if c.enable_moe_block:
        k.add("expert_used_count", c.top_k_experts)
        k.add("expert_feed_forward_length", c.moe_intermediate_size)
    else:
        for key in ("expert_count", "expert_used_count"):
            k.pop(f"gemma4.{key}", None)
    k.add("rope.freq_base_swa", float(local["rope_theta"]))
    k.add("rope.dimension_count", dims[False])
    k.add("rope.dimension_count_swa", dims.get(True, c.head_dim))
    turned = int(full.get("partial_rotary_factor", 1.0) * dims[False] / 2)
    recipes = named(A.GEMMA4, c, names, [
        (r"layers\.(\d+)\.router\.scale$", lambda m, name: [[f"blk.{m[1]}.ffn_gate_inp.scale", [name], "copy", None]]),
        (r"layers\.(\d+)\.router\.per_expert_scale$", lambda m, name: [[f"blk.{m[1]}.ffn_down_exps.scale", [name], "copy", None]]),
        (r"layers\.(\d+)\.layer_scalar$", lambda m, name: [[f"blk.{m[1]}.layer_output_scale.weight", [name], "copy", None]]),
        (r"layers\.(\d+)\.experts\.gate_up_proj$", lambda m, name: [[f"blk.{m[1]}.ffn_gate_up_exps.weight", [name], "copy", None]]),
        (r"layers\.(\d+)\.experts\.down_proj$", lambda m, name: [[f"blk.{m[1]}.ffn_down_exps.weight", [name], "copy", None]]),
    ])
    recipes.append(["rope_freqs.weight", [], "numbers", [1.0] * turned + [1e30] * (dims[False] // 2 - turned)])
    return k, recipes


def gemma3n(c, names):
    k = base(A.GEMMA3N, c)
    full, local = ropes(c)
    fits = plain_rope(k, c, None) and local["rope_type"] == "default" and c.altup_num_inputs == 4 and c.altup_correct_scale
    if not fits or c.vocab_size_per_layer_input != c.vocab_size:
        return None
    k.add("feed_forward_length", list(c.intermediate_size))
    k.add("attention.sliding_window", c.sliding_window)
    k.add("attention.sliding_window_pattern", [t == "sliding_attention" for t in c.layer_types])
    k.add("attention.shared_kv_layers", c.num_kv_shared_layers)
    k.add("rope.freq_base_swa", float(local["rope_theta"]))
    k.add("embedding_length_per_layer_input", c.hidden_size_per_layer_input)
    k.add("altup.active_idx", c.altup_active_idx)
    k.add("altup.num_inputs", c.altup_num_inputs)
    k.add("final_logit_softcapping", c.final_logit_softcapping)
    normal = torch.distributions.normal.Normal(0, 1)
    # JSON has no infinity: -1e30 stands for it here, and is as far below every gate.
    k.add("activation_sparsity_scale", [max(-1e30, normal.icdf(torch.tensor(s, dtype=torch.float32)).item()) for s in c.activation_sparsity_pattern])

    def stacked(m, name):
        parts = [f"model.{m[1]}.{i}.weight" for i in range(3)]
        to = "altup_unembd_proj" if "unembed" in name else "altup_proj"
        return [[f"{to}.weight", parts, "stack", None]] if m[2] == "0" else []

    return k, named(A.GEMMA3N, c, names, [
        (r"model\.(altup_\w+)\.(\d)\.weight$", stacked),
        (r"layers\.(\d+)\.altup\.correct_output_scale$", lambda m, name: [[f"blk.{m[1]}.altup_correct_scale.weight", [name], "copy", None]]),
    ])


def delta_like(arch, c):
    """Qwen3NextModel.set_gguf_parameters."""
    k = base(arch, c)
    if not plain_rope(k, c, None) or c.linear_conv_kernel_dim == 1 or c.layer_types != ["full_attention" if (i + 1) % 4 == 0 else "linear_attention" for i in range(c.num_hidden_layers)]:
        return None
    k.add("rope.dimension_count", int(head_dim(c) * c.rope_parameters.get("partial_rotary_factor", 0.25)))
    k.add("ssm.conv_kernel", c.linear_conv_kernel_dim)
    k.add("ssm.state_size", c.linear_key_head_dim)
    k.add("ssm.group_count", c.linear_num_key_heads)
    k.add("ssm.time_step_rank", c.linear_num_value_heads)
    k.add("ssm.inner_size", c.linear_value_head_dim * c.linear_num_value_heads)
    k.add("full_attention_interval", 4)
    if getattr(c, "num_experts", None):
        k.add("expert_feed_forward_length", c.moe_intermediate_size)
        k.add("expert_shared_feed_forward_length", c.shared_expert_intermediate_size)
    return k


PLUS = (r"layers\.(\d+)\.(input_layernorm|post_attention_layernorm|self_attn\.[qk]_norm)\.weight|^model\.norm\.weight", lambda m, name: [
    ["output_norm.weight" if m[1] is None else f"blk.{m[1]}." + {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm"}[m[2]] + ".weight", [name], "plus", None]])
GATE = (r"layers\.(\d+)\.mlp\.shared_expert_gate\.weight$", lambda m, name: [[f"blk.{m[1]}.ffn_gate_inp_shexp.weight", [name], "one", None]])


def qwen3_next(c, names):
    k = delta_like(A.QWEN3NEXT, c)
    if k is None or not c.norm_topk_prob:
        return None
    per = c.linear_num_value_heads // c.linear_num_key_heads * c.linear_value_head_dim
    sizes = [c.linear_num_key_heads, c.linear_key_head_dim, c.linear_key_head_dim, per, per]
    return k, named(A.QWEN3NEXT, c, names, [PLUS, GATE,
        (r"layers\.(\d+)\.linear_attn\.in_proj_qkvz", lambda m, name: [
            [f"blk.{m[1]}.attn_qkv.weight", [name], "groups", sizes + [0, 1, 2]], [f"blk.{m[1]}.attn_gate.weight", [name], "groups", sizes + [3]]]),
        (r"layers\.(\d+)\.linear_attn\.A_log", lambda m, name: [[f"blk.{m[1]}.ssm_a", [name], "decay", None]]),
        (r"layers\.(\d+)\.linear_attn\.dt_bias", lambda m, name: [[f"blk.{m[1]}.ssm_dt.bias", [name], "copy", None]]),
        (r"layers\.(\d+)\.linear_attn\.conv1d", lambda m, name: [[f"blk.{m[1]}.ssm_conv1d.weight", [name], "flat", None]]),
    ])


def qwen35(c, names):
    """_LinearAttentionVReorderBase: value heads tiled by key head."""
    moe = c.model_type == "qwen3_5_moe_text"
    arch = A.QWEN35MOE if moe else A.QWEN35
    k = delta_like(arch, c)
    if k is None:
        return None
    k.add("rope.dimension_sections", [11, 11, 10, 0])
    groups, n, keys = c.linear_num_key_heads, c.linear_value_head_dim, 2 * c.linear_key_head_dim * c.linear_num_key_heads
    at = lambda to, op, arg: lambda m, name: [[f"blk.{m[1]}.{to}", [name], op, arg]]
    return k, named(arch, c, names, [PLUS, GATE,
        (r"layers\.(\d+)\.linear_attn\.in_proj_qkv\.", at("attn_qkv.weight", "tile", [keys, groups, n])),
        (r"layers\.(\d+)\.linear_attn\.in_proj_z\.", at("attn_gate.weight", "tile", [0, groups, n])),
        (r"layers\.(\d+)\.linear_attn\.in_proj_a\.", at("ssm_alpha.weight", "tile", [0, groups, 1])),
        (r"layers\.(\d+)\.linear_attn\.in_proj_b\.", at("ssm_beta.weight", "tile", [0, groups, 1])),
        (r"layers\.(\d+)\.linear_attn\.A_log", at("ssm_a", "decaytile", [groups, 1])),
        (r"layers\.(\d+)\.linear_attn\.dt_bias", at("ssm_dt.bias", "tile", [0, groups, 1])),
        (r"layers\.(\d+)\.linear_attn\.conv1d", at("ssm_conv1d.weight", "flattile", [keys, groups, n])),
        (r"layers\.(\d+)\.linear_attn\.out_proj", at("ssm_out.weight", "tilecols", [groups, n])),
        (r"layers\.(\d+)\.mlp\.experts\.gate_up_proj$", lambda m, name: [
            [f"blk.{m[1]}.ffn_{part}_exps.weight", [name], "rows", [i / 2, (i + 1) / 2]] for i, part in enumerate(("gate", "up"))]),
        (r"layers\.(\d+)\.mlp\.experts\.down_proj$", at("ffn_down_exps.weight", "copy", None)),
    ])


def lfm2(c, names):
    k = base(A.LFM2, c)
    k.add("attention.head_count_kv", [c.num_key_value_heads if t == "full_attention" else 0 for t in c.layer_types])
    k.add("attention.layer_norm_rms_epsilon", float(c.norm_eps))
    k.add("vocab_size", c.vocab_size)
    k.add("shortconv.l_cache", c.conv_L_cache)
    n = c.intermediate_size
    if c.block_auto_adjust_ff_dim:
        n = int(2 * n / 3)
        if c.block_ffn_dim_multiplier is None:
            return None  # rounded by the converter, and not by transformers
        n = c.block_multiple_of * -(-int(c.block_ffn_dim_multiplier * n) // c.block_multiple_of)
    k.add("feed_forward_length", n)
    if not plain_rope(k, c, None) or c.conv_L_cache == 1:
        return None
    return k, named(A.LFM2, c, names, [
        (r"layers\.(\d+)\.conv\.conv\.weight", lambda m, name: [[f"blk.{m[1]}.shortconv.conv.weight", [name], "flat", None]])])


def lfm2_moe(c, names):
    k = base(A.LFM2MOE, c)
    if not plain_rope(k, c, None) or c.conv_L_cache == 1 or not c.use_expert_bias or not c.norm_topk_prob or c.routed_scaling_factor != 1 or c.conv_bias:
        return None
    k.add("attention.head_count_kv", [c.num_key_value_heads if t == "full_attention" else 0 for t in c.layer_types])
    k.add("attention.layer_norm_rms_epsilon", float(c.norm_eps))
    k.add("expert_feed_forward_length", c.moe_intermediate_size)
    k.add("leading_dense_block_count", c.num_dense_layers)
    k.add("expert_gating_func", 2)
    k.add("vocab_size", c.vocab_size)
    k.add("shortconv.l_cache", c.conv_L_cache)
    parts = {"w1": "gate", "w2": "down", "w3": "up"}

    def expert(m, name):
        sources = [name.replace(".experts.0.", f".experts.{e}.") for e in range(c.num_experts)]
        return [[f"blk.{m[1]}.ffn_{parts[m[3]]}_exps.weight", sources, "stack", None]] if m[2] == "0" else []

    return k, named(A.LFM2MOE, c, names, [
        (r"layers\.(\d+)\.feed_forward\.experts\.(\d+)\.(w\d)\.weight", expert),
        (r"layers\.(\d+)\.feed_forward\.expert_bias", lambda m, name: [[f"blk.{m[1]}.exp_probs_b.bias", [name], "copy", None]]),
        (r"layers\.(\d+)\.conv\.conv\.weight", lambda m, name: [[f"blk.{m[1]}.shortconv.conv.weight", [name], "flat", None]])])


MAMBA = lambda c: [
    (r"layers\.(\d+)\.mamba\.A_log", lambda m, name: [[f"blk.{m[1]}.ssm_a", [name], "decaycolumn", None]]),
    (r"layers\.(\d+)\.mamba\.D$", lambda m, name: [[f"blk.{m[1]}.ssm_d", [name], "column", None]]),
    (r"layers\.(\d+)\.mamba\.dt_bias", lambda m, name: [[f"blk.{m[1]}.ssm_dt.bias", [name], "copy", None]]),
    (r"layers\.(\d+)\.mamba\.conv1d\.weight", lambda m, name: [[f"blk.{m[1]}.ssm_conv1d.weight", [name], "flat", None]]),
    (r"layers\.(\d+)\.mamba\.norm\.weight", lambda m, name: [[f"blk.{m[1]}.ssm_norm.weight", [name], "split", c.mamba_n_groups]]),
]


def mamba(k, c, inner):
    """Mamba2Model.set_gguf_parameters."""
    k.add("ssm.conv_kernel", c.mamba_d_conv)
    k.add("ssm.inner_size", inner)
    k.add("ssm.state_size", c.mamba_d_state)
    k.add("ssm.time_step_rank", c.mamba_n_heads)
    k.add("ssm.group_count", c.mamba_n_groups)


def falcon_h1(c, names):
    """FalconH1Model: the multipliers are in the weights."""
    k = base(A.FALCON_H1, c)
    inner, states = c.mamba_d_ssm, c.mamba_n_groups * c.mamba_d_state
    fits = ropes(c)[0].get("rope_type", "default") == "default" and inner and not c.tie_word_embeddings
    fits = fits and not c.mamba_proj_bias and not c.projectors_bias and not (c.mamba_rms_norm and c.mamba_norm_before_gate)
    if not fits or c.mamba_d_conv == 1 or c.attention_bias and c.attention_in_multiplier != 1:
        return None
    k.add("attention.key_length", head_dim(c))
    k.add("attention.value_length", head_dim(c))
    k.add("vocab_size", c.vocab_size)
    mamba(k, c, inner)
    sizes = [inner, inner, states, states, c.mamba_n_heads]
    by = {"self_attn.q_proj": c.attention_in_multiplier, "self_attn.k_proj": c.key_multiplier * c.attention_in_multiplier,
          "self_attn.v_proj": c.attention_in_multiplier, "self_attn.o_proj": c.attention_out_multiplier,
          "feed_forward.gate_proj": c.mlp_multipliers[0], "feed_forward.down_proj": c.mlp_multipliers[1], "mamba.out_proj": c.ssm_out_multiplier}
    to = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
          "feed_forward.gate_proj": "ffn_gate", "feed_forward.down_proj": "ffn_down", "mamba.out_proj": "ssm_out"}
    inputs = [x for f, n in zip(c.ssm_multipliers, sizes) for x in (f * c.ssm_in_multiplier, n)]
    return k, named(A.FALCON_H1, c, names, MAMBA(c) + [
        (r"layers\.(\d+)\.mamba\.in_proj\.weight", lambda m, name: [[f"blk.{m[1]}.ssm_in.weight", [name], "scaled", inputs]]),
        (r"layers\.(\d+)\.(\w+\.(?:[qkvo]|gate|down|out)_proj)\.(weight|bias)", lambda m, name: [[f"blk.{m[1]}.{to[m[2]]}.{m[3]}", [name], "scaled", [by[m[2]]]]]),
        (r"embed_tokens", lambda m, name: [["token_embd.weight", [name], "scaled", [c.embedding_multiplier]]]),
        (r"lm_head", lambda m, name: [["output.weight", [name], "scaled", [c.lm_head_multiplier]]]),
    ])


def deepseek(c, names):
    k = base(A.DEEPSEEK2, c)
    p = ropes(c)[0]
    kind = p.get("rope_type", "default")
    # With YaRN, llama.cpp's factors are right where both multipliers are the same.
    if kind not in ("default", "yarn") or kind == "yarn" and not (p.get("mscale") and p.get("mscale") == p.get("mscale_all_dim")):
        return None
    third = c.model_type == "deepseek_v3"
    fits = not p.get("attention_factor") and p.get("truncate", True) and not c.attention_bias and getattr(c, "rope_interleave", True)
    if not fits or not third and c.topk_method != "greedy":  # whose groups llama.cpp chooses otherwise
        return None
    if kind == "yarn":
        scaling(k, type("", (), dict(rope_parameters={a: b for a, b in p.items() if a != "mscale"})), None)
        k.add("rope.scaling.yarn_log_multiplier", 0.1 * p["mscale_all_dim"])
    if not third:
        for key in ("expert_group_count", "expert_group_used_count"):
            k.pop(f"deepseek2.{key}", None)
    k.add("attention.head_count_kv", 1)
    k.add("leading_dense_block_count", c.first_k_dense_replace)
    k.add("vocab_size", c.vocab_size)
    k.add("attention.q_lora_rank", c.q_lora_rank)
    k.add("attention.kv_lora_rank", c.kv_lora_rank)
    k.add("attention.key_length", c.kv_lora_rank + c.qk_rope_head_dim)
    k.add("attention.value_length", c.kv_lora_rank)
    k.add("attention.key_length_mla", c.qk_nope_head_dim + c.qk_rope_head_dim)
    k.add("attention.value_length_mla", c.v_head_dim)
    k.add("expert_count", c.n_routed_experts)
    k.add("expert_used_count", c.num_experts_per_tok)
    k.add("expert_feed_forward_length", c.moe_intermediate_size)
    k.add("expert_shared_count", c.n_shared_experts)
    k.add("expert_weights_scale", float(c.routed_scaling_factor))
    if third and c.norm_topk_prob:
        k.add("expert_weights_norm", True)
    k.add("expert_gating_func", 2 if third else 1)
    k.add("rope.dimension_count", c.qk_rope_head_dim)

    def apart(m, name):
        sizes = [c.num_attention_heads, c.qk_nope_head_dim, c.v_head_dim]
        return [[f"blk.{m[1]}.attn_k_b.weight", [name], "keysof", sizes], [f"blk.{m[1]}.attn_v_b.weight", [name], "valuesof", sizes]]

    return k, named(A.DEEPSEEK2, c, names, [
        (r"layers\.(\d+)\.self_attn\.kv_b_proj\.weight$", apart),
        (r"layers\.(\d+)\.mlp\.gate\.e_score_correction_bias$", lambda m, name: [[f"blk.{m[1]}.exp_probs_b.bias", [name], "copy", None]]),
    ])


FAMILIES = {"lfm2_moe": lfm2_moe, "falcon_h1": falcon_h1, "deepseek_v2": deepseek, "deepseek_v3": deepseek, "gemma3n_text": gemma3n, "gemma4_text": gemma4, "lfm2": lfm2, "qwen3_next": qwen3_next, "qwen3_5_text": qwen35, "qwen3_5_moe_text": qwen35, "granitemoehybrid": granitehybrid, "glm4_moe": glm4_moe, "granitemoe": granitemoe, "granitemoeshared": granitemoe, "llama4_text": llama4,
            "gpt_oss": gpt_oss, "smollm3": smollm3, "seed_oss": seed_oss, "ministral3": ministral3, "hunyuan_v1_dense": hunyuan,
            "exaone4": exaone4, "olmo3": olmo3, "glm4": glm4, "cohere": cohere, "cohere2": cohere2}


def convert(c, names):
    """Keys and recipes of a model; None where there is no GGUF of such a one."""
    f = FAMILIES.get(c.model_type)
    try:
        return f(c, names) if f else None
    except KeyError:  # GGUF has no place for a tensor
        return None
