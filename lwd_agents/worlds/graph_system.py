"""The state of a network of learners while it runs: all their parameters so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.threads import each, threads
from lwd_agents.worlds.graph_engines import Failure, Rows, Statistics
from lwd_agents.worlds.graph_parts import GraphParts, Stretch
from lwd_agents.worlds.numeric import Arrays, arms

_PIECES = 4  # of each processor: an interrupt waits for one of them


class LearnerSystem:
    """Learners that refit round by round (``lwd_agents.worlds.numeric.System``).

    Args:
        parts: the experiment.
        replicates: which of its replicates.

    Raises:
        BadInput: a fit of round 0 does not exist.
    """

    def __init__(self, parts: GraphParts, replicates: range) -> None:
        self._parts = parts
        self._replicates, self._placebo = arms(parts.config, replicates)
        count, n = len(self._replicates), len(parts.names)
        self._history = np.zeros((count, parts.config.steps + 1, n, len(parts.setting.truth)))
        self._engine = Rows(parts) if parts.config.draw == "rows" else Statistics(parts)
        self._states = [self._engine.state(int(r)) for r in self._replicates]
        self._failed: Failure | None = None
        self._run(0, 0)
        if self._failed is not None:
            raise BadInput(f"round 0: {self._failed.said}")
        self.now: Arrays = {"parameters": self._history[:, 0]}

    def advance(self, begin: int, end: int) -> Arrays:
        """See ``System``; it may end before ``end``, and the next call then raises.

        Raises:
            RunStopped: a fit of round begin + 1 does not exist.
        """
        if self._failed is None:
            self._run(begin + 1, end)
        if self._failed is not None:
            if self._failed.t <= begin + 1:
                raise RunStopped(
                    f"round {self._failed.t}: {self._failed.said}; rounds 0 to {begin} are kept "
                    f"(--steps {begin} with another --out ends there)"
                )
            end = min(end, self._failed.t - 1)
        self.now = {"parameters": self._history[:, end]}
        return {"parameters": self._history[:, begin + 1 : end + 1].copy()}

    def restore(self, history: Mapping[str, NDArray[Any]]) -> None:
        """See ``System``."""
        parameters = history["parameters"]
        steps = parameters.shape[1]
        self._history[:, :steps] = parameters
        if self._parts.setting.accumulates:
            self._run(1, steps - 1, replay=True)
        self.now = {"parameters": self._history[:, steps - 1]}

    def _run(self, first: int, last: int, replay: bool = False) -> None:
        """The rounds first .. last of all arms, on all processors; notes the earliest failure."""
        failures: list[Failure] = []

        def some(arms: range) -> None:
            for arm in arms:
                for stretch, a, b in self._stretches(first, last):
                    cells = stretch.placebo if self._placebo[arm] else stretch.cells
                    failed = self._engine.rounds(
                        stretch, cells, self._states[arm], self._history[arm], a, b,
                        int(self._replicates[arm]), replay,
                    )  # fmt: skip
                    if failed is not None:
                        failures.append(failed)
                        break

        count = len(self._replicates)
        share = max(1, -(-count // (_PIECES * threads())))
        each(some, [range(a, min(a + share, count)) for a in range(0, count, share)])
        self._failed = min(failures, default=None)

    def _stretches(self, first: int, last: int) -> Iterator[tuple[Stretch, int, int]]:
        """Rounds first .. last as (stretch, first, last), cut where the graph changes."""
        if first == 0:
            yield self._parts.start, 0, 0
        following = [s.first for s in self._parts.stretches[1:]] + [last + 1]
        for stretch, end in zip(self._parts.stretches, following, strict=True):
            a, b = max(first, stretch.first, 1), min(last, end - 1)
            if a <= b:
                yield stretch, a, b
