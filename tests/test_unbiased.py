"""Unbiased squares against known truths in simulation, literal sums over pairs, and invariants."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from lwd_agents.measures.geometry import collapse_norms, perspectives
from lwd_agents.measures.unbiased import (
    draw_floor,
    drift,
    model_squared_distances,
    reading_floor,
    signed_root,
    squared_distances,
    squared_norm,
)

Floats = NDArray[np.float64]
SETS = 4000  # simulated data sets, along a leading axis
MEANS = np.array([[0.0, 0.0, 0.0, 0.0], [0.3, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
SCALES = np.array([0.5, 1.0, 2.0])  # agents of unlike spread
DRAWS = (6, 3, 2)  # and of unlike numbers of draws present
HUMAN = np.array([0.2, 0.0, -0.1, 0.4])


def z(values: Floats, truth: float | Floats) -> Floats:
    """How far the mean over data sets is from the truth, in its standard errors."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.asarray((values.mean(axis=0) - truth) / error)


def skewed(rng: np.random.Generator, *shape: int) -> Floats:
    """Mean 0, variance 1, far from normal."""
    return rng.exponential(size=shape) - 1.0


@pytest.fixture(scope="module")
def draws() -> Floats:
    """(SETS, 3, 6, 4): skewed draws around MEANS, the last ones of two agents missing."""
    rng = np.random.default_rng(1)
    E = MEANS[:, None] + SCALES[:, None, None] * skewed(rng, SETS, 3, 6, 4)
    for i, L in enumerate(DRAWS):
        E[:, i, L:] = np.nan
    return E


@pytest.fixture(scope="module")
def readings() -> Floats:
    """(SETS, 5, 2, 3, 4): two agents at MEANS[:2], each reading moving them by RHO in all."""
    return read(np.random.default_rng(2), own=True)


RHO = np.array([4 * 0.25, 4 * 0.09])  # tr Cov of the readings' means: D standard deviations squared


def read(rng: np.random.Generator, own: bool) -> Floats:
    moved = skewed(rng, SETS, 5, 2 if own else 1, 1, 4) * np.array([0.5, 0.3])[:, None, None]
    E = MEANS[:2, None] + moved + SCALES[:2, None, None] * skewed(rng, SETS, 5, 2, 3, 4)
    E[:, 1, 0, 2] = np.nan  # one draw less in one reading
    return E


def test_squared_distances_have_the_truth_as_their_mean(draws: Floats) -> None:
    truth = np.sum((MEANS[:, None] - MEANS[None]) ** 2, axis=2)
    pairs = np.triu_indices(3, 1)
    found = squared_distances(draws)[:, *pairs]
    assert np.abs(z(found, truth[pairs])).max() < 4
    plain = np.sum((perspectives(draws)[:, pairs[0]] - perspectives(draws)[:, pairs[1]]) ** 2, 2)
    assert z(plain, truth[pairs]).min() > 20  # so the check sees a floor
    clipped = np.maximum(found, 0.0)
    assert z(clipped[:, 1], truth[0, 2]) > 20  # and what clipping before averaging would do


def test_the_norm_its_floor_and_the_drift_have_the_truth_as_their_mean(draws: Floats) -> None:
    truth = float(np.sum((MEANS[:, None] - MEANS[None]) ** 2))
    assert abs(z(squared_norm(draws), truth)) < 4
    # tr S_i = D scale^2, so the floor is known too
    floor = 2 * 2 * float(np.sum(4 * SCALES**2 / np.array(DRAWS)))
    assert abs(z(draw_floor(draws), floor)) < 4
    assert abs(z(drift(draws, HUMAN), float(np.sum((MEANS.mean(axis=0) - HUMAN) ** 2)))) < 4
    plain = np.sum((perspectives(draws).mean(axis=1) - HUMAN) ** 2, axis=1)
    assert z(plain, float(np.sum((MEANS.mean(axis=0) - HUMAN) ** 2))) > 20


def test_the_plain_norm_is_the_unbiased_one_and_its_floor(draws: Floats) -> None:
    E = draws[:50]
    plain = collapse_norms(perspectives(E)) ** 2
    np.testing.assert_allclose(squared_norm(E) + draw_floor(E), plain)
    np.testing.assert_allclose(squared_norm(E), squared_distances(E).sum(axis=(1, 2)))


def test_squared_distances_are_means_over_distinct_draws() -> None:
    """The U-statistic: mean over l != l', m != m' of (x_l - y_m).(x_l' - y_m')."""
    E = np.random.default_rng(3).normal(size=(2, 4, 3))
    E[1, 1] = np.nan
    x, y = E[0], E[1, [0, 2, 3]]
    products = [
        (x[a] - y[b]) @ (x[c] - y[d])
        for a, c in itertools.permutations(range(4), 2)
        for b, d in itertools.permutations(range(3), 2)
    ]
    found = squared_distances(E)
    np.testing.assert_allclose(found, [[0, np.mean(products)], [np.mean(products), 0]])


def test_leading_axes_are_a_loop(draws: Floats, readings: Floats) -> None:
    few, more = draws[:6], readings[:6]
    for function, data in (
        (squared_distances, few),
        (squared_norm, few),
        (draw_floor, few),
        (lambda E: drift(E, HUMAN), few),
        (model_squared_distances, more),
        (reading_floor, more),
    ):
        stacked = function(data.reshape(2, 3, *data.shape[1:]))
        one_by_one = np.array([function(E) for E in data])
        np.testing.assert_allclose(stacked.reshape(one_by_one.shape), one_by_one, atol=1e-12)
    assert squared_distances(few).shape == (6, 3, 3)
    assert squared_norm(few).shape == draw_floor(few).shape == drift(few, HUMAN).shape == (6,)
    assert model_squared_distances(more).shape == (6, 2, 2)
    assert reading_floor(more).shape == (6, 2)


@pytest.mark.parametrize(
    "function", [squared_distances, squared_norm, draw_floor, model_squared_distances]
)
def test_rotation_shift_and_scale(function: Callable[[Floats], Floats], readings: Floats) -> None:
    E = readings[:5] if function is model_squared_distances else readings[:5, 0]
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(4, 4)))
    plain = function(E)
    np.testing.assert_allclose(function(E @ turn), plain, atol=1e-12)
    np.testing.assert_allclose(function(E + HUMAN), plain, atol=1e-12)
    np.testing.assert_allclose(function(E + 1e6), plain, atol=1e-8)  # no cancellation of squares
    np.testing.assert_allclose(function(E * 1e60), plain * 1e120, atol=1e108)
    np.testing.assert_allclose(function(E * 1e-60), plain * 1e-120, rtol=1e-9)


def test_relabelling_agents_permutes(draws: Floats) -> None:
    order = [2, 0, 1]
    E = draws[:5]
    np.testing.assert_allclose(
        squared_distances(E[:, order]), squared_distances(E)[:, order][:, :, order], atol=1e-12
    )
    np.testing.assert_allclose(squared_norm(E[:, order]), squared_norm(E))
    np.testing.assert_allclose(drift(E[:, order], HUMAN), drift(E, HUMAN))


def test_drift_of_a_point_of_posts_and_under_rotation(draws: Floats) -> None:
    E = draws[:5]
    posts = np.array([HUMAN - 1, HUMAN + 1, np.full(4, np.nan)])
    np.testing.assert_allclose(drift(E, posts), drift(E, HUMAN))
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(4, 4)))
    np.testing.assert_allclose(drift(E @ turn + 7, HUMAN @ turn + 7), drift(E, HUMAN))
    for bad in (np.zeros(3), np.zeros((2, 3)), np.zeros((1, 2, 4))):
        with pytest.raises(ValueError, match=r"human has shape .* is needed"):
            drift(E, bad)
    assert np.isnan(drift(E, np.full((2, 4), np.nan))).all()


@pytest.mark.filterwarnings("error")
def test_an_agent_with_fewer_than_two_draws_is_nan_and_the_rest_is_computed() -> None:
    E = np.random.default_rng(5).normal(size=(4, 3, 2))
    E[1, 1:] = np.nan
    E[3] = np.nan
    found = squared_distances(E)
    known = np.ix_([0, 2], [0, 2])
    np.testing.assert_allclose(found[known], squared_distances(E[[0, 2]]))
    assert np.isnan(found[[1, 3]]).all()
    assert np.isnan(found[:, [1, 3]]).all()
    for values in (squared_norm(E), draw_floor(E), drift(E, np.zeros(2))):
        assert np.isnan(values)
    assert squared_norm(E, agents=[0, 2]) == pytest.approx(squared_norm(E[[0, 2]]))
    torn, gone = E.copy(), E.copy()
    torn[0, 0, 1] = gone[0, 0] = np.nan  # a draw with a NaN in it is missing, whatever else it has
    np.testing.assert_array_equal(squared_distances(torn), squared_distances(gone))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_identical_draws_are_exactly_zero_apart(dtype: type) -> None:
    E = np.broadcast_to(np.array([0.1, -0.7, 1e5 / 3], dtype=dtype), (3, 4, 3, 7, 3)).copy()
    E[0, 0, 1, 3:] = np.nan
    assert not squared_distances(E).any()
    assert not squared_norm(E).any()
    assert not draw_floor(E).any()
    assert not model_squared_distances(E).any()
    assert not reading_floor(E).any()
    assert squared_norm(E[:, :, :1]).tolist() == np.zeros((3, 4)).tolist()  # one agent
    apart = np.array([np.full((5, 2), 0.1), np.full((5, 2), 1.1)])
    assert squared_norm(apart) == pytest.approx(2 * 2 * 1.0)  # no spread, no floor


def test_signed_root() -> None:
    np.testing.assert_array_equal(signed_root([4.0, -9.0, 0.0]), [2.0, -3.0, 0.0])
    assert np.isnan(signed_root(np.nan))
    assert signed_root(-1.0).shape == ()


def test_model_distances_leave_both_floors_out_and_the_reading_floor_is_rho(
    readings: Floats,
) -> None:
    truth = float(np.sum((MEANS[0] - MEANS[1]) ** 2))
    assert abs(z(model_squared_distances(readings)[:, 0, 1], truth)) < 4
    assert np.abs(z(reading_floor(readings), RHO)).max() < 4
    one = squared_distances(readings[:, 0])[:, 0, 1]  # one reading: what its floor adds
    assert abs(z(one, truth + RHO.sum())) < 4
    assert z(one, truth) > 20


def test_shared_readings() -> None:
    E = read(np.random.default_rng(6), own=False)
    truth = float(np.sum((MEANS[0] - MEANS[1]) ** 2))
    assert abs(z(model_squared_distances(E)[:, 0, 1], truth)) < 4
    assert np.abs(z(reading_floor(E), RHO)).max() < 4
    # agents move together, by 0.5 and 0.3 of one step: tr Var(X_ir - X_jr) = D 0.2^2
    one = squared_distances(E[:, 0])[:, 0, 1]
    assert abs(z(one, truth + 4 * 0.2**2)) < 4
    assert z(one, truth + RHO.sum()) < -20


def test_a_reading_with_one_draw_has_no_part_in_the_reading_floor(readings: Floats) -> None:
    E = readings[:3].copy()
    E[:, 2, :, 1:] = np.nan
    np.testing.assert_allclose(reading_floor(E), reading_floor(np.delete(E, 2, axis=1)))


def test_model_distances_are_products_of_distinct_readings() -> None:
    E = np.random.default_rng(7).normal(size=(4, 3, 2, 5))
    E[2, 1] = np.nan  # agent 1 silent at reading 2
    E[0, 0, 1] = np.nan
    X = E.mean(axis=2)
    X[0, 0] = E[0, 0, 0]
    expected = np.zeros((3, 3))
    for i, j in itertools.permutations(range(3), 2):
        used = [0, 1, 3] if 1 in (i, j) else [0, 1, 2, 3]
        products = [
            (X[r, i] - X[r, j]) @ (X[s, i] - X[s, j]) for r, s in itertools.permutations(used, 2)
        ]
        expected[i, j] = np.mean(products)
    np.testing.assert_allclose(model_squared_distances(E), expected)


@pytest.mark.filterwarnings("error")
def test_too_few_readings_are_nan_and_no_readings_are_refused() -> None:
    E = np.random.default_rng(8).normal(size=(3, 2, 2, 4))
    E[1:, 1] = np.nan  # agent 1 has one reading left
    assert np.isnan(model_squared_distances(E)).tolist() == [[False, True], [True, True]]
    assert np.isnan(reading_floor(E)).tolist() == [False, True]
    assert np.isnan(model_squared_distances(E[:1])).all()  # M = 1
    for function in (model_squared_distances, reading_floor):
        with pytest.raises(ValueError, match="M readings is needed"):
            function(E[0])
    assert not np.isnan(model_squared_distances(E[:, :, :1])[0, 0])  # one draw a reading will do
