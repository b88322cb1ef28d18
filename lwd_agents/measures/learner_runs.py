"""The measured quantities of a run of learners. Axes: R replicates, T + 1 steps, N learners."""

from __future__ import annotations

import numpy as np

from lwd_agents.errors import BadInput
from lwd_agents.measures.numeric_runs import Arrays, Floats, Side, array_of
from lwd_agents.run_files import Run

OF_LEARNERS = (
    *("error", "predicted_error"),
    *("mean_error", "predicted_mean_error", "spread", "predicted_spread"),
)
"""Of each learner, simulated and as the theory expects it: the squared distance from the truth; of
Gaussians also that of their means alone, and tr Sigma_i."""


def read_learners(run: Run, arrays: Arrays, side: str = "") -> Side:
    """Measure one side of a run; nothing is estimated, parameters are known exactly.

    between is ||D||_F^2; drift the squared distance of the learners' mean from the truth; error the
    mean over learners of theirs, which is drift + between / (2 N^2). within is the mean of
    tr Sigma_i; a learner that fits no covariance has no spread of its own, and there is no within.

    Raises:
        BadInput: there is no such side, or its arrays are gone or damaged.
    """
    norm = _finite(array_of(run, arrays, f"{side}norm"))
    gaussian = run.config["estimator"]["kind"] == "gaussian"
    needed = ("error", "mean_error", "spread") if gaussian else ("error",)
    each = {
        name: _fitting(run, arrays, f"{side}{name}", (*norm.shape, len(run.agents)))
        for name in OF_LEARNERS
        if f"{side}{name}" in arrays or name in needed
    }
    quantities = {"between": norm**2}
    if gaussian:
        quantities["within"] = each["spread"].mean(axis=2)
    quantities["drift"] = _fitting(run, arrays, f"{side}drift", norm.shape)
    quantities["error"] = each["error"].mean(axis=2)
    return Side(quantities, each)


def _fitting(run: Run, arrays: Arrays, name: str, shape: tuple[int, ...]) -> Floats:
    """An array of this shape; what is not finite in it is NaN."""
    found = array_of(run, arrays, name)
    if found.shape != shape:
        raise BadInput(f"{run.path}: damaged: {name} has shape {found.shape}, not {shape}")
    return _finite(found)


def _finite(found: Floats) -> Floats:
    return np.where(np.isfinite(found), found, np.nan)
