"""The graphs of a readership: their keys, their checks, and the edges each has over N agents.

An edge goes from a reader to an author. Random graphs are undirected: who reads is also read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import networkx

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Graph:
    """A kind of graph.

    Attributes:
        line: who reads whom, in one line.
        build: (names, rng, **settings) -> (N, N) bool, row reads column; its diagonal is free.
            Raises ValueError where the agents don't fit the settings.
        keys: the keys that it takes, each with its check: a value -> the value, or ValueError.
        needs: the keys that it cannot do without.
        one_of: keys of which it takes exactly one.
        random: whether it is drawn; then it takes a ``seed`` too.
    """

    line: str
    build: Callable[..., Bools]
    keys: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    random: bool = False


def name(value: Any) -> str:
    """An agent's name.

    Raises:
        ValueError: it is neither a text nor a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r}: should be an agent's name")
    return str(value)


def whole(value: Any, least: int = 1, even: bool = False) -> int:
    """A whole number, of at least ``least``, and even where asked for.

    Raises:
        ValueError: it is something else.
    """
    if type(value) is not int or value < least or (even and value % 2):
        kind = "an even" if even else "a whole"
        raise ValueError(f"{value!r}: should be {kind} number of at least {least}")
    return value


def _any_whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r}: should be a whole number")
    return value


def _share(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError(f"{value!r}: should be a number from 0 to 1")
    return float(value)


def _names(value: Any) -> list[str]:
    """Some names, all different, from a list of them or from one."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise ValueError(f"{value!r}: should be a list of agents' names")
    found = [name(item) for item in items]
    _refuse_twice(found)
    return found


def _classes(value: Any) -> list[list[str]]:
    lists = isinstance(value, list | tuple) and all(isinstance(v, list | tuple) for v in value)
    if not lists or not value:
        raise ValueError(f"{value!r}: should be a list of lists of agents' names")
    classes = [_names(item) for item in value]
    _refuse_twice([member for members in classes for member in members])
    return classes


def _refuse_twice(found: Sequence[str]) -> None:
    twice = [each for i, each in enumerate(found) if each in found[:i]]
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice")


def place(names: Sequence[str], wanted: str) -> int:
    """Where a name stands among the agents'.

    Raises:
        ValueError: nobody has it, with the choices.
    """
    if wanted in names:
        return names.index(wanted)
    shown = ", ".join(names) if len(names) <= 12 else f"{names[0]} to {names[-1]}"
    raise ValueError(f"no agent {wanted!r} (choices: {shown})")


def from_edges(names: Sequence[str], edges: Sequence[Sequence[str]]) -> Bools:
    """(N, N) from pairs of a reader and an author.

    Raises:
        ValueError: an edge names an agent that is not there.
    """
    may = np.zeros((len(names), len(names)), dtype=np.bool_)
    places = {each: i for i, each in enumerate(names)}
    for edge in edges:
        reader, author = (places[end] if end in places else place(names, end) for end in edge)
        may[reader, author] = True
    return may


def _complete(names: Sequence[str], rng: object) -> Bools:
    return np.ones((len(names), len(names)), dtype=np.bool_)


def _isolated(names: Sequence[str], rng: object) -> Bools:
    return np.eye(len(names), dtype=np.bool_)


def _ring(names: Sequence[str], rng: object) -> Bools:
    return np.roll(np.eye(len(names), dtype=np.bool_), -1, axis=1)


def _chain(names: Sequence[str], rng: object) -> Bools:
    return np.eye(len(names), k=-1, dtype=np.bool_)


def _two_blocks(names: Sequence[str], rng: object) -> Bools:
    half = (len(names) + 1) // 2
    first = np.arange(len(names)) < half
    may: Bools = first[:, None] == first[None]
    may[half : half + 1, half - 1] = True
    return may


def _around(middle: int, n: int) -> Bools:
    may = np.zeros((n, n), dtype=np.bool_)
    may[middle], may[:, middle] = True, True
    return may


def _star(names: Sequence[str], rng: object) -> Bools:
    return _around(0, len(names))


def _hub(names: Sequence[str], rng: object, hub: str) -> Bools:
    return _around(place(names, hub), len(names))


def _cliques(
    names: Sequence[str],
    rng: object,
    classes: Sequence[Sequence[str]] | None = None,
    size: int | None = None,
) -> Bools:
    """Blocks: given ones, or the agents ``size`` at a time, of which the last may be smaller."""
    if classes is None:
        of = np.arange(len(names)) // (size or 1)
        return np.asarray(of[:, None] == of[None])
    of = np.full(len(names), -1)
    for number, members in enumerate(classes):
        of[[place(names, member) for member in members]] = number
    if (of < 0).any():
        raise ValueError(f"classes: agent {names[int(of.argmin())]!r} is in none of them")
    return np.asarray(of[:, None] == of[None])


def _vulnerable(names: Sequence[str], rng: object, adversary: str, targets: Sequence[str]) -> Bools:
    """The adversary reaches the targets, the targets reach the rest.

    The "vulnerable" network of Helm, Duderstadt, Park and Priebe (EMNLP 2024), of which we have
    that sentence; it is read as all the edges there are. So what the adversary posts gets to the
    rest through the targets only, and nothing comes back: the adversary and, among themselves,
    the targets and the rest read no other agent.
    """
    source, reached = place(names, adversary), [place(names, target) for target in targets]
    if source in reached:
        raise ValueError(f"targets: {adversary!r} is the adversary")
    rest = np.setdiff1d(np.arange(len(names)), [source, *reached])
    may = np.zeros((len(names), len(names)), dtype=np.bool_)
    may[reached, source] = True
    may[rest[:, None], reached] = True
    return may


def _erdos_renyi(names: Sequence[str], rng: np.random.Generator, p: float) -> Bools:
    """G(n, p) of Erdos, Renyi and Gilbert (1959): every pair is joined with probability p."""
    import networkx

    return _both_ways(networkx.gnp_random_graph(len(names), p, seed=rng), len(names))


def _small_world(
    names: Sequence[str], rng: np.random.Generator, neighbours: int, rewire: float
) -> Bools:
    """Watts and Strogatz (1998): a ring lattice, each of whose edges is rewired with a chance."""
    import networkx

    n = len(names)
    if neighbours >= n:
        raise ValueError(f"neighbours: {neighbours}: should be below {n}, the number of agents")
    return _both_ways(networkx.watts_strogatz_graph(n, neighbours, rewire, seed=rng), n)


def _scale_free(names: Sequence[str], rng: np.random.Generator, links: int) -> Bools:
    """Barabasi and Albert (1999): each new agent is linked to ``links``, by preference to many's.

    It grows, in the order of names, from a star of the first ``links`` + 1.
    """
    import networkx

    n = len(names)
    if links >= n:
        raise ValueError(f"links: {links}: should be below {n}, the number of agents")
    return _both_ways(networkx.barabasi_albert_graph(n, links, seed=rng), n)


def _both_ways(graph: networkx.Graph, n: int) -> Bools:
    """An undirected graph over 0 .. n - 1: each edge lets both ends read the other."""
    may = np.zeros((n, n), dtype=np.bool_)
    ends = np.array(list(graph.edges), dtype=np.int64).reshape(-1, 2)
    may[ends[:, 0], ends[:, 1]] = True
    return may | may.T


_seed = {"seed": _any_whole}
GRAPHS: dict[str, Graph] = {
    "complete": Graph("all read all", _complete),
    "isolated": Graph("each reads itself alone", _isolated),
    "ring": Graph("each reads the one before it, the first the last", _ring),
    "chain": Graph("each reads the one before it, the first reads no other", _chain),
    "star": Graph("the first reads all, the others read the first", _star),
    "two-blocks": Graph(
        "all read all of their half; over one bridge the first of the second half reads the last "
        "of the first",
        _two_blocks,
    ),
    "cliques": Graph(
        "each reads its own class: classes [[a, b], [c]], or a size, taken in order",
        _cliques,
        {"classes": _classes, "size": whole},
        one_of=("classes", "size"),
    ),
    "hub": Graph(
        "a star around the agent named as hub: it reads all, the others read it",
        _hub,
        {"hub": name},
        ("hub",),
    ),
    "vulnerable": Graph(
        "the targets read the adversary, the rest read the targets",
        _vulnerable,
        {"adversary": name, "targets": _names},
        ("adversary", "targets"),
    ),
    "erdos-renyi": Graph(
        "every pair read each other with probability p",
        _erdos_renyi,
        {"p": _share, **_seed},
        ("p",),
        random=True,
    ),
    "small-world": Graph(
        "a ring lattice of so many neighbours, each edge rewired with probability rewire",
        _small_world,
        {"neighbours": partial(whole, least=2, even=True), "rewire": _share, **_seed},
        ("neighbours", "rewire"),
        random=True,
    ),
    "scale-free": Graph(
        "each agent is linked to so many earlier ones, those with many links first",
        _scale_free,
        {"links": whole, **_seed},
        ("links",),
        random=True,
    ),
}
