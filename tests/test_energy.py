"""Energy distance and MMD against scipy, hyppo, scikit-learn and literal double loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hyppo.ksample import Energy
from numpy.typing import NDArray
from scipy.stats import energy_distance
from sklearn.metrics.pairwise import rbf_kernel

from lwd_agents.measures.energy import (
    energy_distances,
    median_bandwidth,
    mmd,
    pooled_distances,
)
from lwd_agents.measures.unbiased import squared_distances

Floats = NDArray[np.float64]


def some(seed: int = 0, N: int = 3, L: int = 8, D: int = 4) -> Floats:
    """Agents of unlike means; the last draws of agent 1 are missing."""
    E = np.random.default_rng(seed).normal(size=(N, L, D)) + 0.4 * np.arange(N)[:, None, None]
    E[1, L - 3 :] = np.nan
    return E


def present(rows: Floats) -> Floats:
    return rows[~np.isnan(rows[:, 0])]


def literal(E: Floats, v: Callable[[Floats, Floats], float], unbiased: bool) -> Floats:
    """2 mean v(X, Y) - mean v(X, X') - mean v(Y, Y'), draw by draw."""

    def own(x: Floats) -> float:
        pairs = [(a, b) for a in range(len(x)) for b in range(len(x)) if a != b or not unbiased]
        return float(np.mean([v(x[a], x[b]) for a, b in pairs]))

    out = np.zeros((len(E), len(E)))
    for i, j in np.argwhere(~np.eye(len(E), dtype=bool)):
        x, y = present(E[i]), present(E[j])
        out[i, j] = 2 * np.mean([[v(a, b) for b in y] for a in x]) - own(x) - own(y)
    return out


def length(a: Floats, b: Floats) -> float:
    return float(np.linalg.norm(a - b))


@pytest.mark.parametrize("unbiased", [True, False])
def test_energy_is_its_definition(unbiased: bool) -> None:
    found = energy_distances(some(), unbiased=unbiased)
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found, literal(some(), length, unbiased), atol=1e-12)


def test_biased_energy_in_one_dimension_is_scipys_squared() -> None:
    E = some(D=1)
    expected = energy_distance(present(E[0])[:, 0], present(E[1])[:, 0]) ** 2
    assert energy_distances(E, unbiased=False)[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize("L", [6, 9])
def test_biased_energy_is_hyppos(L: int) -> None:
    E = some(L=L)
    x, y = present(E[0]), present(E[1])
    n, m = len(x), len(y)
    # hyppo gives c times the distance covariance, which is the root of energy / c
    c = (n + m) ** 4 / (2 * n**2 * m**2)
    expected = Energy(bias=True).statistic(x, y) ** 2 / c
    assert energy_distances(E, unbiased=False)[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize("bandwidth", [0.7, 3.0])
def test_mmd_is_its_definition_with_scikit_learns_kernel(bandwidth: float) -> None:
    def kernel(a: Floats, b: Floats) -> float:
        return float(rbf_kernel(a[None], b[None], gamma=1 / (2 * bandwidth**2))[0, 0])

    np.testing.assert_allclose(
        mmd(some(), bandwidth), -literal(some(), kernel, unbiased=True), atol=1e-12
    )


def test_energy_is_twice_the_squared_mmd_of_the_distance_kernel() -> None:
    E = some()

    def kernel(a: Floats, b: Floats) -> float:
        return (length(a, 0 * a) + length(b, 0 * b) - length(a, b)) / 2

    for unbiased in (True, False):
        squared_mmd = -literal(E, kernel, unbiased)
        found = energy_distances(E, unbiased=unbiased)
        np.testing.assert_allclose(found, 2 * squared_mmd, atol=1e-12)


def test_a_small_mmd_of_a_wide_kernel_is_a_squared_distance_of_means() -> None:
    """k ~ 1 - d^2/(2 h^2) for h wide, so h^2 MMD^2 -> ||X_i - X_j||^2, the unbiased one."""
    found = mmd(some(), bandwidth=3e3) * 9e6
    np.testing.assert_allclose(found, squared_distances(some()), rtol=1e-3)


def test_the_unbiased_ones_have_mean_zero_under_equal_laws_and_the_biased_one_has_not() -> None:
    rng = np.random.default_rng(1)
    sets = [rng.exponential(size=(2, 5, 3)) for _ in range(1500)]

    def z(values: list[float]) -> float:
        return float(np.mean(values) / (np.std(values, ddof=1) / np.sqrt(len(values))))

    assert abs(z([energy_distances(E)[0, 1] for E in sets])) < 4
    assert abs(z([mmd(E, 1.0)[0, 1] for E in sets])) < 4
    assert z([energy_distances(E, unbiased=False)[0, 1] for E in sets]) > 50


@pytest.mark.parametrize("measure", [energy_distances, mmd])
def test_invariants(measure: Callable[[Floats], Floats]) -> None:
    E, order = some(), [2, 0, 1]
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(4, 4)))
    found = measure(E)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diagonal(found), 0.0)
    np.testing.assert_allclose(measure(E @ turn + 3), found, atol=1e-12)
    np.testing.assert_allclose(measure(E[order]), found[np.ix_(order, order)], atol=1e-12)
    np.testing.assert_allclose(measure(E[:, ::-1]), found, atol=1e-12)
    unit = 1e-60 if measure is energy_distances else 1.0  # a default MMD has no unit
    np.testing.assert_allclose(measure(E * 1e-60), found * unit, rtol=1e-9, atol=1e-12 * unit)
    single = E.astype(np.float32)
    np.testing.assert_allclose(measure(single), measure(single.astype(np.float64)))


def test_the_biased_energy_is_never_negative() -> None:
    for seed in range(50):
        E = some(seed)
        E[2] = E[0][::-1]  # the same draws in another order: 0 but for rounding
        found = energy_distances(E, unbiased=False)
        assert (found >= 0).all()
        assert found[0, 2] == pytest.approx(0.0, abs=1e-14)
        assert energy_distances(E)[0, 2] < 0


@pytest.mark.filterwarnings("error")
def test_identical_draws_are_zero() -> None:
    for value in (0.0, 0.1):
        E = np.full((3, 5, 4), value)
        E[1, 2:] = np.nan
        assert not energy_distances(E).any()
        assert not energy_distances(E, unbiased=False).any()
        assert not mmd(E).any()
    apart = np.stack([np.zeros((4, 2)), np.full((4, 2), [3.0, 4.0])])
    assert energy_distances(apart)[0, 1] == pytest.approx(2 * 5.0)
    assert mmd(apart)[0, 1] == pytest.approx(2 - 2 * np.exp(-0.5))  # the median is 5


@pytest.mark.filterwarnings("error")
def test_missing_draws() -> None:
    E = some()
    E[0, 1:] = np.nan  # one draw
    assert np.isnan(energy_distances(E)[0]).all()
    assert np.isnan(mmd(E)[:, 0]).all()
    assert energy_distances(E, unbiased=False)[0, 2] == pytest.approx(
        literal(E, length, unbiased=False)[0, 2]
    )
    E[0] = np.nan  # none
    for found in (energy_distances(E), energy_distances(E, unbiased=False), mmd(E)):
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1:, 1:]).all()
    assert np.isnan(energy_distances(np.full((2, 3, 4), np.nan))).all()
    assert energy_distances(some()[:1]).tolist() == [[0.0]]


def test_pooled_distances_name_the_owners_of_the_draws_present() -> None:
    distances, owners = pooled_distances(some())
    assert owners.tolist() == [0] * 8 + [1] * 5 + [2] * 8
    assert distances.shape == (21, 21)
    assert distances[8, 13] == pytest.approx(length(some()[1, 0], some()[2, 0]))
    with pytest.raises(ValueError, match="is needed"):
        pooled_distances(np.zeros((3, 4)))


def test_the_bandwidth_is_the_median_of_pairs_and_survives_copies() -> None:
    line = np.array([0.0, 1.0, 3.0])  # distances 1, 2, 3
    assert median_bandwidth(np.abs(line[:, None] - line[None])) == 2.0
    copies = np.array([0.0, 0.0, 0.0, 0.0, 5.0])  # six of ten pairs identical
    assert median_bandwidth(np.abs(copies[:, None] - copies[None])) == 5.0
    assert median_bandwidth(np.zeros((4, 4))) == median_bandwidth(np.zeros((1, 1))) == 1.0
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"bandwidth is .*; a positive number is needed"):
            mmd(some(), bad)
