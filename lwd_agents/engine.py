"""Drives any world step by step: step -> commit -> absorb.

A resumed run replays ``absorb`` over the committed rounds, so a world after t steps is a function
of its config and its committed rounds; nothing else may be carried from step to step.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from lwd_agents.blocks import Blocks
from lwd_agents.config import Config
from lwd_agents.errors import RunStopped
from lwd_agents.journal import Journal
from lwd_agents.ledger import Totals
from lwd_agents.trajectory import Trajectory

MOST_DISTANCES = 4096  # numbers of D that a line of rounds.jsonl holds


@dataclass(frozen=True)
class Round:
    """Everything that happened at one step, or at several that are committed together.

    Attributes:
        t: the step, the last where there are several.
        line: what goes to rounds.jsonl (JSON-able; null for what is missing).
        responses: what goes to responses.jsonl, one mapping a draw.
        arrays: file name -> array, under embeddings/ (llm: ``00000.npy`` -> (N, L, D) float32).
        replayed: the round was read back from the journal.
        before: the lines of the earlier of several steps, oldest first.
        block: name -> array (R, S, ...) of R replicates and all S steps (numeric worlds).
        done: the share of all the work that is done with it, where the world can tell.
        spent: what the run has asked of its models so far, where the world asks any.
    """

    t: int
    line: Mapping[str, Any]
    responses: tuple[Mapping[str, Any], ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    replayed: bool = False
    before: tuple[Mapping[str, Any], ...] = ()
    block: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    done: float | None = None
    spent: Totals | None = None

    @property
    def first(self) -> int:
        """The first of its steps."""
        return self.t - len(self.before)


class World(Protocol):
    """What evolves in steps."""

    def step(self, t: int) -> Round:
        """Everything of step t, and of those after it that are committed together with it.

        Nothing is published before it is committed.
        """
        ...

    def absorb(self, round: Round) -> None:
        """Take a committed round in, live or replayed from the journal."""
        ...

    def resumed(self) -> None:
        """All committed rounds were absorbed; make ready for the next step."""
        ...

    def within(self, loop: Callable[[], None]) -> None:
        """Call ``loop`` once, inside whatever surrounds a whole run (a trace, say)."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Parts(Protocol):
    """An experiment with everything loaded and checked; nothing is on disk yet."""

    @property
    def config(self) -> Config:
        """The experiment."""
        ...

    @property
    def agents(self) -> Sequence[Any]:
        """The N agents."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the manifest says of it."""
        ...

    def play(
        self,
        journal: Journal,
        on_round: Callable[[Round], None],
        say: Callable[[str], None],
    ) -> None:
        """Run it to its last step, or on from where the journal stands.

        Raises:
            RunStopped: it cannot go on now; what was committed stays valid.
        """
        ...

    def findings(self, trajectory: Trajectory) -> dict[str, Any]:
        """What the summary of the finished run says beyond what all summaries say."""
        ...


def advance(
    world: World,
    journal: Journal,
    steps: int,
    on_round: Callable[[Round], None] | None = None,
    ended: Callable[[int], bool] | None = None,
) -> None:
    """Bring a world to step ``steps`` (so that t = 0..steps are committed).

    Args:
        world: a world that has taken no step yet.
        journal: its run directory, which may hold committed rounds.
        steps: T.
        on_round: called with every round after it was absorbed; nothing depends on it.
        ended: asked before step t whether the rounds absorbed so far end the run before it.

    Raises:
        RunStopped: the run cannot go on now; what was committed stays valid.
    """

    def loop() -> None:
        for read in journal.rounds():
            _take(Round(replayed=True, **read))
        world.resumed()
        while journal.committed <= steps and not (ended and ended(journal.committed)):
            round = world.step(journal.committed)
            *before, line = journal.commit(
                round.first, (*round.before, round.line), round.responses, round.arrays, round.block
            )
            _take(replace(round, line=line, before=tuple(before)))

    def _take(round: Round) -> None:
        world.absorb(round)
        if on_round is not None:
            on_round(round)

    try:
        world.within(loop)
    except OSError as error:
        raise stopped_by_the_system(error, journal) from error


def fill(
    world: World, blocks: Blocks, steps: int, on_round: Callable[[Round], None] | None = None
) -> None:
    """Bring further replicates to step ``steps``: their blocks alone are committed, no lines.

    Args:
        world: those replicates, before their first step.
        blocks: theirs, which may hold committed steps.
        steps, on_round: as in ``advance``.
    """
    there = blocks.read()
    t = next(iter(there.values())).shape[1] if there else 0
    if there:
        world.absorb(Round(t - 1, {}, replayed=True, block=there))
    while t <= steps:
        round = world.step(t)
        blocks.write(t, round.block)
        world.absorb(round)
        if on_round is not None:
            on_round(round)
        t = round.t + 1


def stopped_by_the_system(error: OSError, journal: Journal) -> RunStopped:
    """A full disk and its like, as one line that says where, and what is safe."""
    full = error.errno in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "no space left" if full else (error.strerror or str(error))
    return RunStopped(
        f"{error.filename or journal.path}: {what}; {journal.committed} steps are committed and "
        f"valid: {'make room' if full else 'mend it'} and run the same command again"
    )
