"""Limit and pace: the late-window mean as the estimate, and two fits as extrapolation.

The fits come without a test and without an interval: bootstrap intervals of a fitted c covered the
truth 0 to 40 % of the time in a trial, for the two families differ by more than the noise does.
Axes: R replicates, T + 1 steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.inference.replicates import Interval, t_interval
from lwd_agents.inference.windows import (
    Floats,
    Windows,
    as_curves,
    check_windows,
    default_windows,
    window_mean,
)

_GRID = 241  # starting values of the pace, evenly spaced in its logarithm
_SHOWN = 0.25  # a curve of which less than this share of the variance is explained shows no pace


@dataclass(frozen=True)
class Fit:
    """One family fitted to the mean curve by least squares: an extrapolation, not an estimate.

    Attributes:
        family: "exponential", c + a exp(-t / pace), or "power", c + a (t + 1)^-pace.
        c, a, pace: NaN where nothing could be fitted; pace is tau in steps, or the exponent b.
        half_life: steps until half of a is gone; inf where it never is.
        explained: share of the mean curve's variance that the fit explains; 0 for a flat curve.
        doubts: why c or the half-life is not identified; () where neither is in doubt.
    """

    family: str
    c: float
    a: float
    pace: float
    half_life: float
    explained: float
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """Where a quantity stands late in the run, and what two families make of it.

    Attributes:
        late: the late window's mean; its t interval is over replicates.
        note: what the interval can't say; None where there is one.
        fits: exponential and power law, in this order; () where nothing is extrapolated.
        windows: as declared; only the late one enters.
    """

    late: Interval
    note: str | None
    fits: tuple[Fit, ...]
    windows: Windows


def limit(
    curves: ArrayLike,
    windows: Windows | None = None,
    confidence: float = 0.95,
    families: Sequence[str] = ("exponential", "power"),
) -> Limit:
    """The limit of a quantity that is never negative, as far as the run shows it.

    Args:
        curves: (R, T + 1); NaN where a step can't be measured.
        windows: declared in advance; by default the first tenth and the last fifth.
        families: of the curves that are fitted to the mean.

    Raises:
        BadInput: a run of one step, windows that don't fit.
    """
    array = as_curves(curves, "curves")
    last = array.shape[1] - 1
    windows = default_windows(last) if windows is None else check_windows(windows, last)
    late = t_interval(window_mean(array, windows.late), confidence)
    note = None if late.replicates > 1 else "one replicate: no between-run inference"
    if not late.replicates:
        note = "no replicate was measured in the late window"
    count = (~np.isnan(array)).sum(axis=0)
    mean = np.where(count > 0, np.nansum(array, axis=0) / np.maximum(count, 1), np.nan)
    return Limit(late, note, tuple(fit(mean, family) for family in families), windows)


def fit(curve: ArrayLike, family: str) -> Fit:
    """The least-squares fit of one family to one curve, c >= 0.

    For a given pace the best c and a are linear least squares in closed form (variable projection,
    Golub & Pereyra 1973), so that only the pace is searched: on a grid from a tenth of a step to
    ten runs (tau), or from 0.02 to 20 (b), then refined by scipy between the best point's
    neighbours. Nothing is random.

    Args:
        curve: (T + 1,); NaN is left out.
        family: "exponential" or "power".
    """
    from scipy.optimize import minimize_scalar

    y = np.asarray(curve, dtype=np.float64)
    present = ~np.isnan(y)
    steps, y = np.flatnonzero(present).astype(np.float64), y[present]
    if len(y) < 4:
        why = f"{len(y)} steps measured; a fit of 3 numbers needs 4"
        return _unfitted(family, np.nan, np.nan, np.nan, why)
    if np.ptp(y) == 0:
        return _unfitted(family, float(y[0]), 0.0, inf, "the curve is flat")
    shape, low, high = _family(family, float(steps[-1]))
    grid = np.linspace(log(low), log(high), _GRID)

    def loss(pace: float) -> float:
        return _linear(y, shape(steps, float(np.exp(pace))))[2]

    best = int(np.argmin([loss(p) for p in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-8})
    pace = float(np.exp(found.x if found.fun <= loss(grid[best]) else grid[best]))
    c, a, squares = _linear(y, shape(steps, pace))
    half = pace * log(2) if family == "exponential" else float(2.0 ** min(1 / pace, 1000.0) - 1)
    explained = max(0.0, 1 - squares / float(((y - y.mean()) ** 2).sum()))
    at_edge = best in (0, _GRID - 1)
    doubts = _doubts(c, half, explained, at_edge, y, float(steps[-1]))
    return Fit(family, c, a, pace, half, explained, doubts)


Shape = Callable[[Floats, float], Floats]


def _family(family: str, last: float) -> tuple[Shape, float, float]:
    """The decaying part as a function of (steps, pace), and the range of the pace."""
    if family == "exponential":
        return (lambda t, tau: np.exp(-t / tau)), 0.1, 10.0 * (last + 1)
    if family == "power":
        return (lambda t, b: (t + 1) ** -b), 0.02, 20.0
    raise ValueError(f"family={family!r}; exponential or power is needed")


def _linear(y: Floats, x: Floats) -> tuple[float, float, float]:
    """c >= 0 and a of the least squares y ~ c + a x, and the sum of squares left."""
    u, v = x - x.mean(), y - y.mean()
    squares = float(u @ u)
    a = float(u @ v) / squares if squares > 0 else 0.0
    c = float(y.mean() - a * x.mean())
    if c < 0:
        c, a = 0.0, float(x @ y) / float(x @ x)
    return c, a, float(((y - c - a * x) ** 2).sum())


def _doubts(
    c: float, half: float, explained: float, at_edge: bool, y: Floats, last: float
) -> tuple[str, ...]:
    """What is not identified, in words."""
    doubts = []
    if explained < _SHOWN:
        doubts.append(f"it explains {100 * explained:.0f} % of the curve: no pace is to be seen")
    if at_edge:
        doubts.append("the pace is at the edge of what was searched: not identified")
    if c == 0.0:
        doubts.append("c is at its bound 0: not identified")
    elif not y.min() <= c <= y.max():
        doubts.append("c is outside what was measured")
    if half > last:
        doubts.append(f"the half-life is beyond the run's {last:g} steps")
    return tuple(doubts)


def _unfitted(family: str, c: float, a: float, half: float, why: str) -> Fit:
    return Fit(family, c, a, float("nan"), half, 0.0, (why,))
