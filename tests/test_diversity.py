"""Spectral measures against closed forms, scipy's eigenvalues and numpy's determinants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import eigvals, svdvals
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity

from lwd_agents.measures.diversity import (
    effective_rank,
    gram_log_determinant,
    mean_cosine,
    pooled,
    vendi_score,
)

Floats = NDArray[np.float64]
ALL = (effective_rank, vendi_score, gram_log_determinant, mean_cosine)
OF_COSINES = ALL[1:]
LEAST_LOG = np.log1p(1e3)  # of identical draws, at the ridge of 1e-3


def some(P: int = 9, D: int = 5) -> Floats:
    return np.random.default_rng(P).normal(size=(P, D)) + 0.5


def equicorrelated(n: int, r: float) -> Floats:
    """n unit vectors, every two at cosine r."""
    return np.linalg.cholesky(np.full((n, n), r) + (1 - r) * np.eye(n))


@pytest.mark.parametrize(("P", "D"), [(9, 5), (4, 12), (6, 6)])
def test_against_other_libraries(P: int, D: int) -> None:
    points = some(P, D)
    K = cosine_similarity(points) / P
    assert vendi_score(points) == pytest.approx(np.exp(entropy(np.abs(eigvals(K)))))
    sign, log = np.linalg.slogdet(np.eye(P) + K / 0.02)
    assert gram_log_determinant(points, ridge=0.02) == pytest.approx(sign * log)
    cosines = cosine_similarity(points)[np.triu_indices(P, 1)]
    assert mean_cosine(points) == pytest.approx(cosines.mean())
    squares = svdvals(points - points.mean(axis=0)) ** 2
    assert effective_rank(points) == pytest.approx(np.exp(entropy(squares)))
    assert effective_rank(points) == pytest.approx(np.exp(entropy(svdvals(np.cov(points.T)))))


def test_orthogonal_draws() -> None:
    n = 6
    assert vendi_score(np.eye(n) * np.arange(1, n + 1)) == pytest.approx(n)  # lengths do not count
    assert gram_log_determinant(np.eye(n)) == pytest.approx(n * np.log1p(1e3 / n))
    assert mean_cosine(np.eye(n)) == pytest.approx(0.0, abs=1e-15)
    assert effective_rank(np.eye(n)) == pytest.approx(n - 1)  # a centred simplex: n - 1 directions


def test_equicorrelated_draws() -> None:
    n, r = 5, 0.3
    points = equicorrelated(n, r)
    shares = np.array([(1 + (n - 1) * r) / n, *[(1 - r) / n] * (n - 1)])
    assert vendi_score(points) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))))
    assert gram_log_determinant(points, 0.1) == pytest.approx(np.log1p(shares / 0.1).sum())
    assert mean_cosine(points) == pytest.approx(r)
    assert effective_rank(points) == pytest.approx(n - 1)


def test_duplicates_count_once() -> None:
    for m in (2, 5):
        assert vendi_score(np.repeat(np.eye(3), m, axis=0)) == pytest.approx(3)
        points = np.repeat(some(), m, axis=0)
        for measure in (vendi_score, gram_log_determinant, effective_rank):
            assert measure(points) == pytest.approx(measure(some()))
    halves = np.repeat(np.eye(2), 3, axis=0)
    assert mean_cosine(halves) == pytest.approx((6 * 2) / 30)  # 12 of 30 ordered pairs are equal


def test_opposite_draws() -> None:
    """A cosine of -1 is no second direction."""
    points = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert vendi_score(points) == pytest.approx(1)
    assert mean_cosine(points) == pytest.approx(-1)
    assert effective_rank(points) == pytest.approx(1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("P", [1, 2, 40])
@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [0.1, 1 / 3, -0.7], [1e-300, 0.0, 1e-300]])
def test_identical_draws_one_draw_and_zeros_have_the_least_value(P: int, row: list[float]) -> None:
    points = np.tile(row, (P, 1))
    assert effective_rank(points) == 0.0
    assert vendi_score(points) == pytest.approx(1.0)
    assert gram_log_determinant(points) == pytest.approx(LEAST_LOG)
    assert mean_cosine(points) == pytest.approx(1.0)


def test_the_last_bits_of_single_precision_are_no_diversity() -> None:
    rng = np.random.default_rng(0)
    row = rng.normal(size=384)
    noisy = (row * (1 + 1e-7 * rng.normal(size=(40, 384)))).astype(np.float32)
    assert effective_rank(noisy) == 0.0
    assert vendi_score(noisy) == pytest.approx(1.0, abs=1e-6)
    apart = row * (1 + 1e-4 * rng.normal(size=(40, 384)))
    assert effective_rank(apart) > 20


@pytest.mark.filterwarnings("error")
def test_a_zero_vector_is_like_other_zeros_and_unlike_the_rest() -> None:
    points = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0], [2.0, 0.0]])
    assert vendi_score(points) == pytest.approx(2)
    assert mean_cosine(points) == pytest.approx(2 / 6)  # of six pairs
    assert gram_log_determinant(points) == pytest.approx(2 * np.log1p(0.5e3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("measure", ALL)
def test_missing_draws_are_left_out(measure: Callable[[Floats], Floats]) -> None:
    points = some()
    holes = np.insert(points, [0, 4], np.nan, axis=0)
    holes[0, 1:] = 1.0  # one NaN is enough
    assert measure(holes) == pytest.approx(measure(points))
    assert np.isnan(measure(np.full((3, 4), np.nan)))
    stack = np.stack([holes, np.full(holes.shape, np.nan), holes * 2])
    found = measure(stack)
    assert np.isnan(found).tolist() == [False, True, False]


@pytest.mark.parametrize("measure", ALL)
def test_leading_axes_are_a_loop_and_pooled_is_all_agents(
    measure: Callable[[Floats], Floats],
) -> None:
    E = np.random.default_rng(0).normal(size=(2, 3, 7, 4))
    E[0, 1, 5:] = np.nan
    found = measure(E)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, [[measure(agent) for agent in step] for step in E])
    assert pooled(E).shape == (2, 21, 4)
    np.testing.assert_allclose(measure(pooled(E))[1], measure(np.concatenate(list(E[1]))))
    with pytest.raises(ValueError, match=r"points have shape \(4,\)"):
        measure(np.zeros(4))


@pytest.mark.parametrize("measure", ALL)
def test_order_rotation_and_scale_do_not_count(measure: Callable[[Floats], Floats]) -> None:
    points, value = some(), measure(some())
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(5, 5)))
    assert measure(points[::-1]) == pytest.approx(value)
    assert measure(points @ turn) == pytest.approx(value)
    for scale in (1e-200, 1e-6, 1e200):
        assert measure(points * scale) == pytest.approx(value)
    single = points.astype(np.float32)
    assert measure(single) == pytest.approx(measure(single.astype(np.float64)))


def test_the_rank_is_of_centred_draws_and_the_cosines_are_not() -> None:
    moved = some() + 1e3
    assert effective_rank(moved) == pytest.approx(effective_rank(some()))
    assert vendi_score(moved) < 1.01 < vendi_score(some())


def test_ranges() -> None:
    for P, D in ((3, 10), (20, 4)):
        points = some(P, D)
        assert 1 <= effective_rank(points) <= min(P - 1, D)
        assert 1 <= vendi_score(points) <= P
        assert LEAST_LOG <= gram_log_determinant(points) <= P * np.log1p(1e3 / P)
        assert -1 / (P - 1) <= mean_cosine(points) <= 1


def test_a_bad_ridge_is_refused() -> None:
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"ridge is .*; a positive number is needed"):
            gram_log_determinant(some(), bad)
