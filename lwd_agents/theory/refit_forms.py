"""Closed forms for refits: learners in self-loops, Gaussian refits, the golden ratio.

A fit counts from 1: the first is on real data, and is round t = 0 of `error_recursion`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput, BadLearner
from lwd_agents.theory.error_designs import Array, Designs, Learners, Regime, check_choices
from lwd_agents.theory.error_recursion import check_rounds


def self_loop_risk(
    m: int,
    features: int,
    fits: int,
    *,
    noise: float = 1.0,
    regime: Regime = "replace",
    designs: Designs = "redrawn",
) -> Array:
    """(fits,) the excess risk of a learner that refits m rows of its own labels, fit after fit.

    Excess risk: E(x'(theta - theta*))^2 at a new point x ~ N(0, I), without the point's own noise;
    that is E|theta - theta*|^2. Rows of designs are N(0, I), and expectations are over them, too.
    ``fixed``: the first fit's design is drawn once and comes again in every round. After g fits,
    with d features (arXiv 2404.01413, 2410.22812):

        replace, either design:  g s^2 d / (m-d-1)
        accumulate, fixed:       s^2 d / (m-d-1) sum_{i<=g} 1/i^2, at most pi^2/6 of one fit
        accumulate, redrawn:     s^2 sum_{i<=g} d / (i (i m - d - 1))

    Raises:
        BadInput: m < d + 2: the expectation is infinite.
    """
    check_choices(designs, regime)
    if features < 1 or m < features + 2:
        raise BadInput(f"{m} rows for {features} features: the risk is finite from d + 2 rows on")
    if fits < 1:
        raise BadInput(f"{fits} fits: should be 1 or more")
    i = np.arange(1, fits + 1)
    one = noise**2 * features / (m - features - 1)
    if regime == "replace":
        added = np.full(fits, one)
    elif designs == "fixed":
        added = one / i**2
    else:
        added = noise**2 * features / (i * (i * m - features - 1))
    return np.asarray(np.cumsum(added))


@dataclass(frozen=True, eq=False)
class GaussianMoments:
    """Expected means and covariances of Gaussians that are refitted, in units of the truth's.

    Attributes:
        mean: (T+1, n, n) U, E(mu_i - mu*)(mu_k - mu*)' = U_ik Sigma*.
        covariance: (T+1, n) tau, E Sigma_i = tau_i Sigma*. Below 1 it shrinks.
    """

    mean: Array
    covariance: Array


def gaussian_refits(
    rows: NDArray[np.int64], rounds: int, unbiased: bool = False
) -> GaussianMoments:
    """Means and covariances refitted to pooled samples of each other's Gaussians (ours; exact).

    Learner i fits m_ij points of N(mu_j, Sigma_j) and real ones, together; data is replaced. With
    w_ij = m_ij / m_i, real data with tau = 1 among the sources, and W without it,

        U(t+1) = W U W' + diag_i(sum_j w_ij tau_j / m_i)
        tau_i(t+1) = b_i ((1 - 1/m_i) sum_j w_ij tau_j + sum_j w_ij U_jj - (W U W')_ii)

    with b_i = 1 for the MLE and m_i / (m_i - 1) for the unbiased estimator. Alone with itself a
    learner's E Sigma after g fits is ((m-1)/m)^g Sigma* by the MLE, and Sigma* without bias, while
    its mean wanders off by tr Sigma*/m a fit.

    Args:
        rows: (n, n+1) m_ij, the last column real; at t = 0 learner i fits m_i real points.

    Raises:
        BadInput: shapes, or a learner with fewer than 2 points.
    """
    check_rounds(rounds)
    learners = Learners(rows, features=1)
    m = learners.rows.sum(axis=1)
    if m.min() < 2:
        raise BadLearner(int(np.argmin(m)), "has 1 point: no covariance")
    W, real = learners.shares[:, :-1], learners.shares[:, -1]
    scale = m / (m - 1) if unbiased else np.ones(len(m))
    U, tau = np.empty((rounds + 1, len(m), len(m))), np.empty((rounds + 1, len(m)))
    U[0], tau[0] = np.diag(1 / m), scale * (1 - 1 / m)
    for t in range(rounds):
        within, moved = W @ tau[t] + real, W @ U[t] @ W.T
        between = W @ np.diagonal(U[t]) - np.diagonal(moved)
        U[t + 1] = moved + np.diag(within / m)
        tau[t + 1] = scale * ((1 - 1 / m) * within + between)
    return GaussianMoments(U, tau)


def log_det_drift(m: int, dimensions: int, unbiased: bool = False) -> float:
    """What one refit adds to E log det Sigma, of a learner alone with itself.

    Sigma_g = Sigma_{g-1}^(1/2) (S / nu) Sigma_{g-1}^(1/2), S ~ Wishart_D(m-1), nu = m or m - 1, so
    the drift is sum_{i<=D} psi((m-i)/2) + D log(2/nu): below 0 for both, so that the determinant
    goes to 0 almost surely, even where E Sigma stays.

    Raises:
        BadInput: m <= D: the fitted covariance is singular.
    """
    from scipy.special import digamma

    if dimensions < 1 or m <= dimensions:
        raise BadInput(f"{m} points in {dimensions} dimensions: the fitted covariance is singular")
    nu = m - 1 if unbiased else m
    halves = (m - np.arange(1, dimensions + 1)) / 2
    return float(digamma(halves).sum() + dimensions * np.log(2 / nu))


def refit_wasserstein(m: int, fits: int, unbiased: bool = False) -> Array:
    """(fits,) E W_2^2 between a Gaussian on the line, refitted alone with itself, and the truth.

    Truth N(0, 1): W_2^2 = mu^2 + (sigma - 1)^2, so after g fits it is
    sum_{k<g} b^k / m + b^g + 1 - 2 c^g, b = E sigma_1^2 = (m-1)/nu, c = E sigma_1 =
    (2/nu)^(1/2) Gamma(m/2) / Gamma((m-1)/2). It grows for ever without bias (b = 1), and tends to
    2 for the MLE. Single paths converge: a mean over simulated ones is a poor test of it.

    Raises:
        BadInput: m < 2 or no fits.
    """
    from scipy.special import gammaln

    if m < 2 or fits < 1:
        raise BadInput(f"{m} points, {fits} fits: should be 2 or more, and 1 or more")
    nu = m - 1 if unbiased else m
    b = (m - 1) / nu
    c = np.sqrt(2 / nu) * np.exp(gammaln(m / 2) - gammaln((m - 1) / 2))
    g = np.arange(1, fits + 1)
    return np.asarray(np.cumsum(b ** (g - 1)) / m + b**g + 1 - 2 * c**g)


def weighted_variance(weight: float) -> float:
    """The stationary variance of w (fresh real fit) + (1-w) (fit to its own labels), fits alike.

    In units of one fit's variance: V = (w^2 + (1-w)^2) / (1 - (1-w)^2), inf at w = 0. Its least is
    at w^2 + w = 1, the golden ratio's inverse 0.618 (arXiv 2502.18049): 0.618, too.

    Raises:
        BadInput: a weight below 0 or above 1.
    """
    if not 0 <= weight <= 1:
        raise BadInput(f"a weight of {weight:g}: should be from 0 to 1")
    if weight == 0:
        return float("inf")
    rest = 1 - weight
    return (weight**2 + rest**2) / (1 - rest**2)
