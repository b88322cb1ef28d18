"""Exact recursions of learners' errors: against literal simulation, closed forms, brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from lwd_agents.errors import BadInput
from lwd_agents.theory.error_designs import Blocks, Learners, rows_of, shares_of
from lwd_agents.theory.error_information import fisher_information
from lwd_agents.theory.error_limits import moment_radius, stationary_errors
from lwd_agents.theory.error_recursion import excess, expected_errors, subsampled_means
from lwd_agents.theory.graph_verdict import verdict
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.theory.refit_forms import (
    log_det_drift,
    self_loop_risk,
)

FOUR = np.array([[4, 3, 0, 0, 5], [6, 0, 6, 0, 0], [0, 4, 3, 0, 4], [3, 0, 0, 8, 0]])
ALONE = np.array([[8, 0, 0, 0, 0], [0, 12, 0, 0, 0], [0, 0, 0, 0, 10], [0, 0, 0, 9, 0]])
TRUTH = np.array([1.0, -2.0])


def _simulated(
    rows: np.ndarray, rounds: int, designs: list[np.ndarray] | None, keep: bool, replicates: int
) -> np.ndarray:
    """(R, T+1, n, d) parameters: rows really drawn, and numpy's lstsq for every fit."""
    rng = np.random.default_rng(8)
    n, d = len(rows), len(TRUTH)
    out = np.empty((replicates, rounds + 1, n, d))
    owner = [np.repeat(np.arange(n + 1), each) for each in rows]
    for run in out:
        past: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(n)]
        for t in range(rounds + 1):
            for i in range(n):
                x = rng.standard_normal((rows[i].sum(), d)) if designs is None else designs[i]
                told = np.vstack([run[t - 1], TRUTH])[owner[i]] if t else TRUTH
                y = (x * told).sum(axis=1) + 0.7 * rng.standard_normal(len(x))
                past[i] = [*(past[i] if keep else []), (x, y)]
                xs, ys = (np.concatenate(each) for each in zip(*past[i], strict=True))
                run[t, i] = np.linalg.lstsq(xs, ys, rcond=None)[0]
    return out


def _agrees(found: np.ndarray, squared: np.ndarray, norm: np.ndarray, most: float = 4.0) -> None:
    """Means of (R, T+1, n, d) errors and distances lie within so many standard errors."""
    errors = np.sum(found**2, axis=-1)
    apart = np.sum((found[:, :, :, None] - found[:, :, None]) ** 2, axis=(2, 3, 4))
    for seen, expected in ((errors, squared), (apart, norm)):
        off = (seen.mean(axis=0) - expected) / (seen.std(axis=0) / np.sqrt(len(seen)))
        assert np.abs(off).max() < most, off


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_fixed_designs_agree_with_simulation_at_every_round(regime: str) -> None:
    rng = np.random.default_rng(1)
    designs = [rng.standard_normal((each.sum(), 2)) * [1.0, 0.4] + [0.3, 0] for each in FOUR]
    cuts = [np.split(x, np.cumsum(each)[:-1]) for x, each in zip(designs, FOUR, strict=True)]
    grams = np.array([[x.T @ x for x in parts] for parts in cuts])
    exact = expected_errors(Blocks(grams, 0.49 * grams, regime), 5)  # type: ignore[arg-type]
    seen = _simulated(FOUR, 5, designs, regime == "accumulate", 400) - TRUTH
    _agrees(seen, exact.squared, exact.squared_norm)


def test_redrawn_designs_agree_with_simulation_at_every_round() -> None:
    exact = expected_errors(Learners(FOUR, 2, 0.7, "redrawn"), 5)
    _agrees(_simulated(FOUR, 5, None, False, 400) - TRUTH, exact.squared, exact.squared_norm)
    exact = expected_errors(Learners(ALONE, 2, 0.7, "redrawn", "accumulate"), 5)
    _agrees(_simulated(ALONE, 5, None, True, 400) - TRUTH, exact.squared, exact.squared_norm)


def test_weighted_fits_to_redrawn_designs_agree_with_simulation() -> None:
    rng = np.random.default_rng(14)
    rows, weights, runs = np.array([[9, 7]]), np.array([[0.4, 0.6]]), 20_000
    exact = expected_errors(Learners(rows, 2, 0.7, "redrawn", weights=weights), 2)
    now = np.zeros((runs, 2))
    for t in range(3):
        fits = []
        for count, told in ((9, now), (7, np.zeros_like(now))):
            x = rng.standard_normal((runs, count, 2))
            noise = np.swapaxes(x, 1, 2) @ (0.7 * rng.standard_normal((runs, count, 1)))
            fits.append(told + np.linalg.solve(np.swapaxes(x, 1, 2) @ x, noise)[..., 0])
        now = 0.4 * fits[0] + 0.6 * fits[1] if t else fits[1]
        seen = (now**2).sum(axis=1)
        assert abs(seen.mean() - exact.squared[t, 0]) < 4 * seen.std() / np.sqrt(runs)


def test_random_maps_have_the_second_moments_derived() -> None:
    rng = np.random.default_rng(2)
    for d, rows in ((1, (2, 5, 1)), (3, (4, 5, 3)), (4, (1, 9, 2))):
        x = rng.standard_normal((40_000, sum(rows), d))
        parts = np.split(x, np.cumsum(rows)[:-1], axis=1)
        grams = [np.swapaxes(p, 1, 2) @ p for p in parts]
        maps = [np.linalg.solve(sum(grams), gram) for gram in grams]
        c = excess(Learners(np.array([rows, (0, 0, 99)]), d, designs="redrawn"))
        assert c is not None
        w = np.array(rows) / sum(rows)
        for j, k in ((0, 0), (1, 1), (0, 1), (1, 2)):
            seen = np.einsum("rab,rab->r", maps[j], maps[k]) / d
            exact = (1 - c[0]) * w[j] * w[k] + (j == k) * c[0] * w[j]
            assert abs(seen.mean() - exact) < 4 * seen.std() / 200


def test_redrawn_recursion_radius_and_limit_agree_with_the_whole_operator() -> None:
    rng = np.random.default_rng(3)
    for n in (2, 3, 4):
        rows = rng.integers(0, 4, (n, n + 1)) * 3
        rows[:, -1] += 5
        learners = Learners(rows, 3, designs="redrawn")
        c, W = excess(learners), learners.shares[:, :-1]
        assert c is not None
        # E[A_ij A_ik'] by rows: pairs (i, l) of the result against pairs (j, k) of the argument.
        whole = np.einsum("ij,lk->iljk", W, W)
        for i in range(n):
            whole[i, i] = (1 - c[i]) * np.outer(W[i], W[i]) + c[i] * np.diag(W[i])
        whole = whole.reshape(n * n, n * n)
        radius = np.abs(np.linalg.eigvals(whole)).max()
        assert moment_radius(learners).max() == pytest.approx(radius, rel=1e-9)
        if radius < 1:
            noise = np.diag(learners.fit_noise).ravel()
            V = np.linalg.solve(np.eye(n * n) - whole, noise).reshape(n, n)
            np.testing.assert_allclose(stationary_errors(learners), 3 * np.diag(V), rtol=1e-9)
            np.testing.assert_allclose(expected_errors(learners, 3000).covariance, V, rtol=1e-9)


def test_large_components_have_the_radius_of_small_ones() -> None:
    """30 alike learners in a complete graph: one error in common, one of differences."""
    n, own = 30, 1
    for shift in (0, 1):
        rows = np.full((n, n + 1), own)
        rows[:, -1] = 10
        if shift:  # a ring: eigenvalues of the same modulus all around
            rows = np.zeros((n, n + 1), int)
            rows[np.arange(n), (np.arange(n) + 1) % n], rows[:, -1] = 30, 10
        learners = Learners(rows, 5, designs="redrawn")
        V = np.eye(n)
        for _ in range(1500):
            V = V / np.trace(V)
            after = learners.shares[:, :-1] @ V @ learners.shares[:, :-1].T
            c = excess(learners)
            assert c is not None
            after += np.diag(c * (learners.shares[:, :-1] @ np.diag(V) - np.diag(after)))
            V, grown = after, np.trace(after)
        assert moment_radius(learners) == pytest.approx(grown, rel=1e-6)


def test_few_redrawn_rows_explode_where_the_graph_says_stable() -> None:
    rows = np.array([[12, 2]])
    graph = LearningGraph.from_edges([("a", "a", 12 / 14), ("real", "a", 2 / 14)])
    assert verdict(graph).stable == ["a"]
    np.testing.assert_array_equal(rows_of(graph, 14), rows)
    redrawn = Learners(rows, 10, designs="redrawn")
    assert moment_radius(redrawn)[0] == pytest.approx(1.12087912)
    assert stationary_errors(redrawn)[0] == np.inf
    grown = expected_errors(redrawn, 200).squared[:, 0]
    assert grown[-1] / grown[-2] == pytest.approx(1.12087912, rel=1e-6)
    # With many rows the design no longer matters.
    many = Learners(rows * 10**6, 10, designs="redrawn")
    assert moment_radius(many)[0] == pytest.approx((12 / 14) ** 2, rel=1e-5)


def test_the_verdict_says_who_stays_bounded_with_fixed_proportional_designs() -> None:
    rng = np.random.default_rng(4)
    for _ in range(150):
        n = int(rng.integers(1, 7))
        rows = rng.integers(1, 9, (n, n + 1)) * (rng.random((n, n + 1)) < rng.choice([0.2, 0.4]))
        rows[rows.sum(axis=1) == 0, rng.integers(n + 1)] = 3
        learners = Learners(rows, 1)
        shares = learners.shares
        graph = LearningGraph(
            tuple(map(str, range(n))), csr_array(shares[:, :-1]), shares[:, -1].copy()
        )
        found = verdict(graph)
        falls = found.structure.collapses
        np.testing.assert_allclose(moment_radius(learners), found.radius**2, atol=1e-8)
        np.testing.assert_array_equal(moment_radius(learners) >= 1, falls)
        limit = stationary_errors(learners)
        np.testing.assert_array_equal(np.isinf(limit), falls)
        squared = expected_errors(learners, 400).squared
        assert np.all(squared[-1] <= limit * (1 + 1e-12))
        settled = found.radius**800 < 1e-12
        np.testing.assert_allclose(squared[-1, settled], limit[settled], rtol=1e-9)
        assert np.all(squared[400, falls] - squared[200, falls] > 1e-9)


def test_proportional_and_general_paths_are_the_same() -> None:
    rows, weights = FOUR * 3, FOUR / FOUR.sum(axis=1, keepdims=True)
    unit = np.array([[2.0, 0.5, 0], [0.5, 1, 0.1], [0, 0.1, 3]])
    grams = rows[:, :, None, None] * unit
    times = np.trace(np.linalg.inv(unit))
    for regime in ("replace", "accumulate"):
        scalar = expected_errors(Learners(rows, 3, regime=regime), 7)  # type: ignore[arg-type]
        blocks = expected_errors(Blocks(grams, regime=regime), 7)  # type: ignore[arg-type]
        np.testing.assert_allclose(blocks.squared, scalar.squared / 3 * times)
        np.testing.assert_allclose(blocks.squared_norm, scalar.squared_norm / 3 * times)
        whole = np.kron(scalar.covariance, np.linalg.inv(unit))
        np.testing.assert_allclose(blocks.covariance, whole, atol=1e-12)
    learners, general = Learners(rows, 3), Blocks(grams)
    np.testing.assert_allclose(moment_radius(general), moment_radius(learners))
    rows = np.where(weights > 0, 20, 0)
    rows[:, -1] = 20
    alone = Learners(rows, 3, weights=weights)
    other = Blocks(rows[:, :, None, None] * unit, weights=weights)
    start = np.diag([1.0, 2, 3, 4]) / 10
    scalar = expected_errors(alone, 4, start)
    blocks = expected_errors(other, 4, np.kron(start, np.linalg.inv(unit)))
    np.testing.assert_allclose(blocks.squared, scalar.squared / 3 * times)
    scalar, blocks = expected_errors(alone, 4), expected_errors(other, 4)
    np.testing.assert_allclose(blocks.squared, scalar.squared / 3 * times)
    assert scalar.squared[1, 0] == pytest.approx(3 * ((16 + 9) / 144 + (16 + 9 + 25) / 144) / 20)


def test_deficient_real_designs_leave_the_radius_at_one() -> None:
    """5 real rows in d = 10: real data, and yet some directions never see it."""
    rng = np.random.default_rng(5)
    own, real = rng.standard_normal((40, 10)), rng.standard_normal((5, 10))
    blocks = Blocks(np.array([[own.T @ own, real.T @ real]]))
    assert moment_radius(blocks)[0] == pytest.approx(1.0, abs=1e-9)
    assert stationary_errors(blocks)[0] == np.inf
    assert np.diff(expected_errors(blocks, 900).squared[[500, 700, 900], 0]).min() > 1


def test_rows_are_shared_out_exactly() -> None:
    third = 1 / 3
    graph = LearningGraph.from_edges(
        [
            ("real", "a", 0.3),
            ("b", "a", 0.7),
            ("a", "b", third),
            ("b", "b", third),
            ("real", "b", third),
        ]
    )
    np.testing.assert_array_equal(rows_of(graph, 90), [[0, 63, 27], [30, 30, 30]])
    np.testing.assert_array_equal(rows_of(graph, [10, 4]), [[0, 7, 3], [2, 1, 1]])
    assert shares_of(graph)[0].tolist() == [0.0, 0.7, 0.3]
    with pytest.raises(BadInput, match=r"0\.3 .*'a' has of 'real' is no whole row of 1"):
        rows_of(graph, 1)
    # Weights may miss 1 by a little; the rows never do.
    near = LearningGraph(("a",), csr_array([[0.5]]), np.array([0.5000000005]))
    assert rows_of(near, 10**10).sum() == 10**10
    for m in (0, 2.5, [1, 2, 3], -4):
        with pytest.raises(BadInput, match="whole numbers above 0"):
            rows_of(graph, m)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (lambda: Learners(np.ones((2, 2), int), 1), r"shape \(2, 2\)"),
        (lambda: Learners(np.array([[1.5, 1]]), 1), "whole numbers"),
        (lambda: Learners(np.array([[0, 0]]), 1), "learner 0 .*no rows"),
        (lambda: Learners(np.array([[5, 2]]), 3), "fewer rows of a source than d = 3"),
        (lambda: Learners(np.array([[5, 2]]), 6, designs="redrawn"), r"d \+ 2 = 8"),
        (lambda: Learners(np.array([[5, 2]]), 8, designs="redrawn"), "not determined"),
        (lambda: Learners(np.array([[5, 2]]), 1, designs="frozen"), "fixed or redrawn"),
        (lambda: Learners(np.array([[5, 2]]), 1, noise=0.0), "noise 0"),
        (lambda: Learners(np.array([[5, 2]]), 1, weights=np.array([[0.5, 0.4]])), "sum to 1"),
        (lambda: Learners(np.array([[5, 0]]), 1, weights=np.array([[0.5, 0.5]])), "has no rows"),
        (lambda: Blocks(np.zeros((1, 2, 2, 2))), "singular"),
        (lambda: Blocks(np.ones((1, 2, 2, 2))), "singular"),
        (lambda: Blocks(np.ones((1, 2, 2))), "shape"),
        (lambda: expected_errors(Learners(FOUR, 2, 1, "redrawn", "accumulate"), 2), "learner 0"),
        (lambda: expected_errors(Learners(FOUR, 2), 2, np.eye(3)), r"\(4, 4\)"),
        (lambda: expected_errors(Learners(FOUR, 2), -1), "0 or more"),
        (lambda: moment_radius(Learners(FOUR, 2, regime="accumulate")), "accumulates"),
        (lambda: subsampled_means(Learners(FOUR, 2), 3), "means alone"),
        (lambda: self_loop_risk(11, 10, 3), "from d"),
        (lambda: log_det_drift(3, 3), "singular"),
        (lambda: fisher_information("gamma", [1.0]), "logistic or poisson"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused_in_one_line(made: object, line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        made()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
