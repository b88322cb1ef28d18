"""Do agents answer alike inside one step, given what they read?

The draws of one reading are independent and permuted here; two readings of one model are not of
one law. So what is claimed is ``CLAIM`` and no more. ``readings.test_step_models`` permutes whole
readings and says something about models.

Axes: N agents, L draws, D dimensions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.inference.multiplicity import reaches
from lwd_agents.inference.pairs import (
    Pair,
    PairTest,
    checked,
    family,
    pairs_of,
    require_permutations,
)
from lwd_agents.inference.permutation import (
    Floats,
    distinct_groupings,
    energy_distance,
    permutation_test,
    pooled_distances,
)

CLAIM = (
    "different answer laws for these two readings: not that the models differ, for one model"
    " differs from itself when it reads other posts"
)
_LEAST_DRAWS = 2


@dataclass(frozen=True)
class Gate:
    """DISCO over all models at once.

    Attributes:
        models: those tested, with two draws or more.
        share: between / total dispersion, in [0, 1] (0 where all draws are equal; NaN where not
            tested). DISCO's F is (P - K) / (K - 1) * share / (1 - share), P draws, K models.
        p: by permutation of draws between models; NaN where not tested.
        adjusted: p times the steps named, at most 1.
        rejected: adjusted <= alpha; only then may a pair be claimed.
        reason: why it was not tested; "" where it was.
    """

    models: tuple[str, ...]
    share: float
    p: float
    adjusted: float
    rejected: bool
    reason: str


@dataclass(frozen=True)
class StepTest:
    """What ``test_step`` found.

    Attributes:
        names: the N agents.
        draws: the number of draws present of each.
        alpha, steps_named, permutations: as asked for.
        level: alpha / steps_named, of the gate and of the family of pairs.
        gate: the test over all models.
        pairs: in the order (0, 1), (0, 2), ..; empty for one agent.
        claim: what a claimed pair means, and no more.
    """

    names: tuple[str, ...]
    draws: tuple[int, ...]
    alpha: float
    steps_named: int
    permutations: int
    level: float
    gate: Gate
    pairs: tuple[PairTest, ...]
    claim: str = CLAIM


def test_step(
    embeddings: NDArray[np.floating],
    names: Sequence[str],
    *,
    key: int,
    alpha: float = 0.05,
    steps_named: int = 1,
    permutations: int = 9999,
) -> StepTest:
    """Have the agents' answers of one step the same law, each given its reading?

    DISCO over all models with two draws or more gates the pairs (Rizzo & Szekely 2010): unless it
    rejects at alpha / steps_named, no pair is claimed. Per pair the energy distance (Szekely &
    Rizzo 2004), by permutation of draws within the pair; Holm over the pairs, Bonferroni over the
    steps named. The chance of one false claim or more in all the steps named is at most alpha, at
    every L, if the draws of a reading are independent. Pairs with equal counts share permutations.
    A pair with too few draws to reach its level is not tested, and says how many would do.

    Args:
        embeddings: (N, L, D) of one step; a draw with a number that is not finite is missing.
        names: the N agents' names.
        key: of the permutations.
        alpha: the chance of a false claim that is accepted, over all the steps named.
        steps_named: how many steps are tested, or were named to be.
        permutations: random ones; where there are no more groupings than that, all are looked at.

    Raises:
        BadInput: a value out of range, names that don't fit, or permutations that cannot reach the
            corrected level, with the number needed.
    """
    embeddings = checked(embeddings, names, "NLD", alpha, steps_named)
    present = [agent[np.isfinite(agent).all(axis=-1)] for agent in embeddings]
    counts = tuple(len(draws) for draws in present)
    tests = family(
        names,
        {(i, j): (counts[i], counts[j]) for i, j in pairs_of(len(names))},
        least=_LEAST_DRAWS,
        alpha=alpha,
        steps_named=steps_named,
        permutations=permutations,
        unit="draws",
    )
    used = [i for i, n in enumerate(counts) if n >= _LEAST_DRAWS]
    pooled = pooled_distances(np.concatenate([present[i] for i in used] or [np.empty((0, 1))]))
    ends = np.cumsum([counts[i] for i in used])
    places = {i: np.arange(end - counts[i], end) for i, end in zip(used, ends, strict=True)}
    gate = _gate(pooled, places, tests.names, alpha, steps_named, key, permutations)
    found = _pairs(pooled, places, tests.tested, key, permutations)
    closed = gate.reason or ("" if gate.rejected else "the test over all models did not reject")
    return StepTest(
        tests.names, counts, alpha, steps_named, permutations, tests.level, gate,
        tests.results(found, closed),
    )  # fmt: skip


def _gate(
    pooled: Floats,
    places: dict[int, NDArray[np.intp]],
    names: tuple[str, ...],
    alpha: float,
    steps_named: int,
    key: int,
    permutations: int,
) -> Gate:
    models = tuple(names[i] for i in places)
    sizes = [len(place) for place in places.values()]
    reason = ""
    if len(names) < 2:
        reason = "not tested: one agent, nothing to compare"
    elif len(sizes) < 2:
        reason = (
            f"not tested: {len(sizes)} agent(s) with {_LEAST_DRAWS} draws or more, 2 are needed"
        )
    elif not reaches(1 / distinct_groupings(sizes), alpha / steps_named):
        reason = (
            f"not tested: {sizes} draws allow no p-value below {1 / distinct_groupings(sizes):.2g}"
        )
    if reason:
        return Gate(models, np.nan, np.nan, np.nan, False, reason)
    require_permutations(permutations, alpha, steps_named, 1)
    done = permutation_test(pooled[None], sizes, key=key, permutations=permutations)
    p, total = float(done.p[0]), float(done.total[0])
    adjusted = min(1.0, steps_named * p)
    share = float(done.between[0]) / total if total else 0.0
    return Gate(models, share, p, adjusted, reaches(adjusted, alpha), "")


def _pairs(
    pooled: Floats,
    places: dict[int, NDArray[np.intp]],
    tested: Sequence[Pair],
    key: int,
    permutations: int,
) -> dict[Pair, tuple[float, float]]:
    """(energy, p) of each pair; pairs with equal counts are tested together."""
    by_sizes: dict[tuple[int, int], list[Pair]] = defaultdict(list)
    for i, j in tested:
        by_sizes[len(places[i]), len(places[j])].append((i, j))
    found: dict[Pair, tuple[float, float]] = {}
    for sizes, pairs in by_sizes.items():
        both = [np.concatenate([places[i], places[j]]) for i, j in pairs]
        stack = np.stack([pooled[np.ix_(rows, rows)] for rows in both])
        done = permutation_test(stack, sizes, key=key, permutations=permutations)
        energy = energy_distance(done.between, *sizes)
        found |= {q: (float(e), float(p)) for q, e, p in zip(pairs, energy, done.p, strict=True)}
    return found
