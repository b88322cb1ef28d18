"""The measured quantities of a run of mixtures. Axes: R replicates, T + 1 steps, N, B, d."""

from __future__ import annotations

import numpy as np

from lwd_agents.measures import mixtures
from lwd_agents.measures.numeric_runs import Arrays, Floats, Side, array_of
from lwd_agents.run_files import Run


def read_mixtures(run: Run, arrays: Arrays, side: str = "") -> Side:
    """Measure one side of a run.

    between is ||D||_F^2 of the weights, which are known exactly: no floor is in it. within is the
    trace of the mixtures' covariance, the mean over models; drift the squared distance of the
    models' mean weights from the human law's, NaN where that law is no mixture of the components.
    ``effective_components`` is how many components each mixture uses.

    Raises:
        BadInput: there is no such side, or its arrays are gone or damaged.
    """
    between = array_of(run, arrays, f"{side}norm") ** 2
    weights = array_of(run, arrays, f"{side}weights")
    target = _human_weights(run)
    said: tuple[str, ...] = ()
    if target is None:
        said = (f"{run.path}: the human law is no mixture of the components: no drift of weights",)
        drift = np.full_like(between, np.nan)
    else:
        drift = np.sum((weights.mean(axis=2) - target) ** 2, axis=-1)
    within = _spread(run, arrays, side, weights)
    quantities = {"between": between, "within": within, "drift": drift}
    return Side(quantities, {"effective_components": mixtures.effective_components(weights)}, said)


def _spread(run: Run, arrays: Arrays, side: str, weights: Floats) -> Floats:
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
