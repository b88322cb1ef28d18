"""The spectral radius of irreducible non-negative blocks, between bounds that hold.

For x > 0, min_i (Wx)_i / x_i <= radius <= max_i (Wx)_i / x_i (Collatz and Wielandt): whatever
finds x, the bounds are certain up to rounding. Cycles have a closed form. The rest are iterated
together, with (I + W) / 2, which turns no block's phase; what is slow is then taken one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
AGREE = 1e-11  # bounds as near to one another as this are one number
_TOGETHER = 150  # iterations of all blocks at once
_DENSE = 400  # learners of a block that is solved dense
_BAND = 13_000_000  # numbers below the diagonal of a band that is solved directly
_WORK = 2e9  # multiplications that all large slow blocks may take
_NODA = 60  # turns; a handful is enough


@dataclass(frozen=True)
class Bounds:
    """Lower and upper bounds of the radius of each block, (blocks,)."""

    low: Array
    high: Array

    @property
    def middle(self) -> Array:
        return np.asarray((self.low + self.high) / 2)


def radii(matrix: csr_array, block: NDArray[np.int64], blocks: int) -> Bounds:
    """Bounds of the spectral radius of every block of a non-negative matrix.

    Args:
        matrix: (n, n); entries between blocks are left out.
        block: (n,) the block of each row, from 0 to blocks - 1; each block is irreducible.

    The bounds agree to 1e-11 but where a large block is too slow to settle.
    """
    inside = _inside(matrix, block)
    size = np.bincount(block, minlength=blocks)
    entries = np.bincount(block, np.diff(inside.indptr), minlength=blocks).astype(np.int64)
    # A block with as many entries as rows is one cycle: the geometric mean of its weights.
    rows = np.repeat(np.arange(len(block)), np.diff(inside.indptr))
    logs = np.bincount(block[rows], np.log(inside.data), minlength=blocks)
    cycle = entries == size
    found = np.where(cycle, np.exp(logs / size), 0.0)
    bounds = Bounds(found, found.copy())
    chosen = np.flatnonzero(~cycle & (entries > 0))
    if len(chosen):
        _iterate(inside, block, chosen, bounds)
    return bounds


def _inside(matrix: csr_array, block: NDArray[np.int64]) -> csr_array:
    from scipy.sparse import csr_array

    n = len(block)
    rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
    kept = (block[rows] == block[matrix.indices]) & (matrix.data > 0)
    return csr_array((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=(n, n))


def _iterate(
    inside: csr_array, block: NDArray[np.int64], chosen: NDArray[np.int64], bounds: Bounds
) -> None:
    """Bounds of the chosen blocks, written into ``bounds``."""
    members = np.flatnonzero(np.isin(block, chosen))
    members = members[np.argsort(block[members], kind="stable")]
    part = inside[members][:, members]
    starts = np.flatnonzero(np.diff(block[members], prepend=-1))
    state = _together(part, starts)
    bounds.low[chosen], bounds.high[chosen] = state.low, state.high
    ends = np.append(starts[1:], len(members))
    slow = np.flatnonzero(state.high - state.low > AGREE)
    size = ends - starts
    for k in np.unique(size[slow]):
        same = slow[size[slow] == k]
        step = max(1, int(4_000_000 // (k * k)))
        for first in range(0, len(same), step):
            some = same[first : first + step]
            found = (
                _dense(part, starts[some], int(k), state.x)
                if k <= _DENSE
                else _large(part, starts[some[0]], ends[some[0]], state.x)
            )
            at = chosen[some]
            bounds.low[at] = np.maximum(bounds.low[at], found[0])
            bounds.high[at] = np.minimum(bounds.high[at], found[1])


@dataclass(frozen=True)
class _State:
    x: Array
    low: Array
    high: Array


def _together(part: csr_array, starts: NDArray[np.int64]) -> _State:
    """Power iterations of all blocks at once; x is scaled block by block."""
    sizes = np.diff(np.append(starts, part.shape[0]))
    x = np.ones(part.shape[0])
    low, high = np.zeros(len(starts)), np.full(len(starts), np.inf)
    for turn in range(_TOGETHER):
        y = part @ x
        low, high = _closer(low, high, y / x, starts)
        if np.all(high - low <= AGREE) or (turn == _TOGETHER - 1):
            break
        x = (x + y) / 2
        x = np.maximum(x / np.repeat(np.maximum.reduceat(x, starts), sizes), 1e-280)
    return _State(x, low, high)


def _closer(
    low: Array, high: Array, ratio: Array, starts: NDArray[np.int64]
) -> tuple[Array, Array]:
    return (
        np.maximum(low, np.minimum.reduceat(ratio, starts)),
        np.minimum(high, np.maximum.reduceat(ratio, starts)),
    )


def _dense(part: csr_array, starts: NDArray[np.int64], k: int, x: Array) -> tuple[Array, Array]:
    """Noda's iteration on blocks of k rows, all at once: x <- (high I - W)^-1 x.

    It keeps x > 0 and falls upon the radius quadratically. W is scaled to D^-1 W D with D = x at
    each turn, so that x stays near 1 and its small entries are as exact as its large ones.
    """
    W = np.stack([part[s : s + k, s : s + k].toarray() for s in starts])
    v = np.stack([x[s : s + k] for s in starts])
    low, high = np.zeros(len(starts)), np.full(len(starts), np.inf)
    eye, ones = np.eye(k), np.ones((len(starts), k, 1))
    for _ in range(_NODA):
        W = W * v[:, None, :] / v[:, :, None]
        ratio = W.sum(axis=2)
        low, high = np.maximum(low, ratio.min(axis=1)), np.minimum(high, ratio.max(axis=1))
        open_ = high - low > AGREE / 10
        if not open_.any():
            break
        shift = high * (1 + 1e-13 * k) + 1e-300
        solved = np.linalg.solve(shift[:, None, None] * eye - W, ones)[..., 0]
        v = np.where(open_[:, None], _positive(solved), 1.0)
    return low, high


def _positive(x: Array) -> Array:
    """Rounding may turn a small entry's sign: what the bounds need is any x > 0."""
    x = np.abs(x)
    return np.asarray(np.maximum(x / x.max(axis=-1, keepdims=True), 1e-280))


def _large(part: csr_array, start: int, end: int, guess: Array) -> tuple[float, float]:
    """One block that power iterations leave open: directly if it is narrow, else by Arnoldi.

    What it may cost is its share of all that is iterated, so that many blocks are not slower.
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    W = part[start:end][:, start:end].tocsr()
    k, x, work = end - start, guess[start:end], _WORK * W.nnz / part.nnz
    order = reverse_cuthill_mckee(W)
    turned = W[order][:, order].tocoo()
    width = int(np.max(np.abs(turned.row - turned.col))) + 1
    best = (0.0, np.inf)
    if width * k <= _BAND and width * width * k <= work:
        best = _narrow(turned.tocsc(), x[order])
    if best[1] - best[0] > AGREE:
        other = _arnoldi(W, x, work)
        best = max(best[0], other[0]), min(best[1], other[1])
    return best


def _narrow(W: Any, x: Array) -> tuple[float, float]:
    """Noda's iteration as in `_dense`, with a sparse factorisation in the order given."""
    from scipy.sparse import diags_array, eye_array
    from scipy.sparse.linalg import splu

    low, high = 0.0, np.inf
    k = W.shape[0]
    identity = eye_array(k, format="csc")
    for _ in range(_NODA):
        W = (diags_array(1 / x) @ W @ diags_array(x)).tocsc()
        ratio = W.sum(axis=1)
        low, high = max(low, ratio.min()), min(high, ratio.max())
        if high - low <= AGREE:
            break
        shifted = (high * (1 + 1e-12) * identity - W).tocsc()
        solver = splu(shifted, permc_spec="NATURAL", diag_pivot_thresh=0.0)
        x = _positive(solver.solve(np.ones(k)))
    return float(low), float(high)


def _arnoldi(W: csr_array, x: Array, work: float) -> tuple[float, float]:
    """Arnoldi's vector, then iterations that set its small entries right."""
    from scipy.sparse.linalg import ArpackError, eigs

    turns = max(5, int(work / 20 / (W.nnz + 30 * W.shape[0])))
    try:
        _, vectors = eigs(W, k=1, which="LR", v0=x, maxiter=turns, tol=1e-13, ncv=20)
        x = _positive(np.real(vectors[:, 0] / vectors[np.argmax(np.abs(vectors[:, 0])), 0]))
    except ArpackError:
        pass
    low, high = 0.0, np.inf
    for _ in range(_TOGETHER):
        y = W @ x
        ratio = y / x
        low, high = max(low, ratio.min()), min(high, ratio.max())
        if high - low <= AGREE:
            break
        x = (x + y) / 2
        x = np.maximum(x / x.max(), 1e-280)
    return float(low), float(high)
