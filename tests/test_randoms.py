"""Normal and chi-square numbers of the kernels: their laws, their counters, their exact values.

Seeds are fixed. A test of a law fails where p < 1e-4.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lwd_agents.kernels import normal_pair, philox, run_key
from lwd_agents.randoms import chi_squares, normals, scratch

KEY = run_key(7, "test")


def words(*values: int) -> list[np.uint64]:
    return [np.uint64(value) for value in values]


def drawn(count: int, first: int = 0, purpose: int = 1) -> np.ndarray:
    out = np.empty(count)
    normals(out, scratch(count), first, *words(purpose, 2, 3), KEY)
    return out


@pytest.mark.parametrize("count", [1, 2, 7, 64, 1001])
def test_normals_are_those_of_box_and_muller(count: int) -> None:
    half = (count + 1) // 2
    pairs = [normal_pair(*philox(*words(5 + j, 1, 2, 3), *KEY)) for j in range(half)]
    wanted = np.array([a for a, _ in pairs] + [b for _, b in pairs])[:count]
    np.testing.assert_allclose(drawn(count, first=5), wanted, rtol=1e-12, atol=1e-14)


def test_normals_are_normal_and_independent() -> None:
    found = drawn(400_000)
    assert stats.kstest(found, "norm").pvalue > 1e-4
    squares = found**2
    for lag in (1, 2, 200_000):
        for a in (found, squares):
            r = np.corrcoef(a[:-lag], a[lag:])[0, 1]
            assert abs(r) * np.sqrt(len(a) - lag) < 4
    tails = np.abs(found) > 3.5
    assert stats.binomtest(int(tails.sum()), len(found), 2 * stats.norm.sf(3.5)).pvalue > 1e-4


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 101, 5000])
def test_chi_squares_have_their_law(freedom: int) -> None:
    n = 60_000
    out, spare = np.empty(n), np.empty(2 * n)
    chi_squares(out, np.full(n, float(freedom)), spare, scratch(2 * n), 0, *words(4, 2, 3), KEY)
    assert stats.kstest(out, stats.chi2(freedom).cdf).pvalue > 1e-4


def test_chi_squares_of_mixed_freedom_do_not_move_each_other() -> None:
    freedom = np.array([0.0, 9.0, 1.0, 40.0, 2.0, 3.0])
    found = np.empty((4000, len(freedom)))
    spare, memory = np.empty(12), scratch(12)
    for t, row in enumerate(found):
        chi_squares(row, freedom, spare, memory, 0, *words(t, 2, 3), KEY)
    assert not found[:, 0].any()
    for j in range(1, 6):
        assert stats.kstest(found[:, j], stats.chi2(freedom[j]).cdf).pvalue > 1e-4
    off = np.corrcoef(found[:, 1:].T) - np.eye(5)
    assert np.abs(off).max() * np.sqrt(len(found)) < 4
