"""What the world ``graph`` needs before its first round: graphs, cells and sizes, from a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.config import GraphConfig
from lwd_agents.engine import Round
from lwd_agents.errors import BadInput
from lwd_agents.kernels import run_key
from lwd_agents.theory.learning_graph import REAL, LearningGraph, shown
from lwd_agents.worlds.graph_cells import REAL as REAL_SOURCE
from lwd_agents.worlds.graph_cells import Cells, Setting, apart, pooled, weights_of
from lwd_agents.worlds.graph_sources import graphs_of, rows_by_edge, rows_of_graph

if TYPE_CHECKING:
    from lwd_agents.journal import Journal
    from lwd_agents.trajectory import Trajectory
    from lwd_agents.worlds.graph import GraphWorld

_MEMORY = 2**31  # bytes that the replicates of one piece may take
_MOST = 8 * 2**30  # bytes of all parameters of a run
_KEPT = 20_000  # edges that the manifest keeps


@dataclass(frozen=True, eq=False)
class Stretch:
    """Rounds with one graph.

    Attributes:
        first: the round from which it holds; -1 for round 0 itself.
        graph: who learns from whom.
        cells, placebo: the fits of a round, and the same of real data alone.
        design, keys: what keys the designs that come again: a number, and one of each cell (C,).
            Round 0 has those of the stretch that it begins.
    """

    first: int
    graph: LearningGraph
    cells: Cells
    placebo: Cells
    design: int
    keys: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GraphParts:
    """All that a run of the world ``graph`` needs, loaded and checked (``engine.Parts``).

    Attributes:
        config: the experiment.
        names: the n learners.
        start: round 0, whose fits are of real data alone.
        stretches: the later rounds, by graph.
        setting: what the kernels need besides.
        sha256: of the files that were read, by name.
    """

    config: GraphConfig
    names: tuple[str, ...]
    start: Stretch
    stretches: tuple[Stretch, ...]
    setting: Setting
    sha256: dict[str, str]

    @property
    def agents(self) -> list[str]:
        """The learners' names."""
        return list(self.names)

    @property
    def kind(self) -> str:
        """The estimator."""
        return self.config.estimator.kind

    @property
    def less(self) -> int:
        """1 where a covariance is divided by one less than the points, else 0."""
        return int(bool(self.config.estimator.unbiased))

    @property
    def every(self) -> tuple[Stretch, ...]:
        """The start and the stretches."""
        return (self.start, *self.stretches)

    def describe(self) -> dict[str, Any]:
        """What the manifest says of it."""
        from lwd_agents.worlds.graph_findings import verdicts

        backend = {"class": self.kind, "engine": "numba", "random": "Philox4x32-10"}
        backends = dict.fromkeys(self.names, backend)
        found = {"agents": self.agents, "backends": backends, "sha256": self.sha256}
        edges = sum(s.graph.weights.nnz + len(self.names) for s in self.stretches)
        if edges > _KEPT:
            return found
        graphs = [_kept(stretch) for stretch in self.stretches]
        return {**found, "graphs": graphs, "verdicts": verdicts(self)}

    def world(self, replicates: range) -> GraphWorld:
        """The network of some replicates, with round 0 behind it."""
        from lwd_agents.worlds.graph import GraphWorld

        return GraphWorld(self, replicates)

    def play(
        self,
        journal: Journal,
        on_round: Callable[[Round], None],
        say: Callable[[str], None],
    ) -> None:
        """Run all replicates to the last step, or on from where the journal stands.

        As many run together as fit in memory; the others follow as further pieces.
        """
        from lwd_agents.worlds.graph import merged
        from lwd_agents.worlds.graph_theory import predicted
        from lwd_agents.worlds.numeric import play

        def whole(block: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            say("computing the expected errors")
            whole = merged(block, self.kind, self.config.features)
            return {**whole, **predicted(self).arrays}

        play(self.config, self.world, self.together, whole, journal, on_round, say)

    def findings(self, trajectory: Trajectory) -> dict[str, Any]:
        """What the summary says: of each learner the verdict, its error, and the prediction."""
        from lwd_agents.worlds.graph_findings import findings

        return findings(self, trajectory)

    @cached_property
    def work(self) -> NDArray[np.int64]:
        """(T + 1,) what the rounds before t cost one arm: multiplications, about."""
        config = self.config
        d, T = config.features, config.steps
        each = np.zeros(T + 1, dtype=np.int64)
        for stretch in self.stretches:
            rows, edges, cells = (
                int(stretch.cells.total.sum()), len(stretch.cells.source), len(stretch.cells.total)
            )  # fmt: skip
            if config.draw == "rows":
                each[stretch.first :] = rows * (20 + 10 * d * d)
            elif config.designs == "redrawn" or self.kind == "gaussian":
                each[stretch.first :] = edges * d**3 // 3 + cells * d**3 + 100 * cells
            else:
                each[stretch.first :] = (
                    (edges + cells) * d * (d if config.designs == "fixed" else 4)
                )
        if config.draw == "rows" and config.regime != "replace":
            each = each * (1 + np.arange(T + 1))
        return np.concatenate([[0], np.cumsum(each[1:])])

    @cached_property
    def together(self) -> int:
        """How many replicates run together: by the memory that their arrays take."""
        config, d = self.config, self.config.features
        each = 4 * (config.steps + 1) * len(self.names) * len(self.setting.truth) * 8
        if config.designs == "fixed" or self.setting.accumulates:
            each += (
                sum(3 * (len(s.cells.source) + len(s.cells.total)) for s in self.every) * d * d * 8
            )
        return max(1, _MEMORY // (each * (2 if config.placebo else 1)))


def assemble(config: GraphConfig) -> GraphParts:
    """Read what files a config names, and work out everything that is known before a run.

    Raises:
        BadInput: one line that names the key.
    """
    from lwd_agents.worlds.graph_system import LearnerSystem

    sha256: dict[str, str] = {}
    graphs = graphs_of(config, sha256)
    names = graphs[0].names
    _check_size(config, len(names))
    setting = Setting(
        truth=_truth(config),
        noise=config.noise or 1.0,
        penalty=config.estimator.penalty or 0.0,
        accumulates=config.regime != "replace",
        key=run_key(config.seed, "graph"),
    )
    stretches = tuple(_stretch(config, first, graph) for first, graph in graphs.items())
    parts = GraphParts(config, names, _start(config, stretches[0]), stretches, setting, sha256)
    for stretch in parts.every:
        _check_rows(config, names, stretch)
    if config.estimator.kind in ("logistic", "poisson"):
        LearnerSystem(parts, range(min(config.replicates, parts.together)))  # the first fits exist
    return parts


def _check_size(config: GraphConfig, n: int) -> None:
    """Refuse a run whose parameters are too many to be kept.

    Raises:
        BadInput: naming what they come from.
    """
    d = config.features
    each = n * (d + d * d if config.estimator.kind == "gaussian" else d) * 8
    size = config.replicates * (config.steps + 1) * each * (2 if config.placebo else 1)
    if size > _MOST:
        raise BadInput(
            f"replicates: {config.replicates:,} of {n:,} learners with {d:,} features over "
            f"{config.steps:,} steps have {size / 1e9:,.1f} GB of parameters; up to "
            f"{_MOST / 1e9:.1f} GB are kept: take fewer of any of them"
        )


def _kept(stretch: Stretch) -> dict[str, Any]:
    """A graph as the manifest keeps it: from which round, and its edges."""
    graph = stretch.graph
    table = weights_of(graph).tocoo()
    sources = [*graph.names, REAL]
    return {
        "from": stretch.first,
        "edges": [
            [sources[j], graph.names[i], float(w)]
            for i, j, w in zip(table.row, table.col, table.data, strict=True)
        ],
    }


def _truth(config: GraphConfig) -> NDArray[np.float64]:
    """The parameter of real data, (P,): a number is its length, along (1, ..., 1)."""
    d = config.features
    given = config.truth
    vector = np.array(given) if isinstance(given, tuple) else np.full(d, given / np.sqrt(d))
    if config.estimator.kind != "gaussian":
        return vector
    return np.concatenate([vector, ((config.noise or 1.0) ** 2 * np.eye(d)).ravel()])


def _stretch(config: GraphConfig, first: int, graph: LearningGraph) -> Stretch:
    by_edge = isinstance(config.rows, list)
    rows = rows_by_edge(config, graph) if by_edge else rows_of_graph(config, graph)
    cells = pooled(rows) if config.mixing == "samples" else apart(rows, weights_of(graph))
    return Stretch(first, graph, cells, cells.all_real(), first, np.arange(len(cells.total)))


def _start(config: GraphConfig, stretch: Stretch) -> Stretch:
    """Round 0: real rows, as many as in a round.

    Of mixing ``weight`` one fit of real rows: those of the learner's real data, or as many as its
    largest source has.
    """
    if config.mixing == "samples":
        cells = stretch.placebo
        return Stretch(-1, stretch.graph, cells, cells, stretch.design, stretch.keys)
    cells, n = stretch.cells, len(stretch.graph.names)
    real = np.flatnonzero(cells.source == REAL_SOURCE)
    rows = np.zeros(n, dtype=np.int64)
    np.maximum.at(rows, cells.owner, cells.rows)
    rows[cells.owner[real]] = cells.rows[real]
    keys = len(cells.total) + np.arange(n)
    keys[cells.owner[real]] = real
    start = Cells(
        np.arange(n + 1), np.full(n, REAL_SOURCE), rows, rows.copy(), np.arange(n), np.ones(n)
    )
    return Stretch(-1, stretch.graph, start, start, stretch.design, keys)


def _check_rows(config: GraphConfig, names: Sequence[str], stretch: Stretch) -> None:
    """Refuse fits that cannot be.

    Raises:
        BadInput: naming the learner.
    """
    kind, d, cells = config.estimator.kind, config.features, stretch.cells
    if kind == "gaussian":
        _refuse(cells, names, cells.total, 2, "a covariance needs 2 points")
    elif config.designs == "orthogonal":
        least = np.minimum.reduceat(cells.rows, cells.start[:-1])
        why = (
            f"with features {d} the columns of so few can't be orthogonal; take more rows, or "
            "designs: fixed"
        )
        _refuse(cells, names, least, d, why, " of one source")
    elif config.designs is not None and kind != "ridge":
        why = (
            f"with features {d} that is a singular design, without a unique fit; take more rows, "
            "fewer features, or estimator: ridge"
        )
        _refuse(cells, names, cells.total, d, why)


def _refuse(
    cells: Cells,
    names: Sequence[str],
    rows: NDArray[np.int64],
    least: int,
    why: str,
    what: str = "",
) -> None:
    """Refuse the first cell that has fewer rows than the least."""
    few = np.flatnonzero(rows < least)
    if len(few):
        name, number = shown(names[cells.owner[few[0]]]), rows[few[0]]
        counted = f"{number} row{'' if number == 1 else 's'}{what}"
        raise BadInput(f"rows: the learner {name} has {counted}: {why}")
