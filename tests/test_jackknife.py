"""The jackknife in closed form against a literal delete-one loop, and against simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lwd_agents.inference.jackknife import (
    estimate,
    noise,
    over_queries,
)


def theta(samples: list[np.ndarray]) -> float:
    """||D||_F^2, unbiased, by its definition: averages over pairs of different draws."""
    n = len(samples)
    X = [rows.mean(axis=0) for rows in samples]
    floors = [np.trace(np.atleast_2d(np.cov(rows.T))) / len(rows) for rows in samples]
    return sum(
        np.sum((X[i] - X[j]) ** 2) - floors[i] - floors[j]
        for i in range(n)
        for j in range(n)
        if i != j
    )


def deleting(samples: list[np.ndarray]) -> tuple[float, list[float]]:
    """Arvesen's variance, every draw left out in turn; and the agents' parts of it."""
    parts = []
    for i, rows in enumerate(samples):
        left = np.array(
            [
                theta([*samples[:i], np.delete(rows, drop, axis=0), *samples[i + 1 :]])
                for drop in range(len(rows))
            ]
        )
        parts.append((len(rows) - 1) / len(rows) * np.sum((left - left.mean()) ** 2))
    return float(sum(parts)), parts


@pytest.mark.parametrize("n", [2, 3, 5])
def test_it_is_the_delete_one_loop(n: int) -> None:
    E = np.random.default_rng(n).gamma(1.0, size=(n, 9, 4)) + np.arange(n)[:, None, None]
    E[0, 3] = np.nan  # counts differ between agents
    E[1, :4] = np.nan
    samples = [rows[~np.isnan(rows[:, 0])] for rows in E]
    variance, parts = deleting(samples)
    found = estimate(E)
    assert found.value == pytest.approx(theta(samples))
    assert found.error**2 == pytest.approx(variance)
    free = sum(v**2 / (len(rows) - 1) for v, rows in zip(parts, samples, strict=True))
    assert found.df == pytest.approx(variance**2 / free)


def test_many_steps_and_several_queries_at_once() -> None:
    E = np.random.default_rng(0).normal(size=(4, 2, 3, 7, 5))  # T, Q, N, L, D
    each = estimate(E)
    assert each.value.shape == each.error.shape == each.df.shape == (4, 2)
    np.testing.assert_allclose(each.value[1, 0], theta(list(E[1, 0])))
    both = over_queries(E)
    np.testing.assert_allclose(both.value, each.value.mean(axis=1))
    np.testing.assert_allclose(both.error**2, (each.error**2).sum(axis=1) / 4)
    one = over_queries(E[1])
    value, error = one.value, one.error
    assert (value, error) == (both.value[1], both.error[1])
    one = over_queries(E[:, :1])
    np.testing.assert_allclose(one.df, each.df[:, 0])


@pytest.mark.parametrize("L", [4, 9])  # fewer draws than dimensions, and more
def test_the_spread_and_the_noise_are_those_of_the_covariances(L: int) -> None:
    E = np.random.default_rng(L).normal(size=(2, 3, L, 6)) * np.arange(1, 7)  # Q, N, L, D
    E[0, 1, 0] = np.nan
    covariances = [
        2 * 3 / 2 / len(rows) * np.cov(rows.T)
        for agents in E
        for rows in (own[~np.isnan(own[:, 0])] for own in agents)
    ]
    largest = max(np.linalg.norm(c, 2) for c in covariances)
    assert over_queries(E).spread == pytest.approx(largest)
    assert noise(E) == pytest.approx(sum(np.trace(c @ c) for c in covariances))
    np.testing.assert_allclose(estimate(E).spread, [over_queries(one[None]).spread for one in E])


def test_the_spread_bounds_the_variance_of_the_difference_along_any_direction() -> None:
    E = np.random.default_rng(5).normal(size=(4000, 2, 20, 3)) * [1.0, 0.1, 0.1]
    means = E.mean(axis=2)
    apart = np.sqrt(2) * (means[:, 0] - means[:, 1])  # its length is ||D||_F
    spread = np.mean(estimate(E).spread)  # of the agent that varies more, so a little larger
    assert 0.8 < np.var(apart[:, 0]) / spread < 1.0
    assert np.var(apart[:, 1]) < 0.1 * spread


def test_agents_turned_moved_and_scaled() -> None:
    rng = np.random.default_rng(1)
    E = rng.normal(size=(3, 8, 4)) + rng.normal(size=(3, 1, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    was = estimate(E)
    for other, factor in ((E[[2, 0, 1]], 1.0), (E @ turn + 1e6, 1.0), (E * 1e-9, 1e-18)):
        now = estimate(other)
        np.testing.assert_allclose(now.value, was.value * factor, rtol=1e-6)
        np.testing.assert_allclose(now.error, was.error * factor, rtol=1e-6)
        np.testing.assert_allclose(now.df, was.df, rtol=1e-6)
        np.testing.assert_allclose(now.spread, was.spread * factor, rtol=1e-6)
    huge = estimate((E * 1e37).astype(np.float32))
    assert np.isfinite([huge.value, huge.error, huge.df, huge.spread]).all()


def test_what_cannot_be_told_is_nan_and_what_is_certain_is_zero() -> None:
    E = np.random.default_rng(2).normal(size=(5, 3, 6, 4))
    E[0] = 0.1  # all texts the same
    E[1, 0, 1:] = np.nan  # one draw
    E[2, 0, 2:] = np.nan  # two draws: a spread, but none once one is left out
    E[3, 0] = np.nan  # a silent agent
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimate(E)
    assert found.value[0] == found.error[0] == 0.0
    assert found.df[0] == 5
    assert found.spread[0] == 0.0
    assert np.isnan(found.spread[[1, 3]]).all()
    assert np.isnan(found.value[[1, 3]]).all()
    assert np.isfinite(found.value[2])
    assert np.isnan(found.error[1:4]).all()
    assert np.isfinite(found.error[4])
    alone = estimate(E[:, :1])
    np.testing.assert_array_equal(alone.value[[0, 2, 4]], 0.0)
    np.testing.assert_array_equal(alone.error[[0, 4]], 0.0)
    np.testing.assert_array_equal(alone.spread, 0.0)
    apart = estimate(np.stack([np.zeros((4, 2)), np.ones((4, 2))]))  # alike within, not between
    assert (apart.value, apart.error, apart.spread) == (4.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="is needed"):
        estimate(np.zeros((3, 4)))


@pytest.mark.parametrize(("apart", "low", "high"), [(3.0, 0.9, 1.15), (0.0, 1.6, 2.4)])
def test_it_is_the_variance_and_about_twice_it_where_agents_agree(
    apart: float, low: float, high: float
) -> None:
    E = np.random.default_rng(3).normal(size=(3000, 3, 30, 6))
    E[:, 0, :, 0] += apart
    found = estimate(E)
    assert low < np.mean(found.error**2) / np.var(found.value) < high
    assert abs(found.value.mean() - 4 * apart**2) < 4 * found.value.std() / np.sqrt(len(E))


def test_degrees_of_freedom_with_counts_that_differ() -> None:
    E = np.random.default_rng(6).normal(size=(2, 3, 9, 4))  # Q, N, L, D
    E[0, 0, 5:] = np.nan
    E[1, 2, 4:] = np.nan
    found = over_queries(E)
    total, free = 0.0, 0.0
    for agents in E:
        samples = [rows[~np.isnan(rows[:, 0])] for rows in agents]
        variance, parts = deleting(samples)
        total += variance / 4  # the mean of two queries
        free += sum((v / 4) ** 2 / (len(rows) - 1) for v, rows in zip(parts, samples, strict=True))
    assert found.error**2 == pytest.approx(total)
    assert found.df == pytest.approx(total**2 / free)
    same = np.where(np.isnan(E), np.nan, 1.0)  # no variance: the fewest draws less one
    assert over_queries(same).df == 3
    assert over_queries(same[::-1]).df == 3
    np.testing.assert_array_equal(estimate(same).df, [4, 3])
    # One agent alone varies: the degrees of freedom are its own, many or few.
    for q, agent, own in ((0, 0, 4), (0, 1, 8), (1, 2, 3), (1, 0, 8)):
        one = same[q].copy()
        one[agent] = E[q, agent]
        assert estimate(one).df == pytest.approx(own)
