"""The collapse verdict: deltas by hand, each finding by construction, its level on null pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lwd_agents.errors import BadInput
from lwd_agents.inference.collapse import collapse, least_replicates
from lwd_agents.inference.trends import trend
from lwd_agents.inference.windows import (
    Windows,
    change,
    check_windows,
    default_windows,
    matched_changes,
    matched_windows,
)

STEPS = 21
SIGNS = {"between": -1.0, "within": -1.0, "drift": 1.0}


def curves(effects: dict[str, float], runs: int = 8, seed: int = 0) -> tuple[dict, dict]:
    """Live and placebo; live moves by ``effects``, counted in the direction of collapse."""
    rng = np.random.default_rng(seed)
    live, placebo = {}, {}
    for name, sign in SIGNS.items():
        common = rng.normal(size=(runs, STEPS)).cumsum(axis=1)
        ramp = sign * effects.get(name, 0.0) * np.linspace(0, 1, STEPS)
        live[name] = common + ramp + 0.1 * rng.normal(size=(runs, STEPS))
        placebo[name] = common + 0.1 * rng.normal(size=(runs, STEPS))
    return live, placebo


def test_default_windows() -> None:
    assert default_windows(20) == Windows((0, 1), (17, 20))
    assert default_windows(60) == Windows((0, 5), (49, 60))
    assert default_windows(1) == Windows((0, 0), (1, 1))
    for last in range(1, 200):
        check_windows(default_windows(last), last)
    assert matched_windows(20) == Windows((0, 0), (17, 20))
    for function in (default_windows, matched_windows):
        with pytest.raises(BadInput, match="the run has 1 step"):
            function(0)


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        (Windows((0, 3), (3, 5)), "must end before"),
        (Windows((4, 5), (0, 1)), "must end before"),
        (Windows((0, 1), (5, 21)), "steps 5 to 21"),
        (Windows((-1, 1), (5, 6)), "steps -1 to 1"),
        (Windows((2, 1), (5, 6)), "steps 2 to 1"),
    ],
)
def test_windows_that_do_not_fit_are_refused(windows: Windows, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        change(np.zeros((2, STEPS)), windows)


def test_a_change_leaves_out_what_is_missing_on_both_sides() -> None:
    live = np.array([[0.0, 2.0, 5.0, 9.0], [1.0, 1.0, 1.0, np.nan]])
    placebo = np.array([[0.0, np.nan, 1.0, 1.0], [0.0, 0.0, 2.0, 3.0]])
    w = Windows((0, 1), (2, 3))
    np.testing.assert_array_equal(change(live, w), [6.0, 0.0])
    a, b = matched_changes(live, placebo, w)
    np.testing.assert_array_equal(a, [7.0, 0.0])  # early is step 0 alone, for both
    np.testing.assert_array_equal(b, [1.0, 2.0])
    assert np.isnan(change(np.full((1, 4), np.nan), w)).all()


def test_deltas_tests_and_holm_by_hand() -> None:
    live, placebo = curves({"between": 0.15, "within": 0.05, "drift": 0.1}, runs=9)
    found = collapse(live, placebo)
    p = []
    for q in found.quantities:
        d = live[q.name] - placebo[q.name]
        deltas = d[:, 17:].mean(axis=1) - d[:, 0]
        np.testing.assert_allclose(q.deltas, deltas)
        one = stats.permutation_test(
            (deltas,),
            lambda x, axis: x.mean(axis),
            permutation_type="samples",
            alternative="greater" if q.name == "drift" else "less",
            n_resamples=np.inf,
            vectorized=True,
        ).pvalue
        assert q.test.p == pytest.approx(one)
        low, high = stats.ttest_1samp(deltas, 0).confidence_interval()
        assert (q.interval.low, q.interval.high) == pytest.approx((low, high))
        p.append(one)
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.array(p)[order] * [3, 2, 1])
    np.testing.assert_allclose([found.quantities[i].p_adjusted for i in order], steps)


@pytest.mark.parametrize(
    ("effects", "finding"),
    [
        ({"between": 3.0, "within": 3.0, "drift": 3.0}, "collapse"),
        ({"within": 3.0, "drift": 3.0}, "collapse"),
        ({"between": 3.0}, "consensus"),
        ({"between": 3.0, "within": 3.0}, "consensus"),
        ({"within": 3.0}, "loss of spread"),
        ({"drift": 3.0}, "drift"),
        ({"between": -3.0}, "opposite"),
        ({"between": 3.0, "drift": -3.0}, "consensus"),
    ],
)
def test_each_finding(effects: dict[str, float], finding: str) -> None:
    found = collapse(*curves(effects))
    assert found.finding == finding
    assert found.sentence.endswith(".")
    for name, effect in effects.items():
        assert (name in found.sentence) == (effect > 0 or finding == "opposite")


def test_no_difference_at_all() -> None:
    live, _ = curves({})
    found = collapse(live, live)
    assert found.finding == "no evidence"
    assert found.sentence.startswith("No difference at all")
    assert all(q.test.p == 1.0 and q.interval.degenerate for q in found.quantities)


def test_six_pairs_just_reach_the_level_and_five_do_not() -> None:
    effects = {"between": 9.0, "within": 9.0, "drift": 9.0}
    assert collapse(*curves(effects, runs=6)).finding == "collapse"
    five = collapse(*curves(effects, runs=5))
    assert five.finding == "untestable"
    assert "5 matched pairs" in five.sentence
    assert "6 pairs are needed" in five.sentence
    assert least_replicates(3, 0.05) == 6
    assert least_replicates(3, 0.01) == 9
    strict = collapse(*curves(effects, runs=8), alpha=0.01)
    assert strict.finding == "untestable"
    assert "9 pairs are needed" in strict.sentence


def test_what_cannot_be_measured_is_said_and_the_rest_tested() -> None:
    live, placebo = curves({"between": 3.0, "within": 3.0})
    live["drift"] = np.full_like(live["drift"], np.nan)
    found = collapse(live, placebo)
    assert found.finding == "consensus"
    assert found.quantities[2].untestable == "it was measured in no matched pair"
    assert np.isnan(found.quantities[2].p_adjusted)
    # Never measured is out of the family: 2^-8 doubled, not tripled.
    assert found.quantities[0].p_adjusted == pytest.approx(2 / 256)
    live["within"][:3] = np.nan
    fewer = collapse(live, placebo)
    assert "5 matched pairs" in str(fewer.quantities[1].untestable)
    assert fewer.quantities[0].p_adjusted == pytest.approx(2 / 256)  # it stays in the family
    assert fewer.quantities[1].interval.left_out == 3


def test_bad_input_is_named() -> None:
    live, placebo = curves({})
    with pytest.raises(BadInput, match=r"\(8, 21\)"):
        collapse(live, {**placebo, "within": placebo["within"][:6]})
    with pytest.raises(BadInput, match="'warmth'"):
        collapse({**live, "warmth": live["drift"]}, placebo)
    with pytest.raises(BadInput, match="'drift'"):
        collapse(live, {k: v for k, v in placebo.items() if k != "drift"})
    with pytest.raises(BadInput, match="alpha: 5"):
        collapse(live, placebo, alpha=5)
    with pytest.raises(BadInput, match="59 or more"):
        collapse(live, placebo, permutations=30)


def test_null_pairs_seldom_find_anything() -> None:
    findings = [collapse(*curves({}, runs=7, seed=s)).finding for s in range(80)]
    false = sum(f in ("collapse", "consensus", "loss of spread", "drift") for f in findings)
    assert false <= 0.05 * 80 + 3 * np.sqrt(80 * 0.05 * 0.95)
    assert findings.count("no evidence") > 60


def test_a_trend_is_no_evidence() -> None:
    array = np.arange(12.0).reshape(1, 12) * -1
    one = trend(array)
    assert one.interval.estimate == pytest.approx(-10.5)
    assert np.isnan(one.interval.low)
    assert "no between-run inference" in one.sentence
    assert "not evidence of collapse" in one.sentence
    three = trend(np.concatenate([array, array - 1, 2 * array]))
    assert three.interval.low < three.interval.estimate < three.interval.high
    assert "not evidence of collapse" in three.sentence
    assert "could be measured" in trend(np.full((2, 5), np.nan)).sentence
    with pytest.raises(BadInput, match="1 step"):
        trend(np.zeros((3, 1)))


def test_the_other_way_is_a_family_of_its_own_with_holm() -> None:
    """Wilcoxon's signed ranks by hand: deltas +-1 .. +-8, so a p is a count of subsets / 256."""
    deltas = {
        "between": np.array([1.0, 2, 3, 4, -5, 6, 7, 8]),  # 10 subsets of 1 .. 8 sum to <= 5
        "within": np.array([1.0, -2, 3, -4, 5, -6, 7, -8]),
        "drift": np.array([1.0, -2, -3, 4, 5, -6, -7, 8]),  # both signs sum to 18
    }
    live = {name: np.column_stack([np.zeros(8), d]) for name, d in deltas.items()}
    found = collapse(live, {name: np.zeros((8, 2)) for name in deltas}, Windows((0, 0), (1, 1)))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    sums = np.arange(1, 9) @ signs
    p = [np.mean(sums >= 26), np.mean(sums >= -4), np.mean(sums <= 0)]
    assert p[0] == 10 / 256
    expected = np.minimum(1.0, [3 * p[0], 2 * min(p[1:]), 2 * min(p[1:])])
    expected[1 + np.argmax(p[1:])] = max(2 * min(p[1:]), max(p[1:]))
    given = [q.opposite_p_adjusted for q in found.quantities]
    np.testing.assert_allclose(given, np.minimum(1.0, expected))
    assert found.finding == "no evidence"  # 0.039 alone would be below 0.05
    one = collapse(
        {"between": live["between"]}, {"between": np.zeros((8, 2))}, Windows((0, 0), (1, 1))
    )
    assert one.finding == "opposite"


def test_fewer_than_six_pairs_are_never_tested() -> None:
    """Even where the level would let them: five pairs say too little of their own spread."""
    assert least_replicates(1, 0.5) == least_replicates(3, 0.5) == 6
    effects = {"between": 9.0, "within": 9.0, "drift": 9.0}
    assert collapse(*curves(effects, runs=5), alpha=0.5).finding == "untestable"
    assert collapse(*curves(effects, runs=6), alpha=0.5).finding == "collapse"
