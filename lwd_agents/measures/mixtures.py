"""Gaussian mixtures on a line: densities, and points to draw histograms of.

Axes: B components, P points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents import seeding

Floats = NDArray[np.float64]


def density(x: ArrayLike, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> Floats:
    """sum_b pi_b N(x; mu_b, sigma_b^2) (arXiv 2506.15690, Eq. 3, d = 1).

    Args:
        x: (P,).
        weights, means, variances: (B,) each; one variance may serve all.

    Returns:
        (P,).
    """
    centred = np.asarray(x, dtype=np.float64)[:, None] - np.asarray(means, dtype=np.float64)
    variances = np.broadcast_to(np.asarray(variances, dtype=np.float64), centred.shape[1:])
    each = np.exp(-0.5 * centred**2 / variances) / np.sqrt(2 * np.pi * variances)
    return np.asarray(each @ np.asarray(weights, dtype=np.float64))


def sample(
    size: int, weights: ArrayLike, means: ArrayLike, variances: ArrayLike, *, key: int
) -> Floats:
    """Points of a mixture on a line, (size,): a function of the key.

    Args:
        size: how many.
        weights, means, variances: as in ``density``; the weights are normalised.
        key: of ``seeding.key``.
    """
    generator = seeding.generator(key)
    shares = np.asarray(weights, dtype=np.float64)
    means = np.asarray(means, dtype=np.float64)
    deviations = np.sqrt(np.broadcast_to(np.asarray(variances, dtype=np.float64), means.shape))
    chosen = generator.choice(len(means), size=size, p=shares / shares.sum())
    return means[chosen] + deviations[chosen] * generator.standard_normal(size)
