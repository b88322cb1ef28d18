"""t interval, sign-flip, Welch permutation and effect sizes against scipy and brute force."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lwd_agents.errors import BadInput
from lwd_agents.inference.replicates import (
    noncentral_limits,
    paired_effect,
    sign_flip,
    smallest_flip_p,
    t_interval,
)
from lwd_agents.inference.two_samples import (
    hedges_g,
    smallest_welch_p,
    welch_interval,
    welch_permutation,
)

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=9) - 0.5, RNG.normal(size=6) * 3


def test_the_t_interval_is_scipys() -> None:
    found = t_interval(X, 0.9)
    low, high = stats.ttest_1samp(X, 0.0).confidence_interval(0.9)
    assert (found.estimate, found.low, found.high) == pytest.approx((X.mean(), low, high))


def test_missing_replicates_are_left_out_and_counted() -> None:
    with_nan = np.concatenate([X, [np.nan, np.nan]])
    for function in (t_interval, sign_flip, paired_effect):
        whole, part = function(with_nan), function(X)
        assert whole.left_out == 2
        assert part.left_out == 0
        assert str(whole).replace("left_out=2", "left_out=0") == str(part)
    assert welch_permutation(with_nan, Y).p == welch_permutation(X, Y).p
    assert welch_permutation(with_nan, Y).left_out == 2


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
def test_sign_flip_is_every_pattern_of_the_studentised_mean(alternative: str) -> None:
    def t(x: np.ndarray) -> float:
        return float(x.mean() / (x.std(ddof=1) / np.sqrt(len(x))))

    null = np.array([t(X * s) for s in product([1, -1], repeat=len(X))])
    hits = {
        "less": null <= t(X) + 1e-9,
        "greater": null >= t(X) - 1e-9,
        "two-sided": np.abs(null) >= abs(t(X)) - 1e-9,
    }[alternative]
    found = sign_flip(X, alternative)  # type: ignore[arg-type]
    assert found.exact
    assert found.permutations == 2 ** len(X)
    assert found.p == hits.mean()
    assert found.statistic == pytest.approx(t(X))


def test_sign_flip_of_all_negative_reaches_the_smallest_p() -> None:
    x = -np.arange(1.0, 7.0)
    assert sign_flip(x, "less").p == sign_flip(x, "less").smallest_p == 1 / 64
    assert sign_flip(x).p == smallest_flip_p(6, "two-sided") == 1 / 32
    assert sign_flip(x, "greater").p == 1.0
    assert smallest_flip_p(20, "less") == 1 / 10_000


def test_ties_count_as_at_least_as_far() -> None:
    # Flipping the 0 changes nothing: 2 of 2^4 patterns tie with the data's own.
    found = sign_flip([-1.0, -1.0, -1.0, 0.0], "less")
    assert found.p == found.smallest_p == 1 / 8
    # Rounding must not break a tie: 0.1 + 0.2 is not 0.3 in floats.
    assert sign_flip([0.1, 0.2, -0.3], "greater").p == pytest.approx(5 / 8)
    assert sign_flip(np.array([0.1, 0.2, -0.3]) * 1e-200, "greater").p == pytest.approx(5 / 8)


def test_random_signs_agree_with_all_of_them_and_are_keyed() -> None:
    exact, drawn = sign_flip(X, "less"), sign_flip(X, "less", permutations=500, key=3)
    assert not drawn.exact
    assert drawn.permutations == 501
    assert drawn.p == sign_flip(X, "less", permutations=500, key=3).p
    assert abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 500)
    far = sign_flip(-np.arange(1.0, 41.0), "less", permutations=99)
    assert far.p == far.smallest_p == 0.01


def test_no_difference_at_all() -> None:
    found, interval = sign_flip(np.zeros(8)), t_interval(np.zeros(8))
    assert (found.p, found.degenerate, found.statistic) == (1.0, True, 0.0)
    assert (interval.low, interval.high, interval.degenerate) == (0.0, 0.0, True)
    assert paired_effect(np.zeros(8)).estimate == 0.0
    same = welch_permutation(np.ones(4), np.ones(4))
    assert (same.p, same.degenerate) == (1.0, True)
    assert hedges_g(np.ones(4), np.ones(4)).estimate == 0.0
    assert welch_interval(np.ones(4), np.ones(4)).degenerate


def test_few_replicates_have_no_interval() -> None:
    assert np.isnan(t_interval([1.0]).low)
    assert t_interval([1.0]).estimate == 1.0
    assert np.isnan(t_interval([]).estimate)
    assert sign_flip([]).p == 1.0
    assert np.isnan(paired_effect([2.0]).estimate)
    with pytest.raises(BadInput, match="2 or more each"):
        welch_permutation([1.0], Y)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9), st.floats(1e-3, 1e3))
def test_sign_flip_knows_neither_scale_nor_order(x: list[float], scale: float) -> None:
    array = np.round(x, 3)
    p = sign_flip(array, "less").p
    assert sign_flip(array * scale, "less").p == p
    assert sign_flip(array[::-1], "less").p == p
    assert sign_flip(-array, "greater").p == p


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
def test_welch_permutation_is_every_relabelling_of_scipys_t(alternative: str) -> None:
    x, y = X[:6], Y[:4]
    pooled, n = np.concatenate([x, y]), len(x)

    def t(chosen: tuple[int, ...]) -> float:
        first, second = pooled[list(chosen)], np.delete(pooled, list(chosen))
        return float(stats.ttest_ind(first, second, equal_var=False).statistic)

    own = t(tuple(range(n)))
    null = np.array([t(c) for c in combinations(range(len(pooled)), n)])
    hits = {
        "less": null <= own + 1e-9,
        "greater": null >= own - 1e-9,
        "two-sided": np.abs(null) >= abs(own) - 1e-9,
    }[alternative]
    found = welch_permutation(x, y, alternative)  # type: ignore[arg-type]
    assert found.exact
    assert found.p == hits.mean()
    assert found.statistic == pytest.approx(own)


def test_welch_permutation_where_groups_are_constant() -> None:
    found = welch_permutation(np.zeros(4), np.ones(4))
    assert found.statistic == -np.inf
    assert found.p == found.smallest_p == smallest_welch_p(4, 4, "two-sided") == 2 / 70
    assert smallest_welch_p(4, 5, "two-sided") == 1 / 126
    assert np.isinf(hedges_g(np.zeros(4), np.ones(4)).estimate)


def test_random_relabellings_agree_with_all_of_them() -> None:
    exact, drawn = welch_permutation(X, Y), welch_permutation(X, Y, permutations=1000, key=1)
    assert drawn.p == welch_permutation(X, Y, permutations=1000, key=1).p
    assert abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 1000)


def test_the_welch_interval_is_scipys_at_any_scale() -> None:
    for scale in (1.0, 1e-100, 1e100):
        found = welch_interval(X * scale, Y * scale)
        low, high = stats.ttest_ind(X, Y, equal_var=False).confidence_interval()
        assert (found.low / scale, found.high / scale) == pytest.approx((low, high))


@pytest.mark.parametrize("t", [-3.0, 0.0, 2.5, 30.0])
@pytest.mark.parametrize("degrees", [1, 5, 40])
def test_noncentral_limits_are_scipys_tail_points(t: float, degrees: int) -> None:
    low, high = noncentral_limits(t, degrees, 0.9)
    assert stats.nct.cdf(t, degrees, low) == pytest.approx(0.95, abs=1e-4)
    assert stats.nct.cdf(t, degrees, high) == pytest.approx(0.05, abs=1e-4)


def test_effect_sizes_are_their_formulas_and_reach_their_intervals() -> None:
    d = paired_effect(X)
    assert d.estimate == pytest.approx(X.mean() / X.std(ddof=1))
    assert d.low < d.estimate < d.high
    n, m = len(X), len(Y)
    pooled = np.sqrt(((n - 1) * X.var(ddof=1) + (m - 1) * Y.var(ddof=1)) / (n + m - 2))
    g = hedges_g(X, Y)
    assert g.estimate == pytest.approx((X.mean() - Y.mean()) / pooled * (1 - 3 / (4 * 13 - 1)))
    assert g.low < g.estimate < g.high
    mirrored = hedges_g(Y, X)
    assert (mirrored.low, mirrored.high) == pytest.approx((-g.high, -g.low))


def test_intervals_cover_and_the_exact_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    covered, size, rejected = 0, 0, 0
    for _ in range(300):
        x = rng.normal(size=7) + 1
        d = paired_effect(x)
        covered += d.low <= 1 <= d.high
        interval = t_interval(x)
        size += interval.low <= 1 <= interval.high
        rejected += sign_flip(rng.standard_t(2, 7), "less").p <= 0.05
    assert 0.91 < covered / 300 < 0.985
    assert 0.91 < size / 300 < 0.985
    assert rejected / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sign_flip(X, "fewer"), "'fewer'"),  # type: ignore[arg-type]
        (lambda: sign_flip(X, permutations=0), "permutations: 0"),
        (lambda: t_interval(X, 95), "confidence: 95"),
        (lambda: sign_flip([np.inf, 1.0]), "inf"),
        (lambda: t_interval(np.zeros((2, 2))), r"\(2, 2\)"),
    ],
)
def test_bad_input_is_named(call: object, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        call()  # type: ignore[operator]
