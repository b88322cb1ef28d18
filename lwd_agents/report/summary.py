"""What a finished run comes to: summary.json, and the lines that end ``lwd run``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lwd_agents.ledger import read_totals
from lwd_agents.trajectory import Trajectory

_OF_EACH = ("seed", "steps", "norm_first", "norm_last", "responses", "missing")


def summarise(trajectory: Trajectory) -> dict[str, Any]:
    """The numbers of a run that a script asks for first; null where one is not defined.

    Of replicates they are the first's, in every world, but for what is counted: that is of all.
    """
    if trajectory.replicates:
        return _of_runs(trajectory)
    seconds: dict[str, float] = {}
    for line in trajectory.rounds:
        for name, spent in line["seconds"].items():
            seconds[name] = seconds.get(name, 0.0) + (spent or 0.0)
    return {
        "run": str(trajectory.path),
        "world": trajectory.world,
        "experiment": trajectory.manifest["experiment"],
        "seed": trajectory.manifest["seed"],
        "steps": len(trajectory) - 1,
        "norm_first": _number(trajectory.norm[0]),
        "norm_last": _number(trajectory.norm[-1]),
        "internet_size": int(trajectory.internet_size[-1]),
        "synthetic_share": _number(trajectory.synthetic_share[-1]),
        **(_of_texts(trajectory) if trajectory.world == "llm" else _of_replicates(trajectory)),
        "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
    }


def _of_texts(trajectory: Trajectory) -> dict[str, Any]:
    """What a network of language models adds."""
    responses = trajectory.responses()
    present = responses[responses["missing"].isna()]
    tokens = [line["tokens"] for line in trajectory.rounds]
    return {
        "responses": len(present),
        "missing": len(responses) - len(present),
        "different_texts": int(present["text"].nunique()),
        "tokens": {name: _sum([t[name] for t in tokens]) for name in ("input", "output")},
        "spent": _spent(trajectory),
        **({"marked": _marked(trajectory)} if "marked" in trajectory.rounds[0] else {}),
    }


def _spent(trajectory: Trajectory) -> dict[str, Any]:
    """All calls of the run, those of steps that were not committed too (calls.jsonl)."""
    totals = read_totals(trajectory.path)
    return {
        "calls": totals.calls,
        "failed": totals.failed,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "estimated": totals.estimated > 0,
        "cost": None if totals.unpriced else round(totals.cost, 6),
    }


def _marked(trajectory: Trajectory) -> dict[str, int]:
    """How many responses each declared rule marks."""
    lines = [by_rule for line in trajectory.rounds for by_rule in line["marked"].values()]
    return {rule: sum(line[rule] for line in lines) for rule in lines[0]}


def _of_replicates(trajectory: Trajectory) -> dict[str, Any]:
    """What a numeric world adds: root mean squares over replicates, and the clips at epsilon."""
    found: dict[str, Any] = {"replicates": len(trajectory.norms)}
    for side in ("", "placebo_"):
        if f"{side}norm" in trajectory.arrays:
            rms = np.sqrt(np.mean(trajectory.arrays[f"{side}norm"] ** 2, axis=0))
            found |= {
                f"{side}norm_rms_first": float(rms[0]),
                f"{side}norm_rms_last": float(rms[-1]),
            }
        if f"{side}clips" in trajectory.arrays:
            found[f"{side}clips"] = int(trajectory.arrays[f"{side}clips"].sum())
    if trajectory.world != "gmm":
        return found
    ones = [line["t"] for line in trajectory.rounds[:-1] if 1 in line["k"].values()]
    return {**found, "k_is_one_at": ones}


def _of_runs(trajectory: Trajectory) -> dict[str, Any]:
    """What the replicates of an LLM network come to, from what each of them came to."""
    each = [summarise(run) for run in trajectory.runs]
    texts = {text for run in trajectory.runs for text in run.responses()["text"].dropna()}
    return {
        **each[0],
        "run": str(trajectory.path),
        **{key: sum(said[key] for said in each) for key in ("responses", "missing")},
        "different_texts": len(texts),
        **{key: _added([s[key] for s in each]) for key in ("tokens", "marked") if key in each[0]},
        "spent": _spent(trajectory),
        "seconds": {k: round(v, 3) for k, v in _added([s["seconds"] for s in each]).items()},
        "replicates": len(each),
        **_mean("norm_first", [said["norm_first"] for said in each]),
        **_mean("norm_last", [said["norm_last"] for said in each]),
        "by_replicate": [
            {"directory": run.path.name, **{key: said[key] for key in _OF_EACH}}
            for run, said in zip(trajectory.runs, each, strict=True)
        ],
    }


def _added(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """The sums by name; None where one is not known."""
    return {name: _sum([count[name] for count in counts]) for name in counts[0]}


def _mean(name: str, values: list[float | None]) -> dict[str, float | None]:
    """The mean over the replicates that have a value, and its standard error from two on."""
    present = np.array([value for value in values if value is not None])
    n = len(present)
    return {
        f"{name}_mean": float(present.mean()) if n else None,
        f"{name}_se": float(present.std(ddof=1) / np.sqrt(n)) if n > 1 else None,
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
        for t in trajectory.first_and_last
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _sum(values: list[Any]) -> Any:
    return None if None in values else sum(value for value in values if value is not None)
