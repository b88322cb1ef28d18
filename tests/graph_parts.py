"""Networks of learners without a directory: what tests of the world ``graph`` share."""

from __future__ import annotations

from typing import Any

import numpy as np
import typer
from typer.testing import CliRunner, Result

from lwd_agents.config import GraphConfig, read_experiment
from lwd_agents.graph_commands import COMMANDS
from lwd_agents.worlds.graph_parts import GraphParts, assemble

RING: dict[str, Any] = {
    "learners": 4,
    "readership": "ring",
    "real": {"v1": 0.2},
    "rows": 40,
    "features": 3,
    "steps": 5,
}


def parts(**keys: Any) -> GraphParts:
    """The parts of a network."""
    config = read_experiment({"world": "graph", **keys}).resolve()
    assert isinstance(config, GraphConfig)
    return assemble(config)


def ring(**keys: Any) -> GraphParts:
    """The parts of a ring of four."""
    return parts(**{**RING, **keys})


def played(made: GraphParts, replicates: range | None = None) -> dict[str, np.ndarray]:
    """All rounds of some replicates, by default all."""
    some = range(made.config.replicates) if replicates is None else replicates
    world, blocks, t = made.world(some), [], 0
    while t <= made.config.steps:
        round = world.step(t)
        blocks.append(round.block)
        t = round.t + 1
    return {name: np.concatenate([b[name] for b in blocks], axis=1) for name in blocks[0]}


def off(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How many standard errors the means over replicates (R, ...) lie from what is expected."""
    apart = seen - expected
    spread = apart.std(axis=0, ddof=1) / np.sqrt(len(apart))
    return np.asarray(apart.mean(axis=0) / np.maximum(spread, 1e-300))


def verdict_command(*arguments: str) -> Result:
    """``lwd verdict`` with these arguments, in this process."""
    app = typer.Typer()
    app.command()(COMMANDS["verdict"])
    return CliRunner().invoke(app, arguments)


def verdict_words(*arguments: str) -> str:
    """What ``lwd verdict`` prints where it goes well."""
    result = verdict_command(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
