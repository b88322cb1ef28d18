"""The data kernel perspective space: models as points, from what they answer.

Two models are as far apart as their perspectives over all queries; classical multidimensional
scaling (CMDS) turns those distances into a few coordinates (Helm, Duderstadt, Park and Priebe,
EMNLP 2024). The distances are Euclidean, so CMDS is the projection on the principal axes of the
points themselves. Hence one linear ``Frame``, fitted once, serves every step and every later run.

Axes: T steps, N agents, Q queries, D dimensions of an embedding, d dimensions kept. A missing
perspective is a row of NaN. One network is (N, D), or (Q, N, D) with its queries; over steps it
is (T+1, N, D) or (T+1, Q, N, D).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import Floats, pairwise_distances

Float64s = NDArray[np.float64]
Dimensions = int | Literal["elbow"]


@dataclass(frozen=True)
class Frame:
    """Axes in which models of several steps and runs can be compared. From ``fit_frame``.

    Attributes:
        centre: (Q * D,), the mean of the fitted points: the frame's origin.
        axes: (d, Q * D), orthonormal rows; a row of 0 beyond the rank of the fitted points.
        eigenvalues: of the doubly centred matrix of CMDS, largest first: (min(P - 1, Q * D),) of P
            fitted points. Their sum is the sum of the points' squared distances from the centre.
        share: (d,), each axis' share of that sum; 0 where all points are equal.
        queries: Q.
        points: P, how many (step, agent) points were present in the fit.
    """

    centre: Float64s
    axes: Float64s
    eigenvalues: Float64s
    share: Float64s
    queries: int
    points: int


@dataclass(frozen=True)
class Placement:
    """Perspectives seen in a frame. From ``place``.

    Attributes:
        coordinates: (T+1, N, d); NaN where the perspective is missing.
        residual: (T+1, N), the distance of each perspective from the frame's plane, in the units
            of the embedding: what the coordinates don't show. NaN where it is missing.
    """

    coordinates: Float64s
    residual: Float64s


@dataclass(frozen=True)
class Scaling:
    """Coordinates from distances alone. From ``classical_scaling``.

    Attributes:
        coordinates: (N, d); NaN for an agent without distances.
        eigenvalues: all of them, largest first, (number of agents present,).
        negative: the share of the eigenvalues' absolute sum that is negative: 0 when the
            distances are Euclidean; where it is large, coordinates can't show them.
    """

    coordinates: Float64s
    eigenvalues: Float64s
    negative: float


def joined(X: Floats) -> Float64s:
    """Perspectives over several queries as one point an agent; their distances are M [ours].

    Args:
        X: (..., Q, N, D).

    Returns:
        (..., N, Q * D): the queries' perspectives one after the other, over sqrt(Q).
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim < 3 or 0 in X.shape[-3:]:
        raise ValueError(f"perspectives have shape {X.shape}; (..., Q, N, D) is needed")
    queries, agents, width = X.shape[-3:]
    points = np.moveaxis(X, -3, -2).reshape(*X.shape[:-3], agents, queries * width)
    return np.asarray(points / np.sqrt(queries), dtype=np.float64)


def dissimilarity(X: Floats) -> Float64s:
    """M_ij = || X_i - X_j ||_F / sqrt(Q) over Q queries (Helm et al. 2024, Section 2).

    The root of Q is that of their public code. So M_ij^2 is the mean over queries of D_ij(q)^2,
    as in ``geometry.over_queries``, and one query gives D itself.

    Args:
        X: (..., Q, N, D).

    Returns:
        (..., N, N), symmetric with zero diagonal; NaN in the rows and columns of an agent that has
        no perspective on one of the queries.
    """
    return pairwise_distances(joined(X))


def at_step(X: Floats, dimensions: Dimensions = 2) -> Float64s:
    """Classical MDS of the models at one step.

    Each step has axes of its own: coordinates of two steps may not be compared. For that, fit
    one frame for all steps.

    Args:
        X: (N, D) or (Q, N, D).
        dimensions: as in ``fit_frame``.

    Returns:
        (N, d), centred over the agents present; NaN for an agent without a perspective (with
        "elbow" and no agent present d is 1). Equal perspectives give zeros.
    """
    X = np.asarray(X, dtype=np.float64)
    if X.ndim not in (2, 3):
        raise ValueError(f"perspectives have shape {X.shape}; (N, D) or (Q, N, D) is needed")
    network = np.asarray(X[None], dtype=np.float64)
    if not np.isfinite(joined(_by_step(network))).all(axis=-1).any():
        return np.full((X.shape[-2], _kept(dimensions, np.zeros(0))), np.nan)
    coordinates = place(fit_frame(network, dimensions), network).coordinates
    return np.asarray(coordinates[0])


def fit_frame(X: Floats, dimensions: Dimensions = 2) -> Frame:
    """One frame for all (step, agent) pairs: their joint classical MDS (Helm et al. 2024).

    ``place(fit_frame(X), X)`` gives the coordinates of the trajectories. Every pair present counts
    once, so a frame is drawn towards where a run spends most of its steps.

    Args:
        X: (T+1, N, D) or (T+1, Q, N, D); several runs one after the other along the first axis.
            Where a perspective is missing on one query, that (step, agent) is left out.
        dimensions: d, or "elbow": where the scree has its elbow.

    Returns:
        The frame. The sign of each axis is fixed as in ``geometry.classical_mds``: among the
        fitted points the coordinate largest in size is positive.

    Raises:
        ValueError: no perspective is present, or d is not a number of dimensions.
    """
    steps = _by_step(X)
    points = joined(steps).reshape(-1, steps.shape[1] * steps.shape[3])
    points = np.asarray(points[np.isfinite(points).all(axis=1)])
    if not len(points):
        raise ValueError(f"no perspective is present in {steps.shape}; one at least is needed")
    shifted = points - points[0]  # before the mean: equal points give exactly 0
    offset = shifted.mean(axis=0)
    _, sizes, directions = np.linalg.svd(shifted - offset, full_matrices=False)
    # Below this a size is rounding, and its direction is noise.
    floor = np.finfo(np.float64).eps * max(points.shape) * max(np.abs(points).max(), sizes[0])
    real = int(np.sum(sizes > floor))
    sizes[real:] = 0.0
    eigenvalues = sizes[: min(len(points) - 1, points.shape[1])] ** 2
    kept = _kept(dimensions, eigenvalues)
    used = min(kept, real)
    coordinates = (shifted - offset) @ directions[:used].T
    axes, share = np.zeros((kept, points.shape[1])), np.zeros(kept)
    axes[:used] = directions[:used] * _signs(coordinates)[:, None]
    share[:used] = eigenvalues[:used] / eigenvalues.sum()
    return Frame(points[0] + offset, axes, eigenvalues, share, steps.shape[1], len(points))


def place(frame: Frame, X: Floats) -> Placement:
    """Place perspectives in a frame, also those of a run it was not fitted on.

    By orthogonal projection, which is Gower's (1968) formula for adding a point to a classical
    MDS. (Trosset and Priebe 2008 minimise a criterion that agrees with it for a point in the
    frame's plane, and otherwise pushes the point outwards to make up for its residual.)

    Args:
        frame: from ``fit_frame``.
        X: (T+1, N, D) or (T+1, Q, N, D), of the frame's queries and dimensions; the numbers of
            steps and of agents are free. That the embedding model is the same can't be seen here.

    Raises:
        ValueError: other queries or dimensions than the frame's.
    """
    steps = _by_step(X)
    queries, width = frame.queries, len(frame.centre) // frame.queries
    if steps.shape[1] != queries or steps.shape[3] != width:
        raise ValueError(
            f"perspectives have {steps.shape[1]} queries and {steps.shape[3]} dimensions; "
            f"the frame has {queries} and {width}"
        )
    points = joined(steps)
    present = np.asarray(np.isfinite(points).all(axis=-1, keepdims=True))
    centred = np.where(present, points, np.nan) - frame.centre
    coordinates = centred @ frame.axes.T
    residual = np.sqrt(np.sum((centred - coordinates @ frame.axes) ** 2, axis=-1))
    return Placement(coordinates, residual)


def classical_scaling(D: Floats, dimensions: Dimensions = 2) -> Scaling:
    """Classical (Torgerson) MDS from distances alone: -1/2 J D^2 J and its eigenvectors.

    For distances that are not between perspectives, such as the square roots of energy distances
    between whole answer laws (these are Euclidean too).

    Args:
        D: (N, N), symmetric, not negative, with zero diagonal; an agent whose diagonal entry is
            NaN, as ``geometry.distances`` writes it, is left out.
        dimensions: as in ``fit_frame``.

    Returns:
        Coordinates with signs as in ``fit_frame``; axes without a positive eigenvalue are 0.

    Raises:
        ValueError: D is not a distance matrix, or no agent is present.
    """
    D = np.asarray(D, dtype=np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise ValueError(f"distances have shape {D.shape}; (N, N) is needed")
    present = np.isfinite(np.diag(D))
    known = D[np.ix_(present, present)]
    if not present.any():
        raise ValueError(f"no agent is present in D {D.shape}; one at least is needed")
    if not (np.allclose(known, known.T) and np.all(known >= 0) and not np.diag(known).any()):
        raise ValueError("D must be symmetric, not negative, finite, and 0 on its diagonal")
    centred = known**2 - np.mean(known**2, axis=0)
    values, vectors = np.linalg.eigh(-0.5 * (centred - centred.mean(axis=1, keepdims=True)))
    values, vectors = values[::-1], vectors[:, ::-1]
    floor = np.finfo(np.float64).eps * len(known) * np.abs(values).max()
    values = np.where(np.abs(values) > floor, values, 0.0)
    kept = _kept(dimensions, np.maximum(values[: max(len(values) - 1, 0)], 0.0))
    used = min(kept, int(np.sum(values > 0)))
    coordinates = np.full((len(D), kept), np.nan)
    coordinates[present] = 0.0
    found = vectors[:, :used] * np.sqrt(values[:used])
    coordinates[present, :used] = found * _signs(found)
    total = np.abs(values).sum()
    negative = float(-values[values < 0].sum() / total) if total else 0.0
    return Scaling(coordinates, values, negative)


def elbow(eigenvalues: Floats) -> int:
    """Where a scree has its elbow, by profile likelihood (Zhu and Ghodsi 2006).

    The q largest and the rest are taken as two normal samples with one variance. With the pooled
    variance put in, the likelihood is largest where the pooled sum of squares is smallest.

    Args:
        eigenvalues: largest first, (p,).

    Returns:
        q in 1 .. p - 1; 1 where p < 3, and where all are equal. An elbow is taken to exist: on a
        flat scree the answer means nothing.
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if len(values) < 3:
        return 1
    sums = [
        q * np.var(values[:q]) + (len(values) - q) * np.var(values[q:])
        for q in range(1, len(values))
    ]
    return 1 + int(np.argmin(sums))


def _by_step(X: Floats) -> Float64s:
    """(T+1, N, D) or (T+1, Q, N, D) as (T+1, Q, N, D)."""
    steps = np.asarray(X, dtype=np.float64)
    if steps.ndim not in (3, 4) or 0 in steps.shape[1:]:
        raise ValueError(
            f"perspectives have shape {steps.shape}; (T+1, N, D) or (T+1, Q, N, D) is needed"
        )
    return np.asarray(steps[:, None] if steps.ndim == 3 else steps)


def _kept(dimensions: Dimensions, eigenvalues: Float64s) -> int:
    if dimensions == "elbow":
        return elbow(eigenvalues)
    if not isinstance(dimensions, int) or isinstance(dimensions, bool) or dimensions < 1:
        raise ValueError(f"dimensions = {dimensions!r}; a number from 1, or 'elbow', is needed")
    return dimensions


def _signs(coordinates: Float64s) -> Float64s:
    """(d,): -1 for each column of (P, d) whose entry largest in size is negative, else 1."""
    largest = np.abs(coordinates).argmax(axis=0)
    negative = coordinates[largest, np.arange(coordinates.shape[1])] < 0
    return np.asarray(np.where(negative, -1.0, 1.0))
