"""One plane for all responses of several runs, fitted step by step in little memory.

Classical multidimensional scaling (CMDS) of Euclidean distances is the projection on the points'
principal axes (Gower 1966), and those need only the points' mean and scatter matrix. So no matrix
of distances is made, and the responses of one step at a time are held. Axes: D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.perspective import Float64s, Frame

Batches = Callable[[], Iterable[NDArray[np.floating]]]
_DIMENSIONS = 2


@dataclass(frozen=True)
class _Scatter:
    """Of P points: their number, their mean and scatter about it, as seen from one of them.

    ``largest`` is the size of the largest coordinate, as it was given: what rounding goes by.
    """

    count: int
    origin: Float64s
    mean: Float64s
    matrix: Float64s
    largest: float


def fit_plane(batches: Batches) -> Frame | None:
    """The two principal axes of all points: their joint classical MDS.

    Args:
        batches: gives the points anew at each call, (..., D) at a time; they are read twice. A row
            that is not finite throughout is left out.

    Returns:
        The frame, as ``perspective.fit_frame`` makes it, signs too; ``eigenvalues`` (2,) has those
        of its axes alone. An axis beyond the rank of the points is 0. None where no point is there.

    Raises:
        ValueError: points of different D.
    """
    from scipy.linalg import eigh

    found = _scatter(_points(batches()))
    if found is None:
        return None
    width, total = len(found.mean), float(np.trace(found.matrix))
    kept = min(_DIMENSIONS, width)
    values, vectors = eigh(found.matrix, subset_by_index=[width - kept, width - 1])
    values, directions = values[::-1], vectors[:, ::-1].T
    # Below this an eigenvalue is rounding, of the scatter or of the points, and its axis is noise.
    eps = np.finfo(np.float64).eps
    floor = max(eps * width * values[0], found.count * width * (eps * found.largest) ** 2)
    used = int(np.sum(values > floor))
    axes, eigenvalues = np.zeros((_DIMENSIONS, width)), np.zeros(_DIMENSIONS)
    eigenvalues[:used] = values[:used]
    axes[:used] = directions[:used]
    centre = found.origin + found.mean
    axes[:used] *= _signs(_points(batches()), centre, axes[:used])[:, None]
    share = eigenvalues / total if used else np.zeros(_DIMENSIONS)
    return Frame(centre, axes, eigenvalues, share, 1, found.count)


def _points(batches: Iterable[NDArray[np.floating]]) -> Iterator[Float64s]:
    """The batches as (P, D) of finite rows; one without any is passed over."""
    for batch in batches:
        points = np.asarray(batch, dtype=np.float64)
        points = points.reshape(-1, points.shape[-1])
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            yield points


def _scatter(batches: Iterable[Float64s]) -> _Scatter | None:
    """Mean and scatter, batch joined to batch by the update of Chan, Golub and LeVeque (1983)."""
    found: _Scatter | None = None
    for points in batches:
        if found is None:
            zero = np.zeros(points.shape[1])
            found = _Scatter(0, points[0].copy(), zero, np.zeros((len(zero), len(zero))), 0.0)
        if points.shape[1] != len(found.origin):
            raise ValueError(f"points of {len(found.origin)} and of {points.shape[1]} dimensions")
        shifted = points - found.origin  # before the mean: equal points give exactly 0
        mean, count = shifted.mean(axis=0), len(points)
        centred, apart = shifted - mean, mean - found.mean
        both = found.count + count
        found = _Scatter(
            both,
            found.origin,
            found.mean + apart * (count / both),
            found.matrix
            + centred.T @ centred
            + np.outer(apart, apart) * (found.count * count / both),
            max(found.largest, float(np.abs(points).max())),
        )
    return found


def _signs(batches: Iterable[Float64s], centre: Float64s, axes: Float64s) -> Float64s:
    """-1 for each axis along which the point that is largest in size is negative, else 1."""
    low, high = np.zeros(len(axes)), np.zeros(len(axes))
    for points in batches:
        along = (points - centre) @ axes.T
        low, high = np.minimum(low, along.min(axis=0)), np.maximum(high, along.max(axis=0))
    return np.where(-low > high, -1.0, 1.0)
