"""Has a network converged? An equivalence test at every step, and a rule to stop by.

At step t the null hypothesis is that agents differ, H0,t: ||D(t)|| >= margin (Frobenius norm, D of
the answer laws given the step's readings). It is rejected at the level

    alpha_t = alpha 6 / (pi^2 (t + 1)^2),     so that sum_t alpha_t = alpha over any horizon,

and a network is called converged after ``window`` rejections in a row. Steps of one run are not
independent, and need not be: given the past and the readings of a step its draws are i.i.d., so
P(any rejection of a true H0,t, ever) <= sum_t alpha_t, if each test keeps its level.

The p-value of a step is asymptotic in L, and made for far tails (alpha_t is 8e-6 at t = 60). With
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
  rho not known, p is 1. So L draws that are all the same reject only from about
  L = 1 + 2 rho sqrt(2 N) log(1/alpha_t) / m on.

What it cannot see: one answer in twenty, far off, in a law that is otherwise broad
(docs/inference/convergence.md has its levels, and where they fail).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.jackknife import Estimate, over_queries, residuals
from lwd_agents.measures.geometry import present
from lwd_agents.seeding import generator

Floats = NDArray[np.floating]
FEW = 10  # other answers of an agent, beside its commonest, that a normal law asks for


@dataclass(frozen=True)
class StepTest:
    """The test of one step.

    Attributes:
        t: the step.
        estimate, error: ||D||_F^2, unbiased, and its standard error; NaN where they are not known.
        p: of H0,t; NaN where it cannot be computed, which rejects nothing.
        level: alpha_t.
        rejected: p <= level: the norm is shown to be below the margin.
        concentrated: some agent gave one answer nearly always, so that the bound on answers not
            seen was used.
    """

    t: int
    estimate: float
    error: float
    p: float
    level: float
    rejected: bool
    concentrated: bool


class Judged(NamedTuple):
    """Tests of S sets of draws: p-values (S,), estimates, and which of them are concentrated."""

    p: NDArray[np.float64]
    found: Estimate
    concentrated: NDArray[np.bool_]


class _Answers(NamedTuple):
    others: int  # than the commonest, of agents that nearly always give one
    fewest: int | None  # draws of such an agent; None where there is none
    repeated: bool  # some agent gave fewer different answers than half of its draws


@dataclass(frozen=True)
class Row:
    """How many rejections stand in a row after a step, and the step at which they first sufficed.

    Attributes:
        length: rejections in a row, up to the last step taken in.
        at: the first step with ``window`` of them, None before it; it stays.
    """

    length: int = 0
    at: int | None = None

    def after(self, t: int, rejected: bool, window: int) -> Row:
        """With one more step; one that is not rejected, or not known, breaks the row."""
        length = self.length + 1 if rejected else 0
        return Row(length, t if self.at is None and length >= window else self.at)


@dataclass(frozen=True)
class Convergence:
    """What all steps of a run say.

    Attributes:
        tests: one a step.
        margin, alpha, window: as declared.
        at: the first step with ``window`` rejections in a row; None if there is none.
        fresh: the first and last of the ``window`` steps after it, which alone may be tested
            further; None if it has not converged.
        assumes: what the claim rests on.
    """

    tests: tuple[StepTest, ...]
    margin: float
    alpha: float
    window: int
    at: int | None
    fresh: tuple[int, int] | None
    assumes: str = (
        "asymptotic in L, given the readings; no agent has answers that are rare and far off"
    )


def default_margin(agents: int) -> float:
    """0.1 n sqrt(2): a tenth of the most that ||D||_F of n unit vectors can be [ours]."""
    return 0.1 * agents * math.sqrt(2)


def level(t: int, alpha: float) -> float:
    """alpha_t = alpha 6 / (pi^2 (t + 1)^2), which sums to alpha over t = 0, 1, ..."""
    return alpha * 6 / (math.pi**2 * (t + 1) ** 2)


def check(margin: float, window: int, alpha: float) -> None:
    """Refuse what no test can be made with.

    Raises:
        BadInput: naming the value and what would be right.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise BadInput(f"margin: {margin}: a length of ||D||_F above 0 is needed")
    if window < 1:
        raise BadInput(f"window: {window}: at least 1 step in a row is needed")
    if not 0 < alpha < 1:
        raise BadInput(f"alpha: {alpha}: a level between 0 and 1 is needed")


def draws_needed(t: int, margin: float, agents: int, alpha: float, radius: float = 1.0) -> int:
    """L at which draws that are all the same reject at step t (the module's bound) [ours]."""
    needed = 2 * radius * math.sqrt(2 * agents) * -math.log(level(t, alpha)) / margin
    return 1 + math.ceil(needed)


def check_step(
    embeddings: Floats, t: int, margin: float, alpha: float = 0.05, radius: float | None = None
) -> StepTest:
    """The test of one step.

    Args:
        embeddings: (Q, N, L, D), one stack for each query; a missing draw is NaN.
        t: the step.
        margin: ||D||_F from which agents differ; over several queries D is their root mean square.
        alpha: the level of the whole run.
        radius: rho, of a ball about 0 that holds all embeddings, known in advance (1 for
            normalised ones); None where it is not known.

    Returns:
        p is NaN with fewer than two agents, and where an agent has fewer than three draws present.
    """
    judged = judge_draws(np.asarray(embeddings)[None], margin, radius)
    theta, error, p = (float(a[0]) for a in (judged.found.value, judged.found.error, judged.p))
    here = level(t, alpha)
    return StepTest(t, theta, error, p, here, bool(p <= here), bool(judged.concentrated[0]))


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
    inside = Estimate(found.value[known], found.error[known], df)
    p[known] = _p_values(inside, margin, repeated, *_worst(stacks))
    for s, one in zip(np.flatnonzero(known), answers, strict=True):
        if one.fewest is not None:
            gap = margin - math.sqrt(max(found.value[s], 0.0))
            unseen = _unseen(gap, one.others, one.fewest, embeddings.shape[2], radius)
            p[s], concentrated[s] = max(p[s], unseen), True
    return Judged(p, found, concentrated)


def follow(
    steps: Iterable[Floats],
    margin: float,
    *,
    window: int = 5,
    alpha: float = 0.05,
    radius: float | None = None,
) -> Convergence:
    """The tests of all steps of a run, t = 0, 1, ..., and whether it has converged.

    Args:
        steps: of each step the embeddings (Q, N, L, D), as for ``check_step``.
        margin, window, alpha, radius: see the module.

    Raises:
        BadInput: a margin, window or level that cannot be.
    """
    check(margin, window, alpha)
    tests = tuple(check_step(E, t, margin, alpha, radius) for t, E in enumerate(steps))
    return conclude(tests, margin, window, alpha)


def conclude(
    tests: Sequence[StepTest], margin: float, window: int = 5, alpha: float = 0.05
) -> Convergence:
    """What tests of single steps, in order, say together."""
    row = Row()
    for test in tests:
        row = row.after(test.t, test.rejected, window)
    fresh = None if row.at is None else (row.at + 1, row.at + window)
    return Convergence(tuple(tests), margin, alpha, window, row.at, fresh)


def converged_exactly(norms: Floats, margin: float, window: int = 5) -> NDArray[np.int64]:
    """Where D is known exactly (the weights of a numeric world): the norm itself, no test.

    Args:
        norms: (R, T + 1) of ||D(t)||_F.
        margin: the norm that counts as agreement, itself included.
        window: how many steps in a row.

    Returns:
        (R,) the first step with ``window`` in a row; -1 where there is none. NaN breaks a row.

    Raises:
        BadInput: a margin or window that cannot be.
    """
    check(margin, window, 0.5)
    below = np.asarray(norms, dtype=np.float64) <= margin
    length = np.zeros(len(below), dtype=np.int64)
    at = np.full(len(below), -1, dtype=np.int64)
    for t in range(below.shape[1]):
        length = np.where(below[:, t], length + 1, 0)
        at = np.where((at < 0) & (length >= window), t, at)
    return at


def _p_values(
    found: Estimate,
    margin: float,
    repeated: NDArray[np.bool_],
    spread: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The smaller p-value of the two tests, by Student's t; see the module."""
    from scipy import stats

    r = np.sqrt(found.value.clip(min=0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(found.error > 0, 2 * r * (margin - r) / found.error, 0.0)
    z *= np.where(repeated, np.sqrt(r / margin), 1.0)
    z = np.maximum(z, _least_likely(found.value, margin, spread, noise))
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


def _worst(embeddings: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """lambda and tau of (S, Q, N, L, D), each (S,): the worst direction, and the noise at 0.

    The covariance of sqrt(2 N) (Xhat - Xbar) is at most 2 N diag(S_i/L_i), as a projection. Each
    S_i is looked at by the L x L products of its residuals, which have its eigenvalues, if L <= D.
    """
    rows, _ = residuals(embeddings)
    queries, agents = rows.shape[1:3]
    counts = present(embeddings).sum(axis=-1)
    scale = 2 * agents / (queries * counts * np.maximum(counts - 1, 1))
    turned = np.swapaxes(rows, -1, -2)
    few = rows.shape[-2] <= rows.shape[-1]
    products = (rows @ turned if few else turned @ rows) * scale[..., None, None]
    values = np.linalg.eigvalsh(products)
    return values[..., -1].max(axis=(1, 2)).clip(min=0.0), np.sum(values**2, axis=(1, 2, 3))


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
