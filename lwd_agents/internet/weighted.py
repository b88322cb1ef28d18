"""Exact draws without replacement: by weight, and by a number from each group. V posts, k drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def uniform(size: int, k: int, rng: np.random.Generator) -> Indices:
    """k of ``size`` indices: every k-subset and every order of it has the same probability."""
    return rng.choice(size, size=k, replace=False)


def successive(log_weights: NDArray[np.float64], k: int, rng: np.random.Generator) -> Indices:
    """k different indices, drawn one after the other in proportion to the weights still there.

    P(i_1, ..., i_k) = prod_j w_{i_j} / (W - w_{i_1} - ... - w_{i_{j-1}}), W the sum of all. The
    keys of Efraimidis and Spirakis (Information Processing Letters 97, 2006) have this law: u^(1/w)
    for uniform u, largest first. They are compared as log w - log(-log u), so that no ratio of
    weights over- or underflows. O(V + k log k).

    Args:
        log_weights: (V,) log w; -inf is a weight of zero, which is never drawn.

    Returns:
        (k,) in the order drawn.

    Raises:
        ValueError: a log weight is NaN or +inf, or fewer than k weights are positive.
    """
    positive = np.flatnonzero(log_weights != -np.inf)
    log_weights = log_weights[positive]
    if not np.isfinite(log_weights).all():
        raise ValueError("a weight is not a number, or infinite")
    if k > len(positive):
        raise ValueError(f"{k} draws asked of {len(positive)} positive weights")
    if k == 0:
        return np.empty(0, dtype=np.int64)
    noise = rng.gumbel(size=len(positive))
    keys = (log_weights - log_weights.max()) + noise
    least = np.partition(keys, len(keys) - k)[len(keys) - k]
    best = np.flatnonzero(keys >= least)
    # Far below the largest weight the noise is lost in rounding: equal keys are told by it alone,
    # so posts of equal weight stay equally likely.
    order = np.lexsort((-noise[best], -keys[best]))[:k]
    return np.asarray(positive[best[order]], dtype=np.int64)


def grouped(groups: Indices, counts: Indices, rng: np.random.Generator) -> Indices:
    """``counts[g]`` indices of each group g, uniformly, then all of them in a random order.

    Args:
        groups: (V,) the group of each index, 0 to G - 1.
        counts: (G,).

    Returns:
        (sum of counts,): every choice inside the groups and every order has the same probability.

    Raises:
        ValueError: a group has fewer than its count.
    """
    sizes = np.bincount(groups, minlength=len(counts))
    if (counts > sizes).any():
        raise ValueError(f"{counts.tolist()} draws asked of groups of {sizes.tolist()}")
    mixed = rng.permutation(len(groups))
    mixed = mixed[np.argsort(groups[mixed], kind="stable")]
    rank = np.arange(len(mixed)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rng.permutation(mixed[rank < np.repeat(counts, sizes)])


def even_counts(sizes: Indices, k: int, rng: np.random.Generator) -> Indices:
    """k shared out over groups as equally as their sizes allow, (G,).

    Everyone gets min(size, level) for the largest level that k allows; each of the remaining ones
    goes to another group that has more, chosen uniformly.

    Raises:
        ValueError: k is more than there is.
    """
    if k > sizes.sum():
        raise ValueError(f"{k} draws asked of groups of {sizes.tolist()}")
    low, high = 0, int(sizes.max(initial=0))  # the level is in low..high
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= k else (low, middle - 1)
    counts = np.minimum(sizes, low)
    longer = np.flatnonzero(sizes > low)
    counts[rng.choice(longer, size=k - int(counts.sum()), replace=False)] += 1
    return counts
