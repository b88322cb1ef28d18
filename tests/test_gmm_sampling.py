"""Readings and points of the GMM world: every law exactly as stated.

Seeds are fixed. A test of a law fails where p < 1e-4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from gmm_literal import KernelDraws, readable, system
from numpy.typing import NDArray
from scipy import stats

from lwd_agents.kernels import run_key
from lwd_agents.worlds import gmm_sampling as sampling
from lwd_agents.worlds.gmm_kernel import scratch

KEY = run_key(11, "test")
ZERO = np.uint64(0)
Draw = Callable[[int], NDArray[np.int32]]


def by_exchanges(n: int, k: int) -> Draw:
    """A function that draws k of the items n, n + 1, ..., 2n - 1 as one replicate."""
    items = np.arange(n, 2 * n, dtype=np.int32)
    work, out = items.copy(), np.zeros(k, np.int32)
    touched, words = np.zeros(max(k, 1), np.int64), np.zeros(sampling.CHUNK, np.uint32)

    def draw(replicate: int) -> NDArray[np.int32]:
        sampling.shuffled(items, out, k, work, touched, words, 3, ZERO, np.uint64(replicate), KEY)
        assert np.array_equal(work, items)
        return out

    return draw


def by_buckets(n: int, k: int) -> Draw:
    """The same by buckets."""
    items = np.arange(n, 2 * n, dtype=np.int32)
    _, kept, capacity = sampling.buckets_for(n, k)
    work, out = np.zeros((kept + 1) * capacity, np.int32), np.zeros(k, np.int32)
    ends, words = np.zeros(4096, np.int64), np.zeros(sampling.CHUNK, np.uint32)

    def draw(replicate: int) -> NDArray[np.int32]:
        sampling.streamed(items, out, k, work, ends, words, 3, ZERO, np.uint64(replicate), KEY)
        return out

    return draw


def by_notes(n: int, k: int) -> Draw:
    """The same by exchanges that are written down."""
    items, out = np.arange(n, 2 * n, dtype=np.int32), np.zeros(k, np.int32)
    touched, words = np.zeros(max(k, 1), np.int64), np.zeros(sampling.CHUNK, np.uint32)

    def draw(replicate: int) -> NDArray[np.int32]:
        sampling.noted(items, out, k, touched, words, 3, ZERO, np.uint64(replicate), KEY)
        return out

    return draw


WAYS = pytest.mark.parametrize("way", [by_exchanges, by_buckets])


def assert_every_ordered_subset(counts: Counter[bytes], n: int, k: int) -> None:
    possible = math.perm(n, k)
    found = np.zeros(possible)
    found[: len(counts)] = list(counts.values())
    assert len(counts) <= possible
    assert possible == 1 or stats.chisquare(found).pvalue > 1e-4


@WAYS
@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 1), (12, 2), (30, 2), (5, 3), (5, 5), (6, 4)])
def test_every_ordered_subset_is_equally_likely(way, n: int, k: int) -> None:  # type: ignore[no-untyped-def]
    draw = way(n, k)
    total = 40 * max(math.perm(n, k), 100)
    assert_every_ordered_subset(Counter(draw(r).tobytes() for r in range(total)), n, k)


@pytest.mark.parametrize("n", [1, 2, 3, 100, 5_000, 300_000])
def test_exchanges_that_are_written_down_draw_the_same_as_those_made(n: int) -> None:
    for k in sorted({0, 1, n // 64, n // 3, n}):
        made, noted = by_exchanges(n, k), by_notes(n, k)
        for replicate in range(3):
            np.testing.assert_array_equal(made(replicate), noted(replicate))


@WAYS
@pytest.mark.parametrize("k", [20_000, 49_999, 50_000, 1_500])
def test_places_in_a_long_reading_are_uniform(way, k: int) -> None:  # type: ignore[no-untyped-def]
    """Cross 25 blocks of items with blocks of places in the reading, "not drawn" the last.

    Every draw is part of a random permutation, so margins are fixed, and over many draws the
    statistic is chi-square with (rows - 1) (columns - 1) degrees of freedom, times n / (n - 1).
    """
    n, draws = 50_000, 60
    draw = way(n, k)
    edges = np.linspace(0, k, 21).astype(int)
    table = np.zeros((25, 21))
    for r in range(draws):
        block = (draw(r) - n) // (n // 25)
        column = np.searchsorted(edges, np.arange(k), side="right") - 1
        np.add.at(table, (block, column), 1)
    table[:, -1] = draws * n / 25 - table[:, :-1].sum(1)
    share = np.append(np.diff(edges), n - k) / n
    expected = draws * n / 25 * share
    used = expected > 0
    statistic = ((table - expected)[:, used] ** 2 / expected[used]).sum() * (n - 1) / n
    freedom = 24 * (used.sum() - 1)
    assert 1e-4 < stats.chi2.sf(statistic, freedom) < 1.0 - 1e-4


def test_buckets_are_shuffled_independently_of_each_other() -> None:
    """As above, with places counted from the start of each of the 16 buckets, about."""
    n, draws = 50_000, 20
    draw, table = by_buckets(n, n), np.zeros((25, 10))
    for r in range(draws):
        np.add.at(table, ((draw(r) - n) // 2000, np.arange(n) % 3125 // 313), 1)
    expected = draws * 2000 * np.bincount(np.arange(n) % 3125 // 313) / n
    statistic = ((table - expected) ** 2 / expected).sum() * (n - 1) / n
    assert 1e-4 < stats.chi2.sf(statistic, 24 * 9) < 1.0 - 1e-4


@WAYS
@pytest.mark.parametrize(("n", "k"), [(50_000, 30_000), (50_000, 50_000), (50_000, 1), (16, 0)])
def test_items_are_distinct(way, n: int, k: int) -> None:  # type: ignore[no-untyped-def]
    found = np.sort(way(n, k)(0))
    assert len(np.unique(found)) == len(found) == k
    assert n <= found.min(initial=n) <= found.max(initial=n) < 2 * n


@WAYS
def test_each_item_is_drawn_as_often(way) -> None:  # type: ignore[no-untyped-def]
    n, k, draws = 2_000, 700, 1_000
    draw = way(n, k)
    counts = np.zeros(n)
    for r in range(draws):
        counts[draw(r) - n] += 1
    share = k / n
    statistic = ((counts - draws * share) ** 2).sum() / (draws * share * (1 - share)) * (n - 1) / n
    assert 1e-4 < stats.chi2.sf(statistic, n - 1) < 1.0 - 1e-4


def test_the_first_and_the_last_place_are_uniform() -> None:
    n, k = 50_000, 2_100
    draw = by_exchanges(n, k)
    ends = np.array([draw(r)[[0, 1023, 1024, k - 1]] for r in range(4_000)]) - n
    for place in ends.T:
        assert stats.chisquare(np.bincount(place // 500, minlength=100)).pvalue > 1e-4


@pytest.mark.parametrize("s", [2**33 // 3, 2**31 + 1, 3 * 2**30, 60, 2**32 - 1])
def test_whole_numbers_below_any_bound_are_uniform(s: int) -> None:
    """At s = 2/3 of 2**32 one word in three is refused; else one number in two would come twice.

    Which ones would (the even or the odd) changes along the range: hence remainders by block.
    """
    words = np.random.default_rng(5).integers(0, 2**32, 30_000, dtype=np.uint64)
    found = np.array(
        [sampling.below(w, np.uint64(s), j, 2, ZERO, ZERO, KEY) for j, w in enumerate(words)]
    )
    assert 0 <= found.min() <= found.max() < s
    for modulus in (1, 2, 3):
        cell = found * 10 // s * modulus + found % modulus
        assert stats.chisquare(np.bincount(cell, minlength=10 * modulus)).pvalue > 1e-4


def test_too_full_a_bucket_is_refused_and_tried_again_with_other_words() -> None:
    items, ends = np.arange(64, dtype=np.int32), np.zeros(4096, np.int64)
    words, found = np.zeros(sampling.CHUNK, np.uint32), []
    for attempt in (0, 1):
        work = np.full(9 * 64, -1, np.int32)
        assert sampling._scattered(items, work, ends, 4, 8, 64, words, attempt, 0, ZERO, ZERO, KEY)
        assert set(work[: 8 * 64]) - {-1} <= set(range(64))
        found.append(work)
    assert (found[0] != found[1]).any()
    assert not sampling._scattered(items, work, ends, 4, 16, 1, words, 0, 0, ZERO, ZERO, KEY)


def test_each_way_serves_its_sizes() -> None:
    n = sampling.STREAMED
    made, stream, note = sampling.EXCHANGE, sampling.STREAM, sampling.NOTE
    cases = {
        (n - 1, n - 1): made, (n, 3 * n // 10 - 1): made, (n, 3 * n // 10): stream,
        (10**8, 10**8): stream, (6400, 100): made, (6401, 100): note, (10**8, 1000): note,
    }  # fmt: skip
    assert {case: sampling.way_of(*case) for case in cases} == cases
    for size in (n, 2 * n, 60_000_000):
        bits, kept, capacity = sampling.buckets_for(size, size // 2)
        assert kept <= 1 << bits <= 4096
        assert kept * capacity >= size // 2
        assert kept * size / 2**bits > size // 2


AUTHORS = [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("model", range(3))
@pytest.mark.parametrize("replace", [False, True])
def test_restricted_readers_draw_uniformly_from_what_they_may_read(
    model: int, replace: bool
) -> None:
    plan = system(
        [[-1.0], [1.0]], [[1.0]], posts=2, fresh=2, initial=2, authors=AUTHORS, replace=replace,
        updates=3,
    )  # fmt: skip
    t, k = 2, 2
    plan = plan._replace(k=np.full((3, 3), k))
    allowed = readable(plan, t, model)
    counts: Counter[bytes] = Counter()
    draws = KernelDraws(plan, 0)
    for draws.replicate in range(40 * math.perm(len(allowed), k)):
        places = draws.reading(t, model)
        assert set(places) <= set(allowed)
        counts[places.tobytes()] += 1
    assert_every_ordered_subset(counts, len(allowed), k)


def test_large_stores_are_read_through_buckets() -> None:
    n = sampling.STREAMED
    plan = system([[-1.0], [1.0]], [[1.0]], initial=n, updates=1, posts=1, models=2)
    draws = KernelDraws(plan, 0)
    found = [draws.reading(0, model) for model in (0, 1)]
    assert [len(np.unique(places)) for places in found] == [n // 2] * 2
    assert abs(len(np.intersect1d(*found)) - n / 4) < 5 * (n / 16) ** 0.5


def test_memory_holds_the_buckets_of_every_step() -> None:
    """The bits double at certain sizes: the last step need not be the one that needs most."""
    for size, k in [((1_289_926, 1_367_569), 1_258_713), ((33_630_129, 36_521_686), 33_630_129)]:
        plan = system([[-1.0], [1.0]], [[1.0]], models=1, updates=1)
        plan = plan._replace(size=np.array(size), k=np.array([[k]]))
        _, kept, capacity = sampling.buckets_for(size[0], k)
        assert len(scratch(plan, 8).work) >= (kept + 1) * capacity


def test_every_draw_has_random_words_of_its_own() -> None:
    """Steps, models, replicates and purposes differ in their points and in their readings."""
    plan = system(
        [[-1.0], [1.0]], [[1.0]], initial=6, posts=3, fresh=6, replace=True, beta=1.0, updates=4
    )
    law, points, readings = plan.human.cumulative, [], []
    for replicate in range(3):
        draws = KernelDraws(plan, replicate)
        points.append(draws.stored())
        for t in range(4):
            points += [draws.fresh(t), *(draws.posted(t, model, law) for model in range(3))]
            if t > 0:
                readings += [tuple(draws.reading(t, model) - plan.first[t]) for model in range(3)]
    whole = np.concatenate(points).ravel()
    assert len(np.unique(whole)) == len(whole) == 3 * (6 + 4 * (6 + 3 * 3))
    assert len(set(readings)) == len(readings) == 3 * 3 * 3


@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_follow_the_mixture(d: int) -> None:
    count = 20_000
    means = np.array([[0.0, 0.0, 0.0], [40.0, -40.0, 40.0], [-40.0, 40.0, 40.0]])[:, :d]
    covariance = np.array([[1.0, 0.5, -0.3], [0.5, 2.0, 0.2], [-0.3, 0.2, 0.7]])[:d, :d]
    shares = np.array([0.2, 0.5, 0.3])
    plan = system(means, covariance, posts=count, models=1, updates=1)
    points = KernelDraws(plan, 0).posted(0, 0, 3.0 * shares)  # weights need not add up to 1
    assert points.shape == (count, d)
    label = np.linalg.norm(points[:, None] - means, axis=-1).argmin(1)
    assert stats.chisquare(np.bincount(label), count * shares).pvalue > 1e-4
    noise = np.linalg.solve(plan.factor, (points - means[label]).T)
    for row in noise:
        assert stats.kstest(row, "norm").pvalue > 1e-4
        before = np.abs(row[:-1])  # a point's noise says nothing of the next point's component
        assert stats.ks_2samp(before[label[1:] == 0], before[label[1:] > 0]).pvalue > 1e-4
    assert np.abs(np.cov(noise) - np.eye(d)).max() < 5.0 * (2.0 / count) ** 0.5
    assert np.abs(np.corrcoef(noise[:, 1:], noise[:, :-1])[:d, d:]).max() < 5.0 / count**0.5
