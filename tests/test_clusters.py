"""Clusters found again, the adjusted Rand index by hand, and how often one blob is split."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from lwd_agents.measures.clusters import (
    MARGINS,
    adjusted_rand,
    cluster,
    clusters_over_time,
    tied_mixture,
)


def blobs(sizes: list[int], gap: float, seed: int = 0) -> np.ndarray:
    """Agents of standard deviation 1 around centres on a line, ``gap`` apart, (N, 2)."""
    centres = np.repeat(np.arange(len(sizes)), sizes)[:, None] * [gap, 0.0]
    return centres + np.random.default_rng(seed).normal(size=(sum(sizes), 2))


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        # Pairs together in both 2, in one 6, in the other 3, of 15: (2 - 18/15) / (4.5 - 18/15).
        ([0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1], 0.8 / 3.3),
        # None together in both; 2 and 2 of 6: (0 - 4/6) / (2 - 4/6).
        ([0, 1, 0, 1], [0, 0, 1, 1], -0.5),
        # Cells 4, 1, 0 and 0, 2, 3: C(4,2) + 1 + 3 = 10; rows 10 + 10; columns 6 + 3 + 3; of 45.
        ([0] * 4 + [1] + [1] * 2 + [2] * 3, [0] * 5 + [1] * 5, (10 - 16 / 3) / (16 - 16 / 3)),
        (["b", "b", "a"], [1, 1, 0], 1.0),
        ([0, 0, 0], [0, 0, 1], 0.0),
        ([0, 0, 0], [1, 1, 1], 1.0),
        ([0, 1, 2], [2, 0, 1], 1.0),
        ([0], ["x"], 1.0),
    ],
)
def test_the_adjusted_rand_index_by_hand(labels: list, classes: list, expected: float) -> None:
    assert adjusted_rand(labels, classes) == pytest.approx(expected)
    assert adjusted_rand(classes, labels) == pytest.approx(expected)


def test_the_adjusted_rand_index_needs_pairs_of_labels() -> None:
    for labels, classes in (([], []), ([0, 1], [0])):
        with pytest.raises(ValueError, match="one each an agent"):
            adjusted_rand(labels, classes)


@pytest.mark.parametrize(("sizes", "gap"), [([6, 1], 100), ([5, 5], 8), ([5, 5, 5], 30), ([9], 0)])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_em_is_scikit_learns_and_misses_no_better_fit(sizes: list[int], gap: int, K: int) -> None:
    Z = blobs(sizes, gap)
    # PCA divides by N - 1, whitened points here by N.
    points = PCA(whiten=True).fit_transform(Z) * np.sqrt(len(Z) / (len(Z) - 1))
    theirs = GaussianMixture(
        K, covariance_type="tied", n_init=25, init_params="random_from_data", tol=1e-6,
        max_iter=1000, random_state=0,
    ).fit(points)  # fmt: skip
    bic, labels = tied_mixture(points, K)
    assert bic <= theirs.bic(points) + 0.01
    if len(sizes) == K:  # far apart: one best fit, the same for both
        assert bic == pytest.approx(theirs.bic(points), abs=0.01)
        assert adjusted_rand(labels.tolist(), theirs.predict(points).tolist()) == 1.0


@pytest.mark.parametrize("sizes", [[5, 5], [4, 7], [5, 5, 5], [8, 8, 8, 8]])
def test_clusters_far_apart_are_found_again(sizes: list[int]) -> None:
    found = cluster(blobs(sizes, gap=30.0))
    assert found.number == len(sizes)
    assert found.labels.tolist() == np.repeat(np.arange(len(sizes)), sizes).tolist()
    assert max(found.gains) > MARGINS[2]


def test_an_agent_far_from_six_others_is_a_cluster_of_its_own() -> None:
    Z = blobs([6, 1], gap=100.0)
    assert cluster(Z).labels.tolist() == [0] * 6 + [1]


def test_one_coordinate_is_enough() -> None:
    assert cluster(blobs([5, 5], gap=30.0)[:, :1]).labels.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("N", [6, 12])
def test_one_blob_is_mostly_one_cluster(N: int) -> None:
    # At a level of 5 % more than 9 of 60 come up once in 1,000 times; plain BIC splits half.
    split = sum(cluster(blobs([N], 0.0, seed)).number > 1 for seed in range(60))
    assert split <= 9


def test_units_rotation_stretch_and_order_do_not_matter() -> None:
    R = ortho_group.rvs(2, random_state=0)
    for seed in range(3):
        Z = blobs([5, 5], gap=8.0, seed=seed)
        found = cluster(Z)
        for other in (1e-7 * Z, 1e7 * Z + 3, Z @ R, Z * [1, 50]):
            again = cluster(other)
            np.testing.assert_array_equal(again.labels, found.labels)
            np.testing.assert_allclose(again.gains, found.gains, rtol=1e-3, atol=1e-2)
        order = np.random.default_rng(seed).permutation(10)
        turned = cluster(Z[order])
        assert turned.number == found.number
        assert adjusted_rand(turned.labels.tolist(), found.labels[order].tolist()) == 1.0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_equal_points_are_one_cluster(value: float) -> None:
    Z = np.full((3, 7, 2), value)
    Z[1, 3] = np.nextafter(value, 2e9)  # rounding is no cluster
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cluster(Z[0]).number == 1
        assert cluster(Z[0]).gains == ()
        path = clusters_over_time(Z)
    if value:
        assert path.number.tolist() == [1, 1, 1]
        assert path.agreement.tolist() == [1.0, 1.0, 1.0]
    against = clusters_over_time(Z[:1], classes=["a"] * 3 + ["b"] * 4)
    assert against.agreement.tolist() == [0.0]


def test_rounding_about_the_origin_is_seen_against_the_whole_path() -> None:
    Z = np.stack([blobs([4, 4], 30.0), np.zeros((8, 2))])
    Z[1, 4:] = 1e-17  # where a frame may put equal perspectives
    assert clusters_over_time(Z).number.tolist() == [2, 1]


def test_two_points_many_agents_each() -> None:
    Z = np.repeat([[0.0, 0.0], [1.0, 0.0]], 4, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cluster(Z).labels.tolist() == [0] * 4 + [1] * 4


def test_fewer_than_six_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="5 agents are present; clusters need at least 6"):
        cluster(blobs([5], 0.0))
    Z = blobs([7], 0.0)
    Z[:2, 0] = np.nan
    with pytest.raises(ValueError, match="5 agents are present"):
        cluster(Z)
    with pytest.raises(ValueError, match="3 agents; clusters need at least 6"):
        clusters_over_time(np.zeros((4, 3, 2)))
    for bad in (np.zeros(7), np.zeros((7, 3)), np.zeros((7, 0))):
        with pytest.raises(ValueError, match="is needed"):
            cluster(bad)
    with pytest.raises(ValueError, match="is needed"):
        clusters_over_time(np.zeros((7, 2)))
    with pytest.raises(ValueError, match="2 classes for 7 agents"):
        clusters_over_time(np.zeros((1, 7, 2)), [0, 1])


def test_two_classes_that_merge_over_time() -> None:
    Z = np.stack([blobs([5, 5], gap, seed=2) for gap in (30.0, 30.0, 0.0)])
    Z[1] = Z[1][[5, 1, 2, 3, 4, 0, 6, 7, 8, 9]]  # two agents change places
    path = clusters_over_time(Z)
    assert path.number.tolist() == [2, 2, 1]
    assert path.labels.shape == (3, 10)
    # Cells 4, 1, 1, 4: 12 pairs in both; 20 and 20 of 45.
    swapped = (12 - 400 / 45) / (20 - 400 / 45)
    np.testing.assert_allclose(path.agreement, [1.0, swapped, 0.0])
    named = clusters_over_time(Z, ["x", "y"] * 5)
    assert named.reference.tolist() == [0, 1] * 5
    # Cells 3, 2, 2, 3: 8 pairs in both.
    assert named.agreement[0] == pytest.approx((8 - 400 / 45) / (20 - 400 / 45))


def test_agents_that_come_and_go() -> None:
    Z = np.stack([blobs([5, 5], 30.0, seed) for seed in range(3)]).astype(np.float32)
    Z[0, 0] = Z[1, 9] = np.nan
    Z[2, :5] = np.nan
    path = clusters_over_time(Z)
    assert path.number.tolist() == [2, 2, 0]
    assert path.labels[0].tolist() == [-1, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(path.labels[2], -1)
    assert path.agreement[:2].tolist() == [1.0, 1.0]
    assert np.isnan(path.agreement[2])
    with pytest.raises(ValueError, match="present at step 0"):
        clusters_over_time(Z[::-1])
    assert clusters_over_time(Z[::-1], [0] * 5 + [1] * 5).agreement[1:].tolist() == [1.0, 1.0]
