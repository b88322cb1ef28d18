"""The measured quantities of a numeric world's run. Axes: R replicates, T + 1 steps, N, B, d."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import Blocks
from lwd_agents.errors import BadInput
from lwd_agents.measures import mixtures
from lwd_agents.run_files import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MixtureCurves:
    """One side of a run, its models or its placebo; all (R, T + 1) but the last two.

    Attributes:
        between: ||D||_F^2 of the weights, which are known exactly: no floor is in it.
        within: the trace of the mixtures' covariance, the mean over models.
        drift: the squared distance of the models' mean weights from the human law's; NaN where
            that law is no mixture of the components.
        effective_components: (R, T + 1, N) how many components each mixture uses.
        said: what could not be measured, and why.
    """

    between: Floats
    within: Floats
    drift: Floats
    effective_components: Floats
    said: tuple[str, ...]


def sides(run: Run) -> list[str]:
    """The prefixes of the arrays of each side that a run has: "" and "placebo_"."""
    arrays = Blocks(run.path).read()
    return [side for side in ("", "placebo_") if f"{side}norm" in arrays]


def read_mixtures(run: Run, side: str = "") -> MixtureCurves:
    """Measure one side of a run.

    Raises:
        BadInput: there is no such side, or its arrays are gone or damaged.
    """
    arrays = Blocks(run.path).read()
    if f"{side}norm" not in arrays:
        there = ", ".join(arrays) or "none"
        raise BadInput(f"{run.path}: no array {side}norm (there: {there})")
    between = np.asarray(arrays[f"{side}norm"], dtype=np.float64) ** 2
    weights = np.asarray(arrays[f"{side}weights"], dtype=np.float64)
    target = _human_weights(run)
    said: tuple[str, ...] = ()
    if target is None:
        said = (f"{run.path}: the human law is no mixture of the components: no drift of weights",)
        drift = np.full_like(between, np.nan)
    else:
        drift = np.sum((weights.mean(axis=2) - target) ** 2, axis=-1)
    within = _spread(run, arrays, side, weights)
    return MixtureCurves(between, within, drift, mixtures.effective_components(weights), said)


def _spread(run: Run, arrays: Mapping[str, NDArray[Any]], side: str, weights: Floats) -> Floats:
    from lwd_agents.config.gmm import covariance_matrix

    fixed = np.asarray(run.config["means"], dtype=np.float64)
    same = covariance_matrix(run.config["covariance"], fixed.shape[1], "covariance")
    means = arrays.get(f"{side}means", fixed)
    covariances = arrays.get(f"{side}covariances", same)
    return np.asarray(mixtures.spread(weights, means, covariances).mean(axis=2))


def _human_weights(run: Run) -> Floats | None:
    """The human law as weights of the components, (B,); None where it is no such mixture."""
    human, moving = run.config["human"], run.config["moving"]
    if human["law"] != "mixture" or moving["means"]:
        return None
    if human["weights"] is not None:
        return np.asarray(human["weights"], dtype=np.float64)
    count = len(run.config["means"])
    return np.full(count, 1 / count)
