"""Squared distances without their floors: between models, and from a human reference.

The plain estimate is too large: E||Xhat_i - Xhat_j||^2 = ||X_i - X_j||^2 + tr S_i/L_i + tr S_j/L_j
with L_i draws present (the draw floor), because the mean of few draws misses X_i. All estimates
here are unbiased, given the readings, for draws that are independent given the reading. So they
fall below 0 by chance where the truth is near 0. **Average first, take roots last**: an estimate
clipped at 0 is biased again, and so is every mean of such.

Axes: T steps, M readings, N agents, L draws, D dimensions; "..." is any number of leading axes. A
missing draw is a row of NaN. It is taken to be missing at random: a draw that is missing because
of what it would have said biases everything here. Identical draws have no spread, so no floor, and
are exactly 0 apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.measures.geometry import (
    collapse_norms,
    pairwise_distances,
    perspectives,
    present,
    within_spread,
)

Floats = NDArray[np.floating]


class _Agents(NamedTuple):
    means: NDArray[np.float64]  # Xhat_i: (..., N, D); NaN with no draw present
    errors: NDArray[np.float64]  # tr S_i / L_i, the variance of Xhat_i: (..., N); NaN with one


def _agents(embeddings: Floats) -> _Agents:
    """Perspectives and their variances.

    Each agent is centred on its first draw present before anything is summed: identical draws then
    have exactly no spread, and vectors far from 0 lose nothing to rounding.
    """
    embeddings = np.array(embeddings, dtype=np.float64)
    there = present(embeddings)
    embeddings[~there] = np.nan
    first = there.argmax(axis=-1)[..., None, None]
    origin = np.take_along_axis(embeddings, first, axis=-2)
    embeddings -= origin
    errors = within_spread(embeddings) / np.maximum(there.sum(axis=-1), 1)
    return _Agents(origin[..., 0, :] + perspectives(embeddings), errors)


def squared_distances(embeddings: Floats) -> NDArray[np.float64]:
    """||X_i - X_j||^2 of each pair, unbiased: the plain square less the draw floor [ours].

    ||Xhat_i - Xhat_j||^2 - tr S_i/L_i - tr S_j/L_j, with S_i the unbiased covariance of agent i's
    L_i present draws. Signed: below 0 by chance where models agree.

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.

    Returns:
        (..., N, N), symmetric with zero diagonal; NaN in the rows and columns of an agent with
        fewer than two draws present (its spread is not known).
    """
    means, errors = _agents(embeddings)
    squares = pairwise_distances(means) ** 2 - errors[..., :, None] - errors[..., None, :]
    same = np.arange(squares.shape[-1])
    squares[..., same, same] = np.where(np.isnan(errors), np.nan, 0.0)
    return squares


def draw_floor(embeddings: Floats) -> NDArray[np.float64]:
    """What the plain ||D||_F^2 has too much, in expectation: unbiased for it [ours].

    sum over i != j of (tr S_i/L_i + tr S_j/L_j) = 2 (N - 1) sum_i tr S_i/L_i.

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.

    Returns:
        (...,); NaN where an agent has fewer than two draws present. 0 at N = 1.
    """
    errors = _agents(embeddings).errors
    return np.asarray(2 * (errors.shape[-1] - 1) * errors.sum(axis=-1))


def squared_norm(embeddings: Floats, agents: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Between models: ||D||_F^2 without the draw floor, unbiased and signed [ours].

    The sum of ``squared_distances`` over ordered pairs, in O(N D). What it keeps is the distance of
    these readings: differences of what was read are in it (see ``reading_floor``).

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.
        agents: indices of those summed over; default all. The sum grows with their number, so a
            curve over steps needs the same agents at every step.

    Returns:
        (...,); NaN where one of the agents has fewer than two draws present: a sum over fewer
        pairs would pass for a fall. 0 at N = 1.
    """
    if agents is not None:
        embeddings = np.asarray(embeddings)[..., list(agents), :, :]
    means, errors = _agents(embeddings)
    floor = 2 * (errors.shape[-1] - 1) * errors.sum(axis=-1)
    return np.asarray(collapse_norms(means) ** 2 - floor)


def signed_root(x: ArrayLike) -> NDArray[np.float64]:
    """sign(x) sqrt|x|: an unbiased square on the scale of a distance, for display only.

    Not unbiased itself: take it of a mean, never the mean of it.
    """
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(np.sign(x) * np.sqrt(np.abs(x)))


def drift(embeddings: Floats, human: Floats) -> NDArray[np.float64]:
    """||Xbar - h||^2, unbiased: how far the models' mean is from a human reference [ours].

    Xbar is the mean of the N perspectives, h the reference, taken as fixed; the plain square less
    (1/N^2) sum_i tr S_i/L_i. Where h is the mean of H posts that are themselves a sample of human
    writing, their own tr S_h/H stays in it: the same at every step, so it cancels in a change over
    steps and in live minus placebo only if both use the same h.

    Args:
        embeddings: (..., N, L, D); a missing draw is NaN.
        human: (D,), or (H, D) human posts whose mean is h; a post that is NaN is left out.

    Returns:
        (...,); NaN where an agent has fewer than two draws present, or no post is there.

    Raises:
        ValueError: the reference has another dimension than the embeddings.
    """
    human = np.asarray(human, dtype=np.float64)
    D = np.shape(embeddings)[-1]
    if human.ndim not in (1, 2) or human.shape[-1] != D:
        raise ValueError(f"human has shape {human.shape}; ({D},) or (H, {D}) is needed")
    means, errors = _agents(embeddings)
    reference = perspectives(np.atleast_2d(human)[None])[0]
    apart = np.sum((means - reference).mean(axis=-2) ** 2, axis=-1)
    return np.asarray(apart - errors.sum(axis=-1) / errors.shape[-1] ** 2)


def _readings(embeddings: Floats) -> Floats:
    if np.ndim(embeddings) < 4:
        raise ValueError(
            f"embeddings have shape {np.shape(embeddings)}; (..., M, N, L, D) with M readings is "
            "needed"
        )
    return embeddings


class _Moments(NamedTuple):
    mean: NDArray[np.float64]  # (..., N, D)
    variance: NDArray[np.float64]  # tr Cov: (..., N); NaN for fewer than two
    counts: NDArray[np.int64]  # (..., N)


def _over_readings(x: Floats) -> _Moments:
    """Of vectors (..., M, N, D): moments over the M readings; one that is NaN is left out."""
    counts = present(x).sum(axis=-2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as wanted
        mean = np.nanmean(x, axis=-3)
    squares = np.nansum((x - mean[..., None, :, :]) ** 2, axis=(-3, -1))
    variance = np.where(counts > 1, squares / np.maximum(counts - 1, 1), np.nan)
    return _Moments(mean, variance, counts)


def model_squared_distances(embeddings: Floats) -> NDArray[np.float64]:
    """The squared distance between *models*, over readings: neither floor is in it [ours].

    The mean over pairs of readings r != s of (Xhat_ir - Xhat_jr) . (Xhat_is - Xhat_js), which is
    unbiased for ||E X_i - E X_j||^2, the expectation over readings: the factors have independent
    errors. It asks that readings r and s are drawn independently of each other, given A(t). It
    holds with readings of each agent's own and with readings shared by all agents. One draw a
    reading is enough. Signed. Equal to ||mean_r d_r||^2 - tr Cov_r(d_r)/M with
    d_r = Xhat_ir - Xhat_jr, which is how it is computed.

    Args:
        embeddings: (..., M, N, L, D), M >= 2 readings; a missing draw is NaN.

    Returns:
        (..., N, N), symmetric with zero diagonal. A reading counts for a pair where both agents
        have a draw present; NaN where fewer than two readings count.

    Raises:
        ValueError: no axis of readings.
    """
    X = _agents(_readings(embeddings)).means
    squares = np.empty((*X.shape[:-3], X.shape[-2], X.shape[-2]))
    for i in range(X.shape[-2]):
        mean, variance, counts = _over_readings(X - X[..., i : i + 1, :])
        squares[..., i, :] = np.sum(mean**2, axis=-1) - variance / np.maximum(counts, 1)
    return squares


def reading_floor(embeddings: Floats) -> NDArray[np.float64]:
    """rho_i: how much agent i's true mean varies with what it reads, unbiased [ours].

    tr Cov_r(Xhat_ir), with M - 1 below, less mean_r tr S_ir/L_ir: the variance between readings of
    their true means X_ir. It enters the plain square of one reading, each agent having its own, as

        E||Xhat_i - Xhat_j||^2 = ||E X_i - E X_j||^2 + rho_i + rho_j + tr S_i/L_i + tr S_j/L_j,

    so two copies of one model are rho_i + rho_j apart though no draw floor is left. With readings
    shared by all agents, tr Var(X_ir - X_jr) stands in the place of rho_i + rho_j: less where the
    agents move together. Signed: below 0 by chance where readings do not matter.

    Args:
        embeddings: (..., M, N, L, D), M >= 2 readings; a missing draw is NaN.

    Returns:
        (..., N); a reading counts where the agent has two draws present; NaN where fewer than two
        readings count.

    Raises:
        ValueError: no axis of readings.
    """
    means, errors = _agents(_readings(embeddings))
    means[np.isnan(errors)] = np.nan
    _, variance, counts = _over_readings(means)
    return np.asarray(variance - np.nansum(errors, axis=-2) / np.maximum(counts, 1))
