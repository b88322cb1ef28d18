"""Who learns from whom, and how many rows each brings: the graphs and tables that a config means.

Axes: n learners; tables of rows are (n, n + 1) sparse, the last column real data.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents import resources
from lwd_agents.config import GraphConfig
from lwd_agents.errors import BadInput
from lwd_agents.internet.readership import files, stretches
from lwd_agents.theory.error_designs import apportioned
from lwd_agents.theory.learning_graph import REAL, LearningGraph, shown
from lwd_agents.worlds.graph_cells import weights_of

Bools = NDArray[np.bool_]
_MOST_READERS = 10_000  # learners of a readership, which is a table of who reads whom


def graphs_of(config: GraphConfig, sha256: dict[str, str]) -> dict[int, LearningGraph]:
    """The graph of each stretch of rounds, by its first; all over the same names in one order.

    Args:
        sha256: is told the files that were read.

    Raises:
        BadInput: one line that names the key.
    """
    if isinstance(config.rows, list) and config.mixing == "samples":
        return {0: _of_rows(config)}
    if config.graph is not None:
        plan = config.graph.get("schedule", {"0": config.graph})
        found = {int(t): _given(each, config, sha256) for t, each in plan.items()}
    else:
        found = _of_readership(config, sha256)
    if len(found) > 1 and config.regime != "replace":
        key = "graph" if config.graph is not None else "readership"
        raise BadInput(f"{key}: a schedule is for data that is replaced, not for {config.regime}")
    first = next(iter(found.values()))
    return {t: _ordered(graph, first.names, "graph") for t, graph in found.items()}


def _names(config: GraphConfig) -> tuple[str, ...] | None:
    """The learners as the config names them; None where it leaves that to the graph."""
    if isinstance(config.learners, int):
        if config.learners > _MOST_READERS:
            raise BadInput(
                f"learners: {config.learners:,}; a readership is a table of who reads whom, for up "
                f"to {_MOST_READERS:,}: give a larger network as graph (a .csv or .graphml file)"
            )
        return tuple(f"v{i + 1}" for i in range(config.learners))
    return None if config.learners is None else tuple(config.learners)


def _of_rows(config: GraphConfig) -> LearningGraph:
    """Shares of rows by edge."""
    total: dict[str, int] = {}
    for _, target, number in config.rows:
        total[target] = total.get(target, 0) + number
    edges = [(source, target, m / total[target]) for source, target, m in config.rows]
    names = config.learners if isinstance(config.learners, tuple) else None
    try:
        return LearningGraph.from_edges(edges, names)
    except BadInput as error:
        raise BadInput(f"rows: {error}") from None


def _given(each: Mapping[str, Any], config: GraphConfig, sha256: dict[str, str]) -> LearningGraph:
    """A graph of a file or of edges."""
    if "file" in each:
        path = Path(each["file"]).expanduser()
        try:
            found = LearningGraph.read(path)
        except BadInput as error:
            raise BadInput(f"graph: {error}") from None
        sha256[f"graph/{path.name}"] = resources.sha256(path)
    else:
        try:
            known = config.learners if isinstance(config.learners, tuple) else None
            for source, target, _ in each["edges"]:
                for name in (source, target) if known else ():
                    if name != REAL:
                        _check_known(name, known or (), "")
            found = LearningGraph.from_edges([(s, t, w) for s, t, w in each["edges"]])
        except BadInput as error:
            raise BadInput(f"graph: {error}") from None
    if isinstance(config.learners, int) and config.learners != len(found.names):
        raise BadInput(
            f"learners: {config.learners}, but the graph has {len(found.names)}: "
            f"{', '.join(found.names[:6])}{', ...' if len(found.names) > 6 else ''}; leave it out"
        )
    names = config.learners if isinstance(config.learners, tuple) else found.names
    return _ordered(found, names, "graph")


def _ordered(graph: LearningGraph, names: Sequence[str], key: str) -> LearningGraph:
    """The same graph with its learners in another order.

    Raises:
        BadInput: it has others, or not all.
    """
    if graph.names == tuple(names):
        return graph
    known = set(names)
    for name in graph.names:
        if name not in known:
            _check_known(name, names, f"{key}: ")
    there = {name: i for i, name in enumerate(graph.names)}
    for name in names:
        if name not in there:
            raise BadInput(f"{key}: the learner {shown(name)} has no data: no edge enters it")
    order = np.array([there[name] for name in names])
    return LearningGraph(tuple(names), graph.weights[order][:, order], graph.real[order])


def _check_known(name: str, names: Sequence[str], where: str) -> None:
    """Refuse a name that is none of the learners'."""
    if name not in names:
        near = difflib.get_close_matches(name, list(names)[:2000], 1)
        hint = f"; did you mean {shown(near[0])}?" if near else ""
        raise BadInput(f"{where}it names {shown(name)}, who is none of the learners{hint}")


def _of_readership(config: GraphConfig, sha256: dict[str, str]) -> dict[int, LearningGraph]:
    """Even shares of all that a learner reads, beside its real data and its own."""
    names = _names(config) or ()
    try:
        found = stretches(config.readership, names, config.seed)
    except ValueError as error:
        raise BadInput(str(error)) from None
    sha256 |= {n: resources.sha256(path) for n, path in files(config.readership).items()}
    real = _real_shares(config, names)
    return {t: LearningGraph(names, *_shares(config, names, may, real)) for t, may in found.items()}


def _real_shares(config: GraphConfig, names: Sequence[str]) -> NDArray[np.float64]:
    """(n,) the share of real data of each."""
    if not isinstance(config.real, dict):
        return np.full(len(names), float(config.real or 0.0))
    for name in config.real:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = (
                f"did you mean {shown(near[0])}?" if near else f"choices: {', '.join(names[:12])}"
            )
            raise BadInput(f"real: no learner {shown(name)} ({hint})")
    return np.array([config.real.get(name, 0.0) for name in names])


def _shares(
    config: GraphConfig, names: Sequence[str], may: Bools, real: NDArray[np.float64]
) -> tuple[Any, NDArray[np.float64]]:
    """Weights (n, n) and real shares (n,) that sum to 1 for each.

    Raises:
        BadInput: a learner's real and own shares come to more than 1, or it reads nobody else and
            they come to less.
    """
    from scipy.sparse import csr_array

    others = may & ~np.eye(len(names), dtype=np.bool_)
    many = others.sum(axis=1)
    left = 1.0 - real
    if config.own == "even":
        own = left / (many + 1)
    else:
        own = np.full(len(names), float(config.own))
        for i in np.flatnonzero((own > left + 1e-12) | ((many == 0) & (own < left - 1e-12)))[:1]:
            taken = f"the learner {shown(names[i])} has {real[i]:g} of real data"
            if own[i] > left[i]:
                raise BadInput(f"own: {own[i]:g}, but {taken}; together they should be at most 1")
            raise BadInput(
                f"own: {own[i]:g}, but {taken} and reads nobody else; give own: even, or "
                f"real: {{{names[i]}: {1 - own[i]:g}}}"
            )
    each = np.where(many > 0, (left - own) / np.maximum(many, 1), 0.0)
    rows, columns = np.nonzero(others)
    loops = np.arange(len(names))
    weights = csr_array(
        (
            np.concatenate([each[rows], own]),
            (np.concatenate([rows, loops]), np.concatenate([columns, loops])),
        ),
        shape=others.shape,
    )
    return weights, real


def rows_of_graph(config: GraphConfig, graph: LearningGraph) -> Any:
    """(n, n + 1) sparse: how many rows of each source. In ``weight`` each edge has as many.

    Raises:
        BadInput: a learner is named that is not there, or a share gives no whole row.
    """
    from scipy.sparse import csr_array

    names = graph.names
    if isinstance(config.rows, dict):
        for name in config.rows:
            if name not in names:
                raise BadInput(f"rows: no learner {shown(name)}")
        for name in names:
            if name not in config.rows:
                raise BadInput(f"rows: the learner {shown(name)} has none; give it a number too")
        each = np.array([config.rows[name] for name in names], dtype=np.int64)
    else:
        each = np.full(len(names), config.rows, dtype=np.int64)
    if config.mixing == "samples":
        return apportioned(graph, each)
    table = weights_of(graph)
    counts = np.repeat(each, np.diff(table.indptr))
    return csr_array((counts, table.indices, table.indptr), shape=table.shape)


def rows_by_edge(config: GraphConfig, graph: LearningGraph) -> Any:
    """(n, n + 1) sparse from rows given by edge: those of the graph, all of them and no others.

    Raises:
        BadInput: naming the first edge that is in one of the two alone.
    """
    from scipy.sparse import csr_array

    n = len(graph.names)
    place = {name: i for i, name in enumerate(graph.names)} | {REAL: n}
    given: dict[tuple[int, int], int] = {}
    for source, target, number in config.rows:
        edge = f"{shown(source)} -> {shown(target)}"
        if source not in place or target not in place or target == REAL:
            raise BadInput(f"rows: {edge}: no such learner")
        at = place[target], place[source]
        if at in given:
            raise BadInput(f"rows: {edge} is given twice")
        given[at] = number
    table = weights_of(graph)
    ends = np.repeat(np.arange(n), np.diff(table.indptr)), table.indices
    wanted = list(zip(*(end.tolist() for end in ends), strict=True))
    for at, others, why in (
        *((edge, given, "has no rows; give them too") for edge in wanted),
        *((edge, set(wanted), "is no edge of the graph, or has weight 0") for edge in given),
    ):
        if at not in others:
            source = REAL if at[1] == n else graph.names[at[1]]
            raise BadInput(f"rows: {shown(source)} -> {shown(graph.names[at[0]])} {why}")
    counts = np.array([given[edge] for edge in wanted], dtype=np.int64)
    return csr_array((counts, table.indices, table.indptr), shape=table.shape)
