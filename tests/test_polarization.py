"""Polarization against numbers worked out by hand, and invariants."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import ortho_group

from lwd_agents.measures.perspective import fit_frame, joined, place
from lwd_agents.measures.polarization import polarization


def test_two_classes_that_part() -> None:
    X = np.zeros((3, 4, 2))
    X[0, 2:] = [3.0, 4.0]
    X[1, 2:] = [[3.0, 4.0], [9.0, 12.0]]  # mean [6, 8]
    found = polarization(X, [0, 1], [2, 3])
    np.testing.assert_allclose(found.distance, [5.0, 10.0, 0.0])
    np.testing.assert_allclose(found.ratio, [1.0, 2.0, 0.0])


def test_an_adversary_against_the_mean_of_the_others() -> None:
    X = np.array([[[0.0], [2.0], [5.0]], [[1.0], [1.0], [9.0]]])
    found = polarization(X, [0, 1], [2])
    np.testing.assert_allclose(found.distance, [4.0, 8.0])
    np.testing.assert_allclose(found.ratio, [1.0, 2.0])


def test_rotation_shift_scale_and_a_full_frame_change_no_ratio() -> None:
    X = np.random.default_rng(0).normal(size=(6, 5, 4))
    found = polarization(X, [0, 3], [1, 2, 4])
    turned = polarization(5 * X @ ortho_group.rvs(4, random_state=0) + 9, [3, 0], [4, 1, 2])
    np.testing.assert_allclose(turned.ratio, found.ratio)
    np.testing.assert_allclose(turned.distance, 5 * found.distance)
    framed = polarization(place(fit_frame(X, 4), X).coordinates, [0, 3], [1, 2, 4])
    np.testing.assert_allclose(framed.distance, found.distance)
    both = joined(np.stack([X, X], axis=1))  # the same answers to two queries
    np.testing.assert_allclose(polarization(both, [0, 3], [1, 2, 4]).distance, found.distance)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_no_start_no_ratio(value: float) -> None:
    X = np.full((3, 3, 2), value)
    X[0, :2] = np.nextafter(value, 2 * value)  # rounding is no start
    X[2, 2] += 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = polarization(X, [0, 1], [2])
    assert found.distance[1] == pytest.approx(0.0, abs=1e-9)
    assert found.distance[2] == pytest.approx(np.sqrt(2))
    assert np.isnan(found.ratio).all()


def test_a_silent_agent_leaves_a_gap_not_a_jump() -> None:
    X = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    X[2, 0] = np.nan
    found = polarization(X, [0, 1], [2])
    assert np.isnan(found.distance).tolist() == [False, False, True, False]
    assert np.isfinite(polarization(X, [1], [2]).ratio).all()
    X[0, 0] = np.nan
    late = polarization(X, [0, 1], [2])
    assert np.isnan(late.ratio).all()
    assert np.isfinite(late.distance[[1, 3]]).all()


@pytest.mark.parametrize(
    ("one", "other"), [([], [1]), ([0], []), ([0, 1], [1]), ([0], [3]), ([-1], [0])]
)
def test_bad_groups_are_refused(one: list[int], other: list[int]) -> None:
    with pytest.raises(ValueError, match=r"groups .*: "):
        polarization(np.zeros((2, 3, 2)), one, other)


def test_bad_shapes_are_refused() -> None:
    for shape in ((3, 2), (0, 3, 2), (2, 2, 3, 2)):
        with pytest.raises(ValueError, match="is needed"):
            polarization(np.zeros(shape), [0], [1])
