"""Polarization: how far two groups of agents stand apart, over where they began.

Axes: T steps, N agents, D dimensions. A missing perspective is a row of NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import Floats


@dataclass(frozen=True)
class Polarization:
    """Two groups of agents, step by step. From ``polarization``.

    Attributes:
        distance: (T+1,), || mean of one group - mean of the other ||; NaN where an agent of
            either has no perspective at that step.
        ratio: (T+1,), distance over its value at t = 0; NaN throughout where that value is 0 or
            missing: then there is nothing to compare with, and ``distance`` is the answer.
    """

    distance: NDArray[np.float64]
    ratio: NDArray[np.float64]


def polarization(X: Floats, one: Sequence[int], other: Sequence[int]) -> Polarization:
    """How far apart two groups are, and over its value at t = 0 (Helm et al., EMNLP 2024).

    Of two classes: the difference of their means. Of an adversary: ``one`` holds all others,
    ``other`` the adversary alone. A norm has no sign: groups that cross in one dimension touch 0
    and part again. Perspectives are means over L draws and keep their noise: distance^2 holds
    about (sum of tr S_i of a group) / (L size^2) for each group beside what it estimates, so a
    ratio falls to a floor, not to 0. A group's mean is not taken over those that happen to be
    present: an agent that falls silent would look like one that moved.

    Args:
        X: perspectives (T+1, N, D), those of several queries through ``perspective.joined``, or
            coordinates in one frame (T+1, N, d).
        one, other: places on the N axis, disjoint, none empty.

    Returns:
        Defined where all perspectives are equal: distance 0, ratio NaN. A start of at most 1e-12
        of the largest entry of X is rounding and counts as 0.

    Raises:
        ValueError: X is not of that shape; a group is empty, shares an agent with the other, or
            names one that is not there.
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 3 or not len(X):
        raise ValueError(f"perspectives have shape {X.shape}; (T+1, N, D) is needed")
    left, right = ({int(i) for i in group} for group in (one, other))
    if not left or not right or left & right:
        raise ValueError(f"groups {sorted(left)} and {sorted(right)}: two disjoint ones are needed")
    if not left | right <= set(range(X.shape[1])):
        raise ValueError(
            f"groups {sorted(left)} and {sorted(right)}: the agents are 0 to {X.shape[1] - 1}"
        )
    gap = X[:, sorted(left)].mean(axis=1) - X[:, sorted(right)].mean(axis=1)
    distance = np.sqrt(np.sum(gap**2, axis=-1))
    size = np.max(np.abs(X), where=np.isfinite(X), initial=0.0)
    moved = distance[0] > 1e-12 * size
    ratio = distance / distance[0] if moved else np.full(len(X), np.nan)
    return Polarization(np.asarray(distance), np.asarray(ratio))
