"""The plane of all responses: streamed, it is classical MDS of the points."""

from __future__ import annotations

import numpy as np
import pytest

from lwd_agents.measures.geometry import classical_mds
from lwd_agents.measures.perspective import fit_frame, place
from lwd_agents.measures.plane import fit_plane


def points(count: int, width: int, key: int = 0) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(key=key))
    return generator.normal(size=(count, width)) * np.linspace(3.0, 0.5, width)


def test_it_is_the_frame_of_all_points_at_once() -> None:
    X = points(40, 7)
    found = fit_plane(lambda: [X[:13].reshape(13, 7), X[13:14], X[14:].reshape(2, 13, 7)])
    whole = fit_frame(X[None])
    assert found is not None
    np.testing.assert_allclose(found.centre, whole.centre, atol=1e-12)
    np.testing.assert_allclose(found.axes, whole.axes, atol=1e-9)  # signs too
    np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues[:2])
    np.testing.assert_allclose(found.share, whole.share)
    assert (found.points, found.queries) == (40, 1)


def test_coordinates_are_those_of_classical_mds_of_the_distances() -> None:
    X = points(12, 5, key=1)
    found = fit_plane(lambda: [X])
    assert found is not None
    Z = place(found, X[None]).coordinates[0]
    np.testing.assert_allclose(Z, classical_mds(X), atol=1e-9)


def test_each_axis_has_its_singular_value_s_share() -> None:
    X = points(30, 6, key=2)
    sizes = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    found = fit_plane(lambda: [X[:1], X[1:]])
    assert found is not None
    np.testing.assert_allclose(found.share, sizes[:2] ** 2 / np.sum(sizes**2))


def test_points_far_from_the_origin_lose_nothing() -> None:
    X = points(50, 4, key=3)
    near = fit_plane(lambda: [X[:25], X[25:]])
    far = fit_plane(lambda: [X[:25] + 1e6, X[25:] + 1e6])
    assert near is not None
    assert far is not None
    np.testing.assert_allclose(far.axes, near.axes, atol=1e-6)
    np.testing.assert_allclose(far.share, near.share, rtol=1e-8)


def test_rows_that_are_missing_are_left_out() -> None:
    X = points(20, 4, key=4)
    holed = np.insert(X, (0, 7, 7), np.nan, axis=0)
    holed[0, 1:] = 5.0  # one number that is missing is enough
    found = fit_plane(lambda: [np.full((3, 4), np.nan), holed[:9], holed[9:]])
    whole = fit_plane(lambda: [X])
    assert found is not None
    assert whole is not None
    np.testing.assert_allclose(found.axes, whole.axes, atol=1e-12)
    assert found.points == 20


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e8])
def test_equal_points_lie_at_the_origin(value: float) -> None:
    X = np.full((9, 5), value) + np.arange(5)
    found = fit_plane(lambda: [X[:4], X[4:]])
    assert found is not None
    assert not found.axes.any()
    assert not found.share.any()
    assert not place(found, X[None]).coordinates.any()


def test_points_on_a_line_have_one_axis() -> None:
    X = np.outer([-1.0, 0.0, 0.5, 3.0], [3.0, 0.0, 4.0]) + 0.1
    found = fit_plane(lambda: [X])
    assert found is not None
    np.testing.assert_allclose(found.share, [1, 0], atol=1e-12)
    np.testing.assert_allclose(found.axes, [[0.6, 0, 0.8], [0, 0, 0]], atol=1e-12)


def test_one_dimension_and_one_point() -> None:
    line, alone = (
        fit_plane(lambda: [np.array([[1.0], [4.0]])]),
        fit_plane(lambda: [np.ones((1, 3))]),
    )
    assert line is not None
    assert alone is not None
    np.testing.assert_allclose(line.axes, [[1], [0]])
    assert alone.points == 1
    assert not alone.share.any()


def test_no_point_at_all_is_no_plane() -> None:
    assert fit_plane(lambda: []) is None
    assert fit_plane(lambda: [np.full((2, 3), np.nan)]) is None


def test_points_of_two_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="of 3 and of 4 dimensions"):
        fit_plane(lambda: [np.ones((2, 3)), np.ones((2, 4))])
