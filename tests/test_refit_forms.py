"""Closed forms of refits, and other estimators than least squares: against simulation."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from lwd_agents.theory.error_designs import Blocks, Learners
from lwd_agents.theory.error_information import asymptotic, fisher_information, huber_row
from lwd_agents.theory.error_limits import stationary_errors
from lwd_agents.theory.error_recursion import expected_errors, subsampled_means
from lwd_agents.theory.refit_forms import (
    gaussian_refits,
    log_det_drift,
    refit_wasserstein,
    self_loop_risk,
    weighted_variance,
)


def _agrees(found: np.ndarray, squared: np.ndarray, norm: np.ndarray, most: float = 4.0) -> None:
    """Means of (R, T+1, n, d) errors and distances lie within so many standard errors."""
    errors = np.sum(found**2, axis=-1)
    apart = np.sum((found[:, :, :, None] - found[:, :, None]) ** 2, axis=(2, 3, 4))
    for seen, expected in ((errors, squared), (apart, norm)):
        off = (seen.mean(axis=0) - expected) / (seen.std(axis=0) / np.sqrt(len(seen)))
        assert np.abs(off).max() < most, off


def test_self_loops_have_their_closed_forms() -> None:
    d, m, s = 10, 60, 0.5
    rows = np.array([[m, 0, 0], [0, m, 0]])
    for regime in ("replace", "accumulate"):
        exact = expected_errors(Learners(rows, d, s, "redrawn", regime), 7)  # type: ignore[arg-type]
        form = self_loop_risk(m, d, 8, noise=s, regime=regime)  # type: ignore[arg-type]
        np.testing.assert_allclose(exact.squared, np.column_stack([form, form]), rtol=1e-12)
        np.testing.assert_allclose(exact.squared_norm, 4 * form, rtol=1e-12)
    reused = expected_errors(Learners(rows, d, s, "fixed", "accumulate"), 2000).squared[:, 0]
    np.testing.assert_allclose(reused[:2], [s * s * d / m, s * s * d / m * 1.25])
    assert reused[-1] / reused[0] == pytest.approx(pi**2 / 6, rel=1e-3)
    # Figures of the literature's setting: d = 10, 60 or 20 rows, 8 fits.
    reuse = self_loop_risk(60, 10, 8, regime="accumulate", designs="fixed")
    assert reuse[-1] == pytest.approx(0.312, abs=5e-4)
    assert self_loop_risk(60, 10, 8, regime="accumulate")[-1] == pytest.approx(0.298, abs=5e-4)
    assert self_loop_risk(20, 10, 8, regime="accumulate")[-1] == pytest.approx(1.445, abs=5e-4)
    assert self_loop_risk(60, 10, 8)[-1] == pytest.approx(8 * 10 / 49)


def test_the_reused_form_is_the_mean_over_gaussian_designs() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((3000, 20, 4))
    grams = np.swapaxes(x, 1, 2) @ x
    grams = np.stack([grams, 0 * grams], axis=1)[:, None]
    seen = np.array([expected_errors(Blocks(g, None, "accumulate"), 3).squared for g in grams])
    form = self_loop_risk(20, 4, 4, regime="accumulate", designs="fixed")
    assert np.all(np.abs(seen.mean(0)[:, 0] - form) < 4 * seen.std(0)[:, 0] / np.sqrt(3000))


def test_the_golden_ratio_is_the_best_weight_but_real_data_alone_the_best_share() -> None:
    def settled(weight: float) -> float:
        weights = np.array([[1 - weight, weight]])
        learners = Learners(np.array([[30, 30]]), 2, 1.3, weights=weights)
        return float(stationary_errors(learners)[0])

    best = minimize_scalar(settled, bounds=(0.05, 0.95), method="bounded", options={"xatol": 1e-9})
    assert best.x == pytest.approx((5**0.5 - 1) / 2, abs=1e-6)
    one = 2 * 1.3**2 / 30
    assert best.fun / one == pytest.approx((5**0.5 - 1) / 2)
    for weight in (0.1, 0.618, 1.0):
        assert settled(weight) / one == pytest.approx(weighted_variance(weight))
    pooled = [stationary_errors(Learners(np.array([[100 - k, k]]), 1))[0] for k in (30, 62, 90)]
    assert pooled[0] > pooled[1] > pooled[2] > 1 / 100


def test_subsampled_means_agree_with_simulation() -> None:
    rng = np.random.default_rng(7)
    rows, rounds, runs = np.array([[3, 2, 1], [4, 2, 0]]), 5, 4000
    exact = subsampled_means(Learners(rows, 1, 0.8), rounds)
    seen = np.empty((runs, rounds + 1, 2, 1))
    pools = [np.empty((runs, 0)) for _ in range(2)]
    for t in range(rounds + 1):
        for i in range(2):
            told = np.zeros((runs, 6))
            if t:
                past = np.column_stack([seen[:, t - 1, :, 0], np.zeros(runs)])
                told = past[:, np.repeat(np.arange(3), rows[i])]
            pools[i] = np.hstack([pools[i], told + 0.8 * rng.standard_normal((runs, 6))])
            seen[:, t, i, 0] = rng.permuted(pools[i], axis=1)[:, :6].mean(axis=1)
    _agrees(seen, exact.squared, exact.squared_norm)
    full = subsampled_means(Learners(np.array([[0, 9]]), 1), 3).squared
    np.testing.assert_allclose(full, 1 / 9)  # real data alone: any 9 rows are as good


def test_gaussian_refits_agree_with_simulation_and_closed_forms() -> None:
    rng = np.random.default_rng(9)
    rows, runs = np.array([[3, 2, 1], [4, 2, 0]]), 20_000
    exact = gaussian_refits(rows, 3)
    mean, scale = np.zeros((runs, 3)), np.ones((runs, 3))  # the last is the truth
    for t in range(4):
        told = np.array([[0, 0, 6]] * 2) if t == 0 else rows
        fits = []
        for each in told:
            at = np.repeat(np.arange(3), each)
            x = mean[:, at] + scale[:, at] * rng.standard_normal((runs, 6))
            fits.append((x.mean(axis=1), x.std(axis=1)))
        for i, (mu, sigma) in enumerate(fits):
            mean[:, i], scale[:, i] = mu, sigma
            for seen, value in ((mu**2, exact.mean[t, i, i]), (sigma**2, exact.covariance[t, i])):
                assert abs(seen.mean() - value) < 4 * seen.std() / np.sqrt(runs)
        cross = mean[:, 0] * mean[:, 1]
        assert abs(cross.mean() - exact.mean[t, 0, 1]) < 4 * cross.std() / np.sqrt(runs)
    alone = gaussian_refits(np.array([[10, 0]]), 20)
    np.testing.assert_allclose(alone.covariance[:, 0], 0.9 ** np.arange(1, 22))
    unbiased = gaussian_refits(np.array([[10, 0]]), 20, unbiased=True)
    np.testing.assert_allclose(unbiased.covariance, 1.0)
    np.testing.assert_allclose(unbiased.mean[:, 0, 0], 0.1 * np.arange(1, 22))


def test_refitted_gaussians_lose_their_determinant_and_wander_off() -> None:
    rng = np.random.default_rng(10)
    x = rng.standard_normal((20_000, 6, 3))
    x = x - x.mean(axis=1, keepdims=True)
    found = np.linalg.slogdet(np.swapaxes(x, 1, 2) @ x / 6)[1]
    assert abs(found.mean() - log_det_drift(6, 3)) < 4 * found.std() / np.sqrt(20_000)
    for m in (4, 10, 100):
        assert log_det_drift(m, 3) < log_det_drift(m, 3, unbiased=True) < 0
    x = rng.standard_normal((20_000, 8))
    for unbiased in (False, True):
        mu, sigma, form = 0.0, 1.0, refit_wasserstein(8, 2, unbiased)
        for g in range(2):
            x = rng.standard_normal((20_000, 8))
            mu, sigma = mu + sigma * x.mean(axis=1), sigma * x.std(axis=1, ddof=unbiased)
            seen = mu**2 + (sigma - 1) ** 2
            assert abs(seen.mean() - form[g]) < 4 * seen.std() / np.sqrt(20_000)
    assert np.all(np.diff(refit_wasserstein(8, 500, unbiased=True)) > 0.12)
    assert refit_wasserstein(8, 500)[-1] == pytest.approx(2.0)


def _newton(x: np.ndarray, y: np.ndarray, family: str) -> np.ndarray:
    theta = np.zeros((len(x), x.shape[2]))
    for _ in range(12):
        eta = np.einsum("rmd,rd->rm", x, theta)
        mean = np.exp(eta) if family == "poisson" else 1 / (1 + np.exp(-eta))
        curve = mean if family == "poisson" else mean * (1 - mean)
        gram = np.einsum("rma,rm,rmb->rab", x, curve, x)
        theta = (
            theta + np.linalg.solve(gram, np.einsum("rmd,rm->rd", x, y - mean)[..., None])[..., 0]
        )
    return theta


@pytest.mark.parametrize("family", ["logistic", "poisson"])
def test_other_m_estimators_agree_with_simulation_to_first_order(family: str) -> None:
    rng = np.random.default_rng(11)
    truth, rows, runs = np.array([0.6, -0.3]), np.array([[150, 100, 50], [200, 0, 100]]), 400
    one = fisher_information(family, truth)  # type: ignore[arg-type]
    exact = expected_errors(asymptotic(rows, one), 3)
    now = np.tile(truth, (runs, 3, 1))
    for t in range(4):
        fits = []
        for each in rows:
            x = rng.standard_normal((runs, 300, 2))
            told = now[:, np.repeat(np.arange(3), each)] if t else truth
            eta = (x * told).sum(axis=2)
            if family == "poisson":
                y = rng.poisson(np.exp(eta)).astype(float)
            else:
                y = (rng.random(eta.shape) < 1 / (1 + np.exp(-eta))).astype(float)
            fits.append(_newton(x, y, family))
        now[:, :2] = np.stack(fits, axis=1)
        seen = ((now[:, :2] - truth) ** 2).sum(axis=2)
        off = np.abs(seen.mean(axis=0) - exact.squared[t]) - 0.04 * exact.squared[t]
        assert np.all(off < 4 * seen.std(axis=0) / np.sqrt(runs))


def test_information_is_the_mean_of_what_rows_hold() -> None:
    rng = np.random.default_rng(12)
    theta = np.array([0.5, 0.2, -0.4])
    x = rng.standard_normal((200_000, 3))
    for family in ("logistic", "poisson"):
        seen = fisher_information(family, theta, x)  # type: ignore[arg-type]
        np.testing.assert_allclose(fisher_information(family, theta), seen, atol=0.02)  # type: ignore[arg-type]
    np.testing.assert_allclose(fisher_information("logistic", np.zeros(2)), np.eye(2) / 4)
    assert huber_row(np.inf, 2.0) == (1.0, 4.0)
    e = 1.5 * rng.standard_normal(400_000)
    slope, scatter = huber_row(1.0, 1.5)
    assert np.mean(np.abs(e) < 1) == pytest.approx(slope, abs=4e-3)
    assert np.mean(np.clip(e, -1, 1) ** 2) == pytest.approx(scatter, abs=4e-3)


def test_huber_locations_agree_with_simulation() -> None:
    rng = np.random.default_rng(13)
    rows, runs = np.array([[60, 20, 20], [70, 0, 30]]), 3000
    slope, scatter = huber_row(0.8)
    exact = expected_errors(asymptotic(rows, [[slope]], [[scatter]]), 3)
    now = np.zeros((runs, 3))
    for t in range(4):
        fits = []
        for each in rows:
            told = now[:, np.repeat(np.arange(3), each)] if t else 0.0
            y, fit = told + rng.standard_normal((runs, 100)), np.zeros((runs, 1))
            for _ in range(40):
                fit = fit + np.clip(y - fit, -0.8, 0.8).mean(axis=1, keepdims=True) / slope
            fits.append(fit[:, 0])
        now[:, :2] = np.column_stack(fits)
        seen = now[:, :2] ** 2
        off = np.abs(seen.mean(axis=0) - exact.squared[t]) - 0.03 * exact.squared[t]
        assert np.all(off < 4 * seen.std(axis=0) / np.sqrt(runs))
