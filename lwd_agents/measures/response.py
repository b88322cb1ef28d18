"""The response curve of a model: how its answer moves with what it read. Axes: T steps, M readings.

x is the mean embedding of the posts of a reading, y the mean embedding of the answers to it. Both
are (T, M, D), a row of NaN where nothing was read or answered; (T, D) where M is 1.

This describes a run. **Across steps** (M = 1) x and y drift together: answers become what is read
next, and whatever else changes with time moves both, so a gain there is no effect of reading.
**Within steps** (M >= 2) readings of one step differ by the draw of posts alone, so where that is
random the gain is what reading does; steps may depend on one another, and need not be alike. That
is taken wherever some step has two readings. [ours]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WITHIN, ACROSS = "within steps", "across steps"
_NOTHING = 1e-14  # of the mean square: a smaller variance is rounding
_FEWEST_STEPS = 3


@dataclass(frozen=True)
class Gain:
    """How much of a move in what is read comes back in the answer.

    Attributes:
        gain: b of y = b x, centred; 0: answers do not follow, 1: they follow fully. NaN with a
            ``reason`` where it is not defined.
        se: its jackknife standard error over steps. Across steps it holds only if steps were
            independent, which they are not: no interval is given there.
        low, high: the interval at ``level``, within steps only: t, with degrees for how evenly the
            variation of what was read lies over steps; docs/inference/response.md says how well it
            covers.
        explained: the share of the centred answers' variance that b x explains, in [0, 1].
        basis: ``within steps`` or ``across steps``.
        steps: how many steps it rests on.
        reason: why something is NaN; empty where nothing is.
    """

    gain: float
    se: float
    low: float
    high: float
    level: float
    explained: float
    basis: str
    steps: int
    reason: str


@dataclass(frozen=True)
class Curve:
    """The mean answer by bins of what was read, along one axis; as many values in each bin.

    Attributes:
        x, y: (bins,) the means; deviations from the step's mean where ``basis`` is within steps.
        x_se, y_se: (bins,) standard deviation / sqrt(count), as if values were independent; NaN in
            a bin of one.
        count: (bins,) values in each; equal values of x share a bin, so that some may be larger or
            missing.
        spearman: rank correlation of x and y over all values; 1 is a curve that only rises.
        basis: ``within steps`` or ``across steps``.
        reason: why there is no curve; empty where there is one.
    """

    x: Floats
    y: Floats
    x_se: Floats
    y_se: Floats
    count: NDArray[np.int64]
    spearman: float
    basis: str
    reason: str


def gain(x: Floats, y: Floats, level: float = 0.95) -> Gain:
    """The least-squares scalar b of centred y on centred x: sum <x, y> / sum ||x||^2.

    Centred by the mean of each step where there are two readings in some step, else by the mean
    over steps. The error is a jackknife that leaves out whole steps.

    Args:
        x, y: (T, M, D) or (T, D); a row with NaN in either is left out.
        level: of the interval, between 0 and 1.

    Raises:
        ValueError: shapes that differ, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level = {level}; give a number between 0 and 1, such as 0.95")
    xs, ys, step, basis = _centred(x, y)
    places, used = np.unique(step, return_inverse=True)[1], len(np.unique(step))
    reason = _no_variation(x, xs)
    if reason:
        nan = math.nan
        return Gain(nan, nan, nan, nan, level, nan, basis, used, reason)
    # In units of the largest entry, so that no square overflows or vanishes.
    unit_x, unit_y = np.abs(xs).max(), np.abs(ys).max() or 1.0
    xs, ys = xs / unit_x, ys / unit_y
    products = np.bincount(places, np.sum(xs * ys, axis=1)).astype(np.float64)
    squares = np.bincount(places, np.sum(xs**2, axis=1)).astype(np.float64)
    b = products.sum() / squares.sum()
    se, reason = _jackknife(products, squares, basis)
    all_y = np.sum(ys**2)
    explained = float(np.clip(b**2 * squares.sum() / all_y, 0.0, 1.0)) if all_y > 0 else 0.0
    b, se = float(b * unit_y / unit_x), float(se * unit_y / unit_x)
    low = high = math.nan
    if basis == WITHIN and not reason:
        low, high = _interval(b, se, squares, level)
    return Gain(b, se, low, high, level, explained, basis, used, reason)


def first_axis(x: Floats) -> Floats:
    """The first principal axis of what was read, (D,), of length 1; zeros if nothing varied.

    Args:
        x: (T, M, D) or (T, D). Centred as in ``gain``, so that within steps it is the axis along
            which readings of a step differ.

    Returns:
        its entry largest in size is positive, so equal input gives equal figures.
    """
    xs, _, _, _ = _centred(x, x)
    if _no_variation(x, xs):
        return np.zeros(np.shape(x)[-1])
    _, _, axes = np.linalg.svd(xs / np.abs(xs).max(), full_matrices=False)
    sign = np.sign(axes[0, np.abs(axes[0]).argmax()])
    return np.asarray(sign * axes[0], dtype=np.float64)


def response_curve(x: Floats, y: Floats, bins: int = 5) -> Curve:
    """Means of y by equal-count bins of x, and whether y rises with x.

    Args:
        x, y: (T, M) or (T,): what was read and what was answered along one axis, or the share of a
            topic; NaN is left out. Centred within steps where there are two readings in some.
        bins: how many; values of x of equal rank stay together.

    Raises:
        ValueError: shapes that differ, or fewer than 2 bins.
    """
    if bins < 2:
        raise ValueError(f"bins = {bins}; a curve needs at least 2")
    from scipy.stats import rankdata

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim not in (1, 2) or x.shape != y.shape:
        raise ValueError(f"shapes {x.shape} and {y.shape}; (T, M) or (T,) twice is needed")
    xs, ys, _, basis = _centred(x[..., None], y[..., None])
    within = basis == WITHIN
    u, v = xs[:, 0], ys[:, 0]
    if not within:  # the values themselves: centring by one mean moves no curve
        there = ~np.isnan(x + y)
        u, v = x[there], y[there]
    reason = _no_variation(x[..., None], xs)
    if reason:
        none = np.empty(0)
        return Curve(none, none, none, none, none.astype(np.int64), math.nan, basis, reason)
    ranks = rankdata(u)
    bin_of = np.minimum(((ranks - 0.5) / len(u) * bins).astype(np.int64), bins - 1)
    parts = [bin_of == b for b in np.unique(bin_of)]
    return Curve(
        x=np.array([u[part].mean() for part in parts]),
        y=np.array([v[part].mean() for part in parts]),
        x_se=np.array([_error(u[part]) for part in parts]),
        y_se=np.array([_error(v[part]) for part in parts]),
        count=np.array([part.sum() for part in parts]),
        spearman=_correlation(ranks, rankdata(v)),
        basis=basis,
        reason="",
    )


def _centred(x: Floats, y: Floats) -> tuple[Floats, Floats, NDArray[np.int64], str]:
    """The rows that are there, centred, (rows, D) twice; the step of each, and by what mean."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim not in (2, 3):
        raise ValueError(f"shapes {x.shape} and {y.shape}; (T, M, D) or (T, D) twice is needed")
    if x.ndim == 2:
        x, y = x[:, None], y[:, None]
    there = ~np.isnan(x + y).any(axis=2)
    within = bool((there.sum(axis=1) >= 2).any())
    if within:
        there &= (there.sum(axis=1) >= 2)[:, None]
    step = np.nonzero(there)[0]
    xs, ys = x[there], y[there]
    group = step if within else np.zeros_like(step)
    counts = np.bincount(group)
    for values in (xs, ys):
        means = np.zeros((len(counts), values.shape[1]))
        np.add.at(means, group, values)
        values -= (means / np.maximum(counts, 1)[:, None])[group]
    return xs, ys, step, WITHIN if within else ACROSS


def _no_variation(x: Floats, centred: Floats) -> str:
    """Why nothing can be said; empty where something can."""
    if not centred.size:  # no row, or embeddings of no width: they are gone
        return "nothing was read, or nothing answered"
    if len(centred) == 1:
        return "one reading alone: nothing to compare it with"
    largest = np.nanmax(np.abs(np.asarray(x, dtype=np.float64)))
    if largest == 0:
        return "what was read never varied"
    all_x = np.nansum((np.asarray(x, dtype=np.float64) / largest) ** 2)
    varied = np.sum((centred / largest) ** 2) > _NOTHING * all_x
    return "" if varied else "what was read never varied"


def _jackknife(products: Floats, squares: Floats, basis: str) -> tuple[float, str]:
    """The error of sum(products) / sum(squares), one of each a step; and what is to be said."""
    steps = len(products)
    if steps < _FEWEST_STEPS:
        return math.nan, f"{steps} steps: an error needs {_FEWEST_STEPS}"
    # Across steps, leaving one out moves the mean as well.
    factor = steps / (steps - 1) if basis == ACROSS else 1.0
    rest = squares.sum() - factor * squares
    if (rest <= _NOTHING * squares.sum()).any():
        return math.nan, "what was read varied at one step alone: no error"
    without = (products.sum() - factor * products) / rest
    se = float(np.sqrt((steps - 1) / steps * np.sum((without - without.mean()) ** 2)))
    dependent = "across steps: no interval, steps of one run are not independent"
    return se, dependent if basis == ACROSS else ""


def _interval(b: float, se: float, squares: Floats, level: float) -> tuple[float, float]:
    """b -+ t se, with as many degrees as steps count, less 1.

    Where a few steps hold most of the variation the error rests on these: with shares w of it,
    1 / sum w^2 steps count, all of them where the shares are equal.
    """
    from scipy.stats import t

    degrees = squares.sum() ** 2 / np.sum(squares**2) - 1
    width = float(t.ppf((1 + level) / 2, degrees)) * se
    return b - width, b + width


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan


def _correlation(a: Floats, b: Floats) -> float:
    """Of ranks; 0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0
