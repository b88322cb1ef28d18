"""Permutation tests on energy statistics, many permutations at a time.

Of P pooled points in K groups of n_1 .. n_K, with distances d (Rizzo & Szekely 2010, "DISCO
analysis", alpha = 1):

    total   = sum_ab d_ab / (2 P)
    within  = sum_g sum_{a, b in g} d_ab / (2 n_g)
    between = total - within, never below 0

The total is the same for every grouping. So DISCO's F = [between / (K - 1)] / [within / (P - K)]
is monotone in within, and for two groups between = n m / (2 P) * the energy distance. A chunk of
permutations is one matrix of labels, and its within sums are one product with the distances.

Axes: Q tests that share their group sizes and their permutations, P points. Sharing leaves each
test valid; Holm and Bonferroni ask for no independence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, factorial, prod

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

SAME = 2.0**-20  # of the longest vector: closer points differ by the rounding of float32 only
_TIE = 1e-10  # of the total: sums that differ by less are equal but for their order of adding
_CHUNK = 2**15  # numbers in the arrays of a chunk: they stay in a processor's cache
_LEAST_ROWS = 32  # permutations in a chunk, however many points: or each reads all distances alone


@dataclass(frozen=True)
class Permuted:
    """The outcome of Q permutation tests on the same groupings.

    Attributes:
        between: (Q,) dispersion between the groups, in the units of the distances; never below 0.
        total: (Q,) total dispersion; 0 where all points are equal.
        p: (Q,) p-values; 1 where all points are equal.
        groupings: the number of groupings compared with, the observed one included.
        exact: all groupings there are (True), or a random sample of them.
    """

    between: Floats
    total: Floats
    p: Floats
    groupings: int
    exact: bool


def pooled_distances(points: NDArray[np.floating]) -> Floats:
    """Euclidean distances of points, where points equal but for float32 rounding are one point.

    The last bits of an embedding depend on its batch, and each agent has batches of its own. Left
    alone, two models that answer in the same words would differ for certain, by 1e-7. So a point
    takes the place of the first point within 2^-20 of the longest vector's length.

    Args:
        points: (P, D), finite.

    Returns:
        (P, P), symmetric, zero diagonal, in the units of the points, whatever their scale.

    Raises:
        ValueError: the shape is another, or a number is not finite.
    """
    from scipy.spatial.distance import pdist, squareform

    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"points of shape {points.shape}: (P, D) finite numbers are needed")
    scale = float(np.abs(points).max(initial=0.0))
    if scale == 0.0 or len(points) < 2:
        return np.zeros((len(points), len(points)))
    points = points / scale  # so that no square is lost or overflows
    distances = squareform(pdist(points))
    longest = float(np.sqrt((points**2).sum(axis=1).max()))
    first = (distances <= SAME * longest).argmax(axis=1)
    return np.asarray(distances[np.ix_(first, first)] * scale, dtype=np.float64)


def distinct_groupings(sizes: Sequence[int]) -> int:
    """How many ways to split sum(sizes) points into groups of these sizes, names of groups aside.

    Groups of equal size may swap names without a change of statistic, so the smallest p-value that
    a permutation test can give is one over this number: 2 / C(2L, L) for two groups of L.
    """
    return _labelled(sizes) // prod(factorial(many) for many in Counter(sizes).values())


def energy_distance(between: Floats, n: int, m: int) -> Floats:
    """2 E|x - y| - E|x - x'| - E|y - y'| of two samples, as V-statistic: never negative.

    (Szekely & Rizzo 2004.) E = 2 (n + m) / (n m) * between.
    """
    return between * (2 * (n + m) / (n * m))


def permutation_test(
    distances: Floats, sizes: Sequence[int], *, key: int, permutations: int
) -> Permuted:
    """Are K groups of points of one law? Permutes points between groups.

    p = (1 + #{between* >= between}) / (permutations + 1); equal values count as >=. Where there are
    no more than ``permutations`` groupings, all are enumerated, and p is their share with
    between* >= between, the observed one included. Valid at every sample size if the points are
    exchangeable when the hypothesis holds.

    Args:
        distances: (Q, P, P) symmetric, finite; the first sizes[0] points are group 0, and so on.
        sizes: K group sizes, P in all. Their diagonal may be positive (distances of readings).
        key: for the random permutations; the same key and sizes give the same ones.
        permutations: how many random permutations, at least 1.

    Raises:
        ValueError: sizes, shape or number of permutations do not fit.
    """
    sizes = tuple(int(n) for n in sizes)
    distances = _checked(distances, sizes, permutations)
    rows = _rows(distances)
    groupings = _labelled(sizes)
    if groupings <= permutations:
        return _compare(distances, sizes, _stacked(_enumerate(sizes), rows), groupings, True)
    chunks = _shuffled(sizes, seeding.key(key, f"groups {sizes}"), permutations, rows)
    return _compare(distances, sizes, chunks, permutations + 1, False)


def swap_test(distances: Floats, *, key: int, permutations: int) -> Permuted:
    """Are two groups of M paired points of one law, pair by pair? Swaps points within pairs.

    p as in ``permutation_test``, over the 2^M ways to swap; the smallest p-value is 2 / 2^M.

    Args:
        distances: (Q, 2M, 2M) symmetric, finite; point i of the first group is paired with point
            M + i, of the second.
        key: for the random swaps, where 2^M is more than ``permutations``.
        permutations: how many random ones, at least 1.

    Raises:
        ValueError: the shape or number of permutations do not fit.
    """
    pairs = np.shape(distances)[-1] // 2
    sizes = (pairs, pairs)
    distances = _checked(distances, sizes, permutations)
    rows = _rows(distances)
    if 2**pairs <= permutations:
        swaps = (np.array(s, dtype=np.int8) for s in product((0, 1), repeat=pairs))
        labels = (np.concatenate([s, 1 - s]) for s in swaps)
        return _compare(distances, sizes, _stacked(labels, rows), 2**pairs, True)
    generator = seeding.generator(seeding.key(key, f"swaps {pairs}"))
    coins = generator.integers(0, 2, size=(permutations, pairs), dtype=np.int8)
    labels = (np.concatenate([s, 1 - s]) for s in coins)
    return _compare(distances, sizes, _stacked(labels, rows), permutations + 1, False)


def _compare(
    distances: Floats, sizes: tuple[int, ...], chunks: Iterable[Labels], groupings: int, exact: bool
) -> Permuted:
    """Count the groupings with a dispersion between as large as the observed one."""
    total = distances.sum(axis=(1, 2)) / (2 * sum(sizes))
    observed = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)[None]
    within = _within(distances, observed, sizes)[0]
    # total is fixed: between* >= between where within* <= within
    bar = within + _TIE * total
    count = np.full(len(distances), 0 if exact else 1)  # a random sample counts the observed one
    for labels in chunks:
        count += (_within(distances, labels, sizes) <= bar).sum(axis=0)
    between = np.where(total - within > _TIE * total, total - within, 0.0)
    return Permuted(between, total, count / groupings, groupings, exact)


def _within(distances: Floats, labels: Labels, sizes: tuple[int, ...]) -> Floats:
    """Dispersion within the groups, (rows, Q), for labels (rows, P).

    For a group with indicator z it is z'dz / (2 n). The last group is what the others leave,
    z = 1 - u, and z'dz = 1'd1 - 2 u'd1 + u'du needs no further product with d.
    """
    tests, points, _ = distances.shape
    wide = distances.transpose(1, 0, 2).reshape(points, tests * points)
    sums = distances.sum(axis=2)
    within = np.zeros((len(labels), tests))
    others = np.zeros((len(labels), points))
    reached = np.zeros((len(labels), tests, points))
    for group, size in enumerate(sizes[:-1]):
        members = (labels == group).astype(np.float64)
        from_group = (members @ wide).reshape(reached.shape)
        within += np.einsum("bqp,bp->bq", from_group, members) / (2 * size)
        others += members
        reached += from_group
    left = sums.sum(axis=1) - 2 * others @ sums.T + np.einsum("bqp,bp->bq", reached, others)
    within += left / (2 * sizes[-1])
    return within


def _labelled(sizes: Sequence[int]) -> int:
    """P! / (n_1! .. n_K!)."""
    ways, points = 1, 0
    for size in sizes:
        points += size
        ways *= comb(points, size)
    return ways


def _enumerate(sizes: tuple[int, ...]) -> Iterator[Labels]:
    """The labels (P,) of every grouping."""
    labels = np.zeros(sum(sizes), dtype=np.int8)

    def fill(free: list[int], group: int) -> Iterator[Labels]:
        if group == len(sizes):
            yield labels.copy()
            return
        for chosen in combinations(free, sizes[group]):
            labels[list(chosen)] = group
            taken = set(chosen)
            yield from fill([i for i in free if i not in taken], group + 1)

    return fill(list(range(sum(sizes))), 0)


def _stacked(labels: Iterable[Labels], rows: int) -> Iterator[Labels]:
    """Labels (P,) in chunks (rows, P)."""
    chunk: list[Labels] = []
    for one in labels:
        chunk.append(one)
        if len(chunk) == rows:
            yield np.stack(chunk)
            chunk = []
    if chunk:
        yield np.stack(chunk)


def _shuffled(sizes: tuple[int, ...], key: int, permutations: int, rows: int) -> Iterator[Labels]:
    """Random labels in chunks; the chunks' length does not change them."""
    generator = seeding.generator(key)
    ordered = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)
    for start in range(0, permutations, rows):
        many = min(rows, permutations - start)
        yield generator.permuted(np.tile(ordered, (many, 1)), axis=1)


def _rows(distances: Floats) -> int:
    """Permutations in a chunk."""
    tests, points, _ = distances.shape
    return max(_LEAST_ROWS, _CHUNK // int(tests * points))


def _checked(distances: Floats, sizes: tuple[int, ...], permutations: int) -> Floats:
    distances = np.asarray(distances, dtype=np.float64)
    points = sum(sizes)
    if len(sizes) < 2 or min(sizes) < 1 or len(sizes) > 127:
        raise ValueError(f"group sizes {sizes}: 2 to 127 groups of at least one point are needed")
    if distances.ndim != 3 or distances.shape[1:] != (points, points):
        raise ValueError(
            f"distances have shape {distances.shape}; (Q, {points}, {points}) is needed"
        )
    if not np.isfinite(distances).all():
        raise ValueError("distances hold a number that is not finite: leave missing draws out")
    if permutations < 1:
        raise ValueError(f"permutations={permutations}: at least 1 is needed")
    return distances
