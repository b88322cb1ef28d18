"""Gaussian mixtures: densities and points of those on a line, spread and diversity of any.

Axes: N models, B components, P points, d coordinates of a point.
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


def spread(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Floats:
    """tr S_i: the trace of each mixture's covariance, what ``within`` is to language models.

    sum_b w_b (tr Sigma_b + ||mu_b - m||^2) with m = sum_b w_b mu_b; the weights are taken over
    their sum, which Algorithm 2 lets drift by O(epsilon).

    Args:
        weights: (..., N, B).
        means: (B, d), or (..., N, B, d) where they move.
        covariances: (d, d) of all components, or (..., N, B, d, d).

    Returns:
        (..., N).
    """
    shares = _shares(weights)
    means = np.broadcast_to(
        np.asarray(means, dtype=np.float64), (*shares.shape, np.shape(means)[-1])
    )
    centre = np.einsum("...b,...bd->...d", shares, means)
    apart = np.sum((means - centre[..., None, :]) ** 2, axis=-1)
    traces = np.trace(np.asarray(covariances, dtype=np.float64), axis1=-2, axis2=-1)
    return np.asarray(np.sum(shares * (traces + apart), axis=-1))


def effective_components(weights: ArrayLike) -> Floats:
    """exp of the entropy of each mixture's weights: how many components it uses, 1 to B.

    Args:
        weights: (..., N, B).

    Returns:
        (..., N).
    """
    shares = _shares(weights)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return np.asarray(np.exp(-np.sum(shares * logs, axis=-1)))


def _shares(weights: ArrayLike) -> Floats:
    weights = np.asarray(weights, dtype=np.float64)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
