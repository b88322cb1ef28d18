"""Many tests at once: adjusted p-values, and how many permutations a corrected level asks for.

NaN stands for a test that was not done; it takes no part: it is not counted, and stays NaN. What
is left out must be settled by the design (counts of draws), never by the outcome.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-9  # 3 * (1 / 60) must still count as 0.05


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment (Holm 1979): reject where it is at most alpha.

    adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)), p_(1) <= .. <= p_(m) the m tests done.
    The chance of one false rejection or more is at most alpha, whatever the tests' dependence.

    Args:
        p: (m,) p-values in [0, 1]; NaN = not tested.

    Returns:
        (m,) adjusted p-values, in the order given.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    p = _checked(p)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]  # NaN sorts last
    steps = np.minimum(1.0, np.arange(len(order), 0, -1) * p[order])
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def bonferroni(p: ArrayLike, tests: int | None = None) -> NDArray[np.float64]:
    """Bonferroni's adjustment, min(1, tests * p).

    Args:
        p: (m,) p-values in [0, 1]; NaN = not tested.
        tests: how many tests were named; by default those done, the entries that aren't NaN.

    Raises:
        ValueError: a p-value outside [0, 1], or fewer tests named than done.
    """
    p = _checked(p)
    done = int((~np.isnan(p)).sum())
    named = done if tests is None else tests
    if named < done:
        raise ValueError(f"tests={named}, but {done} were done: name them all")
    return np.minimum(1.0, named * p)


def least_permutations(alpha: float, tests: int) -> int:
    """The smallest B with 1 / (B + 1) <= alpha / tests: fewer can never reject.

    In exact fractions of the decimal that alpha is written as: 0.05 and one test give 19.

    Raises:
        ValueError: alpha is not in (0, 1), or there is no test.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha}: a level lies between 0 and 1")
    if tests < 1:
        raise ValueError(f"tests={tests}: at least one is needed")
    return math.ceil(tests / Fraction(str(float(alpha)))) - 1


def reaches(p: float, level: float) -> bool:
    """Whether p <= level, up to the rounding of a product; False for NaN."""
    return bool(p <= level * (1 + _ROUNDING))


def _checked(p: ArrayLike) -> NDArray[np.float64]:
    p = np.atleast_1d(np.asarray(p, dtype=np.float64))
    wrong = p[(p < 0) | (p > 1)]
    if p.ndim != 1 or len(wrong):
        found = f"{wrong[0]}" if len(wrong) else f"shape {p.shape}"
        raise ValueError(f"p-values: found {found}; a list of numbers from 0 to 1 is needed")
    return p
