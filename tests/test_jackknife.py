"""The jackknife in closed form against a literal delete-one loop, and against simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lwd_agents.inference.jackknife import (
    estimate,
    over_queries,
    squared_norm_and_error,
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
    value, error = squared_norm_and_error(E[1])
    assert (value, error) == (both.value[1], both.error[1])
    one = over_queries(E[:, :1])
    np.testing.assert_allclose(one.df, each.df[:, 0])


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
    huge = estimate((E * 1e37).astype(np.float32))
    assert np.isfinite([huge.value, huge.error, huge.df]).all()


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
    assert np.isnan(found.value[[1, 3]]).all()
    assert np.isfinite(found.value[2])
    assert np.isnan(found.error[1:4]).all()
    assert np.isfinite(found.error[4])
    alone = estimate(E[:, :1])
    np.testing.assert_array_equal(alone.value[[0, 2, 4]], 0.0)
    np.testing.assert_array_equal(alone.error[[0, 4]], 0.0)
    apart = estimate(np.stack([np.zeros((4, 2)), np.ones((4, 2))]))  # alike within, not between
    assert (apart.value, apart.error) == (4.0, 0.0)
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
