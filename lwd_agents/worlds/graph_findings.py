"""What a finished run of learners comes to: verdict, simulation and prediction side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds.graph_judgement import Judgement, judgements
from lwd_agents.worlds.graph_parts import GraphParts
from lwd_agents.worlds.graph_theory import predicted_reason

MOST = 1000  # learners of which the summary has a row each
_HEAVY = 1 + 1e-6  # a radius from which on an error's mean is carried by rare replicates


def verdicts(parts: GraphParts) -> list[dict[str, Any]]:
    """The verdict on each graph that the run reaches, as manifest and summary keep it."""
    return [_told(one) for one in judgements(parts)]


def findings(parts: GraphParts, trajectory: Trajectory) -> dict[str, Any]:
    """``verdicts`` by graph, ``theory``, ``learners`` one by one, and the growth of the error.

    A number that has outgrown what numbers hold is null.
    """
    found = judgements(parts)
    arrays = trajectory.arrays
    refused, exact = predicted_reason(parts, arrays)
    with np.errstate(over="ignore", invalid="ignore"):
        first, last = arrays["error"][:, 0].mean(), arrays["error"][:, -1].mean()
        return {
            "verdicts": [_told(one) for one in found],
            "theory": {
                "applies": refused is None,
                "refused": refused,
                "exact": exact if refused is None else None,
            },
            "error_first": _number(first),
            "error_last": _number(last),
            "growth": _number(last / first) if first > 0 else None,
            **_of_placebo(arrays),
            "learners": [
                _learner(found[-1], arrays, i) for i in range(min(len(parts.names), MOST))
            ],
        }


def _of_placebo(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if "placebo_error" not in arrays:
        return {}
    error = arrays["placebo_error"]
    ends = {"first": error[:, 0], "last": error[:, -1]}
    return {f"placebo_error_{end}": _number(values.mean()) for end, values in ends.items()}


def _told(one: Judgement) -> dict[str, Any]:
    said = one.as_json()
    kept = ("applies", "basis", "why", "collapses", "stable", "unstable_sources")
    return {"from": one.first, **{key: said[key] for key in kept}}


def _learner(last: Judgement, arrays: dict[str, NDArray[Any]], i: int) -> dict[str, Any]:
    """One learner: its verdict in the last graph, its mean error at both ends, the expected one.

    ``z`` is how many standard errors the mean over replicates lies from the expectation; null where
    the error grows geometrically, for there rare replicates carry the mean.
    """
    of = "mean_error" if "mean_error" in arrays else "error"
    error = arrays[of][:, :, i]
    count = len(error)
    se = _number(error[:, -1].std(ddof=1) / np.sqrt(count)) if count > 1 else None
    moments = None if last.moment_radius is None else float(last.moment_radius[i])
    found = {
        "name": last.graph.graph.names[i],
        "collapses": None if last.falls is None else bool(last.falls[i]),
        "radius": float(last.radius[i]),
        "moment_radius": moments,
        f"{of}_first": _number(error[:, 0].mean()),
        f"{of}_last": _number(error[:, -1].mean()),
        f"{of}_last_se": se,
        f"predicted_{of}_first": None,
        f"predicted_{of}_last": None,
        "z": None,
    }
    expected = arrays.get(f"predicted_{of}")
    if expected is None:
        return found
    first, end = expected[:, [0, -1], i].mean(axis=0)
    found |= {f"predicted_{of}_first": _number(first), f"predicted_{of}_last": _number(end)}
    if count > 1 and (moments is None or moments < _HEAVY):
        off = error[:, -1] - expected[:, -1, i]  # replicate by replicate: designs differ
        spread = off.std(ddof=1) / np.sqrt(count)
        found["z"] = _number(off.mean() / spread) if spread > 0 else None
    return found


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
