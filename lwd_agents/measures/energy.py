"""Distances between whole answer laws, not only their means: energy distance and MMD.

Two models with one mean may still answer differently: these see it. Both are 0 between equal laws
and positive between different ones. Energy distance is twice the squared MMD with the distance
kernel k(x, y) = (|x| + |y| - |x - y|)/2 (Sejdinovic, Sriperumbudur, Gretton, Fukumizu 2013), so it
needs no bandwidth and keeps the unit of the embeddings.

What is compared is the law of the answers to one reading each: the reading floor is in it.
Axes: N agents, L draws, D dimensions; P draws present, all agents together. A missing draw is a row
of NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import present

Floats = NDArray[np.floating]


def pooled_distances(embeddings: Floats) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """|x - y| of all draws present, and whose they are. Identical draws are exactly 0 apart.

    Args:
        embeddings: (N, L, D); a missing draw is NaN.

    Returns:
        distances (P, P), symmetric; the agent's index of each draw (P,), rising.
    """
    from scipy.spatial.distance import pdist, squareform

    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 3:
        raise ValueError(f"embeddings have shape {embeddings.shape}; (N, L, D) is needed")
    there = present(embeddings)
    owners = np.nonzero(there)[0]
    if len(owners) < 2:
        return np.zeros((len(owners), len(owners))), owners
    return squareform(pdist(embeddings[there])), owners


def _contrasts(
    values: NDArray[np.float64], owners: NDArray[np.intp], N: int, unbiased: bool
) -> NDArray[np.float64]:
    """mean v(X, X') + mean v(Y, Y') - 2 mean v(X, Y) of each pair of agents, (N, N).

    Unbiased: a draw is not paired with itself; NaN for an agent with fewer than two draws.
    """
    members = np.zeros((len(owners), N))
    members[np.arange(len(owners)), owners] = 1.0
    counts = members.sum(axis=0)
    sums = members.T @ values @ members
    own = np.diagonal(sums).copy()
    pairs = counts**2
    if unbiased:
        own -= members.T @ np.diagonal(values)
        pairs = counts * (counts - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(pairs > 0, own / pairs, np.nan)
        across = sums / np.outer(counts, counts)
    found = own[:, None] + own[None] - 2 * across
    np.fill_diagonal(found, np.where(np.isnan(own), np.nan, 0.0))
    return np.asarray((found + found.T) / 2)


def energy_distances(embeddings: Floats, *, unbiased: bool = True) -> NDArray[np.float64]:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of each pair of agents (Székely & Rizzo 2013).

    In the unit of the embeddings (not squared, no root taken: ``scipy.stats.energy_distance`` is
    the root of the biased one). Two estimates:

    - unbiased (the default, for reporting and for curves): the U-statistic, where a draw is not
      paired with itself. Signed: below 0 by chance where laws agree, and free of L. Average first.
    - biased: the V-statistic, over all pairs. Never below 0, and what permutation tests of the
      energy distance use; too large by E|X - X'|/L_i + E|Y - Y'|/L_j.

    Args:
        embeddings: (N, L, D); a missing draw is NaN.
        unbiased: which of the two.

    Returns:
        (N, N), symmetric with zero diagonal; 0 where all draws are identical; NaN in the rows and
        columns of an agent with fewer than two draws present (biased: with none).
    """
    values, owners = pooled_distances(embeddings)
    found = 0.0 - _contrasts(values, owners, len(embeddings), unbiased)
    return found if unbiased else np.maximum(found, 0.0)  # below 0 only by rounding


def median_bandwidth(distances: Floats) -> float:
    """The median heuristic: the median distance of two draws (Gretton et al. 2012, section 8).

    Args:
        distances: (P, P), of pooled draws.

    Returns:
        Above 0: where more than half of the pairs are identical, the median of the other pairs;
        where all are, 1 (no kernel sees a difference then).
    """
    pairs = distances[np.triu_indices(len(distances), 1)]
    for some in (pairs, pairs[pairs > 0]):
        if some.size and (median := float(np.median(some))) > 0:
            return median
    return 1.0


def mmd(embeddings: Floats, bandwidth: float | None = None) -> NDArray[np.float64]:
    """Squared MMD of each pair of agents, unbiased (Gretton et al. 2012, Lemma 6). Without unit.

    E k(X, X') + E k(Y, Y') - 2 E k(X, Y) with the Gaussian kernel
    k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)), a draw not paired with itself. Signed, as above.

    Args:
        embeddings: (N, L, D); a missing draw is NaN.
        bandwidth: in the unit of the embeddings; default ``median_bandwidth`` of all draws present.
            That default moves with the draws, and shrinks as they collapse, so a curve over steps
            needs one bandwidth for all of them.

    Returns:
        (N, N), symmetric with zero diagonal; 0 where all draws are identical; NaN in the rows and
        columns of an agent with fewer than two draws present.

    Raises:
        ValueError: the bandwidth is not a positive number.
    """
    if bandwidth is not None and not 0 < bandwidth < np.inf:
        raise ValueError(f"bandwidth is {bandwidth}; a positive number is needed")
    distances, owners = pooled_distances(embeddings)
    width = median_bandwidth(distances) if bandwidth is None else bandwidth
    kernel = np.exp(-0.5 * (distances / width) ** 2)
    return _contrasts(kernel, owners, len(embeddings), unbiased=True)
