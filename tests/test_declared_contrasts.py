"""Contrasts of conditions: paired or not, Holm over the declared, and what is too few."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lwd_agents.errors import BadInput
from lwd_agents.inference.contrasts import Condition, contrasts, least_group, least_pairs

RNG = np.random.default_rng(2)
A = RNG.normal(size=8)
B = A + 2 + 0.5 * RNG.normal(size=8)


def named(name: str, values: np.ndarray, first: int = 0) -> Condition:
    return Condition(name, {first + i: float(v) for i, v in enumerate(values)})


def test_shared_keys_are_paired_by_key_not_by_order() -> None:
    backwards = Condition("b", dict(reversed(named("b", B).runs.items())))
    (found,) = contrasts([named("a", A), backwards], [("a", "b")])
    assert found.paired
    assert found.test is not None
    assert found.difference is not None
    low, high = stats.ttest_1samp(A - B, 0).confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.test.p == found.p_adjusted == 2 / 256
    assert "they differ" in found.sentence


def test_no_shared_key_is_two_samples() -> None:
    (found,) = contrasts([named("a", A), named("b", B, 100)], [("a", "b")])
    assert not found.paired
    assert found.difference is not None
    low, high = stats.ttest_ind(A, B, equal_var=False).confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))


def test_holm_is_over_the_declared() -> None:
    conditions = [named("a", A), named("b", B), named("c", A + RNG.normal(size=8))]
    found = contrasts(conditions, [("a", "b"), ("a", "c"), ("b", "c")])
    p = np.array([one.test.p for one in found if one.test])
    expected = stats.false_discovery_control(p, method="by")  # another correction, not Holm
    adjusted = np.array([one.p_adjusted for one in found])
    order = np.argsort(p)
    np.testing.assert_allclose(
        adjusted[order], np.minimum(1, np.maximum.accumulate(p[order] * [3, 2, 1]))
    )
    assert not np.allclose(adjusted, expected)


def test_too_few_are_untestable_and_the_rest_is_tested() -> None:
    few, other = named("few", A[:5]), named("other", B[:3], 50)
    found = contrasts(
        [named("a", A), few, other, named("b", B)],
        [("a", "few"), ("a", "other"), ("few", "other"), ("a", "b")],
    )
    assert [one.test is None for one in found] == [True, False, True, False]
    assert (
        found[0].untestable
        == "5 pairs of runs share a key; 8 are needed (or none, and enough runs)"
    )
    assert found[0].difference is not None
    assert np.isnan(found[0].p_adjusted)
    assert "3 runs without a shared key; 5 each are enough" in str(found[2].untestable)
    # Two were done: the smaller p is doubled.
    assert found[3].p_adjusted == pytest.approx(2 * 2 / 256)


def test_least_numbers_reach_their_level() -> None:
    assert least_pairs(1, 0.05) == 6
    assert least_pairs(3, 0.05) == 7
    assert least_group(1, 0.05) == 4
    assert least_group(3, 0.05) == 5
    for m in (1, 3, 10):
        n = least_group(m, 0.05)
        assert stats.binom(2 * n, 0.5).pmf(n) * 4**n * 0.05 / m >= 2


def test_missing_and_unpartnered_runs_are_counted() -> None:
    values = np.concatenate([A, [np.nan]])
    (found,) = contrasts([named("a", values), named("b", B[:7])], [("a", "b")])
    assert found.left_out == 2  # the NaN run, and run 7 of a


def test_equal_runs_show_no_difference_at_all() -> None:
    (found,) = contrasts([named("a", A), named("b", A)], [("a", "b")])
    assert found.p_adjusted == 1.0
    assert "no difference at all" in found.sentence


def test_one_run_each_has_nothing_to_show() -> None:
    (found,) = contrasts([named("a", A[:1]), named("b", B[:1], 9)], [("a", "b")])
    assert found.difference is None
    assert found.test is None
    assert "could not be tested" in found.sentence


def test_bad_input_is_named() -> None:
    a, b = named("a", A), named("b", B)
    with pytest.raises(BadInput, match="'c'"):
        contrasts([a, b], [("a", "c")])
    with pytest.raises(BadInput, match="'a' - 'a'"):
        contrasts([a, b], [("a", "a")])
    with pytest.raises(BadInput, match="each name once"):
        contrasts([a, a], [("a", "a")])
    with pytest.raises(BadInput, match="no contrast"):
        contrasts([a, b], [])
    with pytest.raises(BadInput, match="19 or more"):
        contrasts([a, b], [("a", "b")], permutations=10)
    with pytest.raises(BadInput, match="alpha: 2"):
        contrasts([a, b], [("a", "b")], alpha=2)


def test_two_samples_are_tested_on_both_sides() -> None:
    """Every relabelling of six and six, by Welch's t of another library; it is symmetric."""
    x, y = A[:6], A[2:8] + 0.8
    pooled = np.concatenate([x, y])
    t = []
    for chosen in combinations(range(12), 6):
        rest = np.setdiff1d(np.arange(12), chosen)
        t.append(stats.ttest_ind(pooled[list(chosen)], pooled[rest], equal_var=False).statistic)
    own = stats.ttest_ind(x, y, equal_var=False).statistic
    both = np.mean(np.abs(t) >= abs(own) - 1e-9)
    assert both == pytest.approx(2 * min(np.mean(t <= own + 1e-9), np.mean(t >= own - 1e-9)))
    conditions = [named("a", x), named("b", y, 100)]
    for declared in (("a", "b"), ("b", "a")):
        (found,) = contrasts(conditions, [declared])
        assert found.test is not None
        assert found.test.alternative == "two-sided"
        assert found.test.p == found.p_adjusted == pytest.approx(both)
