"""Perspectives, distances and the collapse norm against closed forms and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist, squareform

from lwd_agents.measures.geometry import (
    classical_mds,
    collapse_norm,
    distances,
    perspectives,
    present,
    within_spread,
)

finite = st.floats(-1e3, 1e3, width=32)


def test_shapes() -> None:
    E = np.zeros((3, 5, 7))
    X = perspectives(E)
    assert X.shape == (3, 7)
    assert distances(X).shape == (3, 3)
    for bad, function in ((np.zeros((3, 5)), perspectives), (np.zeros(3), distances)):
        with pytest.raises(ValueError, match="is needed"):
            function(bad)


@given(arrays(np.float64, (4, 3), elements=finite))
def test_distances_are_scipys(X: np.ndarray) -> None:
    np.testing.assert_allclose(distances(X), squareform(pdist(X)), atol=1e-9)


def test_the_norm_of_three_corners() -> None:
    # n unit vectors at right angles: every off-diagonal entry is sqrt(2).
    D = distances(np.eye(3))
    assert collapse_norm(D) == pytest.approx(np.sqrt(3 * 2 * 2.0))
    assert collapse_norm(D) == pytest.approx(np.linalg.norm(D, "fro"))


@given(arrays(np.float64, (4, 2, 3), elements=finite), st.permutations(range(4)))
def test_relabelling_agents_permutes_d_and_keeps_the_norm(E: np.ndarray, order: list[int]) -> None:
    D = distances(perspectives(E))
    again = distances(perspectives(E[order]))
    np.testing.assert_array_equal(again, D[np.ix_(order, order)])
    assert collapse_norm(again) == pytest.approx(collapse_norm(D))


def test_one_agent_and_equal_agents_have_norm_zero() -> None:
    assert collapse_norm(distances(np.ones((1, 4)))) == 0.0
    assert collapse_norm(distances(np.full((3, 4), 0.1))) == 0.0


def test_a_missing_draw_is_left_out_and_a_silent_agent_is_nan() -> None:
    E = np.array([[[1.0, 2.0], [np.nan, np.nan]], [[np.nan, np.nan], [np.nan, np.nan]]])
    X = perspectives(E)
    np.testing.assert_array_equal(X[0], [1.0, 2.0])
    assert np.isnan(X[1]).all()
    assert np.isnan(collapse_norm(distances(X)))


def test_classical_mds_finds_a_plane_again() -> None:
    plane = np.random.default_rng(0).normal(size=(12, 2))
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    lifted = np.hstack([plane, np.zeros((12, 4))]) @ rotation
    found = classical_mds(lifted)
    assert found.shape == (12, 2)
    np.testing.assert_allclose(distances(found), distances(plane), atol=1e-9)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize("points", [np.ones((5, 3)), np.ones((1, 3)), np.zeros((2, 3))])
def test_classical_mds_of_equal_points_is_the_origin(points: np.ndarray) -> None:
    np.testing.assert_array_equal(classical_mds(points), np.zeros((len(points), 2)))


def test_classical_mds_of_a_line_and_of_two_points() -> None:
    line = np.outer(np.arange(4.0), [1.0, 1.0, 0.0])
    found = classical_mds(line)
    np.testing.assert_allclose(distances(found), distances(line), atol=1e-6)
    two = classical_mds(np.array([[0.0, 0.0], [3.0, 4.0]]))
    assert np.ptp(two[:, 0]) == pytest.approx(5.0)
    np.testing.assert_array_equal(two[:, 1], 0.0)


def test_the_spread_within_is_the_trace_of_the_covariance() -> None:
    E = np.random.default_rng(0).normal(size=(2, 9, 4))
    expected = [np.trace(np.cov(rows.T)) for rows in E]
    np.testing.assert_allclose(within_spread(E), expected)
    E[1, 3:] = np.nan
    np.testing.assert_allclose(within_spread(E)[1], np.trace(np.cov(E[1, :3].T)))
    E[1, 1:] = np.nan
    assert np.isnan(within_spread(E)[1])


def test_steps_and_replicates_go_in_front() -> None:
    E = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    E[0, 1, 2, 1:] = np.nan
    for function, shape in ((present, (4, 5)), (perspectives, (4, 6)), (within_spread, (4,))):
        found = function(E)
        assert found.shape == (2, 3, *shape)
        np.testing.assert_array_equal(found, [[function(step) for step in run] for run in E])
    assert present(E).sum() == E[..., 0].size - 4
