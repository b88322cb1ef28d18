"""Runs read forgivingly, as measures and inference see them: what is wrong with them is said.

A damaged line, a damaged array, a row that is not a number: each is left out with a sentence that
names it, and the rest is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.records import load_array, read_manifest, salvage_lines

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        path, manifest: of the run.
        lines: step -> its line of rounds.jsonl; a damaged one is not there.
        damage: what is wrong with the files, one sentence each.
    """

    path: Path
    manifest: dict[str, Any]
    lines: dict[int, dict[str, Any]]
    damage: tuple[str, ...] = ()

    @property
    def world(self) -> str:
        """llm, gmm, graph."""
        return str(self.manifest["world"])

    @property
    def config(self) -> dict[str, Any]:
        """The experiment, resolved."""
        return dict(self.manifest["config"])

    @property
    def agents(self) -> list[str]:
        """The N agents' names."""
        return list(self.manifest["agents"])

    @property
    def seed(self) -> int:
        """The seed of all its randomness."""
        return int(self.manifest["seed"])

    @property
    def placebo(self) -> bool:
        """Whether it is the placebo of another run (a numeric world's run holds both)."""
        return self.world == "llm" and bool(self.config.get("placebo"))

    @property
    def frozen(self) -> bool:
        """Whether its agents read nothing."""
        return (self.config.get("reading") or {}).get("k") == 0

    @property
    def last(self) -> int:
        """The last committed step."""
        return max(self.lines, default=-1)

    @property
    def queries(self) -> int:
        """How many queries are asked."""
        return len(self.manifest.get("queries") or (None,))

    @property
    def readings(self) -> int:
        """M: readings per step."""
        return int((self.config.get("reading") or {}).get("readings_per_step", 1))

    @property
    def draws(self) -> int:
        """L: draws per reading."""
        return int(self.config.get("draws", 1))

    @property
    def normalised(self) -> bool:
        """Whether its embeddings have unit length."""
        return bool((self.manifest.get("embedding") or {}).get("normalize", False))

    @property
    def fresh(self) -> range | None:
        """The steps after the one that stopped the run: only they may be tested (``stop``).

        None for a run that did not stop itself; empty where none of them was run.
        """
        stopped = self.manifest.get("stopped")
        if not stopped:
            return None
        first, last = stopped["fresh"]
        return range(first, min(last, self.last) + 1)

    @cached_property
    def always(self) -> list[int]:
        """The places of the agents that take part from the first step to the last."""
        if self.world != "llm":
            return list(range(len(self.agents)))
        listed = self.config["agents"]
        return [
            place
            for place, agent in enumerate(listed)
            if not agent.get("joins") and agent.get("leaves") is None
        ]

    @cached_property
    def width(self) -> int:
        """D of the embeddings: that of most steps' arrays; 0 where none can be read."""
        found: Counter[int] = Counter()
        for t in self.lines:
            file = self.path / "embeddings" / f"{t:05d}.npy"
            with suppress(Exception):  # whatever a damaged header raises is said at the step
                shape = np.load(file, mmap_mode="r", allow_pickle=False).shape
                found[shape[-1] if len(shape) == 3 else 0] += 1
        return max(found, key=lambda width: found[width], default=0)

    def array(self, t: int, query: int = 0, reading: int = 0) -> NDArray[np.float32]:
        """The embeddings of a step, (N, L, D); a row that is not finite throughout is NaN.

        Raises:
            BadInput: the file is gone, damaged, or of another shape or kind.
        """
        extra = f"{f'.q{query}' if query else ''}{f'.r{reading}' if reading else ''}"
        file = self.path / "embeddings" / f"{t:05d}{extra}.npy"
        found = load_array(file)
        shape = (len(self.agents), self.draws, self.width)
        if found.shape != shape or found.dtype.kind != "f":
            raise BadInput(
                f"{file}: {found.dtype} numbers of shape {found.shape}, where floats of {shape[0]} "
                f"agents by {shape[1]} draws by {shape[2]} should stand"
            )
        with np.errstate(over="ignore"):  # what is too large for float32 is no embedding
            found = np.array(found, dtype=np.float32)
        found[~np.isfinite(found).all(axis=2)] = np.nan
        return found

    def human(self) -> Floats | None:
        """The mean embedding of A(0)'s posts, (D,); None where it is not known."""
        try:
            seeds = load_array(self.path / "embeddings" / "seed.npy")
        except BadInput:
            return None
        if seeds.ndim != 2 or seeds.dtype.kind != "f" or seeds.shape[1] != self.width:
            return None
        known = np.isfinite(seeds).all(axis=1)
        return np.asarray(seeds[known].mean(axis=0), dtype=np.float64) if known.any() else None


def read_run(path: str | Path) -> Run:
    """Read a run directory, finished or not, whole or damaged.

    Raises:
        BadInput: there is no run, or no step of it can be read.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if manifest is None:
        raise BadInput(f"{path}: no run directory (no manifest.json in it)")
    _check(path, manifest)
    rows, damage = salvage_lines(path / "rounds.jsonl")
    lines: dict[int, dict[str, Any]] = {}
    for row in rows:
        t = row["t"]
        if t in lines:
            damage.append(f"{path}: step {t} stands twice in rounds.jsonl; the first counts")
        elif not 0 <= t <= manifest["config"]["steps"]:
            damage.append(f"{path}: step {t} in rounds.jsonl is none of the run's; it is left out")
        elif wrong := wrong_line(row):
            damage.append(f"{path}: step {t} in rounds.jsonl: {wrong}; the step is left out")
        else:
            lines[t] = row
    if not lines:
        raise BadInput(f"{path}: no step of this run is committed; run it first")
    return Run(path, manifest, dict(sorted(lines.items())), tuple(damage))


_MOST = {"steps": 2**24, "draws": 100_000, "replicates": 2**32}  # as experiments allow


def _check(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a manifest that lacks what a run cannot be read without.

    Raises:
        BadInput: naming what is missing or no such thing.
    """
    config, names = manifest["config"], manifest.get("agents")
    stopped = manifest.get("stopped")
    fresh = stopped.get("fresh") if isinstance(stopped, dict) else None
    sound = {
        "config": isinstance(config, dict),
        "seed": type(manifest.get("seed")) is int,
        "agents": isinstance(names, list)
        and bool(names)
        and all(isinstance(name, str) for name in names),
        "stopped": not stopped
        or (isinstance(fresh, list) and len(fresh) == 2 and all(type(t) is int for t in fresh)),
        "forked": isinstance(manifest.get("forked") or {}, dict),
        "embedding": isinstance(manifest.get("embedding") or {}, dict),
        "queries": isinstance(manifest.get("queries") or [], list),
    }
    if sound["config"]:
        needed = ("steps", "draws") if manifest["world"] == "llm" else ("steps",)
        for key in needed:
            value = config.get(key)
            sound[f"config.{key}"] = type(value) is int and 0 < value <= _MOST[key]
        if manifest["world"] == "llm" and sound["agents"]:
            agents = config.get("agents")
            sound["config.agents"] = (
                isinstance(agents, list)
                and all(isinstance(agent, dict) for agent in agents)
                and [agent.get("name") for agent in agents] == names
            )
        if manifest["world"] == "graph":
            fit = config.get("estimator")
            sound["config.estimator"] = isinstance(fit, dict) and isinstance(fit.get("kind"), str)
            sound["config.features"] = type(config.get("features")) is int
    if wrong := [key for key, good in sound.items() if not good]:
        raise BadInput(
            f"{path / 'manifest.json'}: {wrong[0]} is missing or damaged; restore it from a copy"
        )


def wrong_line(row: Mapping[str, Any]) -> str:
    """What is no such thing in a line of rounds.jsonl; "" where all is."""
    maps = ("missing", "seconds", "reads", "more_reads")
    for key in maps:
        if key in row and not isinstance(row[key], dict):
            return f"{key} is no mapping"
    for key in ("missing", "seconds"):
        numbers = (row.get(key) or {}).values()
        if not all(n is None or isinstance(n, int | float) for n in numbers):
            return f"{key} holds what is no number"
    if not isinstance(row.get("cost"), int | float | None):
        return "cost is no number"
    return ""
