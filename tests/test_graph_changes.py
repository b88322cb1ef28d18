"""What one edge, or a share of real data, would change: against trying each, and closed forms."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from random_graphs import random_graph
from scipy.sparse import csr_array

from lwd_agents.errors import BadInput
from lwd_agents.theory.dominators import dominators
from lwd_agents.theory.graph_changes import changes, flips
from lwd_agents.theory.graph_verdict import verdict
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.theory.real_shares import (
    common_real_share,
    least_real_share,
    stationary_variance,
)


def _changed(graph: LearningGraph, j: int, i: int) -> LearningGraph | None:
    """The graph with the edge j -> i (j = -1: real) removed or, with a small share, added."""
    weights, real = graph.weights.toarray(), graph.real.copy()
    row = np.append(weights[i], real[i])
    if row[j] > 0:
        row[j] = 0
    else:
        row, row[j] = row * (1 - 1e-3), 1e-3
    if row.sum() == 0:
        return None
    row /= row.sum()
    weights[i], real[i] = row[:-1], row[-1]
    return LearningGraph(graph.names, csr_array(weights), real)


def test_all_single_changes_are_what_trying_each_finds() -> None:
    rng, seen = np.random.default_rng(5), set()
    for _ in range(120):
        graph = random_graph(rng, most=5)
        names, found, now = graph.names, changes(graph), set(verdict(graph).collapses)
        falls, removals, rescues, lone = 0, [], {}, 0
        for i, target in enumerate(names):
            for j in range(-1, len(names)):
                source = "real" if j < 0 else names[j]
                one, other = flips(graph, source, target), _changed(graph, j, i)
                assert one.without_data == (other is None)
                if other is None:
                    lone += 1
                    continue
                then = set(verdict(other).collapses)
                assert (set(one.collapses), set(one.rescued)) == (then - now, now - then)
                seen.add((one.change, bool(one.collapses), bool(one.rescued), j < 0))
                if one.change == "removed" and then != now:
                    removals.append((source, target, bool(one.collapses)))
                elif one.rescued:
                    rescues[source, target] = one.rescued
                falls += one.change == "added" and bool(one.collapses)
        assert found.collapse_count == falls
        assert sorted(found.removals) == sorted(removals)
        assert found.without_data == lone
        assert sum(one.count for one in found.rescues) == len(rescues)
        for one in found.rescues:
            for target in one.into:
                assert all(rescues[source, target] == one.rescued for source in one.sources)
        for one in found.collapse_examples:
            assert one == flips(graph, one.source, one.target)
    assert len(seen) == 10  # added: 2 x 2 of 5 that can be; removed likewise; and nothing


def test_dominators_are_those_of_networkx() -> None:
    for seed in range(60):
        graph = networkx.gnp_random_graph(14, 0.12, seed=seed, directed=True)
        after = [list(graph.successors(i)) for i in graph]
        before = [list(graph.predecessors(i)) for i in graph]
        found = dominators(after, before, 0)
        expected = networkx.immediate_dominators(graph, 0)
        for i in graph:
            assert found.parent[i] == (-1 if i not in expected and i else expected.get(i) or 0)
        for i in expected:
            above = i
            while above:
                above = found.parent[above]
                assert found.dominates(above, i)


def test_an_unknown_name_is_refused() -> None:
    graph = LearningGraph.from_edges([("real", "alpha", 1.0)])
    with pytest.raises(BadInput, match="no learner 'alpa'; did you mean 'alpha'"):
        flips(graph, "real", "alpa")


def test_variances_are_those_of_the_linear_system() -> None:
    rng = np.random.default_rng(4)
    for _ in range(80):
        graph = random_graph(rng, most=5)
        noise = rng.uniform(0.5, 2, len(graph.names))
        found, judged = stationary_variance(graph, noise), verdict(graph)
        np.testing.assert_array_equal(np.isinf(found), judged.structure.collapses)
        good = np.flatnonzero(~judged.structure.collapses)
        if len(good) and judged.radius[good].max() < 0.9999:
            W = graph.weights.toarray()[np.ix_(good, good)]
            system = np.eye(len(good) ** 2) - np.kron(W, W)
            V = np.linalg.solve(system, np.diag(noise[good]).ravel()).reshape(W.shape)
            np.testing.assert_allclose(found[good], np.diagonal(V), rtol=1e-6)


@pytest.mark.parametrize("bound", [1.01, 1.5, 10.0, 1e6])
def test_the_least_share_of_a_learner_alone(bound: float) -> None:
    """V = 1 / (1 - (1 - s)^2)."""
    graph = LearningGraph.from_edges([("a", "a", 1.0)])
    exact = 1 - np.sqrt(1 - 1 / bound)
    assert least_real_share(graph, "a", bound).share == pytest.approx(exact, rel=1e-8)
    assert common_real_share(graph, bound).share == pytest.approx(exact, rel=1e-8)


def test_the_least_share_of_a_ring_of_two() -> None:
    """Only a has real data: V_a = 1 + c^2 (1 + V_a) with c = 1 - s."""
    graph = LearningGraph.from_edges([("a", "b", 1.0), ("b", "a", 1.0)])
    bound = 7.0
    exact = 1 - np.sqrt((bound - 1) / (bound + 1))
    assert least_real_share(graph, "a", bound).share == pytest.approx(exact, rel=1e-8)


def test_the_least_share_is_enough_and_less_is_not() -> None:
    rng, tried = np.random.default_rng(6), 0
    for _ in range(120):
        graph = random_graph(rng, most=5)
        i, bound = int(rng.integers(len(graph.names))), float(rng.choice([1.3, 3.0, 30.0]))
        share = least_real_share(graph, graph.names[i], bound).share
        if graph.real[i] == 1 or share is None or not 1e-6 < share < 1:
            continue
        tried += 1
        for given, enough in ((share, True), (share * (1 - 1e-5), False)):
            weights, real = graph.weights.toarray(), graph.real.copy()
            weights[i] *= (1 - given) / (1 - real[i])
            real[i] = given
            changed = LearningGraph(graph.names, csr_array(weights), real)
            assert (stationary_variance(changed)[i] <= bound) == enough
    assert tried > 30


def test_where_no_share_helps_it_says_why() -> None:
    graph = LearningGraph.from_edges([("a", "a", 1.0), ("a", "b", 1.0), ("real", "c", 1.0)])
    assert least_real_share(graph, "a", 0.5).share is None
    assert "one round's noise alone is 1" in least_real_share(graph, "a", 0.5).reason
    assert least_real_share(graph, "b", 5.0).share == 1.0
    assert "unstable source" in least_real_share(graph, "b", 5.0).reason
    assert least_real_share(graph, "c", 5.0).share == 1.0
    assert least_real_share(graph, "a", 1.0).share == 1.0
    assert common_real_share(graph, 0.5).share is None
    fed = LearningGraph.from_edges([("real", "a", 1.0), ("a", "b", 1.0), ("real", "c", 1.0)])
    assert least_real_share(fed, "b", 2.0).share == 0.0
    with pytest.raises(BadInput, match="a bound of -1"):
        least_real_share(graph, "a", -1)
    with pytest.raises(BadInput, match="noise"):
        stationary_variance(graph, [1.0, 0.0, 1.0])
