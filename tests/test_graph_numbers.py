"""Numbers that a run publishes, against what is written down by hand: noise, starts, shares, z."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_parts import off, parts, played, ring

import lwd_agents as lwd
from lwd_agents.theory import graph_verdict
from lwd_agents.theory.error_designs import Blocks, Learners
from lwd_agents.theory.error_limits import moment_radius
from lwd_agents.theory.error_recursion import expected_errors
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.theory.perron import Bounds
from lwd_agents.theory.real_shares import common_real_share, under_bound
from lwd_agents.theory.refit_forms import gaussian_refits, log_det_drift
from lwd_agents.worlds.graph_judgement import judgements
from lwd_agents.worlds.graph_theory import predicted


def test_the_common_share_is_of_the_largest_variance() -> None:
    graph = LearningGraph.from_edges([("a", "a", 1.0), ("a", "b", 1.0), ("real", "c", 1.0)])
    assert common_real_share(graph, 2.0).share == pytest.approx(1 - np.sqrt(0.5), rel=1e-8)
    assert common_real_share(graph, 1.5, [1.0, 1.0, 2.0]).share is None  # one is over it alone


def test_a_variance_at_the_bound_is_not_over_it() -> None:
    assert under_bound(LearningGraph.from_edges([("real", "a", 1.0)]), 1.0)["over"] == []


def test_the_error_of_a_radius_is_half_its_bounds_or_what_an_ancestor_may_exceed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def radii(matrix: Any, block: Any, blocks: int) -> Bounds:
        low, high = np.zeros(blocks), np.zeros(blocks)
        low[block[[0, 1]]], high[block[[0, 1]]] = [0.5, 0.2], [0.5, 0.7]
        return Bounds(low, high)

    monkeypatch.setattr(graph_verdict, "radii", radii)
    edges = [
        ("a", "a", 0.5),
        ("real", "a", 0.5),
        ("b", "b", 0.4),
        ("a", "b", 0.3),
        ("real", "b", 0.3),
    ]
    found = graph_verdict.verdict(LearningGraph.from_edges(edges))
    np.testing.assert_allclose(found.radius, [0.5, 0.5])
    np.testing.assert_allclose(found.radius_error, [0.0, 0.2])  # b's own may be up to 0.7
    alone = graph_verdict.verdict(
        LearningGraph.from_edges([("real", "a", 1.0), ("b", "b", 0.4), ("real", "b", 0.6)])
    )
    np.testing.assert_allclose(alone.radius_error[1], 0.25)


def test_many_learners_have_the_recursion_of_few() -> None:
    n = 120  # sparse from 100 on
    rows = np.zeros((n, n + 1), int)
    rows[np.arange(1, n), np.arange(n - 1)], rows[:, -1] = 30, 10
    for regime in ("replace", "accumulate"):
        found = expected_errors(Learners(rows, 1, regime=regime), 3)  # type: ignore[arg-type]
        W, N = rows[:, :n] / rows.sum(axis=1, keepdims=True), np.diag(1 / rows.sum(axis=1))
        C = N
        for t in range(1, 4):
            M = W if regime == "replace" else (t * np.eye(n) + W) / (t + 1)
            C = M @ C @ M.T + N / (1 if regime == "replace" else (t + 1) ** 2)
        np.testing.assert_allclose(found.squared[-1], np.diagonal(C), rtol=1e-12)


def test_without_bias_the_drift_is_the_mles_but_for_its_scale() -> None:
    drift = log_det_drift(6, 3, unbiased=True)
    assert drift == pytest.approx(log_det_drift(6, 3) + 3 * np.log(6 / 5))
    rows = np.array([[5, 3, 2], [2, 2, 21]])
    np.testing.assert_allclose(gaussian_refits(rows, 0, unbiased=True).covariance, 1.0)
    one = gaussian_refits(rows, 1, unbiased=True)
    w, U = rows[:, :2] / rows.sum(axis=1, keepdims=True), one.mean[0]
    m = rows.sum(axis=1)
    exact = m / (m - 1) * (1 - 1 / m + w @ np.diagonal(U) - np.diagonal(w @ U @ w.T))
    np.testing.assert_allclose(one.covariance[1], exact)


def test_real_data_is_looked_for_in_the_last_column() -> None:
    edges = [["real", "a", 1.0], ["b", "b", 0.5], ["real", "b", 0.5]]
    made = parts(graph={"edges": edges}, designs="fixed", features=2, rows=40)
    (found,) = judgements(made)
    assert (found.basis, found.collapses) == ("moments", [])
    assert found.moment_radius is not None
    assert found.moment_radius[1] < 0.9
    grams = np.array([[np.zeros((2, 2)), np.zeros((2, 2)), 5 * np.eye(2)],
                      [np.zeros((2, 2)), 5 * np.eye(2), 5 * np.eye(2)]])  # fmt: skip
    weights = np.array([[0, 0, 1.0], [0, 0.7, 0.3]])
    np.testing.assert_allclose(moment_radius(Blocks(grams, weights=weights)), [0, 0.49])


def test_weighed_fits_start_with_their_own_scatter() -> None:
    grams = np.array([[4 * np.eye(2), 5 * np.eye(2)]])
    found = expected_errors(Blocks(grams, 0.49 * grams, weights=np.array([[0.5, 0.5]])), 1)
    np.testing.assert_allclose(
        found.squared[:, 0], [0.49 * 2 / 5, 0.49 * (2 / 20 + 2 / 16 + 2 / 20)]
    )


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"designs": "fixed"},
        {"designs": "redrawn"},
        {"designs": "redrawn", "draw": "rows"},
        {"mixing": "weight", "designs": "fixed", "placebo": True},
        {"mixing": "weight", "designs": "redrawn", "placebo": True},
        {"estimator": {"kind": "ridge", "penalty": 15}},
        {"estimator": {"kind": "ridge", "penalty": 15}, "designs": "fixed"},
        {"estimator": "gaussian"},
        {"estimator": "gaussian", "draw": "rows"},
        {"estimator": "huber"},
        {"estimator": "huber", "mixing": "weight", "placebo": True},
    ],
)
def test_errors_scale_with_the_noise(keys: dict[str, Any]) -> None:
    """Noise and truth halved, all errors and what is predicted of them are a quarter."""
    one, half = (ring(**keys, replicates=3, noise=x, truth=x) for x in (1.0, 0.5))
    for big, small in (
        (played(one), played(half)),
        (predicted(one).arrays, predicted(half).arrays),
    ):
        for name, values in big.items():
            if name.endswith(("rms", "norm")):
                np.testing.assert_allclose(small[name], values / 2, rtol=1e-7, err_msg=name)
            elif name.endswith(("error", "spread")):
                np.testing.assert_allclose(small[name], values / 4, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize(
    "keys",
    [
        {"estimator": "huber", "rows": 200},
        {"estimator": "poisson", "rows": 1500, "designs": "fixed", "steps": 2},
        {"estimator": "logistic", "rows": 2000, "designs": "fixed", "steps": 2},
    ],
)
def test_weighed_m_estimators_agree_with_their_asymptotics(keys: dict[str, Any]) -> None:
    made = ring(**keys, mixing="weight", placebo=True, replicates=400, seed=5)
    found, expected = played(made), predicted(made).arrays
    for side in ("", "placebo_"):
        assert np.abs(off(found[f"{side}error"], expected[f"{side}predicted_error"])).max() < 5


@pytest.mark.parametrize(
    "keys",
    [
        {"estimator": "ridge", "mixing": "weight"},
        {"estimator": "ridge", "designs": "redrawn"},
        {"estimator": "ridge", "readership": {"schedule": {0: "ring", 3: "star"}}},
        {"estimator": "gaussian", "mixing": "weight"},
        {"estimator": "gaussian", "regime": "accumulate"},
        {"estimator": "gaussian", "readership": {"schedule": {0: "ring", 3: "star"}}},
        {"designs": "redrawn", "regime": "accumulate"},
        {"regime": "accumulate-subsample"},
    ],
)
def test_without_a_known_recursion_nothing_is_predicted(keys: dict[str, Any]) -> None:
    found = predicted(ring(**keys))
    assert (found.arrays, bool(found.refused)) == ({}, True)


def test_weighed_fits_start_from_as_many_real_rows_as_a_round_has() -> None:
    edges = [["real", "a", 0.5], ["a", "a", 0.5], ["a", "b", 0.5], ["b", "b", 0.5]]
    rows = [["real", "a", 8], ["a", "a", 20], ["a", "b", 9], ["b", "b", 12]]
    made = parts(graph={"edges": edges}, rows=rows, mixing="weight", features=2)
    assert made.start.cells.rows.tolist() == [8, 12]
    np.testing.assert_allclose(predicted(made).arrays["predicted_error"][0, 0], [2 / 8, 2 / 12])


def test_the_fewest_rows_and_the_root_of_the_moments_tell_of_inflation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys: dict[str, Any] = {"estimator": "logistic", "learners": 2, "real": 0.05}
    assert judgements(parts(**keys, rows={"v1": 200, "v2": 20_000}))[-1].basis == "none"
    assert judgements(parts(**keys, rows=20_000))[-1].basis == "graph"
    module = "lwd_agents.worlds.graph_judgement.logistic_inflation"
    monkeypatch.setattr(module, lambda truth, rows: 1.06)  # 0.95 x 1.06 > 1 > 0.95^2 x 1.06
    made = parts(**keys, rows=20_000, designs="fixed", features=2)
    assert judgements(made)[-1].basis == "none"


def test_a_row_of_the_summary_is_what_the_arrays_hold(tmp_path: Any) -> None:
    keys: dict[str, Any] = {"world": "graph", "learners": 3, "readership": "ring", "real": 0.2,
                            "features": 2, "rows": 20, "placebo": True}  # fmt: skip
    run = lwd.run(keys, out=tmp_path / "run", steps=4, replicates=7)
    a, said = run.arrays, run.summary
    for i, one in enumerate(said["learners"]):
        apart = a["error"][:, -1, i] - a["predicted_error"][:, -1, i]
        root = np.sqrt(7)
        assert one["z"] == pytest.approx(apart.mean() / (apart.std(ddof=1) / root))
        assert one["error_last_se"] == pytest.approx(a["error"][:, -1, i].std(ddof=1) / root)
        assert one["error_first"] == pytest.approx(a["error"][:, 0, i].mean())
        assert one["predicted_error_first"] == pytest.approx(a["predicted_error"][:, 0, i].mean())
    assert said["placebo_error_first"] == pytest.approx(a["placebo_error"][:, 0].mean())
    assert said["placebo_error_last"] == pytest.approx(a["placebo_error"][:, -1].mean())


def test_the_size_of_an_orthogonal_ridges_bias_is_the_truths_length() -> None:
    found = predicted(ring(estimator={"kind": "ridge", "penalty": 10}, truth=[3.0, 0.0, -4.0]))
    m, lam = 40, 10
    start = 3 * m / (m + lam) ** 2 + (lam / (m + lam) * 5) ** 2
    np.testing.assert_allclose(found.arrays["predicted_error"][0, 0], start)


def test_weighed_starts_of_different_sizes() -> None:
    edges = [["real", "a", 1.0], ["real", "b", 1.0]]
    rows = [["real", "a", 8], ["real", "b", 20]]
    made = parts(graph={"edges": edges}, rows=rows, mixing="weight", features=2, steps=2)
    np.testing.assert_allclose(predicted(made).arrays["predicted_error"][0], [[1 / 4, 1 / 10]] * 3)


def test_sizes_in_a_schedule_and_between_sources() -> None:
    one = {"edges": [["a", "a", 0.5], ["real", "a", 0.5], ["a", "b", 1.0]]}
    two = {"edges": [["real", "a", 1.0], ["b", "b", 1.0]]}
    made = parts(graph={"schedule": {0: one, 3: two}}, rows=20, features=2, steps=4)
    round = made.world(range(1)).step(0)
    assert [x["synthetic"] for x in [*round.before, round.line]] == [0, 30, 30, 20, 20]
