"""The convergence test: levels at the margin, rows, horizons, and answers that nobody saw."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import stats

from lwd_agents.errors import BadInput
from lwd_agents.inference.convergence import (
    Row,
    StepTest,
    check_step,
    conclude,
    converged_exactly,
    default_margin,
    draws_needed,
    follow,
    level,
)
from lwd_agents.inference.equivalence import judge_draws


def gaussian(norm: float, S: int, L: int = 40, key: int = 0) -> np.ndarray:
    """(S, 1, 3, L, 12) draws of agents with ||D||_F = norm, apart along the widest axis."""
    rng = np.random.default_rng(key)
    scale = 0.2 * np.arange(1, 13) ** -0.25
    mu = np.zeros((3, 12))
    mu[:, 0] = np.array([1.0, -0.5, -0.5]) * norm / 3
    return rng.normal(size=(S, 1, 3, L, 12)) * scale + mu[:, None]


def test_the_levels_sum_to_alpha_whatever_the_horizon() -> None:
    total = sum(level(t, 0.05) for t in range(100_000))
    assert 0.04999 < total < 0.05
    assert level(60, 0.05) == pytest.approx(8.17e-6, rel=1e-3)
    assert default_margin(3) == pytest.approx(0.424, abs=1e-3)


@pytest.mark.parametrize(("margin", "L"), [(0.42, 40), (0.8, 40), (0.8, 10)])
def test_a_step_at_the_margin_is_rejected_no_more_often_than_it_says(margin: float, L: int) -> None:
    norms = gaussian(margin, 1, 100_000).mean(axis=3)[0, 0]
    assert np.sqrt(sum(np.sum((a - b) ** 2) for a in norms for b in norms)) == pytest.approx(
        margin, abs=0.01
    )
    p = judge_draws(gaussian(margin, 2000, L), margin, radius=1.0).p
    for alpha in (0.05, 0.01, 0.001):
        spread = math.sqrt(alpha / len(p))
        assert np.mean(p <= alpha) < alpha + 3 * spread


def test_the_naive_z_would_not_keep_its_level() -> None:
    found = judge_draws(gaussian(0.42, 2000), 0.42, radius=1.0).found
    naive = stats.norm.cdf((found.value - 0.42**2) / found.error)
    assert np.mean(naive <= 0.001) > 0.003


@pytest.mark.parametrize("norm", [0.0, 0.2, 0.5])
def test_agents_well_below_the_margin_are_found_out(norm: float) -> None:
    p = judge_draws(gaussian(norm, 100), 1.0, radius=1.0).p
    assert np.mean(p <= level(60, 0.05)) > 0.5


def test_the_half_plane_bounds_what_it_is_to_bound() -> None:
    """theta + var(a) = (m + a)^2 + q below c: simulated, and at most the p-value that is given."""
    from lwd_agents.inference.equivalence import _least_likely

    rng = np.random.default_rng(0)
    a, q = rng.normal(size=(2, 2_000_000))
    for m, spread, noise, theta in itertools.product((0.5, 1.0), (0.02, 0.05), (1e-3,), (0.0, 0.1)):
        seen = np.mean((m + a * spread**0.5) ** 2 + q * (2 * noise) ** 0.5 <= theta + spread)
        z = _least_likely(np.array([theta]), m, np.array([spread]), np.array([noise]))[0]
        assert seen <= stats.norm.sf(z) * 1.02 + 1e-6
        assert stats.norm.sf(z) < 4 * seen + 1e-4
        grid = np.linspace(0, m, 100_001)
        brute = (m - grid) ** 2 / spread + (grid**2 - theta - spread).clip(0) ** 2 / (2 * noise)
        assert z**2 == pytest.approx(brute.min(), rel=1e-5)


def test_what_is_defined_when_all_draws_are_the_same() -> None:
    same = np.zeros((1, 3, 40, 4))
    same[..., 0] = 1.0
    test = check_step(same, 0, 0.5, radius=1.0)
    # 39 draws after the first of each agent; the bound of the module, by hand
    p = math.exp(-39 * 0.5 / (2 * math.sqrt(6)))
    assert (test.estimate, test.error, test.concentrated) == (0.0, 0.0, True)
    assert test.p == pytest.approx(p)
    assert check_step(same, 0, 0.5).p == 1.0  # no radius: it cannot be told
    enough = draws_needed(20, 0.5, 3, 0.05)
    for L, rejected in ((enough, True), (enough - 1, False)):
        assert check_step(np.ones((1, 3, L, 2)) / 2, 20, 0.5, radius=1.0).rejected is rejected
    apart = np.stack([np.zeros((40, 2)), np.full((40, 2), 0.6)])[None]
    assert check_step(apart, 0, 0.5, radius=1.0).p == 1.0


@pytest.mark.parametrize(("share", "L"), [(0.1, 40), (0.25, 40), (0.25, 100), (0.5, 60)])
def test_answers_that_are_rare_and_far_off_are_not_taken_for_none(share: float, L: int) -> None:
    """Two agents always say x, the third the opposite with a small probability: at the margin."""
    rng = np.random.default_rng(1)
    E = np.ones((2000, 1, 3, L, 1))
    E[:, 0, 2, :, 0] = np.where(rng.random((2000, L)) < share, -1.0, 1.0)
    margin = 4 * share  # 2 agents at 1, one at 1 - 2 share: ||D||^2 = 4 (2 share)^2
    p = judge_draws(E, margin, radius=1.0).p
    for alpha in (0.01, 0.001):
        assert np.mean(p <= alpha) < alpha + 3 * math.sqrt(alpha / len(p))


def test_the_agent_with_the_fewest_draws_sets_the_degrees_of_freedom() -> None:
    """Of t with 4 degrees, not the 39 that the others have: 0.008, where it would be 0.00015."""
    generator = np.random.default_rng(4)
    E = generator.normal(size=(1, 3, 40, 30)) * 0.05
    E[0, 1, 5:] = np.nan
    few = judge_draws(E[None], 1.0).p[0]
    assert 0.004 < few < 0.02
    assert stats.t.cdf(stats.t.ppf(few, 4), 39) < 0.001


def test_what_cannot_be_computed_rejects_nothing() -> None:
    E = gaussian(0.0, 4)
    E[0, 0, 0] = np.nan
    E[1, 0, 1, 2:] = np.nan
    E[2, 0, 2, 5:] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tests = [check_step(one, 0, 1.0, radius=1.0) for one in E]
        alone = check_step(E[3][:, :1], 0, 1.0, radius=1.0)
    assert [math.isnan(test.p) for test in (*tests, alone)] == [True, True, False, False, True]
    assert [test.rejected for test in (*tests, alone)] == [False, False, True, True, False]


def test_turning_scaling_and_relabelling_change_nothing() -> None:
    E = gaussian(0.5, 1)[0]
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(12, 12)))
    p = check_step(E, 3, 0.8, radius=1.0).p
    assert check_step(E[:, [2, 0, 1]], 3, 0.8, radius=1.0).p == pytest.approx(p)
    assert check_step(E @ turn + 7.0, 3, 0.8, radius=1.0).p == pytest.approx(p)
    assert check_step(E * 100, 3, 80.0, radius=100.0).p == pytest.approx(p)
    both = np.concatenate([E, gaussian(0.5, 1, key=5)[0]])
    assert check_step(both, 3, 0.8, radius=1.0).p < p  # a second query: twice the evidence


def given(p: list[float]) -> list[StepTest]:
    return [
        StepTest(t, 0.0, 0.1, x, level(t, 0.05), x <= level(t, 0.05), False)
        for t, x in enumerate(p)
    ]


def test_rows_are_broken_and_the_first_that_suffices_counts() -> None:
    found = conclude(given([1e-9, 1e-9, math.nan, 1e-9, 1e-9, 1e-9, 0.5, 1e-9]), 0.4, window=3)
    assert (found.at, found.fresh) == (5, (6, 8))
    assert conclude(given([1e-9, 1e-9, 0.5]), 0.4, window=3).at is None
    assert conclude(given([1e-9]), 0.4, window=1).fresh == (1, 1)
    row = Row()
    for t, rejected in enumerate([True, True, False, True]):
        row = row.after(t, rejected, 2)
    assert row == Row(1, 1)


def test_a_longer_horizon_changes_no_verdict_that_was_given() -> None:
    steps = [gaussian(0.0, 1, key=t)[0] for t in range(8)]
    long = follow(steps, 1.0, window=3, radius=1.0)
    short = follow(steps[:4], 1.0, window=3, radius=1.0)
    assert long.tests[:4] == short.tests
    assert (long.at, short.at) == (2, 2)


def test_an_exact_norm_needs_no_test() -> None:
    norms = np.array([[0.5, 0.3, 0.4, 0.2], [0.3, 0.3, 0.9, 0.1], [0.1, np.nan, 0.1, 0.1]])
    np.testing.assert_array_equal(converged_exactly(norms, 0.4, window=2), [2, 1, 3])
    np.testing.assert_array_equal(converged_exactly(norms, 0.4, window=3), [3, -1, -1])


def test_bad_arguments() -> None:
    for margin, window, alpha in ((0.0, 5, 0.05), (math.nan, 5, 0.05), (1, 0, 0.05), (1, 5, 1.0)):
        with pytest.raises(BadInput, match="needed"):
            follow([], margin, window=window, alpha=alpha)
