"""Writes a random model of 300 M parameters like Qwen3-Next to a folder, for
'headprof bench --model FOLDER' and torch_prefill.py: 12 layers of width 1024, of
which every fourth has attention, 16 value heads of 128, and 16 experts of 512, 4
of them used.

  python3 random_hybrid.py FOLDER
Needs: pip install torch transformers tokenizers
"""

import sys

import torch
import transformers as T
from tokenizers import Tokenizer, models, pre_tokenizers

folder = sys.argv[1]
torch.manual_seed(1)
config = T.Qwen3NextConfig(
    vocab_size=32000, hidden_size=1024, num_hidden_layers=12, num_attention_heads=8, num_key_value_heads=2, head_dim=128, intermediate_size=2048,
    linear_num_key_heads=8, linear_num_value_heads=16, linear_key_head_dim=128, linear_value_head_dim=128, num_experts=16, num_experts_per_tok=4,
    moe_intermediate_size=320, shared_expert_intermediate_size=512, max_position_embeddings=8192, tie_word_embeddings=True, bos_token_id=256, eos_token_id=257)
model = T.AutoModelForCausalLM.from_config(config)
print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters")
model.save_pretrained(folder)
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
vocab = {c: i for i, c in enumerate(alphabet)} | {f"<{i}>": i for i in range(len(alphabet), 32000)}
t = Tokenizer(models.BPE(vocab, []))
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.save(f"{folder}/tokenizer.json")
