"""Two conditions compared by a summary of each run, and several such contrasts at once.

Runs of two conditions that share a key (a seed) share their random draws: they are matched, and
compared pair by pair. Conditions with no key in common are two independent samples. Axis: R
replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np

from lwd_agents.errors import BadInput
from lwd_agents.inference.multiplicity import holm, least_permutations
from lwd_agents.inference.replicates import (
    PERMUTATIONS,
    Interval,
    Test,
    paired_effect,
    sign_flip,
    t_interval,
)
from lwd_agents.inference.two_samples import hedges_g, welch_interval, welch_permutation

LEAST_PAIRS = 6


@dataclass(frozen=True)
class Condition:
    """One condition's runs.

    Attributes:
        name: as it is reported.
        runs: key (a seed) -> the run's summary, by default its change late - early of *between*
            (``windows.change``); NaN where it could not be measured.
    """

    name: str
    runs: Mapping[int, float]


@dataclass(frozen=True)
class Contrast:
    """first - second of two conditions.

    Attributes:
        first, second: their names.
        paired: whether keys are shared.
        difference: mean difference with its t interval (paired) or Welch interval; None where
            there is none.
        effect: d_z (paired) or Hedges' g with its noncentral-t interval; None likewise.
        test: two-sided sign-flip or Welch-studentised permutation; None where untestable.
        p_adjusted: by Holm over the declared contrasts; NaN where untestable.
        left_out: runs that entered nothing: NaN, or without a partner where others have one.
        untestable: why there is no test; None where there is one.
        sentence: the same in words.
    """

    first: str
    second: str
    paired: bool
    difference: Interval | None
    effect: Interval | None
    test: Test | None
    p_adjusted: float
    left_out: int
    untestable: str | None
    sentence: str


def least_pairs(contrasts: int, alpha: float) -> int:
    """The fewest pairs with which a two-sided sign-flip reaches alpha / contrasts, and six."""
    return next(n for n in range(LEAST_PAIRS, 1100) if 2.0 ** (1 - n) <= alpha / contrasts)


def least_group(contrasts: int, alpha: float) -> int:
    """The fewest replicates a group, in two equal ones, to reach alpha / contrasts two-sided."""
    return next(n for n in range(2, 600) if 2 / comb(2 * n, n) <= alpha / contrasts)


def contrasts(
    conditions: Sequence[Condition],
    declared: Sequence[tuple[str, str]],
    alpha: float = 0.05,
    permutations: int = PERMUTATIONS,
    key: int = 0,
) -> tuple[Contrast, ...]:
    """The declared contrasts, each tested, with Holm over all of them.

    With shared keys (at least ``least_pairs``): sign-flip test and t interval of the differences
    within pairs. With none: Welch-studentised permutation test and Welch interval. With some, but
    too few: neither, for the two samples are not independent. A contrast whose numbers of runs
    can't reach alpha / m is untestable and named so; the numbers decide that, never the outcome,
    so it takes no part in Holm's count.

    Args:
        conditions: each with its runs' summaries.
        declared: (first, second) by name, declared before the summaries are seen.
        alpha: of the whole family.
        permutations: at most so many random sign patterns or relabellings.
        key: of those.

    Raises:
        BadInput: an unknown or repeated name, nothing declared, or permutations too few for the
            corrected level.
    """
    known = _known(conditions, declared, alpha)
    needed = least_permutations(alpha, len(declared))
    if permutations < needed:
        raise BadInput(
            f"permutations: {permutations}; {needed} or more are needed to reach {alpha:g} / "
            f"{len(declared)}"
        )
    found = [
        _compare(known[a], known[b], len(declared), alpha, permutations, key) for a, b in declared
    ]
    p = holm([np.nan if one.test is None else one.test.p for one in found])
    return tuple(_finished(one, float(q), alpha) for one, q in zip(found, p, strict=True))


def _known(
    conditions: Sequence[Condition], declared: Sequence[tuple[str, str]], alpha: float
) -> dict[str, Condition]:
    known = {condition.name: condition for condition in conditions}
    if len(known) < len(conditions):
        raise BadInput(f"conditions: {[c.name for c in conditions]}; each name once is needed")
    if not declared:
        raise BadInput("no contrast is declared; name one or more pairs of conditions")
    if not 0.0 < alpha < 1.0:
        raise BadInput(f"alpha: {alpha}; a number between 0 and 1 is needed")
    for first, second in declared:
        if first == second or first not in known or second not in known:
            raise BadInput(
                f"contrast {first!r} - {second!r}: two different ones of {', '.join(known)} are "
                "needed"
            )
    return known


def _compare(
    first: Condition, second: Condition, declared: int, alpha: float, permutations: int, key: int
) -> Contrast:
    """One contrast, its p-value not adjusted yet."""
    a, b = _measured(first), _measured(second)
    shared = sorted(a.keys() & b.keys())
    difference: Interval | None = None
    effect: Interval | None = None
    test: Test | None = None
    if shared:
        used = 2 * len(shared)
        deltas = np.array([a[k] - b[k] for k in shared])
        why = _too_few_pairs(len(shared), least_pairs(declared, alpha))
        if len(shared) > 1:
            difference, effect = t_interval(deltas, 1 - alpha), paired_effect(deltas, 1 - alpha)
        if why is None:
            test = sign_flip(deltas, "two-sided", permutations, key)
    else:
        used = len(a) + len(b)
        x, y = (np.array([one[k] for k in sorted(one)]) for one in (a, b))
        why = _too_few_runs(len(x), len(y), declared, alpha)
        if min(len(x), len(y)) > 1:
            difference, effect = welch_interval(x, y, 1 - alpha), hedges_g(x, y, 1 - alpha)
        if why is None:
            test = welch_permutation(x, y, "two-sided", permutations, key)
    return Contrast(
        first=first.name,
        second=second.name,
        paired=bool(shared),
        difference=difference,
        effect=effect,
        test=test,
        p_adjusted=float("nan"),
        left_out=len(first.runs) + len(second.runs) - used,
        untestable=why,
        sentence="",
    )


def _measured(condition: Condition) -> dict[int, float]:
    """The runs whose summary is a number."""
    return {k: float(v) for k, v in condition.runs.items() if not np.isnan(v)}


def _too_few_pairs(have: int, needed: int) -> str | None:
    if have >= needed:
        return None
    return f"{have} pairs of runs share a key; {needed} are needed (or none, and enough runs)"


def _too_few_runs(first: int, second: int, declared: int, alpha: float) -> str | None:
    ways = comb(first + second, first)
    sides = 2 if first == second else 1
    if min(first, second) >= 2 and sides / ways <= alpha / declared:
        return None
    needed = least_group(declared, alpha)
    return f"{first} and {second} runs without a shared key; {needed} each are enough"


def _finished(found: Contrast, p: float, alpha: float) -> Contrast:
    """The contrast with its adjusted p-value and its sentence."""
    names = f"{found.first} - {found.second}"
    told = f"{names} could not be tested: {found.untestable}."
    if found.difference is not None and found.test is not None:
        one = found.difference
        verdict = "they differ" if p <= alpha else "no evidence that they differ"
        if found.test.degenerate:
            verdict = "no difference at all"
        size = ""
        if (effect := found.effect) is not None and np.isfinite(effect.low):
            name = "d_z" if found.paired else "g"
            size = f", {name} = {effect.estimate:.2g} ({effect.low:.2g} to {effect.high:.2g})"
        told = (
            f"{names} = {one.estimate:.3g} ({100 * one.confidence:g} % interval {one.low:.3g} to "
            f"{one.high:.3g}){size}, p = {p:.2g} after Holm: {verdict}."
        )
    return replace(found, p_adjusted=p, sentence=told)
