"""The world ``gmm``: a system of Gaussian mixtures that read each other's points.

Algorithms 2 and 3 of LLM Web Dynamics (arXiv 2506.15690). At each step every model posts L points
of its own mixture, reads k_t points of A(t), and moves its weights point by point. Many replicates
are simulated together; each equals, bit for bit, that replicate alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.engine import MOST_DISTANCES, Round
from lwd_agents.measures.geometry import collapse_norms, distances, pairwise_distances
from lwd_agents.worlds.gmm_parts import GmmParts
from lwd_agents.worlds.gmm_system import Arrays, FixedSystem, MovingSystem, System

_UPDATES = 400_000_000  # point updates after which what was computed is committed
_MOST_BYTES = 256 * 2**20  # of D over all replicates and steps that a run keeps
PLACEBO = "placebo_"


class GmmWorld:
    """Some replicates of a GMM system; see ``lwd_agents.engine.World``.

    Args:
        parts: the experiment.
        replicates: which of its replicates.
    """

    def __init__(self, parts: GmmParts, replicates: range) -> None:
        moving = parts.config.moving.means or parts.config.moving.covariances
        self._parts = parts
        self._replicates = replicates
        self._system: System = (MovingSystem if moving else FixedSystem)(parts, replicates)
        arms = len(replicates) * (2 if parts.config.placebo else 1)
        updates = arms * parts.plan.k[:-1].sum(axis=1)
        self._work = np.concatenate([[0], np.cumsum(updates)])  # updates before step t

    def step(self, t: int) -> Round:
        """Steps t, t + 1, ... as far as they are committed together."""
        started = time.perf_counter()
        begin = max(t - 1, 0)
        last = int(np.searchsorted(self._work, self._work[begin] + _UPDATES, side="right")) - 1
        last = min(max(last, t), self._parts.config.steps)
        start = {name: now[:, None].copy() for name, now in self._system.now.items()}
        found = self._system.advance(begin, last)
        if t == 0:  # step 0 itself comes first: nobody has moved
            start["clips"] = np.zeros_like(start["weights"][..., 0], dtype=np.int64)
            found = {name: np.concatenate([start[name], found[name]], axis=1) for name in start}
        simulated = time.perf_counter()
        block = self._block(found)
        spent = {"generate": simulated - started, "measure": time.perf_counter() - simulated}
        seconds = {name: round(each / (last - t + 1), 6) for name, each in spent.items()}
        lines = [self._line(s, s - t, block, seconds) for s in range(t, last + 1)]
        done = float(self._work[last] / self._work[-1]) if self._work[-1] else 1.0
        return Round(last, lines[-1], before=tuple(lines[:-1]), block=block, done=done)

    def _block(self, found: Arrays) -> Arrays:
        """What is committed: by name, (R, S, ...), the placebo arms under names of their own."""
        live = len(self._replicates)
        sides = {"": slice(0, live)}
        if self._parts.config.placebo:
            sides[PLACEBO] = slice(live, None)
        block: Arrays = {}
        for prefix, side in sides.items():
            block[f"{prefix}norm"] = collapse_norms(found["weights"][side])
            block[f"{prefix}clips"] = found["clips"][side].sum(axis=-1)
            for name in self._system.now:
                block[f"{prefix}{name}"] = found[name][side]
        return block

    def _line(self, t: int, i: int, block: Arrays, seconds: dict[str, float]) -> dict[str, Any]:
        """The line of step t, of the first replicate; it stands at place i of the block."""
        plan, weights = self._parts.plan, block["weights"][0, i]
        n = len(weights)
        size = int(plan.size[t] - plan.first[t])
        line = {
            "t": t,
            "internet_size": size,
            "synthetic": size - self._humans(t),
            "k": dict(zip(self._parts.agents, plan.k[t].tolist(), strict=True)),
            "norm": float(block["norm"][0, i]),
            "distances": distances(weights).tolist() if n * n <= MOST_DISTANCES else None,
            "weights": weights.tolist(),
            "clips": int(block["clips"][0, i]),
        }
        if self._parts.config.placebo:
            line["placebo_norm"] = float(block[f"{PLACEBO}norm"][0, i])
        return {**line, "seconds": {"retrieve": None, "embed": None, **seconds}}

    def _humans(self, t: int) -> int:
        """The human points in A(t), beside those that a placebo posts."""
        plan, seeds = self._parts.plan, int(self._parts.plan.size[0])
        if plan.first[t] < seeds:
            return seeds + t * plan.fresh
        return plan.fresh * (t if plan.first[t] == 0 else 1)

    def absorb(self, round: Round) -> None:
        """Take up after committed steps; live ones were taken by the system already."""
        if round.replayed:
            live, names = round.block, list(self._system.now)
            sides = ["", PLACEBO] if self._parts.config.placebo else [""]
            self._system.restore(
                {name: np.concatenate([live[f"{s}{name}"] for s in sides]) for name in names}
            )

    def resumed(self) -> None:
        """Nothing: what was replayed is all there is."""

    def within(self, loop: Callable[[], None]) -> None:
        """Nothing surrounds a run of this world."""
        loop()

    def close(self) -> None:
        """Nothing is held open."""


def merged(block: Arrays) -> dict[str, NDArray[Any]]:
    """What trajectories.npz holds: a run's blocks as one, and D(t) where it is not too large."""
    weights = block["weights"]
    replicates, steps, n, _ = weights.shape
    if replicates * steps * n * n * 8 > _MOST_BYTES:
        return dict(block)
    return {**block, "distances": pairwise_distances(weights)}
