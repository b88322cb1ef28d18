"""What the numeric worlds have in common: blocks of steps, replicates in pieces, two sides.

Many replicates are simulated together; each equals, bit for bit, that replicate alone. An arm is a
replicate, live or placebo; the placebo arms stand behind the live ones and have the same random
words. Axes: A arms, R replicates, S steps.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import Blocks, pieces, replicates_of, write_whole
from lwd_agents.engine import Round, advance, fill
from lwd_agents.kernels import compiled_before

if TYPE_CHECKING:
    from lwd_agents.config import Config
    from lwd_agents.journal import Journal

PLACEBO = "placebo_"
MOST_BYTES = 256 * 2**20  # of D over all replicates and steps that a run keeps
Arrays = dict[str, NDArray[Any]]


class System(Protocol):
    """What a numeric world moves. All arrays begin with the A arms."""

    now: Arrays

    def restore(self, history: Mapping[str, NDArray[Any]]) -> None:
        """Take up after the last of some steps: arrays (A, S, ...) of the names in ``now``."""
        ...

    def advance(self, begin: int, end: int) -> Arrays:
        """Go from step begin to step end; (A, end - begin, ...) by name.

        It may stop earlier, where it cannot go on; the next call then raises RunStopped.
        """
        ...


class NumericWorld(ABC):
    """Some replicates of a numeric system; see ``lwd_agents.engine.World``.

    Args:
        system: before its first step.
        config: the experiment, which has ``placebo`` and ``steps``.
        replicates: which of its replicates.
        work: (T + 1,) what the steps before t cost, in units of a kernel.
        most: the work after which what was computed is committed.
    """

    def __init__(
        self,
        system: System,
        config: Any,
        replicates: range,
        work: NDArray[np.int64],
        most: int,
    ) -> None:
        self._system = system
        self._config = config
        self._live = len(replicates)
        self._work = work
        self._most = most

    @abstractmethod
    def block(self, found: Mapping[str, NDArray[Any]]) -> Arrays:
        """What is committed of one side: arrays (R, S, ...) by name, ``norm`` among them."""

    @abstractmethod
    def line(self, t: int, now: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """The line of step t but for its seconds; ``now`` is of the first replicate."""

    def start(self) -> Arrays:
        """What ``advance`` would give of step 0, (A, 1, ...): nobody has moved."""
        return {name: now[:, None].copy() for name, now in self._system.now.items()}

    def step(self, t: int) -> Round:
        """Steps t, t + 1, ... as far as they are committed together."""
        started = time.perf_counter()
        begin = max(t - 1, 0)
        last = int(np.searchsorted(self._work, self._work[begin] + self._most, side="right")) - 1
        last = min(max(last, t), self._config.steps)
        first = self.start() if t == 0 else {}
        found = self._system.advance(begin, last)
        last = begin + next(iter(found.values())).shape[1]
        if t == 0:  # step 0 itself comes first
            found = {n: np.concatenate([first[n], found[n]], axis=1) for n in first}
        simulated = time.perf_counter()
        block = self._both_sides(found)
        spent = {"generate": simulated - started, "measure": time.perf_counter() - simulated}
        seconds = {name: round(each / (last - t + 1), 6) for name, each in spent.items()}
        lines = [self._line(s, s - t, block, seconds) for s in range(t, last + 1)]
        done = float(self._work[last] / self._work[-1]) if self._work[-1] else 1.0
        return Round(last, lines[-1], before=tuple(lines[:-1]), block=block, done=done)

    def _sides(self) -> dict[str, slice]:
        """The arms of each side, by the prefix of its arrays' names."""
        sides = {"": slice(0, self._live)}
        return {**sides, PLACEBO: slice(self._live, None)} if self._config.placebo else sides

    def _both_sides(self, found: Arrays) -> Arrays:
        block: Arrays = {}
        for prefix, side in self._sides().items():
            mine = self.block({name: array[side] for name, array in found.items()})
            block |= {f"{prefix}{name}": array for name, array in mine.items()}
        return block

    def _line(self, t: int, i: int, block: Arrays, seconds: dict[str, float]) -> dict[str, Any]:
        """The line of step t, of the first replicate; it stands at place i of the block."""
        line = self.line(t, {name: array[0, i] for name, array in block.items()})
        if self._config.placebo:
            line["placebo_norm"] = float(block[f"{PLACEBO}norm"][0, i])
        return {**line, "seconds": {"retrieve": None, "embed": None, **seconds}}

    def absorb(self, round: Round) -> None:
        """Take up after committed steps; live ones were taken by the system already."""
        if round.replayed:
            block, names = round.block, list(self._system.now)
            self._system.restore(
                {n: np.concatenate([block[f"{side}{n}"] for side in self._sides()]) for n in names}
            )

    def resumed(self) -> None:
        """Nothing: what was replayed is all there is."""
        return

    def within(self, loop: Callable[[], None]) -> None:
        """Nothing surrounds a run of such a world."""
        loop()

    def close(self) -> None:
        """Nothing is held open."""
        return


def play(
    config: Config,
    world: Callable[[range], NumericWorld],
    most: int,
    whole: Callable[[Arrays], Arrays],
    journal: Journal,
    on_round: Callable[[Round], None],
    say: Callable[[str], None],
) -> None:
    """Run all replicates to the last step, or on from where the journal stands.

    Args:
        config: the experiment.
        world: some of its replicates, before their first step.
        most: how many run together; the others follow as further pieces.
        whole: what trajectories.npz holds, from the blocks of all replicates.
        journal, on_round, say: as in ``lwd_agents.engine.Parts``.
    """
    if not compiled_before():
        say("compiling the kernels: only the first run on a machine, about half a minute")
    steps, wanted, path = config.steps, config.replicates, journal.path
    first = replicates_of(path) or min(wanted, most)
    if journal.committed <= steps:
        advance(world(range(first)), journal, steps, on_round)
    parts = [journal.blocks.read()]
    done = first
    begun = pieces(path, first)
    while done < wanted:
        piece = begun.pop(0) if begun else range(done, min(wanted, done + most))
        say(f"replicates {piece.start + 1} to {piece.stop} of {wanted}")
        blocks = Blocks(path, piece)
        blocks.recover()
        fill(world(piece), blocks, steps, on_round)
        parts.append(blocks.read())
        done = piece.stop
    names = parts[-1].keys() if len(parts) > 1 else parts[0].keys()
    write_whole(path, whole({n: np.concatenate([part[n] for part in parts]) for n in names}))


def arms(config: Any, replicates: range) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The replicate of each arm, and whether it is a placebo: (A,) each."""
    live = np.array(replicates, dtype=np.int64)
    if not config.placebo:
        return live, np.zeros(len(live), dtype=np.bool_)
    return np.concatenate([live, live]), np.repeat([False, True], len(live))
