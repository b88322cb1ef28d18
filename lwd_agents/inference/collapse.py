"""Collapse: what falls, and what grows, in a live run beyond its matched placebo.

    delta = [late - early] of the live run - [late - early] of its placebo

of three quantities: *between* (unbiased ||D||_F^2: consensus), *within* (mean tr S) and *drift*
(squared distance from a human reference); of learners that refit, where there is a truth, also of
*error* (their mean squared distance from it). Axes: R matched replicates, T + 1 steps.

The finding, at level alpha (one-sided tests: between less, within less, drift and error greater;
Holm over those that were measured):
    "collapse"        within falls and drift grows, both beyond the placebo
    "consensus"       between falls beyond the placebo; within and drift don't both follow
    "loss of spread"  of the three, only within falls
    "drift"           of the three, only drift grows
    "opposite"        none of these, and a quantity moves the other way (tests of their own, Holm
                      again, at level alpha: this finding has a chance of alpha of its own)
    "no evidence"     none of these
    "untestable"      too few matched replicates of every quantity: fewer than six, or than the
                      corrected level asks for (2^-R <= alpha / the number of quantities)
The chance of one of the first four where live and placebo could be exchanged is at most alpha.

Where there is an error the first four are, with the same tests, Holm and alpha:
    "collapse"        error grows beyond the placebo, whatever the others do
    "consensus"       between falls, and error is not shown to grow
    "loss of spread"  within falls, and neither does error grow nor between fall
    "drift"           of the four, only drift grows
An error that grew in a run may level off: what holds in the long run is the graph's to say
(``theory.graph_verdict``), not a test's. `advance` sets both beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.errors import BadInput
from lwd_agents.inference.multiplicity import holm
from lwd_agents.inference.replicates import (
    PERMUTATIONS,
    Alternative,
    Interval,
    Test,
    paired_effect,
    sign_flip,
    t_interval,
)
from lwd_agents.inference.windows import (
    Floats,
    Windows,
    as_curves,
    check_windows,
    matched_changes,
    matched_windows,
)

LEAST = 6  # fewer say too little of their own spread; at 0.05 / 3 no p is small enough either
DIRECTIONS: dict[str, Alternative] = {
    "between": "less",
    "within": "less",
    "drift": "greater",
    "error": "greater",
}
_OTHER: dict[Alternative, Alternative] = {"less": "greater", "greater": "less"}
_WORDS = {"less": "falls", "greater": "grows"}


@dataclass(frozen=True)
class Quantity:
    """One quantity's change beyond the placebo.

    Attributes:
        name: between, within, drift or error.
        live, placebo, deltas: (R,) changes, and their differences.
        interval: t interval of the mean delta.
        effect: d_z with its interval.
        test: one-sided, the direction of collapse.
        p_adjusted: by Holm over the quantities; NaN where it could not be tested.
        opposite_p_adjusted: the same of the tests the other way.
        untestable: why it could not be tested; None where it was.
    """

    name: str
    live: Floats
    placebo: Floats
    deltas: Floats
    interval: Interval
    effect: Interval
    test: Test
    p_adjusted: float
    opposite_p_adjusted: float
    untestable: str | None


@dataclass(frozen=True)
class Verdict:
    """What matched pairs say about collapse.

    Attributes:
        finding: see the module.
        sentence: the same in words.
        quantities: in the order between, within, drift, error, as far as given.
        windows, alpha: as declared.
    """

    finding: str
    sentence: str
    quantities: tuple[Quantity, ...]
    windows: Windows
    alpha: float


def collapse(
    live: Mapping[str, ArrayLike],
    placebo: Mapping[str, ArrayLike],
    windows: Windows | None = None,
    alpha: float = 0.05,
    permutations: int = PERMUTATIONS,
    key: int = 0,
) -> Verdict:
    """Does the live network collapse beyond its placebo? The rules are in the module's text.

    Args:
        live, placebo: "between", "within", "drift", "error" -> (R, T + 1); any of them, the same
            in both, replicate r matched with replicate r.
        windows: declared in advance; by default ``matched_windows``.
        alpha: chance of a false "collapse", "consensus", "loss of spread" or "drift".
        permutations: at most so many random sign patterns.
        key: of the random patterns.

    Raises:
        BadInput: unknown, missing or unequal quantities; shapes that differ; windows that don't
            fit; alpha outside (0, 1).
    """
    names = _names(live, placebo, alpha)
    last = as_curves(live[names[0]], f"live {names[0]}").shape[1] - 1
    windows = matched_windows(last) if windows is None else check_windows(windows, last)
    changes = [matched_changes(live[name], placebo[name], windows) for name in names]
    directions = [DIRECTIONS[name] for name in names]
    tests, opposite = (
        [
            sign_flip(a - b, side, permutations, key)
            for (a, b), side in zip(changes, sides, strict=True)
        ]
        for sides in (directions, [_OTHER[side] for side in directions])
    )
    least = least_replicates(_measured(tests, permutations, alpha), alpha)
    adjusted, back = holm(_family(tests, least)), holm(_family(opposite, least))
    quantities = tuple(
        _quantity(name, a, b, test, (float(adjusted[i]), float(back[i])), least, alpha)
        for i, (name, (a, b), test) in enumerate(zip(names, changes, tests, strict=True))
    )
    finding, sentence = finding_of(quantities, alpha)
    return Verdict(finding, sentence, quantities, windows, alpha)


def _quantity(
    name: str,
    live: Floats,
    placebo: Floats,
    test: Test,
    adjusted: tuple[float, float],
    least: int,
    alpha: float,
) -> Quantity:
    reason = _reason(test, least)
    p, back = (np.nan, np.nan) if reason else adjusted
    return Quantity(
        name=name,
        live=live,
        placebo=placebo,
        deltas=live - placebo,
        interval=t_interval(live - placebo, 1 - alpha),
        effect=paired_effect(live - placebo, 1 - alpha),
        test=test,
        p_adjusted=p,
        opposite_p_adjusted=back,
        untestable=reason,
    )


def _measured(tests: list[Test], permutations: int, alpha: float) -> int:
    """How many quantities were measured; BadInput where permutations are too few for them."""
    measured = max(1, sum(test.replicates[0] > 0 for test in tests))
    if measured / (permutations + 1) > alpha:
        raise BadInput(
            f"permutations: {permutations}; {ceil(measured / alpha) - 1} or more are needed to "
            f"reach {alpha:g} / {measured}"
        )
    return measured


def _names(
    live: Mapping[str, ArrayLike], placebo: Mapping[str, ArrayLike], alpha: float
) -> list[str]:
    for name in (*live, *placebo):
        if name not in DIRECTIONS or name not in live or name not in placebo:
            raise BadInput(
                f"quantity {name!r}: live has {', '.join(live)}; placebo has {', '.join(placebo)}; "
                f"both need the same of {', '.join(DIRECTIONS)}"
            )
    if not live:
        raise BadInput(f"no quantity is given; one or more of {', '.join(DIRECTIONS)} is needed")
    if not 0.0 < alpha < 1.0:
        raise BadInput(f"alpha: {alpha}; a number between 0 and 1 is needed")
    return [name for name in DIRECTIONS if name in live]


def lead(names: Iterable[str]) -> str:
    """The quantity that says most of collapse: error where it is measured, else between."""
    return "error" if "error" in names else "between"


def least_replicates(quantities: int, alpha: float) -> int:
    """How many matched replicates a verdict needs: six, or the least R with 2^-R <= alpha / m."""
    return max(LEAST, ceil(log2(quantities / alpha)))


def _reason(test: Test, least: int) -> str | None:
    """Why a quantity can't be tested; None where it can."""
    have = test.replicates[0]
    if have >= least:
        return None
    if not have:
        return "it was measured in no matched pair"
    pairs = f"{have} matched pair{'' if have == 1 else 's'}"
    return f"{pairs}: no p-value can be below {2.0**-have:.2g}; {least} pairs are needed"


def _family(tests: list[Test], least: int) -> list[float]:
    """p-values for Holm: never measured is out of the family, too few stays in it with p = 1."""
    return [
        test.p if test.replicates[0] >= least else 1.0 if test.replicates[0] else np.nan
        for test in tests
    ]


def finding_of(quantities: tuple[Quantity, ...], alpha: float) -> tuple[str, str]:
    """The finding and its sentence."""
    tested = [q for q in quantities if q.untestable is None]
    if not tested:
        return "untestable", f"Collapse could not be tested: {quantities[0].untestable}."
    if all(q.test.degenerate for q in tested):
        return "no evidence", "No difference at all: live and placebo changed by the same amounts."
    moved = [q for q in tested if q.p_adjusted <= alpha]
    names = {q.name for q in moved}
    told = _told(moved, opposite=False)
    learners = any(q.name == "error" for q in quantities)
    if learners and "error" in names:
        return "collapse", f"Collapse: beyond the placebo, {told}."
    if not learners and {"within", "drift"} <= names:
        return "collapse", f"Collapse: beyond the placebo, {told}."
    if "between" in names:
        return "consensus", f"Consensus, without evidence of collapse: beyond the placebo, {told}."
    if moved:
        finding = "loss of spread" if "within" in names else "drift"
        signs = "Only one sign of collapse"
        if len(names) > 1:
            signs = "Signs of collapse, without evidence that the error grows"
        return finding, f"{signs}: beyond the placebo, {told}."
    back = [q for q in tested if q.opposite_p_adjusted <= alpha]
    if back:
        told = _told(back, opposite=True)
        # An error that did not grow, of learners that part: neither collapse nor its opposite.
        parted = learners and [q.name for q in back] == ["between"]
        what = (
            "Disagreement, without evidence of collapse" if parted else "The opposite of collapse"
        )
        return "opposite", f"{what}: beyond the placebo, {told}."
    named = ", ".join(f"{q.name} (p = {q.p_adjusted:.2g})" for q in tested)
    return "no evidence", f"No evidence of collapse beyond the placebo: {named}."


def _told(quantities: list[Quantity], opposite: bool) -> str:
    """What moved, by how much; an error first."""
    parts = []
    for q in sorted(quantities, key=lambda q: q.name != "error"):
        direction = DIRECTIONS[q.name]
        p = q.opposite_p_adjusted if opposite else q.p_adjusted
        word = _WORDS[_OTHER[direction] if opposite else direction]
        parts.append(f"{q.name} {word} by {abs(q.interval.estimate):.3g} (p = {p:.2g})")
    return ", ".join(parts)
