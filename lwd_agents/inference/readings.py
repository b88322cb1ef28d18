"""Do models differ beyond what they happened to read? Whole readings are permuted.

An agent's draws of one step share one reading, and readings differ: so draws of two readings are
not exchangeable even for one model. With M readings an agent and step they are, as blocks.

Axes: M readings, N agents, L draws, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.inference.pairs import Pair, PairTest, checked, family, pairs_of
from lwd_agents.inference.permutation import (
    Floats,
    energy_distance,
    permutation_test,
    pooled_distances,
    swap_test,
)

CLAIM_MODELS = (
    "different answer laws over the readings that this step's Internet gives each agent: that the"
    " models differ, if both may read the same posts"
)
CLAIM_SHARED = "different answer laws of the two models on the readings that they share"
LEAST_READINGS = 4


@dataclass(frozen=True)
class StepModelsTest:
    """What ``test_step_models`` found.

    Attributes:
        names: the N agents.
        readings: how many readings of each have a draw present.
        shared: the readings were the same for all agents.
        alpha, steps_named, permutations: as asked for.
        level: alpha / steps_named, of the family of pairs.
        pairs: in the order (0, 1), (0, 2), ..; empty for one agent.
        reason: why nothing was tested; "" where something was.
        claim: what a claimed pair means, and no more.
    """

    names: tuple[str, ...]
    readings: tuple[int, ...]
    shared: bool
    alpha: float
    steps_named: int
    permutations: int
    level: float
    pairs: tuple[PairTest, ...]
    reason: str
    claim: str


def test_step_models(
    embeddings: NDArray[np.floating],
    names: Sequence[str],
    *,
    key: int,
    alpha: float = 0.05,
    steps_named: int = 1,
    permutations: int = 9999,
    shared: bool = False,
) -> StepModelsTest:
    """Have the models' answers of one step the same law, over readings?

    The statistic is the energy distance between the two agents' mixtures of readings, each reading
    with weight 1 / M whatever its number of draws: R_ab = the mean distance of a draw of reading a
    and one of b, and E = 2 mean R_ab - mean R_aa' - mean R_bb' (diagonals kept: E >= 0). Readings
    of one's own are permuted between the two agents, C(2M, M) groupings; shared readings are
    swapped within their pair, 2^M, and what one reading does to both agents cancels. Holm over the
    pairs, Bonferroni over the steps named. [ours: permutation of exchangeable blocks]

    Args:
        embeddings: (M, N, L, D) of one step; a draw with a number that is not finite is missing,
            and a reading without draws is left out (of both agents, if shared).
        names, key, alpha, steps_named, permutations: as for ``steps.test_step``.
        shared: reading m is the same posts for all agents.

    Raises:
        BadInput: as ``steps.test_step``.
    """
    embeddings = checked(embeddings, names, "MNLD", alpha, steps_named)
    present = np.asarray(np.isfinite(embeddings).all(axis=-1), dtype=np.bool_)
    there = np.asarray(present.any(axis=-1), dtype=np.bool_)
    used = {pair: _used(there, pair, shared) for pair in pairs_of(len(names))}
    tests = family(
        names,
        {pair: (len(a), len(b)) for pair, (a, b) in used.items()},
        least=LEAST_READINGS,
        alpha=alpha,
        steps_named=steps_named,
        permutations=permutations,
        unit="readings",
        swapped=shared,
    )
    found = {}
    for pair in tests.tested:
        distances = _between_readings(embeddings, present, pair, used[pair])[None]
        sizes = [len(rows) for rows in used[pair]]
        if shared:
            done = swap_test(distances, key=key, permutations=permutations)
        else:
            done = permutation_test(distances, sizes, key=key, permutations=permutations)
        found[pair] = (float(energy_distance(done.between, *sizes)[0]), float(done.p[0]))
    reason = "" if tests.tested else next(iter(tests.reasons.values()), "")
    return StepModelsTest(
        tests.names, tuple(int(n) for n in there.sum(axis=0)), shared, alpha, steps_named,
        permutations, tests.level, tests.results(found, ""),
        reason if len(names) > 1 else "not tested: one agent, nothing to compare",
        CLAIM_SHARED if shared else CLAIM_MODELS,
    )  # fmt: skip


def _used(
    there: NDArray[np.bool_], pair: Pair, shared: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The readings of each of two agents that count; ``there`` is (M, N)."""
    first, second = (np.flatnonzero(there[:, agent]) for agent in pair)
    if shared:
        first = second = np.intersect1d(first, second)
    return first, second


def _between_readings(
    embeddings: Floats,
    present: NDArray[np.bool_],
    pair: Pair,
    used: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> Floats:
    """R: the mean distance of the draws of two readings, those of the first agent first."""
    blocks = [
        embeddings[m, agent][present[m, agent]]
        for agent, readings in zip(pair, used, strict=True)
        for m in readings
    ]
    counts = [len(block) for block in blocks]
    weights = np.repeat(np.eye(len(blocks)), counts, axis=1) / np.array(counts)[:, None]
    return np.asarray(weights @ pooled_distances(np.concatenate(blocks)) @ weights.T)
