"""Who may read whom: every graph, and every form in which one is given."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwd_agents.errors import BadInput
from lwd_agents.internet.readership import (
    NAMED,
    authors,
    changes,
    checked,
    files,
    stretches,
)

FOUR = ["a", "b", "c", "d"]


def many(n: int) -> list[str]:
    return [f"g{i + 1}" for i in range(n)]


def read_by(value: Any, names: list[str], **keys: Any) -> dict[str, str]:
    """Whom each agent reads beside itself, in the order of names."""
    may = authors(checked(value), names, **keys)
    return {
        reader: "".join(author for j, author in enumerate(names) if may[i, j] and i != j)
        for i, reader in enumerate(names)
    }


def links_of(value: Any, n: int, seed: int = 0) -> np.ndarray:
    """A graph's matrix (n, n) without its diagonal."""
    return authors(checked(value), many(n), seed) & ~np.eye(n, dtype=bool)


# --- The graphs that are not drawn.


def test_the_named_graphs() -> None:
    ring = authors("ring", FOUR)
    assert [set(np.flatnonzero(row)) for row in ring] == [{0, 3}, {0, 1}, {1, 2}, {2, 3}]
    star = authors("star", FOUR)
    assert [set(np.flatnonzero(row)) for row in star] == [{0, 1, 2, 3}, {0, 1}, {0, 2}, {0, 3}]
    assert authors("complete", FOUR).all()
    np.testing.assert_array_equal(authors("isolated", FOUR), np.eye(4, dtype=bool))


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        ({"graph": "cliques", "classes": [["a", "c"], ["d", "b"]]}, ["c", "d", "a", "b"]),
        ({"graph": "cliques", "classes": [["b", "c", "d"], ["a"]]}, ["", "cd", "bd", "bc"]),
        ({"graph": "cliques", "size": 3}, ["bc", "ac", "ab", ""]),
        ({"graph": "cliques", "size": 9}, ["bcd", "acd", "abd", "abc"]),
        ({"graph": "hub", "hub": "c"}, ["c", "c", "abd", "c"]),
        ({"graph": "vulnerable", "adversary": "b", "targets": ["d"]}, ["d", "", "d", "b"]),
        ({"graph": "vulnerable", "adversary": "b", "targets": ["a", "d"]}, ["b", "", "ad", "b"]),
        ({"graph": "vulnerable", "adversary": "a", "targets": "b"}, ["", "a", "b", "b"]),
        ({"edges": [["a", "c"], ["d", "a"], ["a", "c"], ["b", "b"]]}, ["c", "", "", "a"]),
        ({"edges": []}, ["", "", "", ""]),
    ],
)
def test_who_reads_whom(value: Any, reads: list[str]) -> None:
    assert list(read_by(value, FOUR).values()) == reads
    assert authors(checked(value), FOUR).diagonal().all()


def test_a_star_is_the_hub_around_the_first() -> None:
    around = authors(checked({"graph": "hub", "hub": "a"}), FOUR)
    np.testing.assert_array_equal(around, authors("star", FOUR))


def test_the_adversarys_posts_take_two_steps_to_the_rest() -> None:
    value = checked({"graph": "vulnerable", "adversary": "g1", "targets": ["g2", "g3"]})
    may = links_of(value, 7).astype(int)
    assert may[:, 0].tolist() == [0, 1, 1, 0, 0, 0, 0]
    assert (may @ may)[:, 0].tolist() == [0, 0, 0, 2, 2, 2, 2]
    assert not may[0].any()  # nothing comes back


@pytest.mark.parametrize("named", NAMED)
def test_one_agent_reads_itself(named: str) -> None:
    assert authors(named, ["a"]).tolist() == [[True]]


# --- The graphs that are drawn.


def test_erdos_renyi_joins_every_pair_with_its_probability() -> None:
    n, p, seeds = 6, 0.3, 1500
    counts = sum(links_of({"graph": "erdos-renyi", "p": p}, n, s).astype(int) for s in range(seeds))
    pairs = np.array(counts)[np.triu_indices(n, 1)]
    deviation = np.sqrt(seeds * p * (1 - p))
    assert np.abs(pairs - seeds * p).max() < 4.5 * deviation
    chi2 = np.sum((pairs - seeds * p) ** 2) / deviation**2  # 15 degrees of freedom
    assert 3 < chi2 < 45
    assert not links_of({"graph": "erdos-renyi", "p": 0}, 9).any()
    assert links_of({"graph": "erdos-renyi", "p": 1}, 9).sum() == 72


@pytest.mark.parametrize("neighbours", [2, 4, 6])
def test_small_worlds(neighbours: int) -> None:
    n = 60
    lattice = links_of({"graph": "small-world", "neighbours": neighbours, "rewire": 0}, n)
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    apart = np.minimum(apart, n - apart)
    np.testing.assert_array_equal(lattice, (apart >= 1) & (apart <= neighbours // 2))
    for rewire, least, most in ((0.1, 0.02, 0.25), (1.0, 0.7, 1.0)):
        value = {"graph": "small-world", "neighbours": neighbours, "rewire": rewire}
        moved = [1 - (links_of(value, n, s) & lattice).sum() / lattice.sum() for s in range(5)]
        assert least < np.mean(moved) <= most
        assert all(links_of(value, n, s).sum() == n * neighbours for s in range(5))


@pytest.mark.parametrize("links", [1, 2, 5])
def test_scale_free_graphs_have_hubs_among_the_first(links: int) -> None:
    n = 200
    found = [links_of({"graph": "scale-free", "links": links}, n, s) for s in range(10)]
    for may in found:
        assert may.sum() == 2 * links * (n - links)
        assert (np.tril(may).sum(axis=1)[links + 1 :] == links).all()
    degrees = np.mean([may.sum(axis=1) for may in found], axis=0)
    assert degrees[: n // 10].mean() > 3 * degrees[-n // 10 :].mean()


RANDOM = [
    {"graph": "erdos-renyi", "p": 0.4},
    {"graph": "small-world", "neighbours": 4, "rewire": 0.5},
    {"graph": "scale-free", "links": 2},
]


@pytest.mark.parametrize("value", RANDOM)
def test_random_graphs_are_keyed_by_the_runs_seed_or_their_own(value: dict[str, Any]) -> None:
    found = [links_of(value, 20, seed) for seed in range(6)]
    assert len({may.tobytes() for may in found}) == 6
    assert all((may == may.T).all() for may in found)
    own = [links_of({**value, "seed": 3}, 20, seed) for seed in range(3)]
    for may in own:
        np.testing.assert_array_equal(may, found[3])


def test_random_graphs_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib, json, sys\n"
        "from lwd_agents.internet.readership import authors\n"
        "for value in json.loads(sys.argv[1]):\n"
        "    may = authors(value, [f'g{i + 1}' for i in range(30)], 5)\n"
        "    print(hashlib.sha256(may.tobytes()).hexdigest())\n"
    )
    expected = [hashlib.sha256(authors(v, many(30), 5).tobytes()).hexdigest() for v in RANDOM]
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    said = subprocess.run(
        [sys.executable, "-c", code, json.dumps(RANDOM)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == expected


# --- All graphs.

SIZES = st.integers(min_value=1, max_value=12)


@st.composite
def readerships(draw: st.DrawFn) -> tuple[Any, int]:
    """Any readership that fits N agents, with N."""
    n = draw(SIZES)
    agent = st.sampled_from(many(n))
    share = st.floats(0, 1)
    forms: list[st.SearchStrategy[Any]] = [
        st.sampled_from(NAMED),
        st.builds(lambda s: {"graph": "cliques", "size": s}, st.integers(1, 14)),
        st.builds(lambda h: {"graph": "hub", "hub": h}, agent),
        st.builds(lambda p, s: {"graph": "erdos-renyi", "p": p, "seed": s}, share, st.integers()),
        st.builds(lambda e: {"edges": e}, st.lists(st.tuples(agent, agent).map(list))),
        st.permutations(many(n)).map(
            lambda names: {"graph": "cliques", "classes": [names[::2], names[1::2]][: min(n, 2)]}
        ),
    ]
    if n > 1:
        links = st.integers(1, n - 1)
        forms.append(st.builds(lambda m: {"graph": "scale-free", "links": m}, links))
        several = st.lists(st.sampled_from(many(n)[1:]), min_size=1, unique=True)
        forms.append(
            several.map(lambda t: {"graph": "vulnerable", "adversary": "g1", "targets": t})
        )
    if n > 2:
        even = st.integers(1, (n - 1) // 2).map(lambda half: 2 * half)
        lattice = lambda k, r: {"graph": "small-world", "neighbours": k, "rewire": r}  # noqa: E731
        forms.append(st.builds(lattice, even, share))
    one = st.one_of(forms)
    later = st.dictionaries(st.integers(1, 9), one, max_size=3)
    scheduled = st.builds(lambda a, rest: {"schedule": {0: a, **rest}}, one, later)
    return draw(st.one_of(one, scheduled)), n


@given(readerships(), st.integers(0, 2**40), st.integers(0, 12))
@settings(max_examples=300, deadline=None)
def test_every_readership(drawn: tuple[Any, int], seed: int, t: int) -> None:
    value, n = drawn
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    whole = checked(value)
    may = authors(whole, many(n), seed, t)
    assert may.shape == (n, n)
    assert may.dtype == np.bool_
    assert may.flags.c_contiguous
    assert may.diagonal().all()
    kept = json.loads(json.dumps(whole))
    assert checked(kept) == whole == kept
    np.testing.assert_array_equal(may, authors(kept, many(n), seed, t))
    assert before == (random.getstate(), np.random.get_state()[1].tobytes())  # noqa: NPY002
    assert sorted(stretches(whole, many(n), seed)) == [0, *changes(whole)]


def test_a_schedule_holds_from_its_steps_on() -> None:
    value = checked({"schedule": {"30": "isolated", 0: "complete", 7: {"graph": "ring"}}})
    assert value == {"schedule": {"0": "complete", "7": "ring", "30": "isolated"}}
    assert changes(value) == [7, 30]
    at = {t: int(authors(value, FOUR, t=t).sum()) for t in (0, 6, 7, 29, 30, 99)}
    assert at == {0: 16, 6: 16, 7: 8, 29: 8, 30: 4, 99: 4}
    back = {"schedule": {0: RANDOM[0], 5: "isolated", 9: RANDOM[0], 12: {**RANDOM[0], "seed": 8}}}
    first, _, again, other = stretches(checked(back), many(15), 4).values()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# --- Files.

NET = [["a", "b"], ["d", "a"], ["d", "c"]]


def written(folder: Path, kind: str) -> Path:
    """The graph NET in a file."""
    path = folder / f"net.{kind}"
    if kind == "csv":
        path.write_text("reader,author\n" + "\n".join(", ".join(edge) for edge in NET) + "\n\n")
    else:
        graph = networkx.DiGraph(NET)
        networkx.write_graphml(graph, path)
    return path


@pytest.mark.parametrize("kind", ["csv", "graphml"])
def test_files_are_read_as_the_edges_are(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    value = checked({"file": str(path)})
    np.testing.assert_array_equal(authors(value, FOUR), authors({"edges": NET}, FOUR))
    assert files(value) == {f"readership/net.{kind}": path}
    scheduled = checked({"schedule": {0: "ring", 4: {"file": str(path)}}})
    assert files(scheduled) == {f"readership/4/net.{kind}": path}
    assert files(checked({"edges": NET})) == files("ring") == {}


def test_other_ways_to_write_files(tmp_path: Path) -> None:
    (tmp_path / "a.CSV").write_bytes(b'\xef\xbb\xbfreader,author\r\n"a, the first",b\r\n')
    may = authors(checked({"file": str(tmp_path / "a.CSV")}), ["a, the first", "b"])
    assert may.tolist() == [[True, True], [False, True]]
    networkx.write_graphml(networkx.path_graph(FOUR), tmp_path / "path.graphml")
    path = authors(checked({"file": str(tmp_path / "path.graphml")}), FOUR)
    assert path.sum(axis=1).tolist() == [2, 3, 3, 2]
    assert (path == path.T).all()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", None, "x.csv: cannot be read: No such file"),
        ("x.csv", "", "its header is '' *; it should be 'reader,author'"),
        ("x.csv", "author,reader\na,b\n", "its header is 'author,reader'"),
        ("x.csv", "reader,author,weight\na,b,1\n", "its header is 'reader,author,weight'"),
        ("x.csv", "reader;author\na;b\n", "its header is 'reader;author'"),
        ("x.csv", "reader,author\na,b\n\nc\n", "line 4: 'c'; should be reader,author"),
        ("x.csv", "reader,author\n", "there is no edge in it"),
        ("x.csv", "reader,author\na,z\n", "x.csv: no agent 'z' \\(choices: a, b, c, d\\)"),
        ("x.csv", b"reader,author\n\xff\xfe,b\n", "should be UTF-8"),
        ("x.graphml", None, "x.graphml: cannot be read: No such file"),
        ("x.graphml", "", "is no GraphML"),
        ("x.graphml", "<html></html>", "is no GraphML"),
        ("x.graphml", "reader,author\na,b\n", "is no GraphML"),
        ("x.graphml", networkx.DiGraph([("a", "z")]), "no agent 'z'"),
        ("x.graphml", networkx.DiGraph({"a": ["b"], "y": []}), "no agent 'y'"),
        ("x.graphml", networkx.empty_graph(FOUR), "there is no edge in it"),
    ],
)
def test_bad_files(name: str, content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, networkx.Graph):
        networkx.write_graphml(content, path)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=words) as caught:
        authors(checked({"file": str(path)}), FOUR)
    assert str(caught.value).startswith(f"readership: {path}: ")
    assert "\n" not in str(caught.value)


# --- What others bring.


def test_a_graph_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_graphs.py").write_text(
        "import numpy as np\n"
        "def chain(names, skip=1): return list(zip(names[skip:], names))\n"
        "def coin(names, rng): return rng.random((len(names),) * 2) < 0.5\n"
        "def wrong(names): return np.ones(3)\n"
    )
    chained = {"graph": "own_graphs:chain", "skip": 2}
    assert list(read_by(chained, FOUR).values()) == ["", "", "a", "b"]
    assert list(read_by("own_graphs.chain", FOUR).values()) == ["", "a", "b", "c"]
    coin = [authors(checked("own_graphs:coin"), many(9), seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(coin[0], coin[1])
    assert (coin[0] != coin[2]).any()
    with pytest.raises(ValueError, match=r"own_graphs:wrong: made an array of float64 \(3,\)"):
        authors(checked("own_graphs:wrong"), FOUR)
    with pytest.raises(BadInput, match="readership: 'own_graphs:chain': no option 'skp'"):
        authors(checked({"graph": "own_graphs:chain", "skp": 2}), FOUR)
    with pytest.raises(BadInput, match="readership: 'own_graphs:ring': own_graphs has no 'ring'"):
        authors(checked("own_graphs:ring"), FOUR)
    monkeypatch.delitem(sys.modules, "own_graphs")


# --- Bad input.


@pytest.mark.parametrize(
    "value",
    ["rng", 3, None, [], {}, {"edges": [["a"]]}, {"edge": []}, {"edges": "ab"}, {"graph": "rng"}],
)
def test_what_is_no_readership(value: object) -> None:
    with pytest.raises(ValueError, match="choices: complete, isolated, ring, chain") as caught:
        checked(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("rng", "did you mean 'ring'"),
        ("clique", "did you mean 'cliques'"),
        ({"graph": "Erdos-Renyi"}, "no such graph 'Erdos-Renyi'; did you mean 'erdos-renyi'"),
        ({"graph": ["ring"]}, "no such graph"),
        ({"edges": [], "file": "a.csv"}, "with edges, file"),
        ("cliques", "cliques needs one of classes and size: {graph: cliques, classes: ...}"),
        ({"graph": "cliques", "classes": [["a"]], "size": 2}, "cliques needs one of"),
        ({"graph": "cliques", "size": 0}, "cliques: size: 0: should be a whole number of at least"),
        ({"graph": "cliques", "size": True}, "size: True: should be"),
        ({"graph": "cliques", "classes": ["a", "b"]}, "should be a list of lists"),
        ({"graph": "cliques", "classes": [["a"], []]}, "[]: should be a list of agents"),
        ({"graph": "cliques", "classes": [["a"], ["b", "a"]]}, "classes: 'a' is named twice"),
        ("hub", "hub needs hub: {graph: hub, hub: ...}"),
        ({"graph": "hub", "hub": ["a"]}, "hub: ['a']: should be an agent's name"),
        ("vulnerable", "vulnerable needs adversary and targets"),
        ({"graph": "vulnerable", "adversary": "a"}, "vulnerable needs targets"),
        ({"graph": "vulnerable", "adversary": "a", "targets": []}, "targets: []: should be"),
        ("erdos-renyi", "erdos-renyi needs p: {graph: erdos-renyi, p: ...}"),
        ({"graph": "erdos-renyi", "p": 1.5}, "p: 1.5: should be a number from 0 to 1"),
        ({"graph": "erdos-renyi", "p": float("nan")}, "p: nan: should be"),
        ({"graph": "erdos-renyi", "p": "0.3"}, "p: '0.3': should be"),
        ({"graph": "erdos-renyi", "p": 0.3, "seed": 0.5}, "seed: 0.5: should be a whole number"),
        ({"graph": "erdos-renyi", "q": 0.3}, "unknown key 'q' (choices: p, seed)"),
        ({"graph": "ring", "p": 0.3}, "ring: unknown key 'p' (it takes none)"),
        (
            {"graph": "small-world", "neighbours": 3, "rewire": 0.1},
            "neighbours: 3: should be an even number of at least 2",
        ),
        ({"graph": "small-world", "neighbours": 4}, "small-world needs rewire"),
        ({"graph": "scale-free", "links": 1.0}, "links: 1.0: should be a whole number"),
        ({"edges": [["a", None]]}, "edges: None: should be an agent's name"),
        ({"edges": [["a", "b", "c"]]}, "edges: ['a', 'b', 'c']: should be [reader, author]"),
        ({"file": "graph.gexf"}, "file: 'graph.gexf': should end in .csv or .graphml"),
        ({"file": 3}, "file: '3': should end in"),
        ({"schedule": {}}, "schedule: should be a mapping of steps"),
        ({"schedule": ["ring"]}, "schedule: should be a mapping of steps"),
        ({"schedule": {5: "ring"}}, "begins with step 5; it needs a graph for step 0"),
        ({"schedule": {0: "ring", -3: "star"}}, "schedule: -3: a step should be a whole number"),
        ({"schedule": {0: "ring", 2.5: "star"}}, "schedule: 2.5: a step"),
        ({"schedule": {0: "ring", "03": "star", 3: "ring"}}, "step 3 is given twice"),
        ({"schedule": {0: "ring", 9: "stra"}}, "schedule: step 9: 'stra': no such readership"),
        ({"schedule": {0: {"schedule": {0: "ring"}}}}, "a schedule holds no other schedule"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_one_line(value: Any, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked(value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"edges": [["a", "z"]]}, "readership: no agent 'z' (choices: a, b, c, d)"),
        ({"graph": "hub", "hub": "z"}, "readership: hub: no agent 'z'"),
        ({"graph": "cliques", "classes": [["a", "b"], ["z"]]}, "cliques: no agent 'z'"),
        ({"graph": "cliques", "classes": [["a", "b"], ["d"]]}, "agent 'c' is in none of them"),
        ({"graph": "vulnerable", "adversary": "z", "targets": ["a"]}, "no agent 'z'"),
        ({"graph": "vulnerable", "adversary": "a", "targets": ["b", "z"]}, "no agent 'z'"),
        ({"graph": "vulnerable", "adversary": "a", "targets": ["a"]}, "'a' is the adversary"),
        (
            {"graph": "small-world", "neighbours": 4, "rewire": 0.0},
            "readership: small-world: neighbours: 4: should be below 4, the number of agents",
        ),
        ({"graph": "scale-free", "links": 4}, "links: 4: should be below 4"),
        (
            {"schedule": {0: "ring", 8: {"graph": "hub", "hub": "z"}}},
            "readership: from t = 8: hub: no agent 'z'",
        ),
    ],
)
def test_graphs_that_do_not_fit_the_agents(value: Any, words: str) -> None:
    whole = checked(value)
    with pytest.raises(ValueError) as caught:
        authors(whole, FOUR)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_edge_to_nobody() -> None:
    with pytest.raises(ValueError, match="no agent 'z' \\(choices: a, b, c, d\\)"):
        authors({"edges": [["a", "z"]]}, FOUR)
    with pytest.raises(ValueError, match="g1 to g50"):
        authors({"edges": [["g1", "z"]]}, many(50))
