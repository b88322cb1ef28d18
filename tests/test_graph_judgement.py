"""Who collapses in a setting: where the graph decides, where it is wrong, and where nobody says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from graph_parts import parts, played, verdict_command

import lwd_agents as lwd
from lwd_agents.errors import BadInput
from lwd_agents.theory.error_bias import ridge_errors
from lwd_agents.theory.error_information import logistic_inflation
from lwd_agents.theory.graph_verdict import Verdict, verdict
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.worlds.graph_judgement import Judgement, judgements

SOME = {"learners": 3, "readership": "ring", "real": {"v1": 0.2}, "features": 4, "rows": 60}
SELF = [["real", "a", 5], ["a", "a", 60]]


def judged(**keys: Any) -> Judgement:
    return judgements(parts(**keys))[-1]


@pytest.mark.parametrize(
    ("keys", "basis", "collapses"),
    [
        ({}, "graph", []),
        ({"real": 0}, "graph", ["v1", "v2", "v3"]),
        ({"designs": "fixed"}, "moments", []),
        ({"designs": "fixed", "real": 0}, "moments", ["v1", "v2", "v3"]),
        ({"designs": "redrawn"}, "moments", []),
        ({"designs": "redrawn", "mixing": "weight"}, "graph", []),
        ({"designs": "redrawn", "rows": 5}, "none", None),  # its expected error is infinite
        ({"estimator": "mean"}, "graph", []),
        ({"estimator": "huber"}, "graph", []),
        ({"estimator": "logistic", "rows": 200}, "graph", []),
        ({"estimator": "poisson", "rows": 200, "designs": "fixed"}, "moments", []),
        ({"estimator": "ridge"}, "none", None),
        ({"estimator": "gaussian"}, "none", None),
        ({"regime": "accumulate", "real": 0}, "bound", []),
        ({"regime": "accumulate", "real": 0, "designs": "fixed"}, "bound", []),
        ({"regime": "accumulate", "designs": "redrawn"}, "none", None),
        ({"regime": "accumulate-subsample"}, "none", None),
    ],
)
def test_what_decides_in_a_setting(
    keys: dict[str, Any], basis: str, collapses: list[str] | None
) -> None:
    found = judged(**{**SOME, **keys})
    assert (found.basis, found.collapses) == (basis, collapses)
    assert found.applies == (basis != "none")
    rest = None if collapses is None else [v for v in ("v1", "v2", "v3") if v not in collapses]
    assert found.stable == rest
    said = found.as_json()
    json.dumps(said, allow_nan=False)
    assert said["why"] == found.why != ""
    assert (said["moment_radius"] is None) == (basis != "moments")


def test_too_few_real_rows_leave_the_radius_at_one() -> None:
    """d = 10 and 5 real rows on a fixed design: no data tells of five directions."""
    keys = {"features": 10, "designs": "fixed"}
    few, enough = judged(rows=SELF, **keys), judged(rows=[["real", "a", 12], SELF[1]], **keys)
    assert few.moment_radius == pytest.approx(1, abs=1e-9)
    assert few.collapses == ["a"]
    assert few.graph.collapses == []  # the graph alone is wrong
    assert enough.moment_radius is not None
    assert enough.moment_radius[0] < 1
    assert enough.collapses == []
    made = parts(rows=SELF, **keys, steps=400, replicates=200, seed=1)
    error = played(made)["error"].mean(axis=(0, 2))
    assert error[400] > 1.8 * error[200] > 3 * error[100]


def test_few_redrawn_rows_explode_where_the_graph_says_stable() -> None:
    keys = {"features": 10, "designs": "redrawn", "rows": [["real", "a", 2], ["a", "a", 12]]}
    found = judged(**keys)
    assert found.moment_radius is not None
    assert found.moment_radius[0] > 1.1
    assert (found.collapses, found.graph.collapses) == (["a"], [])
    error = played(parts(**keys, steps=12, replicates=3000, seed=2))["error"].mean(axis=(0, 2))
    assert error[12] > 4 * error[1]


def test_few_rows_of_logistic_regression_run_away() -> None:
    """First-order inflation times the radius tells; real fits show the factor itself."""
    keys: dict[str, Any] = {"estimator": "logistic", "rows": 200, "learners": 3}
    assert judged(**keys, real=0.1).basis == "graph"
    few = judged(**keys, real=0.02)
    assert (few.basis, few.collapses) == ("none", None)
    assert "lengthen a logistic fit by 6.2% a round" in few.why
    assert judged(**keys, real=0.0).collapses is not None  # closed: it collapses in any case
    alone = parts(learners=1, readership="isolated", real=1, estimator="logistic", rows=200,
                  steps=20, replicates=200, seed=3)  # fmt: skip
    fitted = played(alone)["parameters"].mean(axis=(0, 1, 2)) @ np.full(10, 10**-0.5)
    assert fitted == pytest.approx(logistic_inflation(alone.setting.truth, 200), abs=0.012)
    for wrong in ([0.0, 0.0], [np.inf]):
        with pytest.raises(BadInput, match="should be above 0"):
            logistic_inflation(wrong, 9)


def test_ridge_forgets_the_truth_without_growing() -> None:
    made = parts(learners=2, readership="complete", estimator={"kind": "ridge", "penalty": 10},
                 features=3, rows=30, steps=60, replicates=50, truth=2.0)  # fmt: skip
    found = played(made)
    last = found["parameters"][:, -1]
    assert np.abs(last.mean(axis=0)).max() < 0.1  # to 0, not to the truth
    np.testing.assert_allclose(found["error"][:, -1].mean(), 4.0, rtol=0.2)


def test_ridge_recursion_is_that_of_literal_algebra() -> None:
    """Two learners, three rounds: the map of all errors, written out."""
    rng = np.random.default_rng(0)
    X = [[rng.normal(size=(m, 2)) for m in row] for row in ((4, 3, 5), (6, 2, 1))]
    G = np.array([[x.T @ x for x in row] for row in X])
    truth, lam, noise = np.array([1.0, -0.5]), 2.5, 0.7
    for regime in ("replace", "accumulate"):
        kind: Any = regime
        found = ridge_errors(G, lam, truth, 3, noise, kind)
        S = G.sum(axis=1)
        B_mean = [S[i] @ truth for i in range(2)]  # of X'y so far
        B_map = np.zeros((2, 2, 0))  # how X'y depends on all noise so far
        theta_mean = [np.linalg.solve(S[i] + lam * np.eye(2), B_mean[i]) for i in range(2)]
        roots = [np.linalg.cholesky(S[i]) * noise for i in range(2)]
        B_map = np.zeros((2, 2, 4))
        for i in range(2):
            B_map[i, :, 2 * i : 2 * i + 2] = roots[i]
        theta_map = np.array([np.linalg.solve(S[i] + lam * np.eye(2), B_map[i]) for i in range(2)])
        for t in range(1, 4):
            new_mean = [
                sum(G[i, j] @ theta_mean[j] for j in range(2)) + G[i, 2] @ truth for i in range(2)
            ]
            wide = 4 * (t + 1)
            old = np.pad(theta_map, ((0, 0), (0, 0), (0, 4)))
            new_map = np.einsum("ijab,jbk->iak", G[:, :2], old)
            for i in range(2):
                at = wide - 4 + 2 * i
                new_map[i, :, at : at + 2] += roots[i]
            if regime == "accumulate":
                B_mean = [a + b for a, b in zip(B_mean, new_mean, strict=True)]
                B_map = np.pad(B_map, ((0, 0), (0, 0), (0, 4))) + new_map
            else:
                B_mean, B_map = new_mean, new_map
            grown = t + 1 if regime == "accumulate" else 1
            A = [np.linalg.inv(grown * S[i] + lam * np.eye(2)) for i in range(2)]
            theta_mean = [A[i] @ B_mean[i] for i in range(2)]
            theta_map = np.array([A[i] @ B_map[i] for i in range(2)])
        bias = [np.sum((m - truth) ** 2) for m in theta_mean]
        np.testing.assert_allclose(found.bias[-1], bias, rtol=1e-10)
        np.testing.assert_allclose(
            found.variance[-1], np.sum(theta_map**2, axis=(1, 2)), rtol=1e-10
        )
        apart = 2 * np.sum((theta_map[0] - theta_map[1]) ** 2)
        np.testing.assert_allclose(found.variance_norm[-1], apart, rtol=1e-10)
        parted = 2 * np.sum((theta_mean[0] - theta_mean[1]) ** 2)
        np.testing.assert_allclose(found.bias_norm[-1], parted, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"grams": np.ones((2, 2, 3, 3))}, "grams"),
        ({"truth": [1.0]}, "truth"),
        ({"penalty": 0.0}, "penalty 0.0: should be above 0"),
        ({"rounds": -1}, "-1 rounds"),
        ({"regime": "subsample"}, "regime 'subsample'"),
    ],
)
def test_ridge_refuses_what_it_cannot_use(changed: dict[str, Any], words: str) -> None:
    keys: dict[str, Any] = {"grams": np.ones((1, 2, 3, 3)), "penalty": 1.0, "truth": [1, 1, 1],
                            "rounds": 1}  # fmt: skip
    with pytest.raises(BadInput, match=words):
        ridge_errors(**{**keys, **changed})


# --- lwd.verdict and lwd verdict.


NET = "source,target,weight\nreal,a,0.2\na,a,0.8\n"


def test_verdicts_of_graphs_experiments_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text(NET)
    alone = lwd.verdict(path)
    assert isinstance(alone, Verdict)
    assert isinstance(lwd.verdict(alone.graph), Verdict)
    few = lwd.verdict(path, settings=["designs=redrawn", "rows=15", "features=10"])
    assert isinstance(few, Judgement)
    assert (few.basis, few.collapses) == ("moments", ["a"])
    last = lwd.verdict("flip")
    assert isinstance(last, Judgement)
    assert last.first == 50
    assert last.collapses == ["a", "b", "c", "d", "e"]
    run = lwd.run("ring", out=tmp_path / "run", steps=3, settings=["real.v1=0.1"])
    assert lwd.verdict(run.path).collapses == []
    assert lwd.verdict({"world": "graph", "learners": 2}).collapses == ["v1", "v2"]
    with pytest.raises(BadInput, match="the world gmm has no verdict"):
        lwd.verdict("figure4")
    with pytest.raises(BadInput, match="no graph, experiment or run 'nope'; presets: figure4"):
        lwd.verdict("nope")
    with pytest.raises(BadInput, match="settings 'rows=3': should be a list"):
        lwd.verdict(alone.graph, settings="rows=3")
    with pytest.raises(BadInput, match=r"a verdict on int: should be on a \.csv"):
        lwd.verdict(3)  # type: ignore[arg-type]
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(BadInput, match="empty: no run directory"):
        lwd.verdict(folder)


def test_a_graph_takes_settings_but_no_second_graph(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text(NET)
    drawn = networkx.DiGraph()
    drawn.add_weighted_edges_from([("real", "a", 0.2), ("a", "a", 0.8)])
    keys: dict[str, Any] = {"designs": "redrawn", "rows": 15}
    of_file, of_graph = lwd.verdict(path, **keys), lwd.verdict(drawn, **keys)
    laid = lwd.verdict(LearningGraph.read(path), ["designs=redrawn", "rows=15"])
    assert of_file.as_json() == of_graph.as_json() == laid.as_json()
    assert isinstance(lwd.verdict(drawn), Verdict)
    with pytest.raises(BadInput, match=r"--set readership=ring: .*net.csv says who learns from"):
        lwd.verdict(path, ["readership=ring"])
    with pytest.raises(BadInput, match=r"argument real=: graph says who learns from whom"):
        lwd.verdict(drawn, real=0.1)


def test_a_verdict_on_a_run_is_of_the_graph_that_it_read(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text(NET)
    run = lwd.run({"world": "graph", "graph": str(path), "steps": 2}, out=tmp_path / "run")
    path.write_text("source,target,weight\na,a,1\n")
    assert lwd.verdict(path).collapses == ["a"]
    for given in (run, run.path):
        assert lwd.verdict(given).collapses == []
    few = lwd.verdict(run, designs="redrawn", rows=15)
    assert isinstance(few, Judgement)
    assert (few.basis, few.graph.collapses) == ("moments", [])
    path.unlink()
    assert lwd.verdict(run.path).graph.graph.names == ("a",)


def test_the_command_says_what_decides(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text(NET)
    said = verdict_command(str(path), "--set", "designs=redrawn", "--set", "rows=15").stdout
    told = said.splitlines()
    assert told[0] == "1 of 1 learner collapses: a"
    assert (
        told[1]
        == "setting: least-squares, redrawn designs, 10 features, 15 rows a fit, samples, replace"
    )
    assert told[2].startswith("because: the spectral radius of E[M (x) M]")
    assert "(the graph alone would say: nobody)" in said
    assert "errors grow from 1 on" in said
    none = verdict_command("ring", "--set", "estimator=ridge").stdout
    assert "unstable sources" not in none
    assert none.startswith("no verdict is claimed\nsetting: ridge")
    assert "\nwhy: ridge is biased" in none
    flip = verdict_command("flip").stdout.splitlines()
    assert flip[0] == "from t = 0: 2 of 5 learners collapse: d, e"
    assert flip[1] == "from t = 50: 5 of 5 learners collapse: a, b, c, d, e"
    found = json.loads(verdict_command("flip", "--json").stdout)
    assert [one["from"] for one in found["graphs"]] == [0, 50]
    assert found["graphs"][0]["stable"] == ["a", "b", "c"]
    plain = json.loads(verdict_command(str(path), "--json").stdout)
    assert (plain["applies"], plain["basis"], plain["stable"]) == (True, "graph", ["a"])
    refused = verdict_command("ring", "--set", "estimator=ridge", "--changes").exception
    assert "--changes: it rests on the graph alone" in str(refused)


def test_accumulated_data_on_few_rows_claims_nothing_where_an_error_grows() -> None:
    few = {"learners": 6, "readership": "complete", "own": 0.0, "rows": 5, "features": 5}
    how: dict[str, Any] = {**few, "designs": "fixed", "regime": "accumulate"}
    for seed, basis in ((0, "none"), (7, "none"), (4, "bound")):  # real parts 1.18, 31, 1
        assert judgements(parts(**how, seed=seed))[-1].basis == basis


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_command_draws_the_graph(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"net.{kind}"
    assert f"figure: {file}" in verdict_command("flip", "--figure", str(file)).stdout
    first = file.read_bytes()
    assert len(first) > 5000
    verdict_command("flip", "--figure", str(file))
    assert file.read_bytes() == first
    wrong = verdict_command("flip", "--figure", str(tmp_path / "net.gif")).exception
    assert "should end in .png, .svg, .pdf" in str(wrong)
    gone = verdict_command("flip", "--figure", str(tmp_path / "no" / "net.png")).exception
    assert "there is no folder" in str(gone)
    many = verdict_command("ring", "--set", "learners=500", "--figure", str(file)).exception
    assert "500 learners are too many to tell apart" in str(many)


def test_what_is_drawn_tells_who_collapses() -> None:
    from lwd_agents.report.figures.network import Panel, network_figure
    from lwd_agents.report.figures.style import COLOURS

    made = judgements(parts(learners=["a", "b", "c"], readership="chain", real={"c": 0.5}))[0]
    graph = made.graph.graph
    table = graph.weights.tocoo()
    edges = list(zip(table.col.tolist(), table.row.tolist(), table.data.tolist(), strict=True))
    assert verdict(graph).collapses == ["a", "b", "c"]
    panel = Panel("", graph.names, edges, graph.real, [True, True, False])
    axes = network_figure([panel], "a title").axes[0]
    squares, circles = axes.collections
    from matplotlib.colors import to_hex

    assert to_hex(squares.get_facecolor()[0]) == COLOURS[1].lower()
    assert len(squares.get_offsets()) == 2
    assert to_hex(circles.get_edgecolor()[0]) == COLOURS[2].lower()  # the rim of real data
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c\nreal 0.5"]
