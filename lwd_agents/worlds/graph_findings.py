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


def findings(parts: GraphParts, trajectory: Trajectory) -> dict[str, Any]:
    """``verdicts`` by graph, ``theory``, ``learners`` one by one, and the growth of the error."""
    found = judgements(parts)
    arrays = trajectory.arrays
    refused, exact = predicted_reason(parts, arrays)
    error = arrays["error"].mean(axis=(0, 2))
    return {
        "verdicts": [_told(one) for one in found],
        "theory": {"applies": refused is None, "refused": refused, "exact": exact},
        "error_first": float(error[0]),
        "error_last": float(error[-1]),
        "growth": float(error[-1] / error[0]) if error[0] > 0 else None,
        "learners": [_learner(found[-1], arrays, i) for i in range(min(len(parts.names), MOST))],
    }


def _told(one: Judgement) -> dict[str, Any]:
    said = one.as_json()
    kept = ("applies", "basis", "why", "collapses", "stable", "unstable_sources")
    return {"from": one.first, **{key: said[key] for key in kept}}


def _learner(last: Judgement, arrays: dict[str, NDArray[Any]], i: int) -> dict[str, Any]:
    """One learner: its verdict in the last graph, its mean error at both ends, the expected one.

    ``z`` is how many standard errors the mean over replicates lies from the expectation.
    """
    of = "mean_error" if "mean_error" in arrays else "error"
    error = arrays[of][:, :, i]
    count = len(error)
    se = float(error[:, -1].std(ddof=1) / np.sqrt(count)) if count > 1 else None
    expected = arrays.get(f"predicted_{of}")
    found = {
        "name": last.graph.graph.names[i],
        "collapses": None if last.falls is None else bool(last.falls[i]),
        "radius": float(last.graph.radius[i]),
        "moment_radius": None if last.radius is None else float(last.radius[i]),
        f"{of}_first": float(error[:, 0].mean()),
        f"{of}_last": float(error[:, -1].mean()),
        f"{of}_last_se": se,
        f"predicted_{of}_first": None,
        f"predicted_{of}_last": None,
        "z": None,
    }
    if expected is not None:
        ends = expected[:, :, i].mean(axis=0)
        found |= {f"predicted_{of}_first": float(ends[0]), f"predicted_{of}_last": float(ends[-1])}
        off = error[:, -1] - expected[:, -1, i]  # replicate by replicate: designs differ
        spread = off.std(ddof=1) / np.sqrt(count) if count > 1 else 0.0
        found["z"] = float(off.mean() / spread) if spread > 0 else None
    return found
