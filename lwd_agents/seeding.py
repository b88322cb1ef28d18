"""Randomness is keyed, never carried: every draw's key is a hash of fixed fields.

So replicate r of a batch equals replicate r alone, a resumed run equals one that was never
stopped, and the order in which agents are served cannot matter.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

_LLAMA_RANDOM = 2**32 - 1  # llama.cpp reads this seed as "choose one at random"


def key(
    seed: int, purpose: str, *, replicate: int = 0, t: int = 0, agent: str = "", query: str = ""
) -> int:
    """A 128-bit key from (seed, replicate, purpose, t, agent name, query), by sha256."""
    fields = json.dumps([seed, replicate, purpose, t, agent, query], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(fields.encode()).digest()[:16], "big")


def generator(key: int) -> np.random.Generator:
    """A counter-based generator (Philox 4x64) for one key."""
    return np.random.Generator(np.random.Philox(key=key))


def base_seed(key: int, draws: int) -> int:
    """The first of ``draws`` consecutive 32-bit seeds: a window aligned at a multiple of ``draws``.

    llama.cpp gives draw j the seed base + j. Aligned windows coincide (with probability about
    draws / 2**32 for two keys) or are disjoint; they never overlap in part. All seeds stay below
    2**32 - 1, which llama.cpp takes for "random".
    """
    windows = (_LLAMA_RANDOM - draws) // draws
    return (key % windows) * draws
