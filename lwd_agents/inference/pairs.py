"""Families of pairwise tests inside a step: what can be tested, refused and claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference.multiplicity import holm, least_permutations, reaches
from lwd_agents.inference.permutation import distinct_groupings

Pair = tuple[int, int]


@dataclass(frozen=True)
class PairTest:
    """Two agents.

    Attributes:
        first, second: their names.
        energy: the energy distance (V-statistic, >= 0), in the units of the embeddings.
        p: the permutation p-value; NaN where not tested, as energy and adjusted then are.
        adjusted: by Holm over the pairs tested, then times the steps named.
        claimed: whether the difference is claimed.
        reason: why not tested, or why not claimed; "" where claimed.
    """

    first: str
    second: str
    energy: float
    p: float
    adjusted: float
    claimed: bool
    reason: str


@dataclass(frozen=True)
class Family:
    """The pairs of N agents, the level they share, and why some cannot be tested."""

    names: tuple[str, ...]
    alpha: float
    steps_named: int
    reasons: Mapping[Pair, str]  # "" where the pair is tested

    @property
    def level(self) -> float:
        """alpha / steps_named."""
        return self.alpha / self.steps_named

    @property
    def tested(self) -> list[Pair]:
        """The pairs that are tested."""
        return [pair for pair, reason in self.reasons.items() if not reason]

    def results(self, found: Mapping[Pair, tuple[float, float]], gate: str) -> tuple[PairTest, ...]:
        """Holm over the pairs, Bonferroni over the steps.

        Args:
            found: (energy, p) of each pair tested.
            gate: why no pair may be claimed; "" where pairs may.
        """
        nothing = (np.nan, np.nan)
        p = [found.get(pair, nothing)[1] for pair in self.reasons]
        adjusted = np.minimum(1.0, self.steps_named * holm(p))
        results = []
        for pair, a in zip(self.reasons, adjusted, strict=True):
            rejected = reaches(float(a), self.alpha)
            not_claimed = gate if rejected else f"not rejected at {self.alpha:g}"
            reason = self.reasons[pair] or not_claimed
            first, second = (self.names[i] for i in pair)
            results.append(
                PairTest(first, second, *found.get(pair, nothing), float(a), not reason, reason)
            )
        return tuple(results)


def family(
    names: Sequence[str],
    sizes: Mapping[Pair, tuple[int, int]],
    *,
    least: int,
    alpha: float,
    steps_named: int,
    permutations: int,
    unit: str,
    swapped: bool = False,
) -> Family:
    """Which pairs can be tested: those whose groupings can reach alpha / steps_named / pairs.

    The pairs counted are those with ``least`` units or more on both sides. What is left out is left
    out by its counts, whatever the outcome.

    Args:
        sizes: how many units (draws, readings) each pair's two groups have.
        unit: what is permuted, one word.
        swapped: units are paired and swapped within pairs, else permuted between groups.

    Raises:
        BadInput: ``permutations`` cannot reach the corrected level.
    """
    wide = [pair for pair, counts in sizes.items() if min(counts) >= least]
    level = alpha / steps_named / max(1, len(wide))
    reasons = dict.fromkeys(sizes, "")
    for pair, counts in sizes.items():
        if pair not in wide:
            reasons[pair] = f"not tested: {_have(counts, unit)}; at least {least} each are needed"
            continue
        smallest, enough = 1 / groupings(counts, swapped), needed(level, swapped)
        if not reaches(smallest, level):
            reasons[pair] = (
                f"not tested: with {_have(counts, unit)} no p-value is below {smallest:.2g}, and"
                f" the corrected level is {level:.2g}; {enough} {unit} each would do"
            )
    built = Family(tuple(names), alpha, steps_named, reasons)
    if built.tested:
        require_permutations(permutations, alpha, steps_named, len(wide))
    return built


def groupings(counts: Sequence[int], swapped: bool) -> int:
    """How many different values the groupings can give: one over the smallest p-value."""
    return max(1, 2 ** counts[0] // 2) if swapped else distinct_groupings(counts)


def needed(level: float, swapped: bool) -> int:
    """The smallest number per group with which a p-value can reach the level."""
    count = 1
    while not reaches(1 / groupings((count, count), swapped), level):
        count += 1
    return count


def require_permutations(permutations: int, alpha: float, steps_named: int, tests: int) -> None:
    """Refuse a number of permutations that can never reject at alpha / steps_named / tests."""
    least = least_permutations(alpha, steps_named * max(1, tests))
    if permutations < least:
        raise BadInput(
            f"permutations={permutations} cannot reach the level {alpha:g} over {steps_named}"
            f" step(s) x {tests} pair(s): at least {least} are needed"
        )


def checked(
    embeddings: NDArray[np.floating], names: Sequence[str], axes: str, alpha: float, steps: int
) -> NDArray[np.float64]:
    """The embeddings in float64, and BadInput for what cannot be tested at all.

    Args:
        axes: one letter an axis; N is the agents.
    """
    embeddings = np.array(embeddings, dtype=np.float64)
    if embeddings.ndim != len(axes):
        raise BadInput(f"embeddings have shape {embeddings.shape}; ({', '.join(axes)}) is needed")
    agents = embeddings.shape[axes.index("N")]
    if len(names) != agents or agents < 1:
        raise BadInput(f"names: {len(names)} for {agents} agents in the embeddings; one each")
    if not 0 < alpha < 1:
        raise BadInput(f"alpha={alpha}: a level lies between 0 and 1")
    if steps < 1:
        raise BadInput(f"steps_named={steps}: at least one step is named")
    return np.asarray(embeddings, dtype=np.float64)


def pairs_of(agents: int) -> list[Pair]:
    """(0, 1), (0, 2), .."""
    return list(combinations(range(agents), 2))


def _have(counts: Sequence[int], unit: str) -> str:
    return f"{counts[0]} and {counts[1]} {unit}"
