"""How diverse a set of draws is: spectra of their covariance and of their cosines.

Every function takes points (..., P, D), any leading axes: embeddings (..., N, L, D) give one value
an agent, ``pooled`` of them one value for the network. A missing draw is a row of NaN and left out;
with no draw present the result is NaN.

All but the mean cosine grow with the number of draws: compare equal numbers. All are free of scale.
Cosines of zero vectors: a zero vector (an embedding may have one for an empty text) is identical to
every other zero vector and orthogonal to the rest. So all-zero draws count as identical draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import present

Floats = NDArray[np.floating]

# Draws that differ by less than a millionth of their length are one draw: the last bits of a
# float32 embedding depend on its batch, and what has no scale would take them for diversity.
ROUNDING = 1e-6


def pooled(embeddings: Floats) -> Floats:
    """The draws of all agents as one set: (..., N, L, D) -> (..., N L, D)."""
    *leading, N, L, D = np.shape(embeddings)
    return np.reshape(embeddings, (*leading, N * L, D))


def _points(points: Floats) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A copy with missing rows at 0, and which rows are present."""
    rows = np.array(points, dtype=np.float64)
    if rows.ndim < 2:
        raise ValueError(f"points have shape {rows.shape}; (..., P, D) is needed")
    there = present(rows)
    rows[~there] = 0.0
    return rows, there


def _scaled(points: NDArray[np.float64], axis: int | tuple[int, int]) -> NDArray[np.float64]:
    """Points over their largest entry along the axes, so that no square overflows or vanishes."""
    largest = np.abs(points).max(axis=axis, keepdims=True, initial=0.0)
    return np.asarray(np.divide(points, largest, out=np.zeros_like(points), where=largest > 0))


def _eigenvalues(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of rows @ rows.T that are not 0 for want of rank, (..., min(P, D)); none below 0."""
    flat = np.swapaxes(rows, -1, -2)
    gram = rows @ flat if rows.shape[-2] <= rows.shape[-1] else flat @ rows
    return np.asarray(np.maximum(np.linalg.eigvalsh(gram), 0.0))


def _exp_entropy(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-sum p log p) of values over their sum: (..., K) -> (...,); 0 where all values are 0."""
    total = values.sum(axis=-1, keepdims=True)
    shares = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.where(total[..., 0] > 0, np.exp(-np.sum(shares * logs, axis=-1)), 0.0)


def _directions(points: Floats) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unit vectors with one axis more, for zero vectors, missing rows at 0; how many are present.

    Their inner products are the cosines.
    """
    points, there = _points(points)
    rows = _scaled(points, axis=-1)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    zero = there[..., None] & (lengths == 0)
    return np.concatenate([rows, zero], axis=-1), there.sum(axis=-1)


def _known(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(counts > 0, values, np.nan)


def effective_rank(points: Floats) -> NDArray[np.float64]:
    """In how many directions draws differ: the effective rank of their covariance matrix.

    exp of the entropy of the eigenvalues of the covariance, divided by their sum: Roy & Vetterli
    2007, of the matrix S. (Its singular values are its eigenvalues: the squares of those of the
    centred draws, so their own effective rank would be larger.) Of the uncentred Gram matrix of
    cosines it is ``vendi_score``. d for draws spread evenly in d directions. It says nothing about
    how far draws differ: read tr S beside it.

    Returns:
        (...,), from 1 to min(P - 1, D). 0, the rank of a zero matrix, where draws do not differ:
        one draw, or a root mean square distance from their mean below a millionth of their length.
    """
    points, there = _points(points)
    rows = _scaled(points, axis=(-2, -1))
    power = np.sum(rows**2, axis=(-2, -1))
    counts = there.sum(axis=-1)
    means = rows.sum(axis=-2) / np.maximum(counts, 1)[..., None]
    rows -= means[..., None, :]
    rows[~there] = 0.0
    differ = np.sum(rows**2, axis=(-2, -1)) > ROUNDING**2 * power
    return _known(np.where(differ, _exp_entropy(_eigenvalues(rows)), 0.0), counts)


def vendi_score(points: Floats) -> NDArray[np.float64]:
    """The effective number of different draws (Friedman & Dieng 2023).

    exp of the entropy of the eigenvalues of K/P, K the P x P cosines.

    Returns:
        (...,), from 1 (identical draws, one draw) to P (orthogonal draws).
    """
    rows, counts = _directions(points)
    return _known(_exp_entropy(_eigenvalues(rows)), counts)


def gram_log_determinant(points: Floats, ridge: float = 1e-3) -> NDArray[np.float64]:
    """log det(I + G/ridge), G = K/P the cosines of P draws over their number: trace 1.

    The log-determinant of the Gram matrix as arXiv 2601.03385 watches it, made finite by a ridge
    [ours], in the form of a coding rate (Ma, Derksen, Hong, Wright 2007; without its factor 1/2).
    A direction with less than a share ``ridge`` of the whole hardly counts.

    Args:
        points: (..., P, D); a missing draw is NaN.
        ridge: above 0, as a share. Values of different ridges do not compare.

    Returns:
        (...,), from log(1 + 1/ridge) (identical draws, one draw; 6.909 by default) to
        P log(1 + 1/(P ridge)) (orthogonal draws). In nats.

    Raises:
        ValueError: the ridge is not a positive number.
    """
    if not 0 < ridge < np.inf:
        raise ValueError(f"ridge is {ridge}; a positive number is needed")
    rows, counts = _directions(points)
    values = _eigenvalues(rows) / np.maximum(counts, 1)[..., None]
    return _known(np.sum(np.log1p(values / ridge), axis=-1), counts)


def mean_cosine(points: Floats) -> NDArray[np.float64]:
    """The mean cosine of two different draws, over all pairs.

    Returns:
        (...,), from -1/(P - 1) to 1. 1 for identical draws, and for one draw, which has no pair.
    """
    rows, counts = _directions(points)
    pairs = np.sum(rows.sum(axis=-2) ** 2, axis=-1) - np.sum(rows**2, axis=(-2, -1))
    means = pairs / np.maximum(counts * (counts - 1), 1)
    return _known(np.where(counts == 1, 1.0, means), counts)
