"""The p-value of "the agents differ by the margin or more", of the draws of one step.

It is asymptotic in L, and made for far tails (``convergence`` asks for 8e-6 at t = 60). With
theta the unbiased ||D||^2, se its jackknife error, r = sqrt(max(theta, 0)), m the margin [ours]:

- On the scale of the norm, z = 2 r (m - r) / se, judged by Student's t with min_i L_i - 1
  degrees of freedom. On that of its square, (m^2 - theta) / se, se is small exactly where theta is
  too small by chance: true hypotheses were rejected 2 to 38 times too often at 1e-4. Where an agent
  has fewer different answers than half of its draws, z is taken sqrt(r/m) times: of counts the
  variance grows with the mean, so at the margin se is larger by sqrt(m/r).
- Near r = 0 this has no power, as the direction of a difference is not seen there. So it is taken
  to be the worst: with a the error along the difference, theta + var(a) = (m + a)^2 + q, where
  var(a) <= lambda = max_i 2 N lambda_1(S_i)/L_i, and q is the noise of the other directions, with
  variance <= 2 tau, tau = 4 N^2 sum_i tr(S_i^2)/L_i^2. For normal a and q no larger theta is seen
  with more than the probability of the half-plane at its likeliest point, which is at

    z^2 = min_u (m - u)^2 / lambda + max(u^2 - c, 0)^2 / (2 tau),   c = theta + lambda,

  because {(m + a)^2 + q <= c} is convex. p is the smaller of the two.
- Where an agent gives one answer over half of the time and fewer than ``FEW`` others, no such test
  holds: answers that are rare and far off were not seen, or seen too seldom. Then p is no less than
  P(Poisson(mu) <= K), mu = (L - 1) max(m - r, 0) / (2 rho sqrt(2 N)), with K the number of those
  agents' other answers, L the fewest of their draws, rho the radius of a ball that holds all
  embeddings: others of total probability u move an agent by at most 2 rho u, and so ||D|| by at
  most 2 rho sqrt(2 N) sum_i u_i. With all draws of all agents the same it is non-asymptotic; with
  rho not known, p is 1.

What it cannot see: one answer in twenty, far off, in a law that is otherwise broad
(docs/inference/convergence.md has its levels, and where they fail).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.inference.jackknife import Estimate, noise, over_queries
from lwd_agents.measures.geometry import present
from lwd_agents.seeding import generator

Floats = NDArray[np.floating]
FEW = 10  # other answers of an agent, beside its commonest, that a normal law asks for


class Judged(NamedTuple):
    """Tests of S sets of draws: p-values (S,), estimates, and which of them are concentrated."""

    p: NDArray[np.float64]
    found: Estimate
    concentrated: NDArray[np.bool_]


class _Answers(NamedTuple):
    others: int  # than the commonest, of agents that nearly always give one
    fewest: int | None  # draws of such an agent; None where there is none
    repeated: bool  # some agent gave fewer different answers than half of its draws


def judge_draws(embeddings: Floats, margin: float, radius: float | None = None) -> Judged:
    """The p-values of many sets of draws at once, as ``check_step`` has them of one.

    Args:
        embeddings: (S, Q, N, L, D); a missing draw is NaN.
        margin, radius: as in ``check_step``.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    found = over_queries(embeddings)
    p = np.full(len(embeddings), np.nan)
    concentrated = np.zeros(len(embeddings), dtype=np.bool_)
    known = np.isfinite(found.value) & np.isfinite(found.error) & (embeddings.shape[2] > 1)
    if not known.any():
        return Judged(p, found, concentrated)
    stacks = embeddings[known]
    answers = [_answers(one) for one in stacks]
    repeated = np.array([one.repeated for one in answers])
    df = present(stacks).sum(axis=-1).min(axis=(1, 2)) - 1
    inside = Estimate(found.value[known], found.error[known], df, found.spread[known])
    p[known] = _p_values(inside, margin, repeated, noise(stacks))
    for s, one in zip(np.flatnonzero(known), answers, strict=True):
        if one.fewest is not None:
            gap = margin - math.sqrt(max(found.value[s], 0.0))
            unseen = _unseen(gap, one.others, one.fewest, embeddings.shape[2], radius)
            p[s], concentrated[s] = max(p[s], unseen), True
    return Judged(p, found, concentrated)


def _p_values(
    found: Estimate,
    margin: float,
    repeated: NDArray[np.bool_],
    tau: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The smaller p-value of the two tests, by Student's t; see the module."""
    from scipy import stats

    r = np.sqrt(found.value.clip(min=0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(found.error > 0, 2 * r * (margin - r) / found.error, 0.0)
    z *= np.where(repeated, np.sqrt(r / margin), 1.0)
    z = np.maximum(z, _least_likely(found.value, margin, found.spread, tau))
    p: NDArray[np.float64] = stats.t.sf(np.where(found.value < margin**2, z, 0.0), found.df)
    return p


def _least_likely(
    theta: NDArray[np.float64],
    margin: float,
    spread: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """min_u of the module's docstring: its cubic has one root between sqrt(c) and m."""
    c = theta + spread
    possible = (c < margin**2) & (spread > 0)
    low, high = np.sqrt(c.clip(min=0.0)), np.full_like(c, margin)
    ratio = noise / np.where(spread > 0, spread, 1.0)
    for _ in range(60):
        u = (low + high) / 2
        above = u**3 + (ratio - c) * u > margin * ratio
        low, high = np.where(above, low, u), np.where(above, u, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.sqrt((margin - high) ** 2 / spread + (high**2 - c).clip(min=0.0) ** 2 / (2 * noise))
    certain = np.where((spread == 0) & (theta < margin**2), np.inf, 0.0)
    return np.where(possible, z, certain)


def _answers(embeddings: Floats) -> _Answers:
    """How one set of draws, (Q, N, L, D), repeats answers: equal ones are equal vectors."""
    weights = generator(0).standard_normal(embeddings.shape[-1])
    marks = np.sum(embeddings * weights, axis=-1)  # equal for equal vectors, and only for them
    others, fewest, repeated = 0, None, False
    for row in marks.reshape(-1, marks.shape[-1]):
        _, many = np.unique(row[~np.isnan(row)], return_counts=True)
        given, commonest = int(many.sum()), int(many.max())
        repeated |= 2 * len(many) < given
        if given - commonest < min(FEW, commonest):
            others += given - commonest
            fewest = given if fewest is None else min(fewest, given)
    return _Answers(others, fewest, repeated)


def _unseen(gap: float, others: int, draws: int, agents: int, radius: float | None) -> float:
    """P(Poisson(mu) <= others); 1 where the radius is not known."""
    from scipy import stats

    if radius is None or gap <= 0:
        return 1.0
    mean = (draws - 1) * gap / (2 * radius * math.sqrt(2 * agents))
    return float(stats.poisson.cdf(others, mean))
