"""Importance of attention heads: read the tables of headprof, and use them.

    import headprof

    profile = headprof.read("profile")           # a run's folder or any score file
    profile.scores("headkv-r2")                  # NumPy, [layers, heads]
    profile.kv_heads(reduce="max")               # NumPy, [layers, KV heads]
    profile.budget(128, beta=1.2).kv_entries     # cache entries, as `headprof budget`

`headprof.kvpress` turns a profile into presses for NVIDIA's kvpress.
"""

from ._program import HeadprofError, program
from .formats import read_lukv, read_vllm_hook
from .profile import Budget, Profile, read

__all__ = ["Budget", "HeadprofError", "Profile", "program", "read", "read_lukv", "read_vllm_hook"]
__version__ = "0"  # replaced by build.py
