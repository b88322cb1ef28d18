"""Early and late: the two stretches of steps that a change is measured between.

Axes: R replicates, T + 1 steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Two stretches of steps, declared before the curves are seen; both ends belong to them.

    Attributes:
        early, late: (first step, last step).
    """

    early: tuple[int, int]
    late: tuple[int, int]


def default_windows(last: int) -> Windows:
    """The first tenth and the last fifth of the steps 0 .. last, one step each at least.

    Raises:
        BadInput: a run of one step.
    """
    if last < 1:
        raise BadInput(f"the run has {last + 1} step; a change needs 2 or more")
    steps = last + 1
    return Windows((0, max(1, steps // 10) - 1), (steps - max(1, steps // 5), last))


def matched_windows(last: int) -> Windows:
    """Step 0 and the last fifth: for a live run and its placebo, which are equal at step 0.

    Both have read the same posts under the same keys there, so the baseline has no noise and delta
    is the late difference. A longer early window holds steps at which the live run has moved: in
    the preset figure4 nearly all of the fall is in the first tenth, and delta turns its sign.

    Raises:
        BadInput: a run of one step.
    """
    return Windows((0, 0), default_windows(last).late)


def growing_windows(last: int) -> Windows:
    """The middle fifth and the last fifth: for learners, whose errors first grow in any network.

    From t = 0 on an error rises to where it settles, stable or not; collapse is that it goes on
    growing.

    Raises:
        BadInput: a run of one step.
    """
    late = default_windows(last).late
    long = late[1] - late[0]
    first = 2 * (last + 1) // 5
    return Windows((first, first + long), late)


def check_windows(windows: Windows, last: int) -> Windows:
    """The windows, if they are disjoint stretches of the steps 0 .. last, early before late.

    Raises:
        BadInput: they are not, or the run has one step.
    """
    if last < 1:
        raise BadInput(f"the run has {last + 1} step; a change needs 2 or more")
    for name, (first, end) in (("early", windows.early), ("late", windows.late)):
        if not 0 <= first <= end <= last:
            raise BadInput(f"{name} window: steps {first} to {end}; a stretch of 0 .. {last}")
    if windows.early[1] >= windows.late[0]:
        raise BadInput(
            f"early window: steps {windows.early[0]} to {windows.early[1]}; it must end before "
            f"the late one begins at {windows.late[0]}"
        )
    return windows


def change(curves: ArrayLike, windows: Windows | None = None) -> Floats:
    """Late mean - early mean of every replicate.

    Args:
        curves: (R, T + 1); a step that can't be measured is NaN and left out of its mean.
        windows: by default ``default_windows``.

    Returns:
        (R,); NaN for a replicate with an empty window.
    """
    array = as_curves(curves, "curves")
    last = array.shape[1] - 1
    windows = default_windows(last) if windows is None else check_windows(windows, last)
    return window_mean(array, windows.late) - window_mean(array, windows.early)


def as_curves(curves: ArrayLike, what: str) -> Floats:
    """The curves as (R, T + 1) of float64; BadInput where they aren't."""
    array = np.asarray(curves, dtype=np.float64)
    if array.ndim != 2 or not len(array):
        raise BadInput(f"{what}: shape {array.shape}; (replicates, steps) is needed")
    return array


def window_mean(curves: Floats, window: tuple[int, int]) -> Floats:
    """The mean over the present steps of a window: (R, T + 1) -> (R,); NaN where none is."""
    part = curves[:, window[0] : window[1] + 1]
    count = (~np.isnan(part)).sum(axis=1)
    return np.where(count > 0, np.nansum(part, axis=1) / np.maximum(count, 1), np.nan)


def matched_changes(
    live: ArrayLike, placebo: ArrayLike, windows: Windows | None = None
) -> tuple[Floats, Floats]:
    """The changes of live runs and of their placebos; a step missing in one is left out of both.

    Args:
        live, placebo: (R, T + 1), replicate r of one matched with replicate r of the other.

    Returns:
        (R,) and (R,).

    Raises:
        BadInput: shapes that differ.
    """
    a, b = as_curves(live, "live"), as_curves(placebo, "placebo")
    if a.shape != b.shape:
        raise BadInput(
            f"live has shape {a.shape} and placebo {b.shape}; matched pairs need the same "
            "(replicates, steps)"
        )
    both = np.isnan(a) | np.isnan(b)
    a, b = np.where(both, np.nan, a), np.where(both, np.nan, b)
    return change(a, windows), change(b, windows)
