"""What missing draws could hide: bounds that hold however they came to be missing [ours].

Everything else in this package uses the draws that are present, which is right where draws are
missing at random. Where they are not (a filter that refuses one kind of answer, say), an agent's
perspective is X_i = (1 - m_i) P_i + m_i Q_i, with m_i the missing share, P_i the mean of what is
present and Q_i that of what is missing. Nothing is known of Q_i but how far it can be from P_i.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def norm_shift(missing: ArrayLike, apart: float = 1.0) -> Floats:
    """The most by which ||D||_F can move where every Q_i is at most ``apart`` from its P_i.

    ||D||_F = sqrt(2 N) ||C X||_F with C a projection (centring), so it moves by at most
    sqrt(2 N sum_i (m_i apart)^2).

    Args:
        missing: (..., N) the missing shares m_i, 0 to 1.
        apart: a distance between embeddings; of unit vectors at most 2.

    Returns:
        (...,).
    """
    shares = np.asarray(missing, dtype=np.float64)
    return np.asarray(apart * np.sqrt(2 * shares.shape[-1] * np.sum(shares**2, axis=-1)))


def tipping_point(
    gap: float, norms: ArrayLike, shifts: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """How far apart missing and present answers must be to move a sum of ||D||_F^2 by ``gap``.

    One ||D||_F^2 moves by at most 2 ||D|| s a + (s a)^2, where s is ``norm_shift`` at apart 1; this
    solves for the a at which the weighted sum of that is ``gap``. The signs are taken as bad as
    they can be, so the truth needs at least this a.

    Args:
        gap: by how much the sum must move (at least 0).
        norms: (S,) ||D||_F of each term.
        shifts: (S,) ``norm_shift`` of each at apart 1.
        weights: (S,) of the sum, above 0; by default 1 / S: a mean.

    Returns:
        The distance a; infinity where nothing is missing.
    """
    shifts = np.asarray(shifts, dtype=np.float64)
    w = np.full(shifts.shape, 1 / max(1, shifts.size)) if weights is None else np.asarray(weights)
    square = float(np.sum(w * shifts**2))
    if square == 0.0:
        return math.inf
    linear = float(np.sum(w * 2 * np.asarray(norms, dtype=np.float64) * shifts))
    return (math.sqrt(linear**2 + 4 * square * max(gap, 0.0)) - linear) / (2 * square)
