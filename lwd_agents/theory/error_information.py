"""What the recursion of errors needs of other M-estimators, to first order (ours).

A fit that minimises a sum of smooth losses moves, for many rows, as

    theta_i' - theta* = S_i^-1 sum_j G_ij (theta_j - theta*) + S_i^-1 (sum of scores),

G_ij = m_ij times the expected second derivative of one row's loss at theta*, S_i = sum_j G_ij: the
labels that theta_j makes have their root at theta_j. The scores of m_ij rows have the covariance
m_ij K. So `error_recursion` serves as it is, with Gram matrices G and scatter K. For canonical
links (logistic, Poisson with a logarithm) K = G, the Fisher information, per row E[b''(x'theta*)
x x']; for Huber's loss they differ. Errors of relative order 1/m are left out, and grow with the
errors: where a learner collapses, the first rounds alone are right.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.errors import BadInput
from lwd_agents.theory.error_designs import Array, Blocks, Learners, Regime

Family = Literal["logistic", "poisson"]
_NODES = 120  # of the Gauss-Hermite rule


def fisher_information(
    family: Family, parameter: ArrayLike, designs: ArrayLike | None = None
) -> Array:
    """(d, d) the Fisher information of one row at the true parameter.

    Args:
        parameter: (d,) theta*.
        designs: (k, d) the rows, whose mean is taken. None: rows are N(0, I), and the expectation
            is a I + (c - a) u u', u = theta*/|theta*|, a = E b''(|theta*| z), c = E z^2
            b''(|theta*| z) over z ~ N(0, 1): by Gauss and Hermite's rule; Poisson is closed.

    Raises:
        BadInput: an unknown family, shapes, or a length above 30 (Poisson, rows N(0, I)).
    """
    if family not in get_args(Family):
        raise BadInput(f"family {family!r}: should be {' or '.join(get_args(Family))}")
    theta = np.asarray(parameter, dtype=np.float64)
    if theta.ndim != 1 or not len(theta) or not np.all(np.isfinite(theta)):
        raise BadInput(f"parameter of shape {theta.shape}: should be (d,), finite")
    if designs is not None:
        x = np.asarray(designs, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(theta) or not len(x):
            raise BadInput(f"designs of shape {x.shape}: should be (rows, {len(theta)})")
        return np.asarray(x.T @ (_curvature(family, x @ theta)[:, None] * x) / len(x))
    size = float(np.linalg.norm(theta))
    if family == "poisson":
        if size > 30:
            raise BadInput(f"a parameter of length {size:g}: Poisson means of rows overflow")
        across = float(np.exp(size**2 / 2))
        along = across * (1 + size**2)
    else:
        z, weight = np.polynomial.hermite_e.hermegauss(_NODES)
        curve = weight / np.sqrt(2 * np.pi) * _curvature(family, size * z)
        across, along = float(curve.sum()), float((curve * z * z).sum())
    unit = theta / size if size > 0 else theta
    return np.asarray(across * np.eye(len(theta)) + (along - across) * np.outer(unit, unit))


def logistic_inflation(parameter: ArrayLike, rows: int) -> float:
    """By which factor a logistic fit of so many rows N(0, I) lengthens the parameter, on average.

    To first order in 1/rows: with c the third derivative of the cumulant and h_r = x_r' I^-1 x_r,
    the bias of maximum likelihood is -1/2 I^-1 sum_r c(eta_r) h_r x_r (Cordeiro and McCullagh,
    1991); the expectations are over rows. Round by round the factors multiply, so real data must
    pull back more than they add.

    Raises:
        BadInput: a parameter of length 0 or of another shape, or no rows.
    """
    theta = np.asarray(parameter, dtype=np.float64)
    size = float(np.linalg.norm(theta))
    if theta.ndim != 1 or not 0 < size < np.inf or rows < 1:
        raise BadInput(f"parameter of length {size:g}, {rows} rows: should be above 0")
    z, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    share = 1 / (1 + np.exp(-size * z))
    second = share * (1 - share) * weight / np.sqrt(2 * np.pi)
    across, along = float(second.sum()), float((second * z * z).sum())
    leverage = z * z / along + (len(theta) - 1) / across
    bias = -float((second * (1 - 2 * share) * z * leverage).sum()) / (2 * along * rows)
    return 1 + bias / size


def huber_row(threshold: float, noise: float = 1.0) -> tuple[float, float]:
    """E psi'(e) and E psi(e)^2 for Huber's psi(e) = max(-k, min(k, e)), e ~ N(0, noise^2).

    Times E[x x'] they are one row's Gram matrix and scatter; a location has x = 1.

    Raises:
        BadInput: a threshold or noise that is not above 0.
    """
    from scipy.special import ndtr

    if not (threshold > 0 and noise > 0 and np.isfinite(noise)):
        raise BadInput(f"threshold {threshold}, noise {noise}: should be above 0")
    k = threshold / noise
    inside, tail = float(2 * ndtr(k) - 1), float(2 * ndtr(-k))
    density = float(np.exp(-k * k / 2) / np.sqrt(2 * np.pi))
    beyond = k * k * tail if np.isfinite(k) else 0.0
    edge = 2 * k * density if np.isfinite(k) else 0.0
    return inside, noise**2 * (inside - edge + beyond)


def asymptotic(
    rows: ArrayLike,
    gram: ArrayLike,
    scatter: ArrayLike | None = None,
    *,
    regime: Regime = "replace",
    weights: Array | None = None,
) -> Blocks:
    """The learners of an M-estimator as Gram matrices, for `error_recursion`.

    Args:
        rows: (n, n+1) m_ij, the last column real.
        gram: (d, d) of one row, such as `fisher_information`'s.
        scatter: (d, d) the covariance of one row's score; None: as gram.

    Raises:
        BadInput: shapes, a learner with no rows, a singular gram.
    """
    counts = Learners(np.asarray(rows), features=1).rows[:, :, None, None]
    one = np.asarray(gram, dtype=np.float64)
    other = one if scatter is None else np.asarray(scatter, dtype=np.float64)
    if one.ndim != 2 or one.shape[0] != one.shape[1] or other.shape != one.shape:
        raise BadInput(f"gram {one.shape} and scatter {other.shape}: should be (d, d)")
    return Blocks(counts * one, counts * other, regime, weights)


def _curvature(family: Family, eta: Array) -> Array:
    """b'' of the family's cumulant at the linear predictor."""
    if family == "poisson":
        return np.exp(eta)
    half = np.exp(-np.abs(eta))
    return np.asarray(half / (1 + half) ** 2)
