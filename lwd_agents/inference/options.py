"""How runs are tested: levels, windows, steps, margins, each with its default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lwd_agents.errors import BadInput

Window = tuple[int, int]
_LARGEST = 1e12  # a length; squares of more would lose all digits
_SMALLEST = 1e-9  # a level; less is beyond what any number of permutations here can reach


@dataclass(frozen=True)
class Options:
    """What ``lwd test`` can be told.

    Attributes:
        alpha: the level of each family of tests.
        permutations: of each permutation test; None for 9,999, or more where a corrected level
            cannot be reached with these.
        at: the steps at which models are tested against each other; None for the first and last,
            () for none.
        early, late: the windows that are set against each other, first and last step; None for
            those that the experiment declares, or step 0 (without placebos the first tenth) and the
            last fifth.
        margin: ||D||_F below which agents count as agreeing; None for the experiment's, or a tenth
            of the most that unit vectors allow.
        window: how many steps in a row must be shown to be below it; None for the experiment's
            (``stop``), or 5. Where an experiment has a stop rule its level is used, not alpha.
        radius: of a ball that holds all embeddings; None for 1 where they are normalised.
        seed: of the permutations.
    """

    alpha: float = 0.05
    permutations: int | None = None
    at: tuple[int, ...] | None = None
    early: Window | None = None
    late: Window | None = None
    margin: float | None = None
    window: int | None = None
    radius: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no test can be made with.

        Raises:
            BadInput: naming the option, its value and what would be right.
        """
        check_level(self.alpha)
        if self.permutations is not None and self.permutations < 1:
            raise BadInput(f"--permutations {self.permutations}: give 1 or more, 9999 say")
        if self.window is not None and self.window < 1:
            raise BadInput(f"--window {self.window}: give 1 or more steps in a row")
        for name, value in (("margin", self.margin), ("radius", self.radius)):
            if value is not None and not 0 < value < _LARGEST:
                raise BadInput(f"--{name} {value}: give a length above 0 and below {_LARGEST:g}")

    def enough(self, tests: int) -> int:
        """The permutations given, or by default as many as alpha / tests needs, 9,999 at least."""
        if self.permutations is not None:
            return self.permutations
        return max(9999, math.ceil(tests / self.alpha))


def check_level(alpha: float) -> None:
    """Refuse what is no level of a test.

    Raises:
        BadInput: naming the value.
    """
    if not _SMALLEST <= alpha < 1:
        raise BadInput(f"--alpha {alpha}: a level is between 0 and 1, 0.05 say")


def read_window(text: str | Sequence[int] | None, name: str) -> Window | None:
    """A window from ``FIRST:LAST`` (one step alone: ``STEP``), or from two numbers.

    Raises:
        BadInput: it is neither.
    """
    if text is None:
        return None
    parts = text.split(":") if isinstance(text, str) else list(text)
    try:
        first, last = (int(parts[0]), int(parts[-1])) if len(parts) in (1, 2) else (1, 0)
    except ValueError:
        first, last = 1, 0
    if not 0 <= first <= last:
        raise BadInput(f"{name} {text}: give two steps, the first and the last: {name} 0:5")
    return first, last


def read_steps(text: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Steps from ``0,30,60``, ``all`` (as (-1,)), ``none`` (as ()), or from numbers.

    Raises:
        BadInput: it is none of these.
    """
    if text is None:
        return None
    if text == "all":
        return (-1,)
    if text == "none":
        return ()
    parts = text.split(",") if isinstance(text, str) else list(text)
    try:
        steps = tuple(dict.fromkeys(int(part) for part in parts))
    except ValueError:
        steps = (-1,)
    if any(step < 0 for step in steps):
        raise BadInput(f"--at {text}: give steps such as 0,30,60, or all, or none")
    return steps
