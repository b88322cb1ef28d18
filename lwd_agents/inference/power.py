"""Power of a test over matched pairs, and the least number of pairs that reaches one."""

from __future__ import annotations

from math import sqrt

import numpy as np

from lwd_agents.inference.collapse import LEAST
from lwd_agents.seeding import generator

_MOST = 100_000  # pairs; what needs more is reported as out of reach
_FLIPPED = 12  # up to so many pairs the sign-flip's power is simulated, beyond it is the t test's
_SIMULATED = 4000


def t_power(effect: float, variance: float, pairs: int, level: float) -> float:
    """Power of the one-sided t test: P(T > t_(1-level)), T noncentral with sqrt(R) effect / sd."""
    from scipy.stats import nct, t

    if variance == 0.0:
        return 1.0
    noncentrality = sqrt(pairs / variance) * effect
    critical = float(t.ppf(1 - level, pairs - 1))
    return (
        1.0
        if noncentrality > 30.0 + critical
        else float(nct.sf(critical, pairs - 1, noncentrality))
    )


def flip_power(effect: float, variance: float, pairs: int, level: float, key: int = 0) -> float:
    """Power of the one-sided sign-flip test, simulated: 4,000 samples of normal differences.

    With few pairs it is below the t test's: with six it rejects only where all have one sign.

    Args:
        pairs: 12 at most; 2^pairs patterns are compared for each sample.
    """
    if variance == 0.0:
        return 1.0
    samples = generator(key).standard_normal((_SIMULATED, pairs)) + effect / sqrt(variance)
    most = int(level * 2**pairs + 1e-9)
    rejected = 0
    for part in np.array_split(samples, 16):
        sums = np.zeros((len(part), 1))
        for x in part.T[:, :, None]:
            sums = np.concatenate([sums + x, sums - x], axis=1)
        rejected += int(((sums >= sums[:, :1]).sum(axis=1) <= most).sum())
    return rejected / _SIMULATED


def least_pairs(
    effect: float, variance: float, level: float, power: float = 0.8, key: int = 0
) -> int | None:
    """The least R >= 6 at which a mean delta of this size is found; None beyond 100,000.

    By the t test's power, and up to 12 pairs by the sign-flip's too, for that is the test used;
    R also has to be able to reach the level at all, 2^-R <= level.
    """
    fewest = next(n for n in range(LEAST, 1100) if 0.5**n <= level)
    if t_power(effect, variance, _MOST, level) < power:
        return None
    low, high = fewest, _MOST  # the least R by bisection: power grows with R
    while low < high:
        middle = (low + high) // 2
        if t_power(effect, variance, middle, level) >= power:
            high = middle
        else:
            low = middle + 1
    while low <= _FLIPPED and flip_power(effect, variance, low, level, key) < power:
        low += 1
    return low
