"""The verdict on graphs of learners: against dense spectra, simulation, closed forms."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import networkx
import numpy as np
import pytest
from graph_parts import verdict_words
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import random_graph
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components

from lwd_agents.errors import BadInput
from lwd_agents.theory.graph_verdict import Verdict, verdict
from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.theory.perron import radii

HEADER = "source,target,weight\n"
SIX = "a,b,1\nb,a,1\na,c,0.5\nreal,c,0.5\nreal,d,0.1\ne,d,0.9\nd,e,1\ne,f,0.3\nf,f,0.7\n"


def _ancestors(weights: np.ndarray) -> np.ndarray:
    """(n, n) bool, row i: i and its ancestors."""
    n = len(weights)
    return np.linalg.matrix_power(np.eye(n) + (weights > 0), n) > 0


def _agrees(graph: LearningGraph) -> Verdict:
    found, weights = verdict(graph), graph.weights.toarray()
    blocks = _ancestors(weights)
    for i, block in enumerate(blocks):
        exact = np.abs(np.linalg.eigvals(weights[np.ix_(block, block)])).max()
        assert found.radius[i] == pytest.approx(exact, abs=1e-7)
    falls = found.structure.collapses
    np.testing.assert_array_equal(found.radius == 1.0, falls)
    # The definition by words: an ancestor whom no real data reaches.
    unfed = ~(blocks & (graph.real > 0)).any(axis=1)
    np.testing.assert_array_equal(falls, (blocks & unfed).any(axis=1))
    assert found.radius_error.max() <= 1e-11
    for members in found.structure.sources:
        assert not graph.real[list(members)].any()
        assert not np.delete(weights[list(members)], list(members), axis=1).any()
    for name in found.collapses:
        path = [graph.index(step) for step in found.path(name)]
        assert graph.names[path[-1]] == name
        assert any(path[0] in members for members in found.structure.sources)
        assert all(weights[i, j] > 0 for j, i in pairwise(path))
    assert all(found.path(name) == [] for name in found.stable)
    return found


def test_edges_and_spectrum_agree_on_thousands_of_random_graphs() -> None:
    rng = np.random.default_rng(8)
    kinds = {"all": 0, "some": 0, "none": 0}
    for _ in range(2000):
        share = _agrees(random_graph(rng)).structure.collapses.mean()
        kinds["all" if share == 1 else "some" if share else "none"] += 1
    assert min(kinds.values()) > 200


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_edges_and_spectrum_agree_on_graphs_that_hypothesis_finds(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 6))
    edges = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=n + 1, max_size=n + 1),
                               min_size=n, max_size=n))  # fmt: skip
    table = np.array(edges, dtype=float)
    table[table.sum(axis=1) == 0, -1] = 1
    table /= table.sum(axis=1, keepdims=True)
    names = tuple("abcdef"[:n])
    _agrees(LearningGraph(names, csr_array(table[:, :n]), table[:, n]))


def test_variances_grow_where_it_says_so() -> None:
    """V(t+1) = W V(t) W' + I, for 2^30 rounds."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        graph = random_graph(rng, most=5)
        if np.any((graph.real > 0) & (graph.real < 1e-6)):
            continue  # 2^30 rounds are too few
        found, A = verdict(graph), graph.weights.toarray()
        V, halfway = np.eye(len(A)), np.eye(len(A))
        for _turn in range(30):
            halfway, V = V, V + A @ V @ A.T
            A = A @ A
        growth = np.diagonal(V) / np.diagonal(halfway)
        clear = found.radius[~found.structure.collapses] < 0.9999
        np.testing.assert_allclose(growth[found.structure.collapses], 2, rtol=1e-3)
        np.testing.assert_allclose(growth[~found.structure.collapses][clear], 1, rtol=1e-9)


def test_radii_of_known_graphs() -> None:
    w = np.array([0.9, 0.5, 0.99, 1.0])
    ring = LearningGraph(tuple("abcd"), csr_array(np.roll(np.diag(w), 1, axis=1)), 1 - w)
    np.testing.assert_allclose(verdict(ring).radius, w.prod() ** 0.25, rtol=1e-14)
    n, share = 7, 0.3
    complete = csr_array(np.full((n, n), (1 - share) / n))
    found = verdict(LearningGraph(tuple("abcdefg"), complete, np.full(n, share)))
    np.testing.assert_allclose(found.radius, 1 - share, atol=1e-11)
    a, b, c, d = 0.5, 0.3, 0.6, 0.3
    two = verdict(LearningGraph(("x", "y"), csr_array([[a, b], [c, d]]), np.array([0.2, 0.1])))
    exact = (a + d) / 2 + np.sqrt(((a - d) / 2) ** 2 + b * c)
    np.testing.assert_allclose(two.radius, exact, atol=1e-11)
    alone = verdict(LearningGraph.from_edges([("real", "x", 1.0)]))
    assert (alone.radius.tolist(), alone.stable) == ([0.0], ["x"])


def test_a_real_share_that_numbers_cannot_show_still_rescues() -> None:
    n = 300
    edges = [(f"n{i}", f"n{(i + 1) % n}", 1.0) for i in range(1, n)]
    edges += [("n0", "n1", 1 - 1e-15), ("real", "n1", 1e-15)]  # 1 - 3e-18 is 1 in numbers
    found = verdict(LearningGraph.from_edges(edges))
    assert found.collapses == []
    assert found.radius.max() < 1


def _blocks_agree(weights: csr_array, error: float = 1e-11) -> None:
    count, block = connected_components(weights, directed=True, connection="strong")
    bounds = radii(weights, block.astype(np.int64), count)
    assert (bounds.high - bounds.low).max() <= error
    for c in range(count):
        part = weights.toarray()[np.ix_(block == c, block == c)]
        exact = np.abs(np.linalg.eigvals(part)).max()
        assert bounds.middle[c] == pytest.approx(exact, abs=1e-9)


def test_slow_blocks_of_all_sizes_are_settled() -> None:
    """Two weak links, lattices, a path, and entries of very different sizes."""
    rng = np.random.default_rng(1)
    _blocks_agree(csr_array([[0.999, 1e-9], [1e-9, 0.99899]]))
    _blocks_agree(csr_array(rng.random((30, 30)) ** 20 / 30))
    for n in (90, 600):
        i = np.arange(n)
        lattice = csr_array(
            (np.ones(2 * n), (np.r_[i, i], np.r_[(i + 1) % n, (i - 1) % n])), shape=(n, n)
        )
        leak = np.where(rng.random(n) < 0.05, 1e-3, 0.0)
        _blocks_agree(csr_array(diags_array((1 - leak) / 2) @ lattice))


def test_a_large_graph_of_two_weakly_linked_halves() -> None:
    """Arnoldi's case; its halves are equal, so the radius is one half's."""
    n, rng = 3000, np.random.default_rng(2)
    half = csr_array((np.ones(12 * n), rng.integers(0, n, (2, 12 * n))), shape=(n, n))
    half = half + csr_array(np.eye(n))
    half = csr_array(diags_array((1 - 1e-3 * rng.random(n)) / half.sum(axis=1)) @ half)
    both = np.r_[half.indices, half.indices + n]
    rows = np.repeat(np.arange(2 * n), np.tile(np.diff(half.indptr), 2))
    whole = csr_array((np.r_[half.data, half.data], (rows, both)), shape=(2 * n, 2 * n))
    e = 1e-9
    link = csr_array(([e, e], ([0, n], [n, 0])), shape=(2 * n, 2 * n))
    one = radii(half, np.zeros(n, dtype=np.int64), 1)
    two = radii(csr_array(whole + link), np.zeros(2 * n, dtype=np.int64), 1)
    assert two.high[0] - two.low[0] < 1e-10
    assert two.middle[0] == pytest.approx(one.middle[0], abs=2e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty; its first line should be 'source,target,weight'"),
        (HEADER, "there is no edge"),
        ("from,to,weight\na,b,1\n", "its header is 'from,to,weight'"),
        (HEADER + "a,b,1\n", "the learner 'a' has no data: no edge enters it"),
        (HEADER + "real,alpha,1\nalhpa,b,1\n", "did you mean 'alpha'?"),
        (HEADER + "real,a,0.5\n", "the weights into 'a' sum to 0.5 (0.5 is missing)"),
        (HEADER + "real,a,0.5\na,a,0.50001\n", "sum to 1.00001 (1e-05 too much)"),
        (HEADER + "real,a,0\n", "'a' has no data: its weights are all 0"),
        (HEADER + "real,a,1\na,b,0.5\na,b,0.5\n", "'a' -> 'b' is given twice"),
        (HEADER + "real,a,0.5\nreal,a,0.5\n", "'real' -> 'a' is given twice"),
        (HEADER + "real,a,-1\n", "'real' -> 'a' has the weight -1"),
        (HEADER + "real,a,inf\n", "has the weight inf"),
        (HEADER + "real,a,much\n", "line 2: the edge 'real' -> 'a' has the weight 'much'"),
        (HEADER + "real,a,1\na,real,1\n", "'real' is the target"),
        (HEADER + "real,a,1\na,b\n", "line 3: 'a,b'; should be source,target,weight"),
        (HEADER + ",a,1\n", "empty name"),
    ],
)
def test_a_bad_edge_list_is_one_clear_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        LearningGraph.read(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_sums_that_are_1_but_for_rounding_are_made_so() -> None:
    edges = [("real", "a", 0.2), ("a", "a", 0.8 - 5e-10), ("a", "b", 0.1), ("b", "b", 0.2)]
    graph = LearningGraph.from_edges([*edges, ("real", "b", 0.7)])
    np.testing.assert_allclose(graph.weights.sum(axis=1) + graph.real, 1, rtol=0, atol=4e-16)
    assert graph.weights[1, 0] == 0.1  # 0.1 + 0.2 + 0.7 is left as it was written
    assert graph.real[0] == pytest.approx(0.2 * (1 + 5e-10), abs=1e-15)


def test_bad_files_are_one_clear_line(tmp_path: Path) -> None:
    for name, content, said in (
        ("g.csv", b"\xff\xfe\x00", "should be UTF-8, which the byte 0xff in it is not"),
        (
            "g.csv",
            b"source,target,weight\nreal\n",
            "line 2: 'real'; should be source,target,weight",
        ),
        ("g.txt", b"", "neither .csv"),
        ("g.graphml", b"<graphml", "is no GraphML"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=said):
            LearningGraph.read(tmp_path / name)
    with pytest.raises(BadInput, match="No such file"):
        LearningGraph.read(tmp_path / "none.csv")


@pytest.mark.parametrize("space", [' xmlns="http://graphml.graphdrawing.org/xmlns"', ""])
def test_graphml_as_programs_write_it(space: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.graphml"
    path.write_text(
        f'<graphml{space}><key id="d0" for="edge" attr.name="weight" attr.type="double">'
        '<default>1.0</default></key><graph edgedefault="directed"><node id="a"/><node id="b"/>'
        '<node id="real"/><edge source="real" target="a"/>'
        '<edge source="a" target="b"><data key="d0">0.25</data></edge>'
        '<edge source="real" target="b"><data key="d0">0.75</data></edge></graph></graphml>'
    )
    graph = LearningGraph.read(path)
    assert graph.names == ("a", "b")
    assert graph.real.tolist() == [1.0, 0.75]
    assert graph.weights.toarray().tolist() == [[0, 0], [0.25, 0]]


def test_an_edge_list_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "graph.csv"
    path.write_text(
        '\ufeffsource, target ,weight\r\nreal,a,0.1\r\n b ,a,0.2\n"a",a,0.7\n,,\n\na,b,1\nreal,b,0',
        encoding="utf-8",
    )
    graph = LearningGraph.read(path)
    assert graph.names == ("a", "b")
    np.testing.assert_array_equal(graph.weights.toarray(), [[0.7, 0.2], [1.0, 0.0]])
    np.testing.assert_array_equal(graph.real, [0.1, 0.0])


def _six() -> LearningGraph:
    rows = [line.split(",") for line in SIX.split()]
    return LearningGraph.from_edges((s, t, float(w)) for s, t, w in rows)


def test_graphml_is_the_same_graph(tmp_path: Path) -> None:
    graph = networkx.DiGraph()
    for line in SIX.split():
        source, target, weight = line.split(",")
        graph.add_edge(source, target, weight=float(weight))
    path = tmp_path / "graph.graphml"
    networkx.write_graphml(graph, path)
    read, six = LearningGraph.read(path), _six()
    order = [read.index(name) for name in six.names]
    np.testing.assert_array_equal(read.weights.toarray()[np.ix_(order, order)],
                                  six.weights.toarray())  # fmt: skip
    text = path.read_text(encoding="utf-8")
    for changed, said in (
        (text.replace('source="e"', 'source="nobody"'), "names 'nobody', which is no node"),
        (text.replace("directed", "undirected"), "its edges have no direction"),
        (text.replace('<data key="d0">1.0</data>', ""), "has no weight"),
    ):
        path.write_text(changed, encoding="utf-8")
        with pytest.raises(BadInput, match=said):
            LearningGraph.read(path)


def test_the_command_prints_the_contract_as_json(tmp_path: Path) -> None:
    path = tmp_path / "six.csv"
    path.write_text(HEADER + SIX)
    found = json.loads(verdict_words(str(path), "--json"))
    assert found["collapses"] == ["a", "b", "c"]
    assert found["stable"] == ["d", "e", "f"]
    assert found["unstable_sources"] == [["a", "b"]]
    expected = {"b": 1.0, "a": 1.0, "c": 1.0, **dict.fromkeys("def", np.sqrt(0.9))}
    assert found["spectral_radius"] == pytest.approx(expected, abs=1e-11)
    assert found["learns_collapse_from"] == {"a": None, "b": None, "c": "a"}


def test_the_command_says_it_in_words_and_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "six.csv"
    path.write_text(HEADER + SIX.replace("c", "c\x1b[31m"))
    said = verdict_words(str(path), "--changes", "--bound", "5")
    assert said.startswith("3 of 6 learners collapse: a, b, c")
    assert "  a -> c\ufffd[31m\n" in said
    assert "unbiased linear estimators" in said
    assert "9 edges, from any learner that collapses" in said
    assert "real -> d" in said
    assert "\x1b" not in said
    path.write_text(HEADER + "real,a,1\n")
    assert verdict_words(str(path)).startswith("no learner collapses (1 learner)")


def test_a_long_chain_is_told_in_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "chain.csv"
    lines = ["n0,n0,1", *(f"n{i},n{i + 1},1" for i in range(3000))]
    path.write_text(HEADER + "\n".join(lines))
    said = verdict_words(str(path), "--changes")
    assert len(said.splitlines()) < 60
    assert len(said) < 6000
    assert "and 2,991 more" in said
