"""The world ``graph``: learners that refit in rounds on real data and on each other's labels.

At t = 0 every learner fits real data alone. In round t >= 1 it fits fresh real data and data that
its sources' parameters of round t - 1 made, along a directed graph (after arXiv 2605.20151).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.engine import MOST_DISTANCES
from lwd_agents.measures.geometry import collapse_norms, distances, pairwise_distances
from lwd_agents.measures.learners import errors, perspectives, spreads
from lwd_agents.worlds.graph_cells import REAL
from lwd_agents.worlds.graph_parts import GraphParts
from lwd_agents.worlds.graph_system import LearnerSystem
from lwd_agents.worlds.numeric import MOST_BYTES, Arrays, NumericWorld

_WORK = 2_000_000_000  # multiplications after which what was computed is committed
_MOST_NUMBERS = 4096  # of one kind in a line of rounds.jsonl


class GraphWorld(NumericWorld):
    """Some replicates of a network of learners; see ``lwd_agents.engine.World``.

    Args:
        parts: the experiment.
        replicates: which of its replicates.

    Raises:
        BadInput: a fit of round 0 does not exist.
    """

    def __init__(self, parts: GraphParts, replicates: range) -> None:
        self._parts = parts
        arms = len(replicates) * (2 if parts.config.placebo else 1)
        system = LearnerSystem(parts, replicates)
        super().__init__(system, parts.config, replicates, arms * parts.work, _WORK)

    def block(self, found: Mapping[str, NDArray[Any]]) -> Arrays:
        """The parameters, the norm of D, and the learners' distances from the truth."""
        parts = self._parts
        X = perspectives(found["parameters"], parts.kind, parts.config.features)
        truth = perspectives(parts.setting.truth, parts.kind, parts.config.features)
        block = {
            "norm": collapse_norms(X),
            "error": errors(X, truth),
            "drift": errors(X.mean(axis=-2), truth),
            "parameters": found["parameters"],
        }
        if parts.kind == "gaussian":
            d = parts.config.features
            block["mean_error"] = errors(X[..., :d], truth[:d])
            block["spread"] = spreads(found["parameters"], d)
        return block

    def line(self, t: int, now: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """The line of round t but for its seconds."""
        parts = self._parts
        parameters = now["parameters"]
        n = len(parameters)
        X = perspectives(parameters, parts.kind, parts.config.features)
        size, synthetic, k = self._rows(t)
        line = {
            "t": t,
            "internet_size": size,
            "synthetic": synthetic,
            "k": dict(zip(parts.names, k, strict=True)),
            "norm": float(now["norm"]),
            "distances": distances(X).tolist() if n * n <= MOST_DISTANCES else None,
            "error": now["error"].tolist() if n <= _MOST_NUMBERS else None,
            "drift": float(now["drift"]),
        }
        if parameters.size <= _MOST_NUMBERS:
            line["parameters"] = parameters.tolist()
        return line

    def _rows(self, t: int) -> tuple[int, int, list[int]]:
        """All rows that are kept at round t, those of them that learners labelled, and how many
        each learner fits."""
        stretches = [s for s in self._parts.stretches if s.first <= max(t, 1)]
        cells = self._parts.start.cells if t == 0 else stretches[-1].cells
        labelled = 0 if t == 0 else int(cells.rows[cells.source != REAL].sum())
        k = np.bincount(cells.owner, cells.total, len(self._parts.names)).astype(np.int64)
        size = int(cells.total.sum())
        if self._parts.config.regime == "replace":
            return size, labelled, k.tolist()
        kept = k if self._parts.config.regime == "accumulate-subsample" else k * (t + 1)
        return size * (t + 1), labelled * t, kept.tolist()


def merged(block: Arrays, kind: str, d: int) -> Arrays:
    """What trajectories.npz holds: a run's blocks as one, and D(t) where it is not too large."""
    parameters = block["parameters"]
    replicates, steps, n, _ = parameters.shape
    if replicates * steps * n * n * 8 > MOST_BYTES:
        return dict(block)
    return {**block, "distances": pairwise_distances(perspectives(parameters, kind, d))}
