"""How the rounds of one arm are made: from sufficient statistics, or row by row.

Both have the same law. An arm is a replicate, live or placebo; what it has of its own (designs that
come again, sums that grow) is its state. Axes: C cells, E edges, n learners, d features.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.randoms import scratch
from lwd_agents.worlds import graph_fits as fits
from lwd_agents.worlds import graph_kernels as kernels
from lwd_agents.worlds import graph_rows as by_row
from lwd_agents.worlds.graph_cells import Cells
from lwd_agents.worlds.graph_gaussian import gaussian
from lwd_agents.worlds.graph_parts import GraphParts, Stretch

Floats = NDArray[np.float64]
_KINDS = {
    "least-squares": fits.LEAST_SQUARES,
    "ridge": fits.LEAST_SQUARES,
    "logistic": fits.LOGISTIC,
    "poisson": fits.POISSON,
    "mean": fits.MEAN,
    "gaussian": fits.GAUSSIAN,
    "huber": fits.HUBER,
}
_FAILURES = {
    fits.SINGULAR: "its design is singular; take more rows, or fewer features",
    fits.SEPARABLE: "its labels are separable (or nearly so), so no finite fit exists; take more "
    "rows, fewer features, a shorter truth or more real data",
    fits.OVERFLOW: "its counts outgrow what numbers hold; take a shorter truth or more real data",
    fits.UNSETTLED: "Newton's iteration does not settle; take more rows, or a shorter truth",
}
_MOST = 1e140  # of a parameter: its squares would soon be beyond what numbers hold


@dataclass(frozen=True, order=True)
class Failure:
    """A fit that does not exist: in which round, and what is wrong."""

    t: int
    said: str


class Statistics:
    """Rounds from sufficient statistics: least squares, ridge, means, Gaussians."""

    def __init__(self, parts: GraphParts) -> None:
        self._parts = parts
        self._d = parts.config.features
        self._memory = threading.local()

    def state(self, replicate: int) -> dict[Any, Any]:
        """What an arm accumulates, and its designs by stretch, where they come again."""
        parts = self._parts
        found: dict[Any, Any] = {}
        if parts.config.designs == "fixed":
            found = {s.first: prepared(parts, s, replicate) for s in parts.stretches}
            same = parts.config.mixing == "samples"
            found[-1] = found[0] if same else prepared(parts, parts.start, replicate)
        return {**found, "sums": self._sums(parts.stretches[0].cells)}

    def _sums(self, cells: Cells) -> tuple[Floats, Floats, Floats]:
        """(C, d), (C, d, d), (C,): sums so far, of 0 rows."""
        many, d = len(cells.total), self._d
        wide = self._parts.config.designs == "redrawn" or self._parts.kind == "gaussian"
        return np.zeros((many, d)), np.zeros((many, d, d) if wide else (0, 0, 0)), np.zeros(many)

    def rounds(
        self,
        stretch: Stretch,
        cells: Cells,
        state: dict[Any, Any],
        history: Floats,
        first: int,
        last: int,
        replicate: int,
        replay: bool,
    ) -> Failure | None:
        """Fill the rounds first .. last of ``history`` (T + 1, n, P), or take them as they are.

        Returns:
            The first failure; the rounds before it are good.
        """
        parts, memory = self._parts, self._mine(cells)
        grows = parts.setting.accumulates
        sums, squares, counts = state["sums"] if grows else self._sums(cells)
        common: Any = (history, first, last)
        if parts.kind == "gaussian":
            factors = np.empty((len(parts.names) + 1, self._d, self._d))
            gaussian(
                cells, parts.setting, parts.less, *common, sums, squares, counts, replay,
                replicate, memory, factors,
            )  # fmt: skip
        elif parts.config.designs == "fixed":
            kernels.fixed(
                cells, parts.setting, state[stretch.first], *common, sums, counts, replay,
                replicate, memory,
            )  # fmt: skip
        elif parts.config.designs == "redrawn":
            cell = kernels.redrawn(
                cells, parts.setting, *common, sums, squares, replay, replicate, memory
            )
            if cell >= 0:  # but for rounding, redrawn rows are never of deficient rank
                return _failure(parts, cells, fits.SINGULAR, first, int(cell), replicate)
        else:
            kernels.proportional(
                cells, parts.setting, *common, sums, counts, replay, replicate, memory
            )
        return outgrown(parts, history, first, last, replicate)

    def _mine(self, cells: Cells) -> kernels.Memory:
        """This thread's memory for such cells."""
        held: dict[int, kernels.Memory] = self._memory.__dict__.setdefault("held", {})
        if id(cells.start) not in held:
            held[id(cells.start)] = kernels.memory(cells, self._d)
        return held[id(cells.start)]


class Rows:
    """Rounds row by row: every estimator, and every regime."""

    def __init__(self, parts: GraphParts) -> None:
        self._parts = parts
        config = parts.config
        subsample = config.regime == "accumulate-subsample"
        threshold = (config.estimator.threshold or 0.0) * parts.setting.noise
        self._kind = by_row.Kind(_KINDS[parts.kind], threshold, parts.less, subsample)
        self._memory = threading.local()

    def state(self, replicate: int) -> dict[Any, Any]:
        """Designs that come again, by stretch: their rows, and where each cell's begin."""
        parts = self._parts
        d, drawn = parts.config.features, parts.config.designs in (None, "redrawn")
        empty = np.zeros((d, 0)), np.zeros(1, dtype=np.int64)
        return {s.first: empty if drawn else designs_of(parts, s, replicate) for s in parts.every}

    def rounds(
        self,
        stretch: Stretch,
        cells: Cells,
        state: dict[Any, Any],
        history: Floats,
        first: int,
        last: int,
        replicate: int,
        replay: bool,
    ) -> Failure | None:
        """As ``Statistics.rounds``; what is replayed needs nothing."""
        if replay:
            return None
        design, offsets = state[stretch.first]
        failed = np.zeros(3, dtype=np.int64)
        if not by_row.by_rows(
            cells, self._parts.setting, self._kind, design, offsets, history, first, last,
            replicate, self._mine(cells), failed,
        ):  # fmt: skip
            ended, t, cell = failed.tolist()
            return _failure(self._parts, cells, ended, t, cell, replicate)
        return outgrown(self._parts, history, first, last, replicate)

    def _mine(self, cells: Cells) -> by_row.RowMemory:
        held: dict[int, by_row.RowMemory] = self._memory.__dict__.setdefault("held", {})
        if id(cells.start) not in held:
            parts = self._parts
            rounds = parts.config.steps + 1 if parts.setting.accumulates else 1
            held[id(cells.start)] = by_row.row_memory(
                cells, parts.config.features, len(parts.names), rounds, self._kind
            )
        return held[id(cells.start)]


def designs_of(
    parts: GraphParts, stretch: Stretch, replicate: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The rows of designs that come again, (d, rows), and where each cell's begin, (C + 1,).

    ``orthogonal`` ones are turned, edge by edge, so that X_e'X_e = m_e I.
    """
    cells, d = stretch.cells, parts.config.features
    offsets = np.concatenate([[0], np.cumsum(cells.total)])
    found = np.empty((d, int(offsets[-1])))
    by_row.draw_design(
        found, offsets, stretch.keys, stretch.design, replicate,
        scratch(int(cells.total.max())), parts.setting.key,
    )  # fmt: skip
    if parts.config.designs == "orthogonal":
        for a, b in edges_of(cells):
            found[:, a:b] = np.linalg.qr(found[:, a:b].T)[0].T * np.sqrt(b - a)
    return found, offsets


def edges_of(cells: Cells) -> list[tuple[int, int]]:
    """Where the rows of each edge begin and end, among those of all cells."""
    ends = np.cumsum(cells.rows)
    return list(zip((ends - cells.rows).tolist(), ends.tolist(), strict=True))


def prepared(parts: GraphParts, stretch: Stretch, replicate: int) -> kernels.Designs:
    """What the kernel needs of designs that come again.

    Raises:
        BadInput: one of them is singular.
    """
    rows, offsets = designs_of(parts, stretch, replicate)
    cells, d = stretch.cells, parts.config.features
    maps = np.empty(d * d * (len(cells.source) + len(cells.total)))
    gram, low = np.zeros((d, d)), np.zeros((d, d))
    cell = kernels.prepare(cells, rows, offsets, parts.setting.penalty, maps, gram, low)
    if cell >= 0:
        raise BadInput(_failure(parts, cells, fits.SINGULAR, 0, int(cell), replicate).said)
    return kernels.Designs(maps)


def grams_of(cells: Cells, rows: Floats) -> Floats:
    """(E, d, d) X_e'X_e of the rows (d, rows) of each edge, which stand one after the other."""
    return np.stack([rows[:, a:b] @ rows[:, a:b].T for a, b in edges_of(cells)])


def _failure(
    parts: GraphParts, cells: Cells, ended: int, t: int, cell: int, replicate: int
) -> Failure:
    """A fit of a cell that does not exist."""
    name = parts.names[int(cells.owner[cell])]
    return Failure(t, f"learner {name!r} has no fit{_of(parts, replicate)}: {_FAILURES[ended]}")


def outgrown(
    parts: GraphParts, history: Floats, first: int, last: int, replicate: int
) -> Failure | None:
    """The first round in which a parameter is so large that its squares are no numbers."""
    rounds = history[first : last + 1]
    bad = ~(np.abs(rounds) < _MOST)
    if not bad.any():
        return None
    t, learner = np.argwhere(bad.any(axis=2))[0].tolist()
    said = f"the parameter of learner {parts.names[learner]!r}{_of(parts, replicate)} outgrows"
    return Failure(first + t, f"{said} {_MOST:g}, and numbers would not hold its squares for long")


def _of(parts: GraphParts, replicate: int) -> str:
    return f" (replicate {replicate})" if parts.config.replicates > 1 else ""
