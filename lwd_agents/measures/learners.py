"""What learners' parameters show: perspectives, errors, spreads.

A parameter is theta (d,), or of a Gaussian its mean and its covariance, (d + d^2,). Axes: n
learners, d features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def perspectives(parameters: Floats, kind: str, d: int) -> Floats:
    """X_i, whose Euclidean distances are those of the learners: (..., P).

    Of regressions and locations it is the parameter. Of Gaussians it is the mean and the root of
    the covariance, (mu, Sigma^1/2): their distance is the Wasserstein distance W_2 where the
    covariances commute (so in one dimension), and else at least as large.

    Args:
        parameters: (..., P).
        kind: the estimator.
        d: features.
    """
    if kind != "gaussian":
        return parameters
    covariances = parameters[..., d:].reshape(*parameters.shape[:-1], d, d)
    values, vectors = np.linalg.eigh(covariances)
    roots = np.sqrt(np.maximum(values, 0.0))[..., None, :]
    root = (vectors * roots) @ np.swapaxes(vectors, -1, -2)
    flat = root.reshape(*parameters.shape[:-1], d * d)
    return np.concatenate([parameters[..., :d], flat], axis=-1)


def errors(X: Floats, truth: Floats) -> Floats:
    """|X - truth|^2, (...,), of perspectives (..., P)."""
    return np.asarray(np.sum((X - truth) ** 2, axis=-1))


def spreads(parameters: Floats, d: int) -> Floats:
    """tr Sigma_i of Gaussians, (..., n), from parameters (..., n, P)."""
    return np.asarray(parameters[..., d :: d + 1].sum(axis=-1))
