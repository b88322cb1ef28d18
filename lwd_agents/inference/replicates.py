"""Inference over replicates: runs are the unit, one number a run. Axis: R replicates.

Two replicates share their models, query and A(0): whatever is found here says nothing of others.
Everywhere a NaN replicate is left out and counted; that is harmless only where going missing has
nothing to do with the value that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
Alternative = Literal["less", "greater", "two-sided"]
PERMUTATIONS = 9999
CHUNK = 1 << 20  # numbers held at once while permuting
TIE = 1e-10  # sums that differ by less than this share of their scale are equal

T_ASSUMES = (
    "replicates are independent, and their law is normal or R is large: under skew a small R "
    "covers less than it says, on one side above all"
)
FLIP_ASSUMES = (
    "replicates are independent and each difference is symmetric about 0 under H0, as it is where "
    "the two runs of a pair could be exchanged; a skewed difference of mean 0 is not: then the "
    "one-sided level holds only as R grows"
)
SIZE_ASSUMES = "replicates are independent and normal (noncentral t)"


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        estimate: NaN where no replicate is present.
        low, high: NaN where it can't be given (fewer than two replicates).
        confidence: e.g. 0.95, two-sided.
        sd: standard deviation over replicates (ddof 1); NaN for fewer than two, or two samples.
        replicates: how many were used.
        left_out: how many were NaN.
        degenerate: all values are equal, so that the interval has no width.
        assumes: what the interval rests on.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    sd: float
    replicates: int
    left_out: int
    degenerate: bool
    assumes: str


@dataclass(frozen=True)
class Test:
    """A test over replicates.

    Attributes:
        p: in (0, 1].
        smallest_p: the smallest p that this number of replicates (and permutations) can reach.
        statistic: the studentised mean or difference; +-inf where all values are equal and not 0.
        alternative: less, greater, two-sided.
        replicates: how many were used, one number a group.
        left_out: how many were NaN.
        permutations: how many sign patterns or relabellings were compared, the data's own included.
        exact: whether those were all there are.
        degenerate: nothing differs from 0 (p is 1).
        assumes: what the p-value rests on.
    """

    __test__ = False  # not a test of pytest's

    p: float
    smallest_p: float
    statistic: float
    alternative: Alternative
    replicates: tuple[int, ...]
    left_out: int
    permutations: int
    exact: bool
    degenerate: bool
    assumes: str


def present(values: ArrayLike, what: str = "values") -> tuple[Floats, int]:
    """The finite values of (R,) in order, and how many were NaN.

    Raises:
        BadInput: not one axis, or an infinite value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadInput(f"{what}: shape {array.shape}; one number a replicate, (R,), is needed")
    if np.isinf(array).any():
        raise BadInput(f"{what}: {array[np.isinf(array)][0]}; finite numbers or NaN are needed")
    kept = array[~np.isnan(array)]
    return kept, len(array) - len(kept)


def checked_confidence(confidence: float) -> float:
    """The confidence, if it is one.

    Raises:
        BadInput: not strictly between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise BadInput(f"confidence: {confidence}; a number between 0 and 1 is needed")
    return confidence


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """mean +- t_(R-1) sd / sqrt(R) (Student 1908).

    All values equal gives an interval of no width, marked degenerate. One value gives the value,
    and no interval.

    Args:
        values: (R,); NaN is left out.
    """
    from scipy.stats import t

    checked_confidence(confidence)
    x, left_out = present(values)
    n = len(x)
    mean = float(x.mean()) if n else np.nan
    if n < 2:
        low = high = sd = np.nan
    else:
        sd = 0.0 if np.ptp(x) == 0 else float(x.std(ddof=1))
        half = float(t.ppf(0.5 + confidence / 2, n - 1)) * sd / sqrt(n)
        low, high = mean - half, mean + half
    return Interval(mean, low, high, confidence, sd, n, left_out, sd == 0.0, T_ASSUMES)


def smallest_flip_p(
    replicates: int, alternative: Alternative, permutations: int = PERMUTATIONS
) -> float:
    """The smallest p a sign-flip test of this many nonzero differences can give.

    2^-R one-sided, 2^(1-R) two-sided where all signs are tried; 1 / (permutations + 1) at least
    where signs are drawn. 1 with no replicate.
    """
    sides = 2.0 if alternative == "two-sided" else 1.0
    exact = min(1.0, sides * 0.5 ** min(replicates, 1000))
    enumerated = replicates < 60 and 2**replicates <= permutations + 1
    return exact if enumerated else max(exact, 1 / (permutations + 1))


def p_value(
    null: Floats, observed: float, tie: float, alternative: Alternative, exact: bool
) -> float:
    """The share of ``null`` at least as far out as ``observed``; +1 where it was drawn."""
    if alternative == "two-sided":
        null, observed = np.abs(null), abs(observed)
    as_far = null <= observed + tie if alternative == "less" else null >= observed - tie
    hits = int(as_far.sum())
    return hits / len(null) if exact else (hits + 1) / (len(null) + 1)


def sign_flip(
    deltas: ArrayLike,
    alternative: Alternative = "two-sided",
    permutations: int = PERMUTATIONS,
    key: int = 0,
) -> Test:
    """Is the mean of differences 0? The studentised sign-flip test (Fisher 1935, section 21).

    The statistic is t = mean / (sd / sqrt(R)), with every pattern of signs where 2^R <=
    permutations + 1 (R <= 13 at 9,999), else ``permutations`` random ones and the data's own. A
    flip leaves sum x^2 as it is, so t grows with the sum: comparing sums gives the p-value of
    comparing t, and that is what is done. Ties count against H1. All zero: p = 1, degenerate.

    Args:
        deltas: (R,), one difference a matched pair; NaN is left out.
        alternative: "less" is a mean below 0.
        permutations: how many random patterns at most.
        key: of the random patterns; without use where all are tried.
    """
    check_options(alternative, permutations)
    x, left_out = present(deltas, "deltas")
    n, scale = len(x), float(np.abs(x).sum())
    exact = n < 60 and 2**n <= permutations + 1
    if scale == 0.0:
        p, sums = 1.0, np.zeros(1)
    else:
        sums = _all_flips(x) if exact else _random_flips(x, permutations, key)
        p = p_value(sums, float(x.sum()), TIE * scale, alternative, exact)
    return Test(
        p=p,
        smallest_p=smallest_flip_p(int(np.count_nonzero(x)), alternative, permutations),
        statistic=ratio(float(x.mean()), float(x.std(ddof=1)) / sqrt(n)) if n > 1 else 0.0,
        alternative=alternative,
        replicates=(n,),
        left_out=left_out,
        permutations=2**n if exact else permutations + 1,
        exact=exact,
        degenerate=scale == 0.0,
        assumes=FLIP_ASSUMES,
    )


def check_options(alternative: str, permutations: int) -> None:
    """Refuse an unknown alternative (BadInput), or no permutation."""
    if alternative not in ("less", "greater", "two-sided"):
        raise BadInput(f"alternative: {alternative!r}; one of less, greater, two-sided is needed")
    if permutations < 1:
        raise BadInput(f"permutations: {permutations}; at least 1 is needed")


def _all_flips(x: Floats) -> Floats:
    """sum_r s_r x_r for all 2^R patterns of signs s."""
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_flips(x: Floats, permutations: int, key: int) -> Floats:
    """The same for random patterns: (permutations,)."""
    rng = generator(key)
    rows = max(1, CHUNK // len(x))
    parts = [
        (2.0 * rng.integers(0, 2, (min(rows, permutations - start), len(x)), np.int8) - 1) @ x
        for start in range(0, permutations, rows)
    ]
    return np.concatenate(parts)


def ratio(difference: float, error: float) -> float:
    """difference / error; 0 or +-inf where nothing varies."""
    if error > 0.0:
        return difference / error
    return 0.0 if difference == 0.0 else float(np.copysign(inf, difference))


def paired_effect(deltas: ArrayLike, confidence: float = 0.95) -> Interval:
    """d_z = mean / sd of matched differences, with its noncentral-t interval.

    sqrt(R) d_z is noncentral t with R - 1 degrees and noncentrality sqrt(R) delta / sigma, whose
    limits are found by inversion (Steiger & Fouladi 1997). Not corrected for the small bias of
    d_z. All differences equal: no scale to measure in, so 0 where they are 0 and +-inf otherwise,
    without limits, degenerate. Fewer than two: NaN.

    Args:
        deltas: (R,); NaN is left out.
    """
    checked_confidence(confidence)
    x, left_out = present(deltas, "deltas")
    n = len(x)
    sd = np.nan if n < 2 else 0.0 if np.ptp(x) == 0 else float(x.std(ddof=1))
    size = ratio(float(x.mean()), sd) if n > 1 else np.nan
    low = high = np.nan
    if n > 1 and sd > 0.0:
        low, high = noncentral_limits(sqrt(n) * size, n - 1, confidence)
        low, high = low / sqrt(n), high / sqrt(n)
    return Interval(size, low, high, confidence, sd, n, left_out, sd == 0.0, SIZE_ASSUMES)


def noncentral_limits(t: float, degrees: int, confidence: float) -> tuple[float, float]:
    """The noncentralities at which t is the upper and the lower tail point.

    P(T <= t) = E Phi(t s - noncentrality), s^2 a chi-square over its degrees: by quadrature over
    s, for library series for the noncentral t don't converge where t is large.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr
    from scipy.stats import chi

    ends = chi.ppf([1e-12, 1 - 1e-12], degrees)
    s = np.linspace(ends[0], ends[1], 1001)
    weights = chi.pdf(s, degrees)
    weights[[0, -1]] /= 2
    weights /= weights.sum()
    s /= sqrt(degrees)
    reach = 10.0 + 10.0 * abs(t)

    def limit(tail: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(weights @ ndtr(t * s - noncentrality)) - tail

        return float(brentq(excess, t - reach, t + reach, xtol=1e-10))

    return limit(0.5 + confidence / 2), limit(0.5 - confidence / 2)
