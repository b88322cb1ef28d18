"""The late mean, and fits that find again what made the curve, or say that they can't."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from lwd_agents.errors import BadInput
from lwd_agents.inference.limits import fit, limit
from lwd_agents.inference.windows import Windows

T = np.arange(61.0)


def test_the_late_mean_is_the_estimate() -> None:
    curves = np.random.default_rng(0).normal(size=(5, 61)) + 1
    found = limit(curves)
    means = curves[:, 49:].mean(axis=1)
    low, high = stats.ttest_1samp(means, 0).confidence_interval()
    assert (found.late.estimate, found.late.low, found.late.high) == pytest.approx(
        (means.mean(), low, high)
    )
    assert found.note is None
    other = limit(curves, Windows((0, 1), (2, 3)))
    assert other.late.estimate == pytest.approx(curves[:, 2:4].mean())


def test_one_replicate_has_no_between_run_inference() -> None:
    found = limit(np.exp(-T / 5)[None] + 1)
    assert np.isnan(found.late.low)
    assert "no between-run inference" in str(found.note)
    empty = limit(np.full((2, 21), np.nan))
    assert "no replicate" in str(empty.note)
    assert np.isnan(empty.fits[0].c)
    with pytest.raises(BadInput, match="1 step"):
        limit(np.ones((2, 1)))


@pytest.mark.parametrize(("c", "a", "tau"), [(0.3, 1.0, 6.0), (2.0, -1.5, 10.0), (0.1, 5.0, 1.0)])
def test_an_exponential_is_found_again(c: float, a: float, tau: float) -> None:
    found = fit(c + a * np.exp(-T / tau), "exponential")
    assert (found.c, found.a, found.pace) == pytest.approx((c, a, tau), rel=1e-4)
    assert found.half_life == pytest.approx(tau * np.log(2), rel=1e-4)
    assert found.explained == pytest.approx(1.0)
    assert found.doubts == ("c is outside what was measured",) or found.doubts == ()


@pytest.mark.parametrize("b", [0.5, 1.0, 2.5])
def test_a_power_law_is_found_again(b: float) -> None:
    found = fit(0.4 + 2 * (T + 1) ** -b, "power")
    assert (found.c, found.a, found.pace) == pytest.approx((0.4, 2.0, b), rel=1e-4)
    half = found.half_life
    assert (half + 1) ** -b == pytest.approx(0.5, rel=1e-4)


def test_a_noisy_fit_is_scipys() -> None:
    y = 0.5 + np.exp(-T / 8) + 0.05 * np.random.default_rng(1).normal(size=61)
    y[7] = np.nan
    there = ~np.isnan(y)
    (c, a, tau), _ = curve_fit(
        lambda t, c, a, tau: c + a * np.exp(-t / tau), T[there], y[there], p0=(1, 1, 3)
    )
    found = fit(y, "exponential")
    assert (found.c, found.a, found.pace) == pytest.approx((c, a, tau), rel=1e-4)


def test_what_is_not_identified_is_said() -> None:
    assert "the curve is flat" in fit(np.ones(20), "exponential").doubts
    assert fit(np.ones(20), "power").c == 1.0
    assert "needs 4" in fit([1.0, 0.5, np.nan, 0.2], "power").doubts[0]
    straight = fit(10 - 0.02 * T, "exponential")
    assert any("beyond the run" in doubt for doubt in straight.doubts)
    to_zero = fit(np.exp(-T / 9) - 0.01, "exponential")
    assert to_zero.c == 0.0
    assert any("bound 0" in doubt for doubt in to_zero.doubts)
    noise = fit(np.random.default_rng(3).normal(size=61) + 5, "power")
    assert any("no pace" in doubt for doubt in noise.doubts)
    with pytest.raises(ValueError, match="gamma"):
        fit(T, "gamma")


def test_the_two_families_disagree_beyond_the_run() -> None:
    y = 0.2 + (T + 1) ** -0.5
    exponential, power = limit(y[None]).fits
    assert power.c == pytest.approx(0.2, abs=1e-3)
    assert exponential.explained > 0.9
    assert exponential.c > 0.3  # a good fit, of a wrong limit


def test_fits_follow_the_scale() -> None:
    y = 0.5 + np.exp(-T / 8) + 0.02 * np.sin(T)
    for scale in (1e-12, 1e12):
        for family in ("exponential", "power"):
            one, other = fit(y, family), fit(y * scale, family)
            assert other.c == pytest.approx(one.c * scale, rel=1e-3)
            assert other.half_life == pytest.approx(one.half_life, rel=1e-3)
