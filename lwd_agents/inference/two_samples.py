"""Two conditions with no keys in common: their means compared. Axes: R_1, R_2 replicates."""

from __future__ import annotations

from itertools import combinations
from math import comb, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.replicates import (
    CHUNK,
    PERMUTATIONS,
    SIZE_ASSUMES,
    TIE,
    Alternative,
    Floats,
    Interval,
    Test,
    check_options,
    checked_confidence,
    noncentral_limits,
    p_value,
    present,
    ratio,
)
from lwd_agents.seeding import generator

WELCH_ASSUMES = (
    "replicates are independent; exact where the two conditions have one law under H0, and only as "
    "both groups grow where means are equal but laws differ (Janssen 1997): keep the groups of one "
    "size, for a small group that spreads three times as far rejects 7.5 % at 5 %, and laws of "
    "unequal skew up to 13 %"
)


def smallest_welch_p(
    first: int, second: int, alternative: Alternative, permutations: int = PERMUTATIONS
) -> float:
    """The smallest p a two-sample permutation test of these sizes can give.

    1 over the number of relabellings; two-sided and with equal sizes 2 over it, for swapping the
    groups turns t into -t. At least 1 / (permutations + 1) where relabellings are drawn.
    """
    ways = comb(first + second, first)
    exact = min(1.0, (2 if alternative == "two-sided" and first == second else 1) / ways)
    return exact if ways <= permutations + 1 else max(exact, 1 / (permutations + 1))


def welch_permutation(
    first: ArrayLike,
    second: ArrayLike,
    alternative: Alternative = "two-sided",
    permutations: int = PERMUTATIONS,
    key: int = 0,
) -> Test:
    """Have two conditions one mean? The Welch-studentised permutation test (Janssen 1997).

    t = (mean_1 - mean_2) / sqrt(s_1^2 / R_1 + s_2^2 / R_2), over all relabellings where they are at
    most permutations + 1, else over random ones and the data's own. Ties count against H1. All
    values equal: p = 1, degenerate.

    Args:
        first, second: (R_1,) and (R_2,), at least two present in each; NaN is left out.
        alternative: "less" is first below second.
        permutations: how many random relabellings at most.
        key: of the random relabellings; without use where all are tried.

    Raises:
        BadInput: fewer than two in a group.
    """
    check_options(alternative, permutations)
    x, y, left_out = _both(first, second)
    pooled = np.concatenate([x, y])
    pooled = pooled - pooled.mean()
    ways = comb(len(pooled), len(x))
    exact = ways <= permutations + 1
    flat = bool(np.ptp(pooled) == 0.0)
    own = np.arange(len(x))[None]
    observed = 0.0 if flat else float(_welch_t(pooled, own)[0])
    p = 1.0
    if not flat:
        labels = _all_labels if exact else _random_labels
        null = labels(pooled, len(x), permutations, key)
        tie = TIE * max(1.0, abs(observed)) if np.isfinite(observed) else 0.0
        p = p_value(null, observed, tie, alternative, exact)
    return Test(
        p=p,
        smallest_p=smallest_welch_p(len(x), len(y), alternative, permutations),
        statistic=observed,
        alternative=alternative,
        replicates=(len(x), len(y)),
        left_out=left_out,
        permutations=ways if exact else permutations + 1,
        exact=exact,
        degenerate=flat,
        assumes=WELCH_ASSUMES,
    )


def _both(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats, int]:
    x, missing_x = present(first, "first")
    y, missing_y = present(second, "second")
    if min(len(x), len(y)) < 2:
        raise BadInput(f"{len(x)} and {len(y)} replicates; two conditions need 2 or more each")
    return x, y, missing_x + missing_y


def _all_labels(pooled: Floats, size: int, permutations: int, key: int) -> Floats:
    """t of every choice of the first group."""
    return _welch_t(pooled, np.array(list(combinations(range(len(pooled)), size))))


def _random_labels(pooled: Floats, size: int, permutations: int, key: int) -> Floats:
    """t of ``permutations`` random choices."""
    rng = generator(key)
    rows = max(1, CHUNK // len(pooled))
    parts = []
    for start in range(0, permutations, rows):
        order = rng.random((min(rows, permutations - start), len(pooled))).argsort(axis=1)
        parts.append(_welch_t(pooled, order[:, :size]))
    return np.concatenate(parts)


def _welch_t(pooled: Floats, chosen: NDArray[np.intp]) -> Floats:
    """Welch's t for each choice of the first group.

    Args:
        pooled: (R_1 + R_2,), its mean removed, so that the groups' sums are opposite.
        chosen: (P, R_1) places in it.

    Returns:
        (P,); +-inf where neither group varies but they differ.
    """
    n, m = chosen.shape[1], len(pooled) - chosen.shape[1]
    taken = pooled[chosen]
    total, squares = taken.sum(axis=1), (taken**2).sum(axis=1)
    every = float((pooled**2).sum())
    variance = (squares - total**2 / n) / (n * (n - 1))
    variance += (every - squares - total**2 / m) / (m * (m - 1))
    # What rounding leaves of a variance or a difference of 0 is 0.
    variance = np.where(variance > 1e-14 * every, variance, 0.0)
    difference = total * (1 / n + 1 / m)
    difference = np.where(np.abs(difference) > 1e-12 * sqrt(every), difference, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0.0, 0.0, difference / np.sqrt(variance))


def welch_interval(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Interval:
    """mean_1 - mean_2 +- t_v sqrt(s_1^2 / R_1 + s_2^2 / R_2), v by Welch (1947).

    All values equal within each group: no width, degenerate.

    Args:
        first, second: (R_1,) and (R_2,), at least two present in each; NaN is left out.

    Raises:
        BadInput: fewer than two in a group.
    """
    from scipy.stats import t

    checked_confidence(confidence)
    x, y, left_out = _both(first, second)
    a, b = (0.0 if np.ptp(v) == 0 else float(v.var(ddof=1)) / len(v) for v in (x, y))
    difference, half = float(x.mean() - y.mean()), 0.0
    if a + b > 0.0:
        share = a / (a + b)  # scale-free, so that tiny variances don't underflow
        degrees = 1 / (share**2 / (len(x) - 1) + (1 - share) ** 2 / (len(y) - 1))
        half = float(t.ppf(0.5 + confidence / 2, degrees)) * sqrt(a + b)
    return Interval(
        estimate=difference,
        low=difference - half,
        high=difference + half,
        confidence=confidence,
        sd=np.nan,
        replicates=len(x) + len(y),
        left_out=left_out,
        degenerate=a + b == 0.0,
        assumes="replicates are independent and normal in each condition, variances may differ",
    )


def hedges_g(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Interval:
    """Hedges' g = J (mean_1 - mean_2) / s_pooled, with a noncentral-t interval for its population.

    J = 1 - 3 / (4 v - 1), v = R_1 + R_2 - 2 (Hedges 1981). The limits are those of the
    noncentrality of the pooled t, over sqrt(R_1 R_2 / (R_1 + R_2)): they are for equal variances.
    Values equal within each group: 0 or +-inf without limits, degenerate.

    Args:
        first, second: (R_1,) and (R_2,), at least two present in each; NaN is left out.

    Raises:
        BadInput: fewer than two in a group.
    """
    checked_confidence(confidence)
    x, y, left_out = _both(first, second)
    degrees = len(x) + len(y) - 2
    squares = sum(0.0 if np.ptp(v) == 0 else float(((v - v.mean()) ** 2).sum()) for v in (x, y))
    sd = sqrt(squares / degrees)
    size = ratio(float(x.mean() - y.mean()), sd)
    low = high = np.nan
    if sd > 0.0:
        root = sqrt(len(x) * len(y) / (len(x) + len(y)))
        low, high = noncentral_limits(size * root, degrees, confidence)
        low, high = low / root, high / root
    return Interval(
        estimate=size * (1 - 3 / (4 * degrees - 1)),
        low=low,
        high=high,
        confidence=confidence,
        sd=sd,
        replicates=len(x) + len(y),
        left_out=left_out,
        degenerate=sd == 0.0,
        assumes=SIZE_ASSUMES + ", with one variance in both conditions",
    )
