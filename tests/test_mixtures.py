"""Densities of mixtures, and the points that histograms are drawn from."""

from __future__ import annotations

import numpy as np
from scipy import stats

from lwd_agents.measures.mixtures import density, effective_components, sample, spread

WEIGHTS, MEANS, VARIANCES = [0.2, 0.5, 0.3], [-4.0, 0.0, 3.0], [1.0, 0.25, 4.0]


def test_the_density_is_scipys_mixture() -> None:
    x = np.linspace(-10, 10, 101)
    wanted = sum(
        w * stats.norm.pdf(x, m, np.sqrt(v))
        for w, m, v in zip(WEIGHTS, MEANS, VARIANCES, strict=True)
    )
    np.testing.assert_allclose(density(x, WEIGHTS, MEANS, VARIANCES), wanted, rtol=1e-12)
    np.testing.assert_allclose(
        density(x, [1.0, 0.0], [1.0, 9.0], [4.0]), stats.norm.pdf(x, 1, 2), rtol=1e-12
    )


def test_points_follow_the_density_and_their_key() -> None:
    points = sample(20_000, WEIGHTS, MEANS, VARIANCES, key=5)
    assert np.array_equal(points, sample(20_000, WEIGHTS, MEANS, VARIANCES, key=5))
    assert not np.array_equal(points, sample(20_000, WEIGHTS, MEANS, VARIANCES, key=6))

    def cdf(x: float) -> float:
        return sum(
            w * stats.norm.cdf(x, m, np.sqrt(v))
            for w, m, v in zip(WEIGHTS, MEANS, VARIANCES, strict=True)
        )

    assert stats.kstest(points, np.vectorize(cdf)).pvalue > 1e-3


def test_the_spread_is_the_trace_of_the_covariance_of_many_points() -> None:
    generator = np.random.default_rng(3)
    weights = generator.dirichlet(np.ones(3), size=(2, 4))
    means = generator.normal(size=(3, 2)) * 3
    covariance = np.array([[2.0, 0.3], [0.3, 0.5]])
    found = spread(weights, means, covariance)
    assert found.shape == (2, 4)
    chosen = generator.choice(3, size=400_000, p=weights[1, 2])
    points = means[chosen] + generator.multivariate_normal([0, 0], covariance, size=len(chosen))
    np.testing.assert_allclose(found[1, 2], np.trace(np.cov(points.T)), rtol=0.01)
    # components that move are each model's own
    own = np.broadcast_to(means, (2, 4, 3, 2)).copy()
    own[0, 0] = 0.0
    moved = spread(weights, own, np.broadcast_to(covariance, (2, 4, 3, 2, 2)))
    np.testing.assert_allclose(moved[0, 0], 2.5)
    np.testing.assert_allclose(moved[1], found[1])


def test_effective_components() -> None:
    found = effective_components([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [5, 5, 5, 5]])
    np.testing.assert_allclose(found, [4, 1, 2, 4])
