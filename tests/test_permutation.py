"""Permutation tests against their definitions, scipy and hyppo."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist, pdist, squareform

from lwd_agents.inference import permutation
from lwd_agents.inference.permutation import (
    distinct_groupings,
    energy_distance,
    permutation_test,
    pooled_distances,
    swap_test,
)


def between_of(d: np.ndarray, labels: np.ndarray) -> float:
    """The definition: total less within dispersion, one group after another."""
    total = d.sum() / (2 * len(d))
    groups = [np.flatnonzero(labels == g) for g in np.unique(labels)]
    return total - sum(d[np.ix_(g, g)].sum() / (2 * len(g)) for g in groups)


def exact_p(d: np.ndarray, labels: np.ndarray, all_labels: list[tuple[int, ...]]) -> float:
    seen = between_of(d, labels)
    others = np.array([between_of(d, np.array(other)) for other in all_labels])
    return float(np.mean(others >= seen - 1e-9))


def points(seed: int, count: int, dimensions: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions))


@pytest.mark.parametrize(("n", "m"), [(6, 6), (4, 9), (1, 5)])
def test_the_energy_distance_is_scipys_in_one_dimension(n: int, m: int) -> None:
    x = points(1, n + m, 1)
    done = permutation_test(pooled_distances(x)[None], (n, m), key=0, permutations=10)
    expected = stats.energy_distance(x[:n, 0], x[n:, 0]) ** 2
    assert energy_distance(done.between, n, m)[0] == pytest.approx(expected)


def test_the_energy_distance_is_its_definition_in_many_dimensions() -> None:
    x, y = points(2, 5, 7), points(3, 8, 7)
    done = permutation_test(
        pooled_distances(np.vstack([x, y]))[None], (5, 8), key=0, permutations=10
    )
    expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    assert energy_distance(done.between, 5, 8)[0] == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (2, 3, 2), (2, 2, 2)])
@pytest.mark.parametrize("tied", [False, True])
def test_enumerated_p_values_are_those_of_all_orders(sizes: tuple[int, ...], tied: bool) -> None:
    x = points(sum(sizes), sum(sizes))
    d = pooled_distances(np.round(x / 2) if tied else x)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    everything = sorted(set(permutations(labels.tolist())))
    done = permutation_test(d[None], sizes, key=0, permutations=len(everything))
    assert done.exact
    assert done.groupings == len(everything)
    assert done.p[0] == pytest.approx(exact_p(d, labels, everything))
    assert done.p[0] >= 1 / distinct_groupings(sizes) - 1e-12


@pytest.mark.parametrize("sizes", [(10, 10), (7, 12), (4, 6, 5)])
def test_random_permutations_estimate_scipys_exact_or_random_p(sizes: tuple[int, ...]) -> None:
    x = points(5, sum(sizes))
    x[: sizes[0]] += 0.5
    d = pooled_distances(x)
    done = permutation_test(d[None], sizes, key=7, permutations=4999)
    assert not done.exact

    def statistic(*groups: np.ndarray) -> float:
        where = [g.astype(int) for g in groups]
        return -sum(d[np.ix_(g, g)].sum() / (2 * len(g)) for g in where)

    index = np.split(np.arange(float(len(d))), np.cumsum(sizes)[:-1])
    theirs = stats.permutation_test(
        index, statistic, alternative="greater", n_resamples=2999, rng=np.random.default_rng(0)
    )
    error = np.sqrt(theirs.pvalue * (1 - theirs.pvalue) * (1 / 2999 + 1 / 4999))
    assert abs(done.p[0] - theirs.pvalue) < 4 * error


@pytest.mark.slow  # hyppo takes seconds to import and compile
def test_hyppo_gives_the_same_statistic_and_p_value() -> None:
    hyppo = pytest.importorskip("hyppo.ksample")
    x, y = points(1, 20, 5), points(2, 20, 5) + 0.25
    d = pooled_distances(np.vstack([x, y]))[None]
    done = permutation_test(d, (20, 20), key=1, permutations=1999)
    # hyppo's V-statistic is the root of a distance covariance: E = 2 n^2 m^2 / N^4 * theirs^2
    theirs = hyppo.Energy(bias=True).statistic(x, y)
    scale = 2 * 20**2 * 20**2 / 40**4
    assert energy_distance(done.between, 20, 20)[0] == pytest.approx(scale * theirs**2)
    p = hyppo.Energy(bias=True).test(x, y, reps=1000, auto=False, random_state=0).pvalue
    assert abs(done.p[0] - p) < 4 * np.sqrt(p * (1 - p) * (1 / 1000 + 1 / 1999))


def test_p_values_are_uniform_when_the_laws_are_equal() -> None:
    p = []
    for seed in range(300):
        d = pooled_distances(points(seed, 8, 2))[None]
        p.append(permutation_test(d, (4, 4), key=seed, permutations=99).p[0])
    for mark in (1 / 35, 7 / 35, 21 / 35):  # 35 distinct groupings
        share = np.mean(np.array(p) <= mark + 1e-12)
        assert abs(share - mark) < 4 * np.sqrt(mark * (1 - mark) / 300)


def test_tests_that_share_permutations_give_what_each_gives_alone() -> None:
    stack = np.stack([pooled_distances(points(s, 25)) for s in range(3)])
    together = permutation_test(stack, (12, 13), key=3, permutations=500)
    alone = [permutation_test(d[None], (12, 13), key=3, permutations=500) for d in stack]
    np.testing.assert_array_equal(together.p, [one.p[0] for one in alone])
    np.testing.assert_allclose(together.between, [one.between[0] for one in alone])


def test_chunks_do_not_change_a_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    d = pooled_distances(points(1, 30))[None]
    whole = permutation_test(d, (10, 11, 9), key=3, permutations=500)
    monkeypatch.setattr(permutation, "_LEAST_ROWS", 7)
    monkeypatch.setattr(permutation, "_CHUNK", 1)
    np.testing.assert_array_equal(
        permutation_test(d, (10, 11, 9), key=3, permutations=500).p, whole.p
    )


def test_swaps_are_all_ways_to_swap_within_pairs() -> None:
    x = points(4, 10)
    d = pooled_distances(x)
    everything = [(*s, *(1 - i for i in s)) for s in product((0, 1), repeat=5)]
    labels = np.repeat([0, 1], 5)
    done = swap_test(d[None], key=0, permutations=32)
    assert (done.exact, done.groupings) == (True, 32)
    assert done.p[0] == pytest.approx(exact_p(d, labels, everything))
    random = swap_test(d[None], key=0, permutations=31)
    assert (random.exact, random.groupings) == (False, 32)
    assert done.between[0] == pytest.approx(between_of(d, labels))


def test_random_swaps_estimate_the_exact_p_value() -> None:
    x = points(4, 24) + np.repeat([0.0, 0.4], 12)[:, None]
    d = pooled_distances(x)[None]
    p = swap_test(d, key=0, permutations=4096).p[0]
    estimate = swap_test(d, key=0, permutations=3000)
    assert not estimate.exact
    assert abs(estimate.p[0] - p) < 4 * np.sqrt(p * (1 - p) / 3000)


def test_equal_points_give_one_and_zero() -> None:
    d = pooled_distances(np.full((12, 4), 0.1))[None]
    for done in (
        permutation_test(d, (6, 6), key=0, permutations=99),
        permutation_test(d, (4, 4, 4), key=0, permutations=99),
        swap_test(d, key=0, permutations=99),
    ):
        assert (done.p[0], done.between[0], done.total[0]) == (1.0, 0.0, 0.0)


def test_the_rounding_of_a_batch_is_no_difference() -> None:
    # Both models answer with the same texts; the second's batch rounds the last bit elsewhere.
    texts = points(0, 3, 16)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    answers = np.tile(texts, (6, 1))
    batch = (answers * (1 + 2.0**-23)).astype(np.float32)
    pooled = np.vstack([answers, batch])
    done = permutation_test(pooled_distances(pooled)[None], (18, 18), key=0, permutations=999)
    assert (done.p[0], done.between[0]) == (1.0, 0.0)
    naive = squareform(pdist(np.vstack([answers[::3], batch[::3]])))[None]
    assert permutation_test(naive, (6, 6), key=0, permutations=999).p[0] < 0.01


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e200])
def test_scale_does_not_matter(scale: float) -> None:
    x = points(8, 20)
    plain = permutation_test(pooled_distances(x)[None], (10, 10), key=0, permutations=199)
    scaled = permutation_test(pooled_distances(x * scale)[None], (10, 10), key=0, permutations=199)
    np.testing.assert_array_equal(scaled.p, plain.p)
    np.testing.assert_allclose(scaled.between, plain.between * scale)


def test_pooled_distances_are_scipys() -> None:
    x = points(9, 15, 6)
    np.testing.assert_allclose(pooled_distances(x), squareform(pdist(x)), atol=1e-12)
    np.testing.assert_array_equal(pooled_distances(np.zeros((3, 2))), np.zeros((3, 3)))
    assert pooled_distances(np.empty((0, 2))).shape == (0, 0)


def test_distinct_groupings_are_counted() -> None:
    assert distinct_groupings((4, 4)) == 35
    assert distinct_groupings((3, 5)) == 56
    assert distinct_groupings((2, 2, 2)) == 15
    splits = {
        frozenset((frozenset(a), frozenset(set(range(6)) - set(a))))
        for a in combinations(range(6), 3)
    }
    assert distinct_groupings((3, 3)) == len(splits)


def test_keys_matter_and_repeat() -> None:
    d = pooled_distances(points(1, 30))[None]
    p = [permutation_test(d, (15, 15), key=k, permutations=999).p[0] for k in (1, 1, 2)]
    assert p[0] == p[1] != p[2]


def test_bad_arguments_are_refused() -> None:
    d = np.zeros((1, 4, 4))
    with pytest.raises(ValueError, match="group sizes"):
        permutation_test(d, (4,), key=0, permutations=9)
    with pytest.raises(ValueError, match=r"\(Q, 5, 5\) is needed"):
        permutation_test(d, (2, 3), key=0, permutations=9)
    with pytest.raises(ValueError, match="permutations=0"):
        permutation_test(d, (2, 2), key=0, permutations=0)
    with pytest.raises(ValueError, match="not finite"):
        permutation_test(np.full((1, 4, 4), np.nan), (2, 2), key=0, permutations=9)
    with pytest.raises(ValueError, match="finite numbers"):
        pooled_distances(np.array([[np.nan, 1.0]]))
