"""The world ``graph``: who learns from whom, its replicates, its blocks, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_parts import parts, played, ring

from lwd_agents import threads
from lwd_agents.config import read_experiment
from lwd_agents.errors import BadInput
from lwd_agents.theory.graph_verdict import verdict
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.worlds import graph


def weights(made: Any, place: int = 0) -> np.ndarray:
    """(n, n + 1) shares of each source, the last column real."""
    found: LearningGraph = made.stretches[place].graph
    return np.column_stack([found.weights.toarray(), found.real])


def test_shares_follow_from_a_readership() -> None:
    even = parts(learners=3, readership="ring", real=0.1)
    np.testing.assert_allclose(
        weights(even), [[0.45, 0, 0.45, 0.1], [0.45, 0.45, 0, 0.1], [0, 0.45, 0.45, 0.1]]
    )
    own = parts(learners=["a", "b", "c"], readership="star", real={"a": 0.4}, own=0.2)
    np.testing.assert_allclose(
        weights(own), [[0.2, 0.2, 0.2, 0.4], [0.8, 0.2, 0, 0], [0.8, 0, 0.2, 0]]
    )
    assert own.names == ("a", "b", "c")
    apart = parts(learners=2, readership="isolated", real={"v2": 1})
    np.testing.assert_allclose(weights(apart), [[1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("readership", "edges"),
    [
        ("complete", 30),
        ("ring", 6),
        ("star", 10),
        ("chain", 5),
        ("two-blocks", 13),
        ({"graph": "cliques", "size": 2}, 6),
        ({"graph": "erdos-renyi", "p": 0.4, "seed": 1}, None),
        ({"graph": "small-world", "neighbours": 2, "rewire": 0.2}, 12),
        ({"graph": "scale-free", "links": 1}, 10),
    ],
)
def test_every_topology_of_the_other_worlds_is_one_here(readership: Any, edges: int | None) -> None:
    made = parts(learners=6, readership=readership, rows=60)
    found = made.stretches[0].graph.weights.toarray()
    between = np.count_nonzero(found - np.diag(np.diagonal(found)))
    assert between == edges if edges is not None else between > 0
    assert len(verdict(made.stretches[0].graph).collapses) == 6
    assert played(made)["error"].shape == (1, 101, 6)


def test_graphs_of_files_and_edges_are_the_same(tmp_path: Path) -> None:
    import networkx

    edges = [["real", "a", 0.25], ["b", "a", 0.75], ["a", "b", 1.0]]
    (tmp_path / "g.csv").write_text(
        "source,target,weight\n" + "".join(f"{s},{t},{w}\n" for s, t, w in edges)
    )
    graph = networkx.DiGraph()
    graph.add_weighted_edges_from(edges)
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    given: list[Any] = [{"edges": edges}, str(tmp_path / "g.csv"), str(tmp_path / "g.graphml")]
    found = [played(parts(graph=each, steps=6, learners=["b", "a"])) for each in given]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0]["parameters"], other["parameters"])
    made = parts(graph=given[1])
    assert made.names == ("a", "b")
    assert list(made.sha256) == ["graph/g.csv"]
    by_rows = parts(rows=[["real", "a", 25], ["b", "a", 75], ["a", "b", 100]], steps=6)
    wanted = played(parts(graph=given[0], steps=6))
    np.testing.assert_array_equal(played(by_rows)["parameters"], wanted["parameters"])


def test_a_schedule_changes_the_graph_from_its_round_on() -> None:
    closed = {"edges": [["a", "a", 1], ["b", "b", 1]]}
    fed = {"edges": [["real", "a", 1], ["real", "b", 1]]}
    made = parts(graph={"schedule": {0: closed, 4: fed}}, steps=7, replicates=3)
    found = played(made)
    alone = played(parts(graph=closed, steps=7, replicates=3))
    real = played(parts(graph=fed, steps=7, replicates=3))
    for t in range(8):
        same = alone if t < 4 else real
        np.testing.assert_array_equal(found["parameters"][:, t], same["parameters"][:, t])


def test_sizes_of_the_data_are_counted() -> None:
    keys: dict[str, Any] = {"learners": 2, "readership": "complete", "real": 0.2, "rows": 50}
    shown = {}
    for regime in ("replace", "accumulate", "accumulate-subsample"):
        made = parts(**keys, regime=regime, steps=3, features=2)
        round = made.world(range(1)).step(0)
        lines = [*round.before, round.line]
        shown[regime] = [(x["internet_size"], x["synthetic"], x["k"]["v2"]) for x in lines]
    assert shown == {
        "replace": [(100, 0, 50), *[(100, 80, 50)] * 3],
        "accumulate": [(100 * (t + 1), 80 * t, 50 * (t + 1)) for t in range(4)],
        "accumulate-subsample": [(100 * (t + 1), 80 * t, 50) for t in range(4)],
    }


EVERYTHING: list[dict[str, Any]] = [
    {},
    {"designs": "fixed"},
    {"designs": "redrawn"},
    {"designs": "redrawn", "regime": "accumulate"},
    {"designs": "fixed", "regime": "accumulate", "placebo": True},
    {"mixing": "weight", "designs": "redrawn"},
    {"estimator": "ridge", "designs": "fixed"},
    {"estimator": "mean", "regime": "accumulate", "placebo": True},
    {"estimator": {"kind": "gaussian", "unbiased": True}, "regime": "accumulate"},
    {"estimator": "gaussian", "draw": "rows", "regime": "accumulate"},
    {"estimator": "huber", "regime": "accumulate-subsample"},
    {"estimator": "logistic", "rows": 120, "placebo": True},
    {"estimator": "poisson", "rows": 120, "designs": "fixed", "regime": "accumulate"},
    {"draw": "rows", "designs": "orthogonal", "regime": "accumulate-subsample"},
    {"readership": {"schedule": {0: "isolated", 3: "ring"}}, "designs": "fixed"},
]


@pytest.mark.parametrize("keys", EVERYTHING)
def test_batches_blocks_threads_and_resuming_change_no_bit(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ring(**keys, replicates=5)
    whole, alone = played(made), played(made, range(3, 4))
    for name, values in alone.items():
        np.testing.assert_array_equal(whole[name][3:4], values, err_msg=name)
    assert not np.array_equal(whole["norm"][0], whole["norm"][1])
    monkeypatch.setattr(graph, "_WORK", 1)
    monkeypatch.setattr(threads, "threads", lambda: 3)
    world = made.world(range(5))
    first = [world.step(t) for t in range(3)]
    later = made.world(range(5))  # takes up after three committed rounds
    block = {n: np.concatenate([r.block[n] for r in first], axis=1) for n in first[0].block}
    later.absorb(type(first[0])(2, {}, replayed=True, block=block))
    rest = [later.step(t) for t in range(3, 6)]
    for name, values in whole.items():
        pieces = [r.block[name] for r in (*first, *rest)]
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), values, err_msg=name)


def test_a_placebo_has_the_random_words_of_its_replicate() -> None:
    made = ring(readership="isolated", real=1.0, placebo=True, replicates=3, designs="redrawn")
    found = played(made)
    np.testing.assert_array_equal(found["parameters"], found["placebo_parameters"])
    live = played(ring(placebo=True))
    np.testing.assert_array_equal(live["error"][:, 0], live["placebo_error"][:, 0])
    assert (live["error"][:, 1:] != live["placebo_error"][:, 1:]).all()


def test_distances_of_gaussians_are_wasserstein_on_a_line() -> None:
    found = played(ring(estimator="gaussian", features=1, rows=20, replicates=4))
    mean, variance = found["parameters"][..., 0], found["parameters"][..., 1]
    w2 = mean**2 + (np.sqrt(variance) - 1.0) ** 2
    np.testing.assert_allclose(found["error"], w2, rtol=1e-12)
    np.testing.assert_allclose(found["mean_error"], mean**2, rtol=1e-12)
    np.testing.assert_allclose(found["spread"], variance, rtol=1e-12)
    apart = mean[..., None] - mean[..., None, :]
    scales = np.sqrt(variance)[..., None] - np.sqrt(variance)[..., None, :]
    norm = np.sqrt((apart**2 + scales**2).sum(axis=(2, 3)))
    np.testing.assert_allclose(found["norm"], norm, rtol=1e-10)


def test_gaussians_of_fewer_points_than_dimensions_stay_defined() -> None:
    for draw in ("statistics", "rows"):
        made = ring(estimator="gaussian", features=6, rows=5, steps=30, draw=draw, real=0)
        found = played(made)
        assert np.isfinite(found["parameters"]).all()
        covariances = found["parameters"][0, :, :, 6:].reshape(31, 4, 6, 6)
        assert np.linalg.eigvalsh(covariances).min() > -1e-12
        assert found["spread"][0, -1].max() < found["spread"][0, 0].min()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("learners=0", ["--set learners=0", "1 or more"]),
        ("learners=[a, a]", ["'a' is named twice"]),
        ("real=-0.1", ["--set real=-0.1", "from 0 to 1"]),
        ("real={v1: 2}", ["real: v1: 2", "from 0 to 1"]),
        ("own=most", ["own", "'most'"]),
        ("readership=rong", ["readership", "did you mean 'ring'"]),
        ("graph=net.txt", ["graph", "'net.txt'", ".csv or .graphml"]),
        ("graph={edges: [[a, b]]}", ["graph", "['a', 'b']", "[source, target, number]"]),
        ("graph={edges: [[a, b, -1]]}", ["graph", "['a', 'b', -1]", "0 or more"]),
        ("graph={schedule: {5: g.csv}}", ["begins with step 5", "step 0"]),
        ("rows=0", ["--set rows=0", "whole number of 1 or more"]),
        ("rows=1.5", ["rows: 1.5", "whole number"]),
        ("estimator=rige", ["estimator.kind: 'rige'", "'ridge'"]),
        ("estimator={kind: ridge, penalty: 0}", ["estimator.penalty: 0", "greater than 0"]),
        ("estimator.threshold=2", ["threshold is for huber", "least-squares"]),
        ("truth=[1, 2]", ["truth: 2 numbers", "features is 3"]),
        ("truth=x", ["truth: 'x'", "finite number"]),
        ("noise=0", ["noise: 0", "greater than 0"]),
        ("designs=drawn", ["designs: 'drawn'", "'redrawn'"]),
        ("regime=subsample", ["regime: 'subsample'", "'accumulate-subsample'"]),
        ("mixing=weights", ["mixing: 'weights'", "'weight'"]),
        ("features=0", ["features: 0"]),
        ("draws=3", ["unknown key 'draws'", "did you mean 'draw'"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(setting: str, words: list[str]) -> None:
    experiment = {"world": "graph", "learners": 4, "features": 3}
    with pytest.raises(BadInput) as caught:
        read_experiment(experiment, [setting]).resolve()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


SUM = [["real", "a", 0.5], ["b", "a", 0.4], ["a", "b", 1]]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"graph": {"edges": SUM}}, r"graph: the weights into 'a' sum to 0.9 \(0.1 is missing\)"),
        ({"graph": {"edges": [["a", "b", 1]]}}, "graph: the learner 'a' has no data"),
        ({"graph": {"edges": [["a", "a", 1]]}, "learners": ["a", "b"]}, "learner 'b' has no data"),
        ({"graph": {"edges": [["c", "a", 1], ["c", "c", 1]]}, "learners": ["a", "cc"]},
         "graph: it names 'c', who is none of the learners; did you mean 'cc'"),
        ({"graph": {"edges": [["a", "a", 1]]}, "learners": 3}, "learners: 3, but the graph has 1"),
        ({"graph": {"edges": [["a", "a", 1]]}, "real": 0.1}, "real: graph says who learns"),
        ({"graph": {"edges": [["a", "a", 1]]}, "rows": [["a", "a", 9]]}, "rows: by edge they say"),
        ({"mixing": "weight", "rows": [["v1", "v1", 9]]}, "graph: with rows by edge"),
        ({"mixing": "weight", "graph": {"edges": [["a", "a", 1]]}, "rows": [["b", "a", 9]]},
         "rows: 'b' -> 'a': no such learner"),
        ({"mixing": "weight", "graph": {"edges": [*SUM[:1], ["a", "a", 0.5]]},
          "rows": [["a", "a", 9]]}, "rows: 'real' -> 'a' has no rows"),
        ({"mixing": "weight", "regime": "accumulate"}, "regime: mixing weight is for data that"),
        ({"real": {"w1": 0.1}}, "real: no learner 'w1'"),
        ({"real": 0.7, "own": 0.5}, "own: 0.5, but the learner 'v1' has 0.7 of real data"),
        ({"readership": "isolated", "own": 0.5}, "own: 0.5, but the learner 'v1' has 0 of real"),
        ({"rows": {"v1": 9}}, "rows: the learner 'v2' has none"),
        ({"rows": {"v9": 9}}, "rows: no learner 'v9'"),
        ({"rows": 100, "real": 0.001}, "the share 0.001 that 'v1' has of 'real' is no whole row"),
        ({"rows": 5}, "rows: the learner 'v1' has 1 row of one source: with features 3"),
        ({"rows": 2, "designs": "fixed", "readership": "isolated"}, "2 rows: with features 3 that "
         "is a singular design"),
        ({"rows": 1, "estimator": "gaussian", "readership": "isolated"}, "1 row: a covariance"),
        ({"estimator": "mean", "designs": "fixed"}, "designs: mean is of points"),
        ({"estimator": "huber", "draw": "statistics"}, "draw: huber needs every row"),
        ({"estimator": "ridge", "designs": "fixed", "regime": "accumulate", "draw": "statistics"},
         "draw: ridge that accumulates"),
        ({"regime": "accumulate", "readership": {"schedule": {0: "ring", 2: "star"}}},
         "readership: a schedule is for data that is replaced"),
        ({"replicates": 10**8}, "replicates: 100,000,000 of 4 learners with 3 features over"),
        ({"estimator": "logistic", "rows": 8}, "round 0: learner 'v1' has no fit.*separable"),
    ],
)  # fmt: skip
def test_what_only_shows_when_put_together(keys: dict[str, Any], words: str) -> None:
    base: dict[str, Any] = {"features": 3, "steps": 5}
    if "graph" not in keys:
        base |= {"learners": 4}
    with pytest.raises(BadInput, match=words) as caught:
        parts(**{**base, **keys})
    assert "\n" not in str(caught.value)


def test_a_singular_design_of_deficient_rank_is_refused_where_it_is_met() -> None:
    made = ring(designs="redrawn", rows=6, features=3)
    with pytest.raises(BadInput, match="take more rows") as caught:
        parts(learners=1, readership="isolated", rows=3, features=4, designs="redrawn")
    assert "singular design" in str(caught.value)
    assert np.isfinite(played(made)["error"]).all()
