"""Drives any world step by step: step -> commit -> absorb.

A resumed run replays ``absorb`` over the committed rounds, so a world after t steps is a function
of its config and its committed rounds; nothing else may be carried from step to step.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from lwd_agents.errors import RunStopped
from lwd_agents.journal import Journal


@dataclass(frozen=True)
class Round:
    """Everything that happened at one step.

    Attributes:
        t: the step.
        line: what goes to rounds.jsonl (JSON-able; null for what is missing).
        responses: what goes to responses.jsonl, one mapping a draw.
        arrays: file name -> array, under embeddings/ (llm: ``00000.npy`` -> (N, L, D) float32).
        replayed: the round was read back from the journal.
    """

    t: int
    line: Mapping[str, Any]
    responses: tuple[Mapping[str, Any], ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    replayed: bool = False


class World(Protocol):
    """What evolves in steps."""

    def step(self, t: int) -> Round:
        """Everything of step t; nothing is published before it is committed."""
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


def advance(
    world: World, journal: Journal, steps: int, on_round: Callable[[Round], None] | None = None
) -> None:
    """Bring a world to step ``steps`` (so that t = 0..steps are committed).

    Args:
        world: a world that has taken no step yet.
        journal: its run directory, which may hold committed rounds.
        steps: T.
        on_round: called with every round after it was absorbed; nothing depends on it.

    Raises:
        RunStopped: the run cannot go on now; what was committed stays valid.
    """

    def loop() -> None:
        for t in range(journal.committed):
            _take(Round(replayed=True, **journal.read(t)))
        world.resumed()
        for t in range(journal.committed, steps + 1):
            round = world.step(t)
            committed = journal.commit(round.t, round.line, round.responses, round.arrays)
            _take(Round(t, committed, round.responses, round.arrays))

    def _take(round: Round) -> None:
        world.absorb(round)
        if on_round is not None:
            on_round(round)

    try:
        world.within(loop)
    except OSError as error:
        raise stopped_by_the_system(error, journal) from error


def stopped_by_the_system(error: OSError, journal: Journal) -> RunStopped:
    """A full disk and its like, as one line that says where, and what is safe."""
    full = error.errno in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "no space left" if full else (error.strerror or str(error))
    return RunStopped(
        f"{error.filename or journal.path}: {what}; {journal.committed} steps are committed and "
        f"valid: {'make room' if full else 'mend it'} and run the same command again"
    )
