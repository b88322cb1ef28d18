"""The world ``gmm``: a system of Gaussian mixtures that read each other's points.

Algorithms 2 and 3 of LLM Web Dynamics (arXiv 2506.15690). At each step every model posts L points
of its own mixture, reads k_t points of A(t), and moves its weights point by point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.engine import MOST_DISTANCES
from lwd_agents.measures.geometry import collapse_norms, distances, pairwise_distances
from lwd_agents.worlds.gmm_parts import GmmParts
from lwd_agents.worlds.gmm_system import FixedSystem, MovingSystem
from lwd_agents.worlds.numeric import MOST_BYTES, Arrays, NumericWorld, System

_UPDATES = 400_000_000  # point updates after which what was computed is committed


class GmmWorld(NumericWorld):
    """Some replicates of a GMM system; see ``lwd_agents.engine.World``.

    Args:
        parts: the experiment.
        replicates: which of its replicates.
    """

    def __init__(self, parts: GmmParts, replicates: range) -> None:
        moving = parts.config.moving.means or parts.config.moving.covariances
        self._parts = parts
        system: System = (MovingSystem if moving else FixedSystem)(parts, replicates)
        arms = len(replicates) * (2 if parts.config.placebo else 1)
        updates = arms * parts.plan.k[:-1].sum(axis=1)
        work = np.concatenate([[0], np.cumsum(updates)])  # updates before step t
        super().__init__(system, parts.config, replicates, work, _UPDATES)

    def start(self) -> Arrays:
        """With no clips."""
        found = super().start()
        found["clips"] = np.zeros_like(found["weights"][..., 0], dtype=np.int64)
        return found

    def block(self, found: Mapping[str, NDArray[Any]]) -> Arrays:
        """The norm of the weights, the clips over all models, and what moves."""
        return {
            "norm": collapse_norms(found["weights"]),
            "clips": found["clips"].sum(axis=-1),
            **{name: found[name] for name in self._system.now},
        }

    def line(self, t: int, now: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """The line of step t but for its seconds."""
        plan, weights = self._parts.plan, now["weights"]
        n = len(weights)
        size = int(plan.size[t] - plan.first[t])
        return {
            "t": t,
            "internet_size": size,
            "synthetic": size - self._humans(t),
            "k": dict(zip(self._parts.agents, plan.k[t].tolist(), strict=True)),
            "norm": float(now["norm"]),
            "distances": distances(weights).tolist() if n * n <= MOST_DISTANCES else None,
            "weights": weights.tolist(),
            "clips": int(now["clips"]),
        }

    def _humans(self, t: int) -> int:
        """The human points in A(t), beside those that a placebo posts."""
        plan, seeds = self._parts.plan, int(self._parts.plan.size[0])
        if plan.first[t] < seeds:
            return seeds + t * plan.fresh
        return plan.fresh * (t if plan.first[t] == 0 else 1)


def merged(block: Arrays) -> dict[str, NDArray[Any]]:
    """What trajectories.npz holds: a run's blocks as one, and D(t) where it is not too large."""
    weights = block["weights"]
    replicates, steps, n, _ = weights.shape
    if replicates * steps * n * n * 8 > MOST_BYTES:
        return dict(block)
    return {**block, "distances": pairwise_distances(weights)}
