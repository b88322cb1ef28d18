"""Clusters of models in perspective space, and how they agree with classes over time.

Helm, Duderstadt, Park and Priebe (EMNLP 2024) count clusters by Gaussian mixtures and BIC, and
follow the adjusted Rand index. With 6 to 20 models that rule as it stands finds clusters in
anything: a single Gaussian blob is split 72 to 98 % of the time with free covariances. So here

- all clusters share one covariance (it needs few parameters, and its likelihood is bounded);
- at most N // 3 clusters are tried, never more than 6;
- a larger number must beat a smaller one in BIC by more than a margin: 10 in one coordinate
  ("very strong" evidence, Kass and Raftery 1995), 14 in two. The margins were set by simulation,
  so that one blob, normal or uniform, of 6 to 20 models is split in about 5 % of cases at most.

scripts/study_clusters.py measures the level, and what is found of real clusters.

Axes: T steps, N agents, d coordinates. A missing agent is a row of NaN.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import Floats
from lwd_agents.seeding import generator

FEWEST = 6  # agents: below, no rule we tried tells two clusters from one
MOST = 6
MARGINS = {1: 10.0, 2: 14.0}  # in BIC, by the number of coordinates: the level is known for these
_STARTS, _SHORT = 64, 8  # all starts run for a few steps of EM,
_LONG_STARTS, _LONG = 8, 200  # the best of them to the end
_TOLERANCE = 1e-4  # of a log likelihood; a margin is 10 in BIC
_RIDGE = 1e-6  # added to the covariance of whitened points: a cluster of equal points is finite
_ROUNDING = 1e-9  # of the largest coordinate: closer points count as equal


@dataclass(frozen=True)
class Clustering:
    """The clusters of one step. From ``cluster``.

    Attributes:
        number: how many.
        labels: (N,), 0 .. number - 1 in the order of each cluster's first agent; -1 for an agent
            that is missing.
        gains: BIC(1) - BIC(K) for K = 2, 3, ...: what each number of clusters has over one.
    """

    number: int
    labels: NDArray[np.int64]
    gains: tuple[float, ...]


@dataclass(frozen=True)
class ClusterPath:
    """Clusters over time. From ``clusters_over_time``.

    Attributes:
        number: (T+1,); 0 at a step with fewer than 6 agents present.
        labels: (T+1, N), as in ``Clustering``, each step's for itself; -1 where missing.
        agreement: (T+1,), the adjusted Rand index against the reference; NaN where number is 0.
        reference: (N,), the classes given, as 0, 1, ..., or the labels of step 0.
    """

    number: NDArray[np.int64]
    labels: NDArray[np.int64]
    agreement: NDArray[np.float64]
    reference: NDArray[np.int64]


def cluster(Z: Floats, scale: float = 0.0) -> Clustering:
    """The number of clusters among models at one step, and which model is in which.

    Gaussian mixtures with one shared covariance, by EM from 64 fixed starts on whitened
    coordinates: so units, rotation and stretch don't matter. The number is the smallest that no
    larger one beats by more than ``MARGINS[d]`` in BIC.

    Our own EM, since few points make many local optima: in 6 of 24 trial fits scikit-learn's with
    20 starts missed the best one; with 60 it found it, at some thirty times the cost.

    Args:
        Z: (N, d), d 1 or 2: perspective space coordinates.
        scale: the size of coordinates that 1e-9 for rounding refers to, where that is more than
            the largest of Z: of the whole path, say.

    Returns:
        One cluster where all points are equal.

    Raises:
        ValueError: fewer than 6 agents are present, or more than 2 coordinates.
    """
    Z = np.asarray(Z, dtype=np.float64)
    if Z.ndim != 2 or Z.shape[1] not in MARGINS:
        raise ValueError(f"coordinates have shape {Z.shape}; (N, 1) or (N, 2) is needed")
    present = np.isfinite(Z).all(axis=1)
    if present.sum() < FEWEST:
        raise ValueError(
            f"{present.sum()} agents are present; clusters need at least {FEWEST}: with fewer, "
            "two clusters can't be told from one"
        )
    points = _whitened(np.asarray(Z[present]), scale)
    distinct = len(np.unique(points.round(6), axis=0))
    most = max(min(len(points) // 3, MOST, distinct), 1)
    fits = [tied_mixture(points, K) for K in range(1, most + 1)]
    bic, margin = [fit[0] for fit in fits], MARGINS[Z.shape[1]]
    chosen = next(k for k in range(most) if bic[k] - min(bic[k:]) <= margin)
    labels = np.full(len(Z), -1, dtype=np.int64)
    labels[present] = _codes(fits[chosen][1].tolist())
    gains = tuple(bic[0] - value for value in bic[1:])
    return Clustering(int(labels.max()) + 1, labels, gains)


def adjusted_rand(labels: Sequence[Hashable], classes: Sequence[Hashable]) -> float:
    """The adjusted Rand index of two partitions (Hubert and Arabie 1985), by scikit-learn.

    (index - expected) / (most - expected), with index = sum over cells of C(n_ij, 2): 1 for equal
    partitions, about 0 for unrelated ones, below 0 for less than chance.

    Args:
        labels, classes: one entry an agent, at least one agent; the names don't matter.

    Returns:
        Always finite: 1 where both have one group only (or groups of one only); 0 where just one
        of them does. Against one group only it can be no more than yes or no.
    """
    from sklearn.metrics import adjusted_rand_score

    if len(labels) != len(classes) or not len(labels):
        raise ValueError(f"{len(labels)} labels, {len(classes)} classes; one each an agent")
    return float(adjusted_rand_score(_codes(labels), _codes(classes)))


def clusters_over_time(Z: Floats, classes: Sequence[Hashable] | None = None) -> ClusterPath:
    """Clusters at each step, and their adjusted Rand index against classes or against step 0.

    At each step only agents present are clustered, and only those with a reference are compared.

    Args:
        Z: (T+1, N, d), d 1 or 2: coordinates in one frame (``perspective.place``).
        classes: the class of each agent, (N,); without it, the labels of step 0.

    Raises:
        ValueError: fewer than 6 agents; or, without classes, fewer than 6 present at step 0.
    """
    Z = np.asarray(Z, dtype=np.float64)
    if Z.ndim != 3 or not len(Z):
        raise ValueError(f"coordinates have shape {Z.shape}; (T+1, N, d) is needed")
    steps, agents = Z.shape[:2]
    if agents < FEWEST:
        raise ValueError(f"{agents} agents; clusters need at least {FEWEST}")
    if classes is not None and len(classes) != agents:
        raise ValueError(f"{len(classes)} classes for {agents} agents; one each is needed")
    scale = float(np.max(np.abs(Z), where=np.isfinite(Z), initial=0.0))
    enough = np.isfinite(Z).all(axis=2).sum(axis=1) >= FEWEST
    labels = np.full((steps, agents), -1, dtype=np.int64)
    for t in np.flatnonzero(enough):
        labels[t] = cluster(Z[t], scale).labels
    if classes is None and not enough[0]:
        raise ValueError(
            f"fewer than {FEWEST} agents are present at step 0; without it, classes are needed"
        )
    reference = labels[0] if classes is None else _codes(classes)
    agreement = np.full(steps, np.nan)
    for t in np.flatnonzero(enough):
        both = (labels[t] >= 0) & (reference >= 0)
        if both.any():
            agreement[t] = adjusted_rand(labels[t][both].tolist(), reference[both].tolist())
    return ClusterPath(labels.max(axis=1) + 1, labels, agreement, reference)


def _whitened(points: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """(N, rank): mean 0, variance 1, no correlation; rank 0 where all points are equal."""
    shifted = points - points[0]
    left, sizes, _ = np.linalg.svd(shifted - shifted.mean(axis=0), full_matrices=False)
    real = sizes > _ROUNDING * max(float(np.abs(points).max()), scale)
    return np.asarray(left[:, real] * np.sqrt(len(points)))


def _starts(points: NDArray[np.float64], K: int) -> NDArray[np.float64]:
    """(S, N, K): first memberships. K points are centres; the others go to the nearest along a
    random direction, so that a gap is found whichever way it lies.
    """
    rng = generator(len(points) * MOST + K)
    along = points @ rng.normal(size=(points.shape[1], _STARTS))  # (N, S)
    chosen = rng.permuted(np.tile(np.arange(len(points)), (_STARTS, 1)), axis=1)[:, :K]
    centres = along[chosen, np.arange(_STARTS)[:, None]]  # (S, K)
    nearest = np.abs(along.T[:, :, None] - centres[:, None]).argmin(axis=2)
    return np.asarray(np.eye(K)[nearest])


def tied_mixture(points: NDArray[np.float64], K: int) -> tuple[float, NDArray[np.int64]]:
    """The best fit of K Gaussians with one covariance: EM from all starts at once.

    Args:
        points: (N, d), whitened: mean 0, covariance the identity; d may be 0.
        K: the number of clusters.

    Returns:
        BIC = -2 log likelihood + (K d + d (d + 1) / 2 + K - 1) log N, and the labels, (N,).
    """
    N, d = points.shape
    member, likelihood = _em(points, _starts(points, K), _SHORT)
    leading = np.argsort(-likelihood)[:_LONG_STARTS]
    member, likelihood = _em(points, member[leading], _LONG)
    best = int(likelihood.argmax())
    parameters = K * d + d * (d + 1) // 2 + K - 1
    bic = -2 * float(likelihood[best]) + parameters * float(np.log(N))
    return bic, member[best].argmax(axis=1)


def _em(
    points: NDArray[np.float64], member: NDArray[np.float64], iterations: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """EM from memberships (S, N, K): the new ones, and the log likelihoods, (S,).

    Whitened points x have sum x x' = N I, so the shared covariance is I - sum_k p_k m_k m_k'.
    """
    N, d = points.shape
    likelihood = np.full(len(member), -np.inf)
    for _ in range(iterations):
        size = np.maximum(member.sum(axis=1), 1e-10)  # (S, K)
        centre = np.swapaxes(member, 1, 2) @ points / size[:, :, None]  # (S, K, d)
        between = np.swapaxes(centre * size[:, :, None], 1, 2) @ centre / N
        precision = np.linalg.inv((1 + _RIDGE) * np.eye(d) - between)
        pulled = centre @ precision
        offset = np.log(size / N) - np.sum(pulled * centre, axis=2) / 2
        density = points @ np.swapaxes(pulled, 1, 2) + offset[:, None]
        highest = density.max(axis=2, keepdims=True)
        member = np.exp(density - highest)
        sums = member.sum(axis=2, keepdims=True)
        member /= sums
        volume = np.linalg.slogdet(precision)[1] - np.trace(precision, axis1=1, axis2=2)
        volume -= d * np.log(2 * np.pi)
        before = likelihood
        likelihood = np.sum(np.log(sums) + highest, axis=(1, 2)) + N / 2 * volume
        if np.max(likelihood - before) < _TOLERANCE:
            break
    return member, likelihood


def _codes(labels: Sequence[Hashable]) -> NDArray[np.int64]:
    """(N,): 0, 1, ... in order of first appearance."""
    names = {name: code for code, name in enumerate(dict.fromkeys(labels))}
    return np.array([names[name] for name in labels], dtype=np.int64)
