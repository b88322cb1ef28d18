"""What the numeric worlds' compiled kernels share: how they are compiled, and their randomness.

Randomness is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011): a function of a key and a 128-bit counter, so nothing is carried from draw to
draw. The key is the run's; the counter names the draw: (block, step and purpose, model, replicate).
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding

Function = Callable[..., Any]
# Sums may be reordered and products fused: the kernels stay within 1e-12 of the literal algorithm.
_FAST = {"contract", "nsz", "reassoc"}


def _cache_folder() -> str:
    """Where compiled kernels are kept: a folder of its own for every state of their sources.

    Numba's own check looks at one file's time and size, which a change in another file, or a
    wheel's fixed times, would get past: an old kernel would compute new results.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    worlds = [package / "worlds" / name for name in ("gmm_*.py", "graph_*.py")]
    for pattern in (package / "kernels.py", package / "randoms.py", *worlds):
        for file in sorted(pattern.parent.glob(pattern.name)):
            digest.update(file.read_bytes())
    own = os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser() / ".cache"
    for root in (Path(own), Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"):
        with contextlib.suppress(OSError):
            (root / "lwd_agents").mkdir(parents=True, exist_ok=True)
            if os.access(root / "lwd_agents", os.W_OK):
                break
    return str(root / "lwd_agents" / digest.hexdigest()[:20])


@contextlib.contextmanager
def _cached_in(folder: str) -> Iterator[None]:
    """Numba reads the folder where a function is decorated; other packages keep theirs."""
    config: Any = numba.config
    former = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        yield
    finally:
        config.CACHE_DIR = former


_FOLDER = _cache_folder()


def compiled_before() -> bool:
    """Whether kernels of these sources were compiled on this machine before."""
    return Path(_FOLDER).is_dir()


def compiled(function: Function) -> Function:
    """Compile a function at its first call, and keep the machine code for later processes."""
    with _cached_in(_FOLDER):
        made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)(function)
    return made


def inlined(function: Function) -> Function:
    """The same for a small function that is compiled into its callers."""
    with _cached_in(_FOLDER):
        made = numba.njit(
            cache=True, nogil=True, error_model="numpy", fastmath=_FAST, inline="always"
        )(function)
    return made


def run_key(seed: int, world: str) -> NDArray[np.uint64]:
    """The 64-bit key of a run's kernels, as two words: (2,)."""
    whole = seeding.key(seed, world)
    return np.array([whole & 0xFFFFFFFF, whole >> 32 & 0xFFFFFFFF], dtype=np.uint64)


_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_STEPS = 24  # bits of a counter's second word that hold the step; the purpose lies above


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Four random 32-bit words (each in a uint64) of one counter under one key."""
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@inlined
def stamp(t, purpose):
    """The counter's second word: a step (below 2**24) and what the numbers are for."""
    return np.uint64(t) | (np.uint64(purpose) << np.uint64(_STEPS))


@compiled
def fill(out, first, c1, c2, c3, key):
    """Fill ``out`` (a multiple of 4 words, uint32) from block ``first`` on.

    The words of a block lie a quarter of ``out`` apart: the loop then runs in vector registers.
    """
    n = out.shape[0] // 4
    a, b, c, d = out[:n], out[n : 2 * n], out[2 * n : 3 * n], out[3 * n : 4 * n]
    for j in range(n):
        x0, x1, x2, x3 = philox(np.uint64(first + j), c1, c2, c3, key[0], key[1])
        a[j] = x0
        b[j] = x1
        c[j] = x2
        d[j] = x3


@inlined
def unit(high, low):
    """A number in (0, 1) from two 32-bit words: 52 bits, never an end of the interval."""
    bits = (high << np.uint64(20)) ^ (low >> np.uint64(12))
    return (np.float64(bits) + 0.5) * (1.0 / 4503599627370496.0)


@inlined
def normal_pair(x0, x1, x2, x3):
    """Two independent standard normal numbers from four words, by Box and Muller (1958)."""
    radius = math.sqrt(-2.0 * math.log(unit(x0, x1)))
    angle = 2.0 * math.pi * unit(x2, x3)
    return radius * math.cos(angle), radius * math.sin(angle)
