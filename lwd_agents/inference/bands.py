"""Bands for ||D||_F: over the steps of one run given its readings, and across replicates.

**Within a run.** At each step the unbiased theta = ||D||_F^2 has a jackknife error se, and

    [theta - q se,  max(theta + q se + q^2 se^2 / (4 max(theta, 2 se)),
                        (sqrt(max(theta + lambda, 0)) + q sqrt(lambda))^2)]

is its interval, with q of Student's t at the error's degrees of freedom. The first upper end, by
its last term [ours], is (r + q s)^2, with r = sqrt(theta) and s = se/(2 r) the error of the norm.
Plain theta +- q se fails: se is small where theta is too small by chance, and 61 intervals at once
cover down to 64 % in place of 95 (docs/inference/bands.md).

The second upper end [ours] is for answers that vary mostly along one axis along which the agents
differ: there s is too small as well. With a the error along that axis, theta + var(a) is then
(||D|| + a)^2, and var(a) <= lambda, the estimate's ``spread``; so ||D|| is no more than
sqrt(theta + lambda) + q sqrt(lambda) wherever a >= -q sqrt(lambda). Without it 61 intervals at once
cover down to 1 %. Where each agent's draws are all the same the interval has no width: it says
nothing of answers not seen.

Pointwise q is at 1 - alpha/2; simultaneously at 1 - beta/2 with (1 - beta)^(T+1) = 1 - alpha
(Sidak), which is legitimate although steps are not independent: given the past and a step's
readings its draws are i.i.d., so the chance to be covered multiplies step by step. It is asymptotic
in L and **conditional on the readings**: it says what D was for these readings, not what another
run would do. For display, signed roots turn it into a band for the norm.

**Across replicates.** Replicates are independent, and the band is for their mean curve: pointwise
by Student's t; simultaneously by the studentised max-|t| bootstrap over replicates (Efron and
Tibshirani 1993, ch. 12), from ``LEAST`` replicates on, where its coverage holds in simulation for
normal and for skewed curves; few replicates make it very wide. Where replicates differ rarely (one
in seven jumps) it does not hold with so few: most samples have seen too little. With fewer it is
Bonferroni's t over the steps, which asks for normal values: skewed ones it covers far too seldom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.jackknife import Estimate
from lwd_agents.measures.unbiased import signed_root
from lwd_agents.seeding import generator

Floats = NDArray[np.float64]
LEAST = 6
WITHIN = "asymptotic in L, given the readings: nothing is said of other runs"


@dataclass(frozen=True)
class Band:
    """A curve with a pointwise and a simultaneous band, each array (T + 1,).

    Attributes:
        centre, error: the estimate and its standard error.
        low, high: pointwise: each step's own interval.
        low_all, high_all: simultaneous: all steps together.
        method: how the simultaneous one was made.
        confidence: of both.
        assumes: what they rest on.
    """

    centre: Floats
    error: Floats
    low: Floats
    high: Floats
    low_all: Floats
    high_all: Floats
    method: str
    confidence: float
    assumes: str

    def of_norm(self) -> Band:
        """A band for ||D||_F^2 as one for ||D||_F, by signed roots; its error is NaN.

        It covers exactly when this one does.
        """
        return replace(
            self,
            centre=signed_root(self.centre),
            error=np.full_like(self.centre, np.nan),
            low=signed_root(self.low),
            high=signed_root(self.high),
            low_all=signed_root(self.low_all),
            high_all=signed_root(self.high_all),
        )


def within_run(found: Estimate, alpha: float = 0.05) -> Band:
    """The band for ||D||_F^2 over the steps of one run, given its readings.

    Args:
        found: of all steps, arrays (T + 1,); NaN where a step could not be measured, which has no
            interval and is not counted.
        alpha: 1 less the confidence.

    Raises:
        BadInput: an alpha that cannot be.
    """
    from scipy import stats

    _check(alpha)
    centre, error, df, spread = (
        np.atleast_1d(a) for a in (found.value, found.error, found.df, found.spread)
    )
    steps = int(np.sum(np.isfinite(error)))
    each = 1 - (1 - alpha) ** (1 / max(steps, 1))
    one, all_ = (interval(centre, error, spread, stats.t.ppf(1 - a / 2, df)) for a in (alpha, each))
    ends = (*one, *all_)
    return Band(
        centre, error, *ends, f"Sidak over {steps} step{'s' * (steps != 1)}", 1 - alpha, WITHIN
    )


def interval(theta: Floats, error: Floats, spread: Floats, q: Floats) -> tuple[Floats, Floats]:
    """The ends of the module's interval for ||D||_F^2, given lambda and q; arrays (...,)."""
    scale = np.maximum(theta, 2 * error)
    beyond = (q * error) ** 2 / (4 * np.where(error > 0, scale, 1.0))
    high = theta + q * error + beyond
    along = (np.sqrt(np.maximum(theta + spread, 0.0)) + q * np.sqrt(spread)) ** 2
    along = np.where(spread == 0, theta, along)  # exactly, where nothing varies
    return theta - q * error, np.maximum(high, along)


def across_runs(curves: Floats, *, key: int, alpha: float = 0.05, resamples: int = 1999) -> Band:
    """The band for the mean curve of independent replicates.

    Args:
        curves: (R, T + 1); a step with a NaN has no interval and is not counted.
        key: of the bootstrap's randomness.
        alpha: 1 less the confidence.
        resamples: of the bootstrap.

    Raises:
        BadInput: fewer than two replicates, or an alpha that cannot be.
    """
    from scipy import stats

    _check(alpha)
    curves = np.asarray(curves, dtype=np.float64)
    if curves.ndim != 2 or len(curves) < 2:
        raise BadInput(
            f"curves of shape {curves.shape}: a band across runs needs (R, T + 1) of at least two "
            "replicates"
        )
    R = len(curves)
    known = np.isfinite(curves).all(axis=0)
    centre, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(R)
    error[np.ptp(curves, axis=0) == 0] = 0.0  # what the mean's rounding leaves
    moving = known & (error > 0)
    steps = max(int(moving.sum()), 1)
    bonferroni = float(stats.t.ppf(1 - alpha / (2 * steps), R - 1))
    if R < LEAST:
        method = f"Bonferroni's t over {steps} steps ({R} replicates; bootstrap from {LEAST} on)"
        assumes, wide = "replicates are independent, and each step's values normal", bonferroni
    else:
        method = f"max-|t| bootstrap, {resamples} resamples of {R} replicates"
        assumes = "replicates are independent; asymptotic in their number"
        wide = _largest_t(curves[:, moving], key, alpha, resamples) if moving.any() else 0.0
    one = float(stats.t.ppf(1 - alpha / 2, R - 1)) * error
    ends = (centre - one, centre + one, centre - wide * error, centre + wide * error)
    return Band(centre, error, *ends, method, 1 - alpha, assumes)


def _largest_t(curves: Floats, key: int, alpha: float, resamples: int) -> float:
    """The 1 - alpha quantile of max_t |mean* - mean| / se* over resampled replicates.

    A resample with a step at which all its replicates agree has no t there: such a step counts as
    infinitely far off if its mean moved, which is conservative.
    """
    R = len(curves)
    picked = generator(key).integers(0, R, size=(resamples, R))
    weights = np.zeros((resamples, R))
    np.add.at(weights, (np.arange(resamples)[:, None], picked), 1.0)
    centred = curves - curves.mean(axis=0)
    centred = centred / centred.std(axis=0)  # no step is lost to its scale
    moved = weights @ centred / R
    variance = (weights @ centred**2 / R - moved**2).clip(min=0.0) * R / (R - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(moved) / np.sqrt(variance / R)
    largest = np.nan_to_num(t, nan=0.0, posinf=np.inf).max(axis=1)
    return float(np.quantile(largest, 1 - alpha, method="higher"))


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise BadInput(f"alpha: {alpha}: a number between 0 and 1 is needed")
