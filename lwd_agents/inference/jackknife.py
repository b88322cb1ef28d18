"""The standard error of the unbiased ||D||_F^2, from the draws of one step.

theta = sum over i != j of (||Xhat_i - Xhat_j||^2 - tr S_i/L_i - tr S_j/L_j) is a function of N
independent samples, so its variance is estimated by the jackknife of several samples (Arvesen,
Annals of Mathematical Statistics 40, 1969): one draw is left out at a time, agent by agent,

    Var(theta) ~ sum_i v_i,   v_i = (L_i - 1)/L_i sum_l (theta_(-il) - mean_l theta_(-il))^2.

Nothing is computed anew for a draw that is left out. With r_il = f_il - Xhat_i, Xbar the mean of
the perspectives, and the mean over l taken off the last term [ours],

    theta_(-il) - mean_l = -4/(L_i - 1) (N r_il . (Xhat_i - Xbar) - (N - 1)/(L_i - 2) ||r_il||^2).

It is asymptotic in L, and conditional on the readings: the draws of a step are i.i.d. given what
was read; how much the readings matter is not in it. Where all agents agree theta is degenerate:
the jackknife is then about twice the variance (Efron and Stein 1981: its bias is upward).

Where answers vary mostly along one axis the jackknife does not suffice: near 0 it is small where
theta is too small by chance. So the largest variance along a direction is carried too [ours],

    lambda = max_i 2 N lambda_1(S_i) / (Q L_i),   Q queries, lambda_1 the largest eigenvalue,

which is no less than the variance of the estimated stack sqrt(2 N / Q) (Xhat_i - Xbar), whose
squared length is the norm's, along any one direction: its covariance is a projection of
2 N / Q diag(S_i / L_i).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures import unbiased
from lwd_agents.measures.geometry import present

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """||D||_F^2 of one or many steps, each array (...,).

    Attributes:
        value: unbiased and signed; NaN where an agent has fewer than two draws present.
        error: its standard error given the readings; NaN where an agent has fewer than three. 0
            where each agent's draws are all the same: that says nothing of answers not seen.
        df: degrees of freedom of the error (Satterthwaite), between min_i L_i - 1 and
            sum_i (L_i - 1); NaN where the error is.
        spread: lambda, the largest variance of the estimated D along a direction; NaN where the
            value is, 0 where each agent's draws are all the same, and for N = 1.
    """

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    df: NDArray[np.float64]
    spread: NDArray[np.float64]


def estimate(embeddings: Floats) -> Estimate:
    """||D||_F^2 of each step with its jackknife standard error, in O(N L D) a step.

    Its spread takes O(N L D min(L, D)).

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN. N = 1 has the value 0 and the error 0.
    """
    parts, counts = _parts(embeddings)
    spread = _spread(np.asarray(embeddings)[..., None, :, :, :])
    return _combined(unbiased.squared_norm(embeddings), parts, counts, spread)


def over_queries(embeddings: Floats) -> Estimate:
    """The same of several queries: D is their root mean square, so theta is the mean over them.

    The draws of different queries are independent given the readings, so variances add up.

    Args:
        embeddings: (..., Q, N, L, D); a missing draw is NaN.
    """
    parts, counts = _parts(embeddings)
    value = np.mean(unbiased.squared_norm(embeddings), axis=-1)
    queries = parts.shape[-2]
    shape = (*parts.shape[:-2], -1)
    counts = counts.reshape(shape)
    return _combined(value, parts.reshape(shape) / queries**2, counts, _spread(embeddings))


def noise(embeddings: Floats) -> NDArray[np.float64]:
    """tau = 4 N^2 / Q^2 sum_i tr(S_i^2) / L_i^2, (...,): half the variance of the estimated ||D||^2
    of (..., Q, N, L, D) where all agents' means agree and answers are normal."""
    return np.asarray(np.sum(_products(embeddings) ** 2, axis=(-4, -3, -2, -1)))


def residuals(embeddings: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f_il - Xhat_i (..., N, L, D), 0 for a missing draw; and Xhat_i less that of agent 0.

    Each agent is centred on its first draw present, so identical draws have residuals of exactly 0,
    and vectors far from 0 lose nothing to rounding.
    """
    embeddings = np.array(embeddings, dtype=np.float64)
    if embeddings.ndim < 3:
        raise ValueError(f"embeddings have shape {embeddings.shape}; (..., N, L, D) is needed")
    there = present(embeddings)
    first = there.argmax(axis=-1)[..., None, None]
    origin = np.take_along_axis(embeddings, first, axis=-2)
    embeddings = np.where(there[..., None], embeddings - origin, 0.0)
    counts = np.maximum(there.sum(axis=-1), 1)[..., None, None]
    means = embeddings.sum(axis=-2, keepdims=True) / counts
    rows = np.where(there[..., None], embeddings - means, 0.0)
    apart = (origin - origin[..., :1, :, :]) + (means - means[..., :1, :, :])
    return rows, apart[..., 0, :]


def _parts(embeddings: Floats) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """v_i and L_i of each agent, both (..., N); v_i is NaN where L_i < 3, and 0 at N = 1."""
    rows, apart = residuals(embeddings)
    there = present(np.asarray(embeddings))
    counts = there.sum(axis=-1)
    n = rows.shape[-3]
    L = np.maximum(counts, 3)[..., None]
    centred = apart - apart.mean(axis=-2, keepdims=True)
    squares = np.sum(rows**2, axis=-1)
    mean = squares.sum(axis=-1, keepdims=True) / np.maximum(counts, 1)[..., None]
    pulled = n * np.einsum("...ld,...d->...l", rows, centred)
    moved = np.where(there, pulled - (n - 1) / (L - 2) * (squares - mean), 0.0)
    variance = 16 / (L[..., 0] * (L[..., 0] - 1)) * np.sum(moved**2, axis=-1)
    return np.where(counts > 2, variance, 0.0 if n == 1 else np.nan), counts


def _spread(embeddings: Floats) -> NDArray[np.float64]:
    """lambda of (..., Q, N, L, D), (...,)."""
    embeddings = np.asarray(embeddings)
    if embeddings.shape[-3] == 1:
        return np.zeros(embeddings.shape[:-4])
    largest = np.linalg.eigvalsh(_products(embeddings))[..., -1].clip(min=0.0)
    known = (present(embeddings).sum(axis=-1) > 1).all(axis=(-2, -1))
    return np.asarray(np.where(known, largest.max(axis=(-2, -1)), np.nan))


def _products(embeddings: Floats) -> NDArray[np.float64]:
    """Symmetric matrices with the nonzero eigenvalues of 2 N S_i / (Q L_i), of (..., Q, N, L, D).

    If L <= D they are the L x L products of residuals, which have the same ones.
    """
    rows, _ = residuals(embeddings)
    queries, agents = rows.shape[-4:-2]
    counts = present(np.asarray(embeddings)).sum(axis=-1)
    scale = 2 * agents / (queries * np.maximum(counts * (counts - 1), 1))
    turned = np.swapaxes(rows, -1, -2)
    few = rows.shape[-2] <= rows.shape[-1]
    return np.asarray((rows @ turned if few else turned @ rows) * scale[..., None, None])


def _combined(
    value: NDArray[np.float64],
    parts: NDArray[np.float64],
    counts: NDArray[np.int64],
    spread: NDArray[np.float64],
) -> Estimate:
    """The sum of independent parts; Satterthwaite's degrees of freedom, free of their scale."""
    total = parts.sum(axis=-1)
    shares = parts / np.where(total > 0, total, 1.0)[..., None]
    free = np.maximum(counts - 1, 1)
    weights = np.sum(shares**2 / free, axis=-1)
    fewest = free.min(axis=-1)
    df = np.where(total > 0, 1 / np.where(weights > 0, weights, 1.0), fewest)
    df = np.where(np.isnan(total), np.nan, df)
    return Estimate(np.asarray(value), np.asarray(np.sqrt(total)), np.asarray(df), spread)
