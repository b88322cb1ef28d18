"""The measures of one step of an LLM network, from its embeddings.

Axes: M readings, N agents, L draws, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures import diversity, energy, geometry, unbiased

Floats = NDArray[np.float64]


def step_geometry(
    readings: NDArray[np.float32], human: Floats | None, always: Sequence[int]
) -> dict[str, Any]:
    """What means and variances say, by name: scalars; (N,); (N, N). Cheap beside ``step_measures``.

    Scalars are of the agents that are always there, so that no curve of the network changes its
    population where an agent joins or leaves.

    Args:
        readings: (M, N, L, D), NaN where a draw is missing.
        human: the mean embedding of A(0), (D,); None where it is not known.
        always: the places of the agents that are there at every step.
    """
    E = np.asarray(readings[0], dtype=np.float64)
    D, mine = geometry.distances(geometry.perspectives(E)), E[always]
    within, among = geometry.within_spread(E), np.ix_(always, always)
    fits = human is not None and len(human) == E.shape[2]
    found: dict[str, Any] = {
        "norm": geometry.collapse_norm(D[among]),
        "between": float(unbiased.squared_norm(mine)),
        "draw_floor": float(unbiased.draw_floor(mine)),
        "within": float(within[always].mean()) if len(mine) else np.nan,
        "drift": float(unbiased.drift(mine, human)) if fits and human is not None else np.nan,
        "spread": within,
        "distance": D,
        "squared_distance": unbiased.squared_distances(E),
    }
    if len(readings) > 1:
        apart = unbiased.model_squared_distances(readings)
        found |= {
            "between_models": float(apart[among].sum()),
            "reading_floor": unbiased.reading_floor(readings),
            "model_squared_distance": apart,
        }
    return found


def step_measures(
    readings: NDArray[np.float32],
    human: Floats | None,
    bandwidth: float | None,
    always: Sequence[int],
) -> dict[str, Any]:
    """``step_geometry``, and what whole laws of answers say: their distances, their diversity.

    Args:
        readings, human, always: as of ``step_geometry``.
        bandwidth: of MMD's kernel, one for all steps.
    """
    E = np.asarray(readings[0], dtype=np.float64)
    mine = E[always]
    gaps, mmds = energy.energy_distances(E), energy.mmd(E, bandwidth)
    among, pairs = np.ix_(always, always), np.triu_indices(len(mine), 1)
    return step_geometry(readings, human, always) | {
        "energy": _mean(gaps[among][pairs]),
        "mmd": _mean(mmds[among][pairs]),
        "vendi_of_all": float(diversity.vendi_score(diversity.pooled(mine))),
        "effective_rank_of_all": float(diversity.effective_rank(diversity.pooled(mine))),
        "effective_rank": diversity.effective_rank(E),
        "vendi": diversity.vendi_score(E),
        "log_determinant": diversity.gram_log_determinant(E),
        "cosine": diversity.mean_cosine(E),
        "energy_distance": gaps,
        "mmd_squared": mmds,
    }


def _mean(values: Floats) -> float:
    """The mean of the pairs that are defined; NaN of none."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
