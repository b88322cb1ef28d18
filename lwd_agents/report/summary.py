"""What a finished run comes to: summary.json, and the lines that end ``lwd run``."""

from __future__ import annotations

import math
from typing import Any

from lwd_agents.report.figures import first_and_last
from lwd_agents.trajectory import Trajectory


def summarise(trajectory: Trajectory) -> dict[str, Any]:
    """The numbers of a run that a script asks for first; null where one is not defined."""
    responses = trajectory.responses()
    present = responses[responses["missing"].isna()]
    seconds: dict[str, float] = {}
    for line in trajectory.rounds:
        for name, spent in line["seconds"].items():
            seconds[name] = seconds.get(name, 0.0) + spent
    tokens = [line["tokens"] for line in trajectory.rounds]
    first, last = trajectory.norm[0], trajectory.norm[-1]
    return {
        "run": str(trajectory.path),
        "experiment": trajectory.manifest["experiment"],
        "seed": trajectory.manifest["seed"],
        "steps": len(trajectory) - 1,
        "norm_first": None if math.isnan(first) else float(first),
        "norm_last": None if math.isnan(last) else float(last),
        "internet_size": int(trajectory.internet_size[-1]),
        "synthetic_share": float(trajectory.synthetic_share[-1]),
        "responses": len(present),
        "missing": len(responses) - len(present),
        "different_texts": int(present["text"].nunique()),
        "tokens": {name: _sum([t[name] for t in tokens]) for name in ("input", "output")},
        "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
    }


def side_by_side(trajectory: Trajectory) -> dict[int, dict[str, str | None]]:
    """The posted answer of each agent at t = 1 and t = T; None where an agent was silent."""
    responses = trajectory.responses()
    posted = responses[responses["post_id"].notna()]
    return {
        t: {
            agent: next(iter(posted[(posted["t"] == t) & (posted["agent"] == agent)]["text"]), None)
            for agent in trajectory.agents
        }
        for t in first_and_last(trajectory)
    }


def _sum(values: list[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)
