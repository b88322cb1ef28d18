"""The theory of a run of the world ``graph``: the expected errors, round by round, or why not.

Axes: R replicates, T + 1 rounds, n learners, d features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput, BadLearner
from lwd_agents.theory.error_bias import ridge_errors
from lwd_agents.theory.error_information import fisher_information, huber_row
from lwd_agents.theory.error_recursion import Start, expected_errors, subsampled_means
from lwd_agents.theory.learning_graph import shown
from lwd_agents.theory.refit_forms import gaussian_refits
from lwd_agents.worlds.graph_engines import designs_of, grams_of
from lwd_agents.worlds.graph_parts import GraphParts, Stretch
from lwd_agents.worlds.graph_tables import (
    M_ESTIMATORS,
    curvature,
    described,
    learners_of,
    regime_of,
    table_of_grams,
    table_of_rows,
)

Floats = NDArray[np.float64]
_WORK = 2e11  # multiplications that a prediction may take: about a minute


@dataclass(frozen=True)
class Prediction:
    """What the theory says of a run.

    Attributes:
        arrays: name -> ``predicted_rms`` (R, T + 1) of ||D||_F, ``predicted_error`` (R, T + 1, n),
            of Gaussians ``predicted_mean_error`` and ``predicted_spread`` instead, and the same
            of a placebo; {} where the theory does not apply.
        refused: why it does not apply; None where it does.
        exact: whether it is exact; else it is asymptotic: of first order in 1 / rows.
    """

    arrays: dict[str, Floats]
    refused: str | None
    exact: bool


def predicted(parts: GraphParts) -> Prediction:
    """The expected errors of all replicates of a run, each given its designs."""
    exact = parts.kind not in M_ESTIMATORS
    arrays: dict[str, Floats] = {}
    for prefix, placebo in (("", False), ("placebo_", True))[: 1 + parts.config.placebo]:
        try:
            found = _gaussian(parts, placebo) if parts.kind == "gaussian" else _all(parts, placebo)
        except BadInput as error:
            return Prediction({}, told(error, parts.names), exact)
        arrays |= {f"{prefix}{name}": values for name, values in found.items()}
    return Prediction(arrays, None, exact)


def told(error: BadInput, names: Sequence[str]) -> str:
    """Why a theory does not apply, with the learner's name where it is about one."""
    if isinstance(error, BadLearner):
        return f"learner {shown(names[error.place])} {error.why}"
    return str(error)


def predicted_reason(
    parts: GraphParts, arrays: Mapping[str, NDArray[Any]]
) -> tuple[str | None, bool]:
    """Why a finished run has no prediction (None where it has), and whether it is exact."""
    exact = parts.kind not in M_ESTIMATORS
    if any(name.startswith("predicted_") for name in arrays):
        return None, exact
    return predicted(parts).refused, exact


def _all(parts: GraphParts, placebo: bool) -> dict[str, Floats]:
    """The expected errors and norms, (R, T + 1, n) and (R, T + 1)."""
    config = parts.config
    if why := _unknown(parts):
        raise BadInput(why)
    own = config.designs in ("fixed", "orthogonal") and _needs_grams(parts)
    replicates = config.replicates if own else 1
    _check_work(parts, replicates)
    each = [_one(parts, placebo, r) for r in range(replicates)]
    error = np.stack([squared for squared, _ in each])
    rms = np.sqrt(np.maximum(np.stack([norm for _, norm in each]), 0.0))
    shape = (config.replicates, *error.shape[1:])
    return {
        "predicted_rms": np.broadcast_to(rms, shape[:2]).copy(),
        "predicted_error": np.broadcast_to(error, shape).copy(),
    }


def _unknown(parts: GraphParts) -> str | None:
    """What of a config has no known recursion."""
    config = parts.config
    if config.regime == "accumulate-subsample" and parts.kind != "mean":
        return "accumulate-subsample has an exact recursion for the mean alone"
    if parts.kind == "ridge" and (config.designs == "redrawn" or config.mixing == "weight"):
        return "ridge has an exact recursion for pooled fits on designs that come again"
    return None


def _needs_grams(parts: GraphParts) -> bool:
    """Whether the Gram matrices of a design, and not the numbers of rows alone, matter."""
    return parts.config.designs == "fixed" or parts.kind in ("logistic", "poisson")


def _check_work(parts: GraphParts, replicates: int) -> None:
    n, T = len(parts.names), parts.config.steps
    size = n * (parts.config.features if _needs_grams(parts) or parts.kind == "ridge" else 1)
    dense = size if size < 100 else min(size, 2 + 20 * len(parts.stretches[0].cells.source) // n)
    if replicates * T * size**2 * dense > _WORK or size > 5000:
        raise BadInput(
            f"{n} learners, {T} rounds and {replicates} designs are too many to predict exactly"
        )


def _one(parts: GraphParts, placebo: bool, replicate: int) -> tuple[Floats, Floats]:
    """E|e_i|^2 (T + 1, n) and E||D||_F^2 (T + 1,) of one replicate."""
    if parts.kind == "ridge":
        return _ridge(parts, placebo, replicate)
    times = parts.config.features if parts.kind in ("mean", "huber") else 1
    if placebo and parts.config.mixing == "weight":
        return _real_fits(parts, replicate)
    if parts.config.regime == "accumulate-subsample":
        moments = subsampled_means(
            learners_of(parts, parts.stretches[0], placebo), parts.config.steps
        )
        return times * moments.squared, times * moments.squared_norm
    squared, norm = [], []
    start: Start = "real"
    for stretch, rounds in _rounds(parts):
        moments = expected_errors(described(parts, stretch, placebo, replicate), rounds, start)
        begin = 0 if isinstance(start, str) else 1
        squared.append(moments.squared[begin:])
        norm.append(moments.squared_norm[begin:])
        start = moments.covariance
    return times * np.concatenate(squared), times * np.concatenate(norm)


def _rounds(parts: GraphParts) -> Iterator[tuple[Stretch, int]]:
    """Each stretch with how many rounds it adds to the state before it, round 0 being the start."""
    firsts = [max(stretch.first, 1) for stretch in parts.stretches]
    ends = [min(t, parts.config.steps + 1) for t in (*firsts, parts.config.steps + 1)]
    for stretch, (a, b) in zip(parts.stretches, pairwise(ends), strict=True):
        if b > a or stretch is parts.stretches[0]:
            yield stretch, b - a


def _ridge(parts: GraphParts, placebo: bool, replicate: int) -> tuple[Floats, Floats]:
    config, d = parts.config, parts.config.features
    if len(parts.stretches) > 1:
        raise BadInput("ridge has an exact recursion for one graph, not for a schedule")
    stretch, truth, times = parts.stretches[0], parts.setting.truth, 1
    if config.designs == "orthogonal":  # all coordinates alike, but for the truth's size in each
        grams = table_of_rows(parts, stretch, placebo)[:, :, None, None].astype(np.float64)
        truth, times = np.array([np.linalg.norm(truth)]), d
    else:
        grams = table_of_grams(parts, stretch, placebo, replicate, None)
    found = ridge_errors(
        grams, parts.setting.penalty, truth, config.steps, parts.setting.noise, regime_of(parts)
    )
    norm = times * found.variance_norm + found.bias_norm
    return times * found.variance + found.bias, norm


def round_noise(parts: GraphParts, stretch: Stretch, replicate: int = 0) -> Floats:
    """(n,) E|e|^2 of one round's fit if all its rows were real, with a replicate's designs.

    Raises:
        BadInput: it is infinite.
    """
    cells = stretch.cells
    each = cells.weight**2 * _fit_variance(parts, stretch, replicate)
    return np.asarray(np.bincount(cells.owner, each, len(parts.names)), dtype=np.float64)


def _real_fits(parts: GraphParts, replicate: int) -> tuple[Floats, Floats]:
    """Weighted sums of independent fits of real data: the placebo of mixing ``weight``."""
    n, T = len(parts.names), parts.config.steps
    squared = np.empty((T + 1, n))
    for stretch, rounds in ((parts.start, slice(0, 1)), *_when(parts)):
        squared[rounds] = round_noise(parts, stretch, replicate)
    return squared, 2 * (n - 1) * squared.sum(axis=1)


def _when(parts: GraphParts) -> Iterator[tuple[Stretch, slice]]:
    at = 1
    for stretch, rounds in _rounds(parts):
        yield stretch, slice(at, at + rounds)
        at += rounds


def _fit_variance(parts: GraphParts, stretch: Stretch, replicate: int) -> Floats:
    """(C,) E|e|^2 of each cell's fit of real data."""
    config, d, cells = parts.config, parts.config.features, stretch.cells
    if parts.kind == "huber":
        gram, scatter = huber_row(
            (config.estimator.threshold or 1.0) * parts.setting.noise, parts.setting.noise
        )
        return np.asarray(d * scatter / gram**2 / cells.total)
    if config.designs == "fixed" or parts.kind in ("logistic", "poisson"):
        if config.designs == "redrawn":
            family: Any = parts.kind
            one = np.linalg.inv(fisher_information(family, parts.setting.truth))
            return np.asarray(np.trace(one) / cells.total)
        rows, _ = designs_of(parts, stretch, replicate)
        scale = parts.setting.noise**2
        if parts.kind in ("logistic", "poisson"):
            curve, scale = curvature(parts.kind, parts.setting.truth @ rows), 1.0
            rows = rows * np.sqrt(curve)
        grams = grams_of(cells, rows)
        return np.asarray(scale * np.trace(np.linalg.inv(grams), axis1=1, axis2=2))
    lost = d + 1 if config.designs == "redrawn" else 0
    if np.any(cells.total <= lost):
        raise BadInput(f"fewer than d + 2 = {d + 2} redrawn rows: the expected error is infinite")
    return np.asarray(d * parts.setting.noise**2 / (cells.total - lost))


def _gaussian(parts: GraphParts, placebo: bool) -> dict[str, Floats]:
    """Expected errors of the means, and expected traces of the covariances."""
    config = parts.config
    if config.regime != "replace" or config.mixing == "weight" or len(parts.stretches) > 1:
        raise BadInput(
            "Gaussians have an exact recursion for pooled points that are replaced, on one graph"
        )
    rows = table_of_rows(parts, parts.stretches[0], placebo)
    moments = gaussian_refits(rows, config.steps, bool(config.estimator.unbiased))
    trace = config.features * parts.setting.noise**2  # tr Sigma*
    mean = np.diagonal(moments.mean, axis1=1, axis2=2) * trace
    shape = (config.replicates, *mean.shape)
    return {
        "predicted_mean_error": np.broadcast_to(mean, shape).copy(),
        "predicted_spread": np.broadcast_to(moments.covariance * trace, shape).copy(),
    }
