"""Gains and curves of answers on readings: recovered from made-up data, and against libraries."""

from __future__ import annotations

import numpy as np
import pytest
from posts_by_hand import KEY, made
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from lwd_agents.measures.response import (
    ACROSS,
    WITHIN,
    first_axis,
    gain,
    response_curve,
)
from lwd_agents.measures.response_steps import read_and_said, responses, topic_shares
from lwd_agents.posts import Answers


def walk(rng: np.random.Generator, b: float, T: int, M: int, D: int, drift: float) -> tuple:
    """x, y (T, M, D): y = b x + noise, both on a common trend of size ``drift``."""
    trend = drift * np.linspace(-1, 1, T)[:, None, None] * np.ones(D)
    z = rng.normal(size=(T, M, D))
    x = z + trend
    return x, b * z + trend + rng.normal(scale=0.5, size=(T, M, D))


def test_across_steps_is_least_squares_through_the_means() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)) + 5
    y = 0.4 * x + rng.normal(scale=0.1, size=(40, 3))
    found = gain(x, y)
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    expected = np.linalg.lstsq(xc.reshape(-1, 1), yc.ravel(), rcond=None)[0][0]
    assert found.gain == pytest.approx(expected)
    assert found.gain == pytest.approx(0.4, abs=0.05)
    assert (found.basis, found.steps) == (ACROSS, 40)
    assert np.isnan([found.low, found.high]).all()
    assert "not independent" in found.reason
    # the jackknife by its definition: each step left out in turn, means and all
    left_out = [gain(np.delete(x, i, 0), np.delete(y, i, 0)).gain for i in range(40)]
    assert found.se == pytest.approx(np.sqrt(39 / 40 * np.sum((left_out - np.mean(left_out)) ** 2)))


def test_within_steps_a_common_trend_does_no_harm() -> None:
    rng = np.random.default_rng(1)
    x, y = walk(rng, b=0.3, T=60, M=4, D=5, drift=4.0)
    found = gain(x, y)
    assert found.basis == WITHIN
    assert found.gain == pytest.approx(0.3, abs=4 * found.se)
    assert found.se < 0.03
    assert found.low < 0.3 < found.high
    confounded = gain(x[:, 0], y[:, 0])
    assert confounded.gain > 0.8  # the trend alone gives 1
    left_out = [gain(np.delete(x, i, 0), np.delete(y, i, 0)).gain for i in range(60)]
    assert found.se == pytest.approx(np.sqrt(59 / 60 * np.sum((left_out - np.mean(left_out)) ** 2)))


@pytest.mark.parametrize("b", [0.0, 0.5])
def test_the_interval_within_steps_covers(b: float) -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        found = gain(*walk(rng, b, T=8, M=3, D=2, drift=3.0))
        covered += found.low <= b <= found.high
    assert 0.92 <= covered / 400 <= 0.985


def test_missing_readings_are_left_out() -> None:
    rng = np.random.default_rng(3)
    x, y = walk(rng, 0.5, T=10, M=3, D=2, drift=0.0)
    holes_x, holes_y = x.copy(), y.copy()
    holes_x[0] = np.nan
    holes_y[1, :2] = np.nan  # one reading is left there: it says nothing within its step
    assert gain(holes_x, holes_y).gain == pytest.approx(gain(x[2:], y[2:]).gain)
    assert gain(holes_x, holes_y).steps == 8


def test_rotation_permutation_and_scale() -> None:
    rng = np.random.default_rng(4)
    x, y = walk(rng, 0.5, T=12, M=3, D=4, drift=1.0)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    plain, turned = gain(x, y), gain(x @ turn + 7, y @ turn - 2)
    assert (turned.gain, turned.se) == (pytest.approx(plain.gain), pytest.approx(plain.se))
    order = rng.permutation(12)
    assert gain(x[order], y[order]).gain == pytest.approx(plain.gain)
    for scale in (1e-200, 1e200):
        assert gain(x * scale, y * scale).gain == pytest.approx(plain.gain)
        assert gain(x * scale, y * scale).se == pytest.approx(plain.se)


def test_what_is_not_defined_says_why() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(size=(6, 2, 3))
    nothing = np.full((6, 2, 3), np.nan)
    for x, said in (
        (nothing, "nothing was read"),
        (np.full((6, 2, 3), 0.1), "never varied"),
        (np.zeros((6, 2, 3)), "never varied"),
    ):
        found = gain(x, y)
        assert np.isnan([found.gain, found.se, found.low, found.explained]).all()
        assert said in found.reason
        assert said in response_curve(x[..., 0], y[..., 0]).reason
        np.testing.assert_array_equal(first_axis(x), np.zeros(3))
    assert "one reading" in gain(y[:1, 0], y[:1, 0]).reason
    two = gain(y[:2], y[:2])
    assert two.gain == pytest.approx(1.0)
    assert np.isnan(two.se)
    assert "2 steps" in two.reason
    alone = np.zeros((6, 2, 3))
    alone[3] = y[3]
    assert "one step alone" in gain(alone, y).reason
    same = gain(y, np.full((6, 2, 3), 0.25))
    assert (same.gain, same.se, same.explained) == (0.0, 0.0, 0.0)


def test_bad_arguments() -> None:
    x = np.zeros((3, 2, 2))
    for call in (
        lambda: gain(x, x[:2]),
        lambda: gain(x[0, 0], x[0, 0]),
        lambda: gain(x, x, level=95),
        lambda: response_curve(x, x),
        lambda: response_curve(x[..., 0], x[..., 0], bins=1),
    ):
        with pytest.raises(ValueError, match=r"is needed|between|at least 2"):
            call()


def test_the_first_axis_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(30, 5)) * [1, 5, 1, 2, 1] + 3
    expected = PCA(1).fit(x).components_[0]
    np.testing.assert_allclose(
        first_axis(x), expected * np.sign(expected[np.abs(expected).argmax()])
    )


def test_a_curve_bins_by_equal_counts_and_sees_that_it_rises() -> None:
    x = np.arange(20.0)
    found = response_curve(x, np.exp(x / 5), bins=4)
    np.testing.assert_array_equal(found.count, [5, 5, 5, 5])
    np.testing.assert_allclose(found.x, [2, 7, 12, 17])
    np.testing.assert_allclose(found.x_se, np.std([0, 1, 2, 3, 4], ddof=1) / np.sqrt(5))
    assert found.spearman == pytest.approx(1.0)
    assert response_curve(x, -(x**3)).spearman == pytest.approx(-1.0)
    assert response_curve(x, np.full(20, 3.0)).spearman == 0.0
    rng = np.random.default_rng(7)
    u, v = rng.integers(0, 6, size=(2, 50)).astype(float)
    found = response_curve(u, v)
    assert found.spearman == pytest.approx(spearmanr(u, v).statistic)
    assert found.count.sum() == 50
    order = rng.permutation(50)  # equal values share a bin, so their order cannot matter
    np.testing.assert_allclose(response_curve(u[order], v[order]).y, found.y)


def test_a_curve_within_steps_is_free_of_the_trend() -> None:
    rng = np.random.default_rng(8)
    x, y = walk(rng, -0.8, T=50, M=4, D=1, drift=5.0)
    assert response_curve(x[..., 0], y[..., 0]).spearman < -0.5
    assert response_curve(x[:, 0, 0], y[:, 0, 0]).spearman > 0.5


def test_of_a_run() -> None:
    """The means of what was read and said, by hand; and the same from the run as a whole."""
    posts = made([("human", -1, "a b"), ("human", -1, "c d"), ("a", 0, "a c")])
    reads = {(0, "a", 0, 0): (0, 1), (1, "a", 0, 0): (0, 2), (2, "a", 0, 0): ()}
    posts = made([("human", -1, "a b"), ("human", -1, "c d"), ("a", 0, "a c")], reads)
    draws = np.array([[1.0, 3.0], [3.0, 5.0], [np.nan, np.nan]])
    answers = Answers(dict.fromkeys(reads, ("a", "x y", None)), dict.fromkeys(reads, draws))
    x, y = read_and_said(posts, answers, "a")
    assert x.shape == y.shape == (3, 1, 2)
    np.testing.assert_allclose(x[0, 0], posts.vectors[[0, 1]].mean(axis=0))
    np.testing.assert_allclose(y[1, 0], [2.0, 4.0])
    assert np.isnan(x[2]).all()
    shares, said = topic_shares(posts, answers, "a", ["a"])
    np.testing.assert_allclose(shares[:, 0], [0.5, 1.0, np.nan])
    np.testing.assert_allclose(said[:2, 0], [0.5, 0.5])
    (found,) = responses(posts, answers, ["a"])
    assert found.agent == KEY[1]
    assert found.gain.gain == gain(x, y).gain == 0.0
