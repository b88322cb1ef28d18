"""Densities of mixtures, and the points that histograms are drawn from."""

from __future__ import annotations

import numpy as np
from scipy import stats

from lwd_agents.measures.mixtures import density, sample

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
