"""The state of a GMM system while it runs: parameters and stores of all arms, and their threads.

An arm is a replicate, live or placebo; the placebo arms stand behind the live ones and have the
same random words. How arms and models are shared out to threads cannot change a result.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.threads import each, threads
from lwd_agents.worlds import gmm_kernel as kernel
from lwd_agents.worlds import gmm_points as store
from lwd_agents.worlds.gmm_parts import GmmParts
from lwd_agents.worlds.gmm_points import Plan
from lwd_agents.worlds.numeric import Arrays, arms

_SMALL = 2_000_000  # updates below which threads cost more than they bring
_LONG = 1_000_000  # readings so long that fewer of them are held at a time


class FixedSystem:
    """Mixtures whose weights alone move.

    Args:
        parts: the experiment.
        replicates: which replicates.
    """

    def __init__(self, parts: GmmParts, replicates: range) -> None:
        self._parts = parts
        self._plan = parts.plan
        self._replicates, self._placebo = arms(parts.config, replicates)
        copies = 2 if parts.config.placebo else 1
        self.now: Arrays = {"weights": np.concatenate([parts.starts(replicates)] * copies)}
        components = parts.plan.means.shape[0]
        width = store.table_width(components)
        self._tables = np.zeros((len(self._replicates), int(parts.plan.size[-1]), width))
        self._places = np.arange(int(parts.plan.size[-1]), dtype=np.int32)
        self._registers = kernel.registers_for(components)
        self._lanes = kernel.LANES if components == 2 else kernel.MANY
        self._memory = threading.local()
        given = len(parts.initial)
        for place, point in enumerate(parts.initial):
            row = self._tables[0, place]
            store.likelihoods(point, parts.plan.whitened, parts.plan.whitener, row)
        self._tables[1:, :given] = self._tables[0, :given]
        for table, replicate in zip(self._tables, self._replicates, strict=True):
            store.humans(parts.plan, table, given, parts.drawn, 0, store.START, replicate)

    def restore(self, history: Mapping[str, NDArray[Any]]) -> None:
        """Post again what was posted, and stand at the last of the steps given."""
        weights = np.ascontiguousarray(history["weights"])
        store.repost(self._plan, weights, self._tables, self._replicates, self._placebo)
        self.now["weights"] = weights[:, -1].copy()

    def advance(self, begin: int, end: int) -> Arrays:
        """See ``System``."""
        found = []
        for plan, a, b in self._parts.stretches(begin, end):
            self._plan = plan
            found.append(self._stretch(a, b))
        return joined(found)

    def _stretch(self, begin: int, end: int) -> Arrays:
        """``advance`` while the readership stays as it is."""
        count, n, components = self.now["weights"].shape
        out = np.empty((count, end - begin, n, components))
        clips = np.zeros((count, end - begin, n), dtype=np.int64)
        units = self._units(count, n)
        updates = count * int(self._plan.k[begin:end].sum())
        if updates < _SMALL or threads() == 1:
            for unit in units:
                self._whole(unit, begin, end, out, clips)
        elif len(units) >= 2 * threads() or n < self._lanes:
            if len(units) < threads():
                share = math.ceil(count / threads())
                units = [slice(a, min(a + share, count)) for a in range(0, count, share)]
            each(lambda unit: self._whole(unit, begin, end, out, clips), units)
        else:
            for t in range(begin, end):
                self._one_step(t, clips[:, t - begin])
                out[:, t - begin] = self.now["weights"]
        return {"weights": out, "clips": clips}

    def _units(self, count: int, n: int) -> list[slice]:
        """Arms that are taken together: as many as fill the lanes best."""
        sizes = range(1, max(1, min(count, 2 * self._lanes // n)) + 1)
        best = min(sizes, key=lambda a: (math.ceil(a * n / self._lanes) * self._lanes / (a * n), a))
        return [slice(a, min(a + best, count)) for a in range(0, count, best)]

    def _whole(
        self,
        unit: slice,
        begin: int,
        end: int,
        out: NDArray[np.float64],
        clips: NDArray[np.int64],
    ) -> None:
        """Take some arms through all the steps in one call."""
        tables = self._tables[unit]
        kernel.advance(
            self._plan, self._registers, kernel.ratios_of(tables), self.now["weights"][unit],
            tables, self._places, begin, end, self._replicates[unit], self._placebo[unit],
            self._scratch((unit.stop - unit.start) * out.shape[2]), out[unit], clips[unit],
        )  # fmt: skip

    def _one_step(self, t: int, clips: NDArray[np.int64]) -> None:
        """Take few arms of many models one step on, the models shared out to threads."""
        weights = self.now["weights"]
        count, n = weights.shape[:2]
        for arm in range(count):
            store.post(
                self._plan, weights[arm], self._tables[arm], t, self._replicates[arm],
                self._placebo[arm],
            )  # fmt: skip
        counts = np.zeros((count, n), dtype=np.int64)
        ratios = kernel.ratios_of(self._tables)

        def read(first: int) -> None:
            last = min(first + self._lanes, count * n)
            kernel.read_lanes(
                self._plan, self._registers, ratios, weights, self._tables, self._places, t, first,
                last, self._replicates, self._scratch(last - first), counts,
            )  # fmt: skip

        each(read, range(0, count * n, self._lanes))
        clips[:] = counts

    def _scratch(self, lanes: int) -> kernel.Scratch:
        """This thread's memory, for as many lanes side by side as are needed."""
        few = lanes <= kernel.FEW or self._plan.k.max() > _LONG
        wide = min(kernel.FEW, self._lanes) if few else self._lanes
        held: dict[int, kernel.Scratch] = self._memory.__dict__.setdefault("held", {})
        if wide not in held:
            held[wide] = kernel.scratch(self._plan, wide)
        return held[wide]


class MovingSystem:
    """Mixtures whose means or covariances move too (``gmm_moving``); otherwise as FixedSystem."""

    def __init__(self, parts: GmmParts, replicates: range) -> None:
        from lwd_agents.worlds import gmm_moving as moving

        self._kernel = moving
        self._parts = parts
        self._replicates, self._placebo = arms(parts.config, replicates)
        plan, count = parts.plan, len(self._replicates)
        copies = 2 if parts.config.placebo else 1
        weights = np.concatenate([parts.starts(replicates)] * copies)
        d = parts.config.d
        shape = (*weights.shape, d)
        covariance = plan.factor @ plan.factor.T
        self.now: Arrays = {
            "weights": weights,
            "means": np.broadcast_to(plan.means, shape).copy(),
            "covariances": np.broadcast_to(covariance, (*shape, d)).copy(),
        }
        size = int(plan.size[-1])
        self._points = np.zeros((count, size, d))
        self._places = np.arange(size, dtype=np.int32)
        self._points[:, : len(parts.initial)] = parts.initial
        for points, replicate in zip(self._points, self._replicates, strict=True):
            moving.humans_moving(
                plan, points, len(parts.initial), parts.drawn, 0, store.START, replicate
            )

    def restore(self, history: Mapping[str, NDArray[Any]]) -> None:
        """See ``System``."""
        whole = [np.ascontiguousarray(history[name]) for name in self.now]
        self._kernel.repost_moving(
            self._parts.plan, *whole, self._points, self._replicates, self._placebo
        )
        for name, values in zip(self.now, whole, strict=True):
            self.now[name] = values[:, -1].copy()

    def advance(self, begin: int, end: int) -> Arrays:
        """See ``System``."""
        return joined([self._stretch(*each) for each in self._parts.stretches(begin, end)])

    def _stretch(self, plan: Plan, begin: int, end: int) -> Arrays:
        """``advance`` while the readership stays as it is."""
        steps = end - begin
        outs = {name: np.empty((len(now), steps, *now.shape[1:])) for name, now in self.now.items()}
        count, n = self.now["weights"].shape[:2]
        clips = np.zeros((count, steps, n), dtype=np.int64)
        settings = self._parts.config.moving
        moves = (settings.means, settings.covariances)

        def one(arm: int) -> None:
            it = slice(arm, arm + 1)
            self._kernel.advance_moving(
                plan, *(now[it] for now in self.now.values()), self._points[it],
                self._places, begin, end, self._replicates[it], self._placebo[it],
                kernel.scratch(plan, 1, places=True), moves, settings.variance_floor,
                tuple(out[it] for out in outs.values()), clips[it],
            )  # fmt: skip

        each(one, range(count))
        return {**outs, "clips": clips}


def joined(stretches: list[Arrays]) -> Arrays:
    """Arrays (A, S, ...) of some stretches of steps, one after the other."""
    if len(stretches) == 1:
        return stretches[0]
    return {name: np.concatenate([s[name] for s in stretches], axis=1) for name in stretches[0]}
