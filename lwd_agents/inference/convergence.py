"""Has a network converged? An equivalence test at every step, and a rule to stop by.

At step t the null hypothesis is that agents differ, H0,t: ||D(t)|| >= margin (Frobenius norm, D of
the answer laws given the step's readings). It is rejected at the level

    alpha_t = alpha 6 / (pi^2 (t + 1)^2),     so that sum_t alpha_t = alpha over any horizon,

and a network is called converged after ``window`` rejections in a row. Steps of one run are not
independent, and need not be: given the past and the readings of a step its draws are i.i.d., so
P(any rejection of a true H0,t, ever) <= sum_t alpha_t, if each test keeps its level.

The p-value of a step, and what it cannot see, is in ``equivalence``. L draws that are all the same
reject only from about L = 1 + 2 rho sqrt(2 N) log(1/alpha_t) / margin on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.equivalence import judge_draws

Floats = NDArray[np.floating]


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
    """L at which draws that are all the same reject at step t (``equivalence``) [ours]."""
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
