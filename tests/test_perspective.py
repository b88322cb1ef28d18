"""Perspective space against scikit-learn, Gower's formula from distances alone, and invariants."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm, ortho_group
from sklearn.decomposition import PCA
from sklearn.manifold import ClassicalMDS

from lwd_agents.measures.geometry import classical_mds, distances, over_queries
from lwd_agents.measures.perspective import (
    Frame,
    at_step,
    classical_scaling,
    dissimilarity,
    elbow,
    fit_frame,
    joined,
    place,
)


def network(*shape: int, seed: int = 0) -> np.ndarray:
    """Perspectives that spread unequally, off the origin."""
    scale = np.linspace(3.0, 0.2, shape[-1])
    return 0.5 + np.random.default_rng(seed).normal(size=shape) * scale


def flat(X: np.ndarray) -> np.ndarray:
    return X.reshape(-1, X.shape[-1])


def gower(fitted: np.ndarray, new: np.ndarray, d: int) -> np.ndarray:
    """Gower (1968): coordinates of added points from squared distances alone.

    y = 1/2 Lambda^-1 Y' (b - delta^2), where Y are the CMDS coordinates of the fitted points,
    Lambda their eigenvalues and b the diagonal of the doubly centred matrix.
    """
    squares = distances(fitted) ** 2
    J = np.eye(len(fitted)) - 1 / len(fitted)
    B = -0.5 * J @ squares @ J
    values, vectors = np.linalg.eigh(B)
    values, vectors = values[::-1][:d], vectors[:, ::-1][:, :d]
    Y = vectors * np.sqrt(values)
    delta = np.array([[np.sum((x - row) ** 2) for row in fitted] for x in new])
    return 0.5 * (np.diag(B) - delta) @ Y / values


def up_to_signs(found: np.ndarray, expected: np.ndarray) -> None:
    signs = np.sign(np.nansum(found * expected, axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-9)


def test_dissimilarity_is_helms_and_agrees_with_over_queries() -> None:
    X = network(3, 5, 4)  # Q, N, D
    M = dissimilarity(X)
    for i in range(5):
        for j in range(5):
            expected = np.linalg.norm(X[:, i] - X[:, j], "fro") / np.sqrt(3)
            assert M[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(M, over_queries([distances(x) for x in X]))
    np.testing.assert_array_equal(dissimilarity(X[:1]), distances(X[0]))
    steps = network(6, 3, 5, 4)
    assert dissimilarity(steps).shape == (6, 5, 5)
    np.testing.assert_allclose(dissimilarity(steps)[2], dissimilarity(steps[2]))
    np.testing.assert_allclose(distances(joined(X)), M)


def test_one_step_is_scikit_learns_classical_mds() -> None:
    X = network(2, 7, 5)
    M = dissimilarity(X)
    expected = ClassicalMDS(n_components=3, metric="precomputed").fit_transform(M)
    up_to_signs(at_step(X, 3), expected)
    np.testing.assert_allclose(at_step(X[0], 2), classical_mds(X[0], 2), atol=1e-9)


def test_the_joint_frame_is_the_cmds_of_all_pairs_and_their_pca() -> None:
    X = network(9, 4, 6)
    frame = fit_frame(X, 2)
    found = place(frame, X)
    assert found.coordinates.shape == (9, 4, 2)
    assert found.residual.shape == (9, 4)
    np.testing.assert_allclose(flat(found.coordinates), classical_mds(flat(X), 2), atol=1e-9)
    pca = PCA(2).fit(flat(X))
    np.testing.assert_allclose(frame.share, pca.explained_variance_ratio_)
    np.testing.assert_allclose(frame.centre, pca.mean_)
    np.testing.assert_allclose(frame.axes @ frame.axes.T, np.eye(2), atol=1e-12)
    assert frame.eigenvalues.shape == (6,)
    assert frame.eigenvalues.sum() == pytest.approx(np.sum((flat(X) - flat(X).mean(0)) ** 2))
    np.testing.assert_allclose(np.sum(flat(found.coordinates) ** 2, 0), frame.eigenvalues[:2])
    # The residual is what the plane leaves of the distance from the centre.
    whole = np.sum((X - frame.centre) ** 2, axis=-1)
    kept = np.sum(found.coordinates**2, axis=-1)
    np.testing.assert_allclose(found.residual**2, whole - kept, atol=1e-9)


def test_every_dimension_kept_gives_every_distance_back() -> None:
    X = network(5, 2, 3, 4)  # T+1, Q, N, D
    found = place(fit_frame(X, 8), X)
    np.testing.assert_allclose(distances(flat(found.coordinates)), distances(flat(joined(X))))
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-9)


@pytest.mark.parametrize("queries", [1, 3])
def test_another_run_is_placed_by_gowers_formula(queries: int) -> None:
    X, other = network(6, queries, 4, 5), network(3, queries, 2, 5, seed=1)
    frame = fit_frame(X, 2)
    found = flat(place(frame, other).coordinates)
    up_to_signs(found, gower(flat(joined(X)), flat(joined(other)), 2))
    up_to_signs(flat(place(frame, X).coordinates), gower(flat(joined(X)), flat(joined(X)), 2))


def test_trosset_and_priebe_agree_in_the_plane_and_push_outwards_off_it() -> None:
    X = network(5, 3, 4)
    frame = fit_frame(X, 2)
    Y = flat(place(frame, X).coordinates)

    def criterion(new: np.ndarray) -> np.ndarray:
        """The minimum of 2 sum_i (b_i - y_i'y)^2 + (beta - y'y)^2 (2008), from inner products."""
        centred, added = flat(X) - flat(X).mean(axis=0), new - flat(X).mean(axis=0)
        b, beta = centred @ added, added @ added
        found = minimize(
            lambda y: 2 * np.sum((b - Y @ y) ** 2) + (beta - y @ y) ** 2, Y[0], tol=1e-12
        )
        return np.asarray(found.x)

    inside = frame.centre + np.array([1.5, -0.7]) @ frame.axes
    placed = place(frame, inside[None, None])
    np.testing.assert_allclose(criterion(inside), placed.coordinates[0, 0], atol=1e-4)
    assert placed.residual[0, 0] == pytest.approx(0.0, abs=1e-12)
    outside = inside + 4 * np.linalg.svd(frame.axes)[2][-1]  # at right angles to the plane
    projected = place(frame, outside[None, None])
    np.testing.assert_allclose(projected.coordinates, placed.coordinates)
    assert projected.residual[0, 0] == pytest.approx(4.0)
    assert np.linalg.norm(criterion(outside)) > np.linalg.norm(projected.coordinates) + 0.01


def test_rotation_shift_scale_and_order_of_agents() -> None:
    X = network(8, 4, 5)
    first = place(fit_frame(X), X).coordinates
    R = ortho_group.rvs(5, random_state=0)
    turned = 7 * (X @ R) + 100
    up_to_signs(flat(place(fit_frame(turned), turned).coordinates), 7 * flat(first))
    order = [2, 0, 3, 1]
    again = place(fit_frame(X[:, order]), X[:, order]).coordinates
    up_to_signs(flat(again), flat(first[:, order]))


def test_signs_do_not_hang_on_the_solver() -> None:
    X = network(8, 4, 5)
    for Z in (place(fit_frame(X, 3), X).coordinates, at_step(X[0], 3)[None]):
        largest = np.abs(flat(Z)).argmax(axis=0)
        assert np.all(flat(Z)[largest, np.arange(3)] > 0)


def test_missing_perspectives_are_left_out_and_stay_missing() -> None:
    X = network(6, 2, 4, 5)
    X[1, 0, 2] = np.nan  # missing on one query only
    X[3, :, 0, 1] = np.nan
    frame = fit_frame(X)
    found = place(frame, X)
    gone = np.zeros((6, 4), dtype=bool)
    gone[1, 2] = gone[3, 0] = True
    assert frame.points == 22
    np.testing.assert_array_equal(np.isnan(found.coordinates[..., 0]), gone)
    np.testing.assert_array_equal(np.isnan(found.residual), gone)
    expected = classical_mds(joined(X)[~gone])
    np.testing.assert_allclose(found.coordinates[~gone], expected, atol=1e-9)
    step = at_step(X[1])
    assert np.isnan(step[2]).all()
    np.testing.assert_allclose(step[[0, 1, 3]], classical_mds(joined(X)[1, [0, 1, 3]]), atol=1e-9)
    assert at_step(np.full((3, 5), np.nan)).shape == (3, 2)
    assert np.isnan(at_step(np.full((3, 5), np.nan), "elbow")).all()


@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 1, 5), (1, 2, 5), (2, 1, 1), (3, 2, 3, 5)])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_equal_perspectives_are_the_origin(shape: tuple[int, ...], value: float) -> None:
    X = np.full(shape, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kept in (2, "elbow"):
            frame = fit_frame(X, kept)
            found = place(frame, X)
            assert np.all(found.coordinates == 0.0)
            np.testing.assert_allclose(found.residual, 0.0, atol=1e-9 * value)
            assert np.all(frame.share == 0.0)


def test_rounding_is_no_axis() -> None:
    X = np.full((5, 3, 6), 0.1)
    X[2:] = np.nextafter(0.1, 1)
    assert np.all(fit_frame(X).eigenvalues == 0.0)


def test_two_points_a_line_tiny_and_float32() -> None:
    two = np.array([[[0.0, 0.0]], [[3.0, 4.0]]])
    frame = fit_frame(two)
    assert frame.share.tolist() == [1.0, 0.0]
    assert frame.eigenvalues.tolist() == pytest.approx([12.5])
    np.testing.assert_allclose(np.ptp(place(frame, two).coordinates[:, 0, 0]), 5.0)
    np.testing.assert_array_equal(place(frame, two).coordinates[..., 1], 0.0)
    X = network(6, 3, 4)
    plain = place(fit_frame(X), X).coordinates
    for factor in (1e-30, 1e30):
        scaled = place(fit_frame(X * factor), X * factor).coordinates
        np.testing.assert_allclose(scaled / factor, plain, atol=1e-9)
    small = X.astype(np.float32)
    assert place(fit_frame(small), small).coordinates.dtype == np.float64
    np.testing.assert_array_equal(fit_frame(small).axes, fit_frame(small.astype(float)).axes)


def test_what_does_not_fit_the_frame_is_refused() -> None:
    frame = fit_frame(network(4, 1, 3, 6))
    for bad in (network(4, 3, 5), network(4, 2, 3, 3), network(4, 2, 3, 6)):
        with pytest.raises(ValueError, match="the frame has 1 and 6"):
            place(frame, bad)
    for wrong in (network(3, 6), np.zeros((2, 0, 3)), np.zeros((2, 2, 2, 2, 2))):
        with pytest.raises(ValueError, match="is needed"):
            fit_frame(wrong)
    with pytest.raises(ValueError, match="no perspective is present"):
        fit_frame(np.full((2, 3, 4), np.nan))
    for bad_d in (0, -1, 2.5, True, "scree"):
        with pytest.raises(ValueError, match="dimensions"):
            fit_frame(network(4, 3, 6), bad_d)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is needed"):
        at_step(np.zeros(3))
    with pytest.raises(ValueError, match="is needed"):
        dissimilarity(np.zeros((3, 4)))


def test_a_frame_of_many_runs_is_quick_and_a_plane_is_found_again() -> None:
    plane = np.random.default_rng(0).normal(size=(20, 5, 2)) * [3, 1]
    lifted = plane @ ortho_group.rvs(384, random_state=0)[:2] + 0.2
    frame = fit_frame(lifted, "elbow")
    assert isinstance(frame, Frame)
    assert len(frame.axes) in (1, 2)
    np.testing.assert_allclose(frame.eigenvalues[2:], 0.0)
    two = place(fit_frame(lifted), lifted)
    np.testing.assert_allclose(distances(flat(two.coordinates)), distances(flat(plane)), atol=1e-9)
    np.testing.assert_allclose(two.residual, 0.0, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_the_elbow_is_the_largest_profile_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(np.concatenate([rng.uniform(5, 9, rng.integers(1, 5)), rng.uniform(0, 1, 9)]))
    values = values[::-1]

    def likelihood(q: int) -> float:
        """Zhu and Ghodsi (2006), their pooled variance and normal densities written out."""
        head, tail = values[:q], values[q:]
        first = head.var(ddof=1) if q > 1 else 0.0
        rest = tail.var(ddof=1) if len(tail) > 1 else 0.0
        p = len(values)
        sd = np.sqrt(((q - 1) * first + (p - q - 1) * rest) / (p - 2))
        return float(
            norm.logpdf(head, head.mean(), sd).sum() + norm.logpdf(tail, tail.mean(), sd).sum()
        )

    expected = max(range(1, len(values)), key=likelihood)
    assert elbow(values) == expected == len(values) - 9


def test_the_elbow_of_little_or_nothing_is_one() -> None:
    for values in ([], [3.0], [3.0, 1.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]):
        assert elbow(np.array(values)) == 1
    assert elbow(np.array([5.0, 4.9, 0.0, 0.0])) == 2


def test_classical_scaling_is_scikit_learns_and_leaves_the_absent_out() -> None:
    X = network(8, 5)
    D = distances(X)
    found = classical_scaling(D, 3)
    expected = ClassicalMDS(n_components=3, metric="precomputed").fit_transform(D)
    up_to_signs(found.coordinates, expected)
    np.testing.assert_allclose(found.coordinates, at_step(X, 3), atol=1e-9)
    assert found.negative == pytest.approx(0.0, abs=1e-12)
    X[3] = np.nan
    absent = classical_scaling(distances(X))
    assert np.isnan(absent.coordinates[3]).all()
    np.testing.assert_allclose(absent.coordinates, at_step(X), atol=1e-9)


def test_classical_scaling_says_when_distances_are_not_euclidean() -> None:
    # A star: three leaves at 2 from each other, the hub at 1 from each. No points lie so: the hub
    # would be the middle of all three sides. The eigenvalues are 2, 2, 0 and -1/4.
    D = np.full((4, 4), 2.0)
    D[0] = D[:, 0] = 1.0
    np.fill_diagonal(D, 0.0)
    found = classical_scaling(D, 3)
    np.testing.assert_allclose(found.eigenvalues, [2, 2, 0, -0.25], atol=1e-9)
    assert found.negative == pytest.approx(0.25 / 4.25)
    np.testing.assert_array_equal(found.coordinates[:, 2], 0.0)


def test_classical_scaling_of_nothing_apart_and_of_bad_matrices() -> None:
    for N in (1, 2, 5):
        found = classical_scaling(np.zeros((N, N)))
        np.testing.assert_array_equal(found.coordinates, np.zeros((N, 2)))
        assert found.negative == 0.0
    two = classical_scaling(np.array([[0.0, 3.0], [3.0, 0.0]]))
    np.testing.assert_allclose(np.abs(two.coordinates), [[1.5, 0], [1.5, 0]])
    for bad in (
        np.zeros((2, 3)),
        np.full((2, 2), np.nan),
        np.ones((2, 2)),
        np.array([[0.0, 1.0], [2.0, 0.0]]),
        np.array([[0.0, -1.0], [-1.0, 0.0]]),
        np.array([[0.0, np.nan], [np.nan, 0.0]]),
    ):
        with pytest.raises(ValueError, match=r"needed|must be"):
            classical_scaling(bad)
