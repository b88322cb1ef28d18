"""The geometry of a network at one step: perspectives X, distances D, the collapse norm.

Axes: N agents, L draws, D dimensions; "..." is any number of leading axes (steps, replicates). A
missing draw is a row of NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def present(embeddings: Floats) -> NDArray[np.bool_]:
    """Which draws are there: those without a NaN.

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.

    Returns:
        (..., N, L).
    """
    return np.asarray(~np.isnan(embeddings).any(axis=-1), dtype=np.bool_)


def perspectives(embeddings: Floats) -> NDArray[np.float64]:
    """X_i = mean over the present draws of agent i's embeddings (arXiv 2506.15690, Eq. 1).

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.

    Returns:
        (..., N, D); a row of NaN for an agent with no draw present.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim < 3:
        raise ValueError(f"embeddings have shape {embeddings.shape}; (..., N, L, D) is needed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as wanted
        return np.asarray(np.nanmean(embeddings, axis=-2), dtype=np.float64)


def distances(X: Floats) -> NDArray[np.float64]:
    """D_ij = ||X_i - X_j||_2 (arXiv 2506.15690, Eq. 2).

    Differences are taken before squares, so equal rows give exactly 0.

    Args:
        X: (N, D).

    Returns:
        (N, N), symmetric with zero diagonal; NaN in the rows and columns of a NaN row of X.
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2:
        raise ValueError(f"perspectives have shape {X.shape}; (N, D) is needed")
    D = np.empty((len(X), len(X)))
    for i, row in enumerate(X):
        D[i] = np.sqrt(np.sum((X - row) ** 2, axis=1))
    return D


def collapse_norm(D: Floats) -> float:
    """||D||_F, the collapse signal; NaN where an agent has no perspective.

    Args:
        D: (N, N). Every pair counts twice, as in the Frobenius norm.
    """
    return float(np.sqrt(np.sum(np.square(np.asarray(D, dtype=np.float64)))))


def over_queries(D: Sequence[Floats]) -> NDArray[np.float64]:
    """The distances over several queries: D_ij = sqrt(mean_q D_ij(q)^2) [ours].

    So one query gives its own D, and the scale does not grow with their number.

    Args:
        D: (N, N) for each query.
    """
    stack = np.asarray(D, dtype=np.float64)
    return stack[0] if len(stack) == 1 else np.asarray(np.sqrt(np.mean(stack**2, axis=0)))


def pairwise_distances(X: Floats) -> NDArray[np.float64]:
    """D of many networks at once (arXiv 2506.15690, Eq. 2 and 4).

    Args:
        X: (..., N, D).

    Returns:
        (..., N, N), as ``distances`` of each (N, D).
    """
    X = np.asarray(X, dtype=np.float64)
    D = np.empty((*X.shape[:-1], X.shape[-2]))
    for i in range(X.shape[-2]):
        D[..., i, :] = np.sqrt(np.sum((X - X[..., i : i + 1, :]) ** 2, axis=-1))
    return D


def collapse_norms(X: Floats) -> NDArray[np.float64]:
    """||D||_F of many networks at once, without D: O(N D) each.

    sum_ij ||X_i - X_j||^2 = 2 N sum_i ||X_i - mean||^2; centred before squaring, so equal rows give
    0 and nothing cancels.

    Args:
        X: (..., N, D).

    Returns:
        (...,); NaN where a row of X has one.
    """
    X = np.asarray(X, dtype=np.float64)
    centred = X - X[..., :1, :]
    centred -= centred.mean(axis=-2, keepdims=True)
    return np.asarray(np.sqrt(2 * X.shape[-2] * np.sum(centred**2, axis=(-2, -1))))


def within_spread(embeddings: Floats) -> NDArray[np.float64]:
    """tr S_i: the trace of the unbiased covariance of each agent's draws.

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.

    Returns:
        (..., N); NaN for an agent with fewer than two draws present.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    counts = present(embeddings).sum(axis=-1)
    centred = embeddings - perspectives(embeddings)[..., None, :]
    squares = np.nansum(centred**2, axis=(-2, -1))
    return np.where(counts > 1, squares / np.maximum(counts - 1, 1), np.nan)


def classical_mds(points: Floats, dimensions: int = 2) -> NDArray[np.float64]:
    """Classical (Torgerson) MDS of points' Euclidean distances, by scikit-learn.

    Args:
        points: (P, D), no NaN.
        dimensions: how many coordinates to keep.

    Returns:
        (P, dimensions), centred; axes beyond the rank of the points are 0. The sign of each axis
        is fixed (the entry largest in size is positive), so equal input gives equal figures.
    """
    from sklearn.manifold import ClassicalMDS
    from sklearn.metrics import pairwise_distances

    points = np.asarray(points, dtype=np.float64)
    out = np.zeros((len(points), dimensions))
    kept = min(dimensions, len(points) - 1)
    spread = pairwise_distances(points) if len(points) else np.zeros((0, 0))
    if kept < 1 or not spread.any():
        return out
    mds = ClassicalMDS(n_components=kept, metric="precomputed")
    coordinates = np.nan_to_num(mds.fit_transform(spread))
    largest = np.abs(coordinates).argmax(axis=0)
    signs = np.where(coordinates[largest, np.arange(kept)] < 0, -1.0, 1.0)
    out[:, :kept] = coordinates * signs
    return out
