"""Bands: coverage by simulation, and their parts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lwd_agents.errors import BadInput
from lwd_agents.inference.bands import LEAST, across_runs, interval, within_run
from lwd_agents.inference.jackknife import Estimate, estimate


def test_it_covers_given_the_readings() -> None:
    E = np.random.default_rng(0).normal(size=(2440, 3, 40, 8)) * 0.2
    E[:, 0, :, 0] += 0.35
    truth = 4 * 0.35**2
    band = within_run(estimate(E))
    assert 0.94 < np.mean((band.low <= truth) & (truth <= band.high)) < 0.985
    many = [within_run(estimate(E[s : s + 61])) for s in range(0, 2440, 61)]
    held = [bool(np.all((b.low_all <= truth) & (truth <= b.high_all))) for b in many]
    assert np.mean(held) > 0.9
    assert np.all(many[0].high_all > many[0].high)


def test_its_quantiles_by_hand_and_steps_that_are_not_known() -> None:
    value, error = np.array([0.5, np.nan, -0.1]), np.array([0.1, np.nan, 0.2])
    df, none = np.array([39.0, np.nan, 39.0]), np.zeros(3)  # lambda 0: the first upper end
    band = within_run(Estimate(value, error, df, none), alpha=0.1)
    q = stats.t.ppf(0.95, 39)
    r, s = np.sqrt(0.5), 0.1 / (2 * np.sqrt(0.5))  # the norm and its error
    assert band.high[0] == pytest.approx((r + q * s) ** 2)
    assert band.high[2] == pytest.approx(-0.1 + q * 0.2 + q**2 * 0.04 / (4 * 0.4))
    np.testing.assert_allclose(band.low, value - q * error)
    both = stats.t.ppf(1 - (1 - np.sqrt(0.9)) / 2, 39)  # two steps are known
    np.testing.assert_allclose(band.low_all, value - both * error)
    root = band.of_norm()
    np.testing.assert_allclose(root.high[0] ** 2, band.high[0])
    assert root.low[2] == -np.sqrt(-band.low[2])
    assert np.isnan(root.low_all[1])
    along = within_run(Estimate(value, error, df, np.array([0.3, np.nan, 0.15])), alpha=0.1)
    for i, (theta, spread) in {0: (0.5, 0.3), 2: (-0.1, 0.15)}.items():
        assert along.high[i] == pytest.approx((np.sqrt(theta + spread) + q * spread**0.5) ** 2)
    np.testing.assert_array_equal(along.low, band.low)
    one = within_run(Estimate(*(np.float64(x) for x in (0.7, 0.0, 9, 0.0))))
    assert one.low_all == one.high == 0.7


@pytest.mark.parametrize(("n", "shift"), [(2, 0.2), (2, 0.4), (3, 0.2)])
def test_it_covers_where_answers_vary_along_one_axis(n: int, shift: float) -> None:
    """Without the worst direction's spread 61 at once are covered 0.1 to 52 times in 100."""
    E = np.random.default_rng(n).normal(size=(61 * 150, n, 40, 4)) * [0.5, 0.05, 0.05, 0.05]
    E[:, 0, :, 0] += shift
    truth = 2 * (n - 1) * shift**2
    band = within_run(estimate(E))
    assert np.mean((band.low <= truth) & (truth <= band.high)) > 0.94
    found = estimate(E)
    q = stats.t.ppf(0.5 + 0.95 ** (1 / 61) / 2, found.df)
    low, high = interval(found.value, found.error, found.spread, q)
    held = ((low <= truth) & (truth <= high)).reshape(-1, 61).all(axis=1)
    assert np.mean(held) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / len(held))


def test_draws_that_are_all_the_same_have_no_width() -> None:
    E = np.broadcast_to(np.array([0.1, 0.7])[None, :, None, None], (4, 2, 10, 3))
    band = within_run(estimate(E))
    for end in (band.low, band.high, band.low_all, band.high_all):
        np.testing.assert_array_equal(end, band.centre)
    alone = within_run(estimate(np.random.default_rng(0).normal(size=(4, 1, 10, 3))))
    np.testing.assert_array_equal(alone.high_all, 0.0)


def curves(S: int, R: int, T: int, skewed: bool) -> np.ndarray:
    z = np.random.default_rng(R).normal(size=(S, R, T))
    for t in range(1, T):
        z[..., t] = 0.9 * z[..., t - 1] + np.sqrt(0.19) * z[..., t]
    return np.exp(0.7 * z) - np.exp(0.245) if skewed else z


@pytest.mark.parametrize(("R", "skewed"), [(4, False), (LEAST, False), (LEAST, True), (12, True)])
def test_it_covers_the_mean_curve_of_replicates(R: int, skewed: bool) -> None:
    found = [across_runs(c, key=i, resamples=399) for i, c in enumerate(curves(150, R, 20, skewed))]
    held = [bool(np.all((b.low_all <= 0) & (b.high_all >= 0))) for b in found]
    assert np.mean(held) > 0.9
    one = np.mean([np.mean((b.low <= 0) & (b.high >= 0)) for b in found])
    assert one == pytest.approx(0.95, abs=0.03) or skewed


def test_across_runs_by_hand() -> None:
    c = np.random.default_rng(3).normal(size=(LEAST - 1, 5))
    c[:, 2] = 7.0
    c[1, 4] = np.nan
    band = across_runs(c, key=1)
    mean, error = stats.norm.fit(c[:, 0])[0], stats.sem(c[:, 0])
    assert band.centre[0] == pytest.approx(mean)
    wide = stats.t.ppf(1 - 0.05 / 6, LEAST - 2)  # three steps move
    assert band.high_all[0] == pytest.approx(mean + wide * error)
    assert band.low_all[2] == band.high[2] == 7.0
    assert np.isnan(band.high_all[4])
    assert "Bonferroni" in band.method
    same = across_runs(np.ones((LEAST, 3)), key=1)
    np.testing.assert_array_equal(same.high_all, 1.0)
    with pytest.raises(BadInput, match="two replicates"):
        across_runs(np.ones((1, 3)), key=1)
    with pytest.raises(BadInput, match="alpha"):
        across_runs(np.ones((3, 3)), key=1, alpha=0.0)


def test_the_bootstrap_has_a_key_and_no_scale() -> None:
    c = np.random.default_rng(4).normal(size=(8, 6))
    band = across_runs(c, key=1)
    np.testing.assert_array_equal(band.high_all, across_runs(c, key=1).high_all)
    assert np.any(band.high_all != across_runs(c, key=2).high_all)
    scale = np.array([1e-8, 1.0, 1e8, 1.0, 3.0, 1.0])
    np.testing.assert_allclose(across_runs(c * scale, key=1).high_all, band.high_all * scale)
