"""Posting: which of an agent's L draws enter the Internet.

- ``first``: the first present draw (arXiv 2506.15690, Algorithm 1; the default);
- ``random``: a present draw, each with equal chance;
- ``all``: every present draw, in their order;
- ``none``: a silent reader;
- ``{probability: p}``: the first present draw with chance p, else none;
- ``{filter: rule}``: the first present draw of which the rule says True, and ``{unless: rule}`` the
  first of which it says False; where no draw passes, none. A rule is a mark's name
  (``lwd_agents.marks``) or the dotted path of a function from a text to a bool;
- ``{best: scorer}``: the present draw with the highest score, the first of equals. A scorer is the
  dotted path of a function from a text to a finite number;
- a dotted path, or a name registered in the group ``lwd_agents.choices``: a function
  ``(answers, rng) -> indices``, where a missing answer is None.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from lwd_agents import extensions, marks
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.policies import Function, Names, called

WHERE = "posting.choose"
CHOICES = Names(
    "choices", ("first", "random", "all", "none"), ("probability", "filter", "unless", "best")
)


@dataclass(frozen=True)
class Choice:
    """Which draws are posted.

    Attributes:
        how: one of the names above, or ``own``.
        probability: p, for ``probability`` alone; exact.
        by: the rule, the scorer, or the function of one's own, as it was named.
    """

    how: str = "first"
    probability: Decimal | None = None
    by: str | None = None

    @property
    def told(self) -> Any:
        """As an experiment file says it."""
        if self.how == "own":
            return self.by
        value = self.by if self.probability is None else float(self.probability)
        return self.how if value is None else {self.how: value}

    def most(self, draws: int) -> int:
        """How many of L = ``draws`` draws can be posted at the most."""
        if self.how in ("all", "own"):
            return draws
        return 0 if self.how == "none" else 1


def make_choice(value: Any) -> Choice:
    """The choice that a YAML value says; see the top of this module.

    Raises:
        ValueError: it is none, in one line with the choices. No code of others is imported.
    """
    if isinstance(value, Choice):
        return value
    how, given = CHOICES.read(value)
    if how == "probability":
        return Choice(how, probability=_chance(given))
    if how in ("filter", "unless", "best") and (not isinstance(given, str) or not given):
        wants = "a scorer" if how == "best" else "a rule"
        raise ValueError(f"{how}: {given!r} names no function; give the name or path of {wants}")
    return Choice(how, by=given)


def judge(choice: Choice) -> Function | None:
    """The function that a choice names, imported now; None where it needs none.

    Raises:
        BadInput: there is no such function, in one line.
    """
    if choice.by is None:
        return None
    if choice.how == "own":
        return CHOICES.function(choice.by, WHERE, "answers and rng to indices")
    where = f"{WHERE}.{choice.how}"
    if choice.how != "best" and choice.by in marks.RULES:
        return marks.RULES[choice.by]
    if not extensions.is_dotted_path(choice.by):
        known = "" if choice.how == "best" else f"{', '.join(marks.RULES)}, or "
        raise BadInput(
            f"{where}: no {choice.by!r} "
            f"(choices: {known}a function's dotted path such as my_module:function)"
        )
    return CHOICES.function(
        choice.by, where, f"a text to {'a number' if choice.how == 'best' else 'a bool'}"
    )


def choose(
    answers: Sequence[str | None],
    choice: Choice,
    rng: np.random.Generator,
    score: Function | None = None,
) -> list[int]:
    """Which draws are posted.

    Args:
        answers: the L draws of one reading, None where one is missing.
        choice: how.
        rng: keyed on (seed, t, agent, query) and used for nothing else. Then ``probability``
            compares one uniform number with p whatever p is, so that an agent that posts at some p
            posts at every larger one.
        score: what ``judge(choice)`` gave.

    Returns:
        Indices of present draws, all different, in the order in which they are posted.

    Raises:
        RunStopped: a rule, a scorer or a function raises, or gives something else, in one line.
    """
    if choice.how == "own":
        return _by_ones_own(answers, choice, rng, score)
    present = [j for j, answer in enumerate(answers) if answer is not None]
    if choice.how == "none" or not present:
        return []
    if choice.how == "all":
        return present
    if choice.how == "random":
        return [present[int(rng.integers(len(present)))]]
    if choice.how == "probability":
        assert choice.probability is not None
        return present[:1] if rng.random() < float(choice.probability) else []
    if choice.how in ("filter", "unless"):
        wanted = choice.how == "filter"
        passes = (j for j in present if _verdict(choice, score, str(answers[j])) is wanted)
        return [j for j in (next(passes, None),) if j is not None]
    if choice.how == "best":
        scores = {j: _score(choice, score, str(answers[j])) for j in present}
        return [max(present, key=lambda j: (scores[j], -j))]
    return present[:1]


def _chance(value: Any) -> Decimal:
    try:
        chance = None if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        chance = None
    if chance is None or not chance.is_finite() or not 0 <= chance <= 1:
        raise ValueError(f"probability: {value!r} is no number from 0 to 1")
    return chance


def _verdict(choice: Choice, rule: Function | None, text: str) -> bool:
    where = f"{WHERE}.{choice.how}"
    said = called(where, choice.by, rule, text)
    if not isinstance(said, bool | np.bool_):
        raise RunStopped(
            f"{where}: rule {choice.by!r} gave {str(said)[:60]!r} on {text[:60]!r}, "
            "not True or False"
        )
    return bool(said)


def _score(choice: Choice, scorer: Function | None, text: str) -> float:
    where = f"{WHERE}.{choice.how}"
    said = called(where, choice.by, scorer, text)
    number = isinstance(said, numbers.Real) and not isinstance(said, bool)
    if not number or not math.isfinite(said):
        raise RunStopped(
            f"{where}: scorer {choice.by!r} gave {str(said)[:60]!r} on {text[:60]!r}, "
            "not a finite number"
        )
    return float(said)


def _by_ones_own(
    answers: Sequence[str | None], choice: Choice, rng: np.random.Generator, own: Function | None
) -> list[int]:
    """What a function of one's own chooses; a wrong index would post another draw's text."""
    said = called(WHERE, choice.by, own, list(answers), rng)
    listed = isinstance(said, list | tuple | np.ndarray)
    if not listed or any(not isinstance(j, numbers.Integral) or isinstance(j, bool) for j in said):
        raise RunStopped(f"{WHERE}: {choice.by!r} gave {str(said)[:60]!r}, not a list of indices")
    chosen = [int(j) for j in said]
    for j in chosen:
        if not 0 <= j < len(answers) or answers[j] is None:
            raise RunStopped(
                f"{WHERE}: {choice.by!r} chose draw {j}, which is not there "
                f"({len(answers)} draws, {sum(a is None for a in answers)} of them missing)"
            )
        if chosen.count(j) > 1:
            raise RunStopped(f"{WHERE}: {choice.by!r} chose draw {j} twice")
    return chosen
