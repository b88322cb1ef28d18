"""Runs read forgivingly, as measures and inference see them: what is wrong with them is said.

A damaged line, a damaged array, a row that is not a number: each is left out with a sentence that
names it, and the rest is used.
"""

from __future__ import annotations

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
        """llm, gmm."""
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
        """Whether it is the placebo of another run (a gmm run holds both)."""
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

    def array(self, t: int, query: int = 0, reading: int = 0) -> NDArray[np.float32]:
        """The embeddings of a step, (N, L, D); a row that is not finite throughout is NaN.

        Raises:
            BadInput: the file is gone, damaged, or of another shape.
        """
        extra = f"{f'.q{query}' if query else ''}{f'.r{reading}' if reading else ''}"
        file = self.path / "embeddings" / f"{t:05d}{extra}.npy"
        found = load_array(file)
        shape = (len(self.agents), self.draws)
        if found.ndim != 3 or found.shape[:2] != shape or found.dtype.kind != "f":
            raise BadInput(
                f"{file}: an array of shape {found.shape}, where {shape[0]} agents by {shape[1]} "
                "draws by D should stand"
            )
        found = np.array(found, dtype=np.float32)
        found[~np.isfinite(found).all(axis=2)] = np.nan
        return found

    def human(self) -> Floats | None:
        """The mean embedding of A(0)'s posts, (D,); None where it is not known."""
        try:
            seeds = load_array(self.path / "embeddings" / "seed.npy")
        except BadInput:
            return None
        known = np.isfinite(seeds).all(axis=1) if seeds.ndim == 2 else np.zeros(0, dtype=bool)
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
    rows, damage = salvage_lines(path / "rounds.jsonl")
    lines: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row["t"] in lines:
            damage.append(f"{path}: step {row['t']} stands twice in rounds.jsonl; the first counts")
        lines.setdefault(row["t"], row)
    if not lines:
        raise BadInput(f"{path}: no step of this run is committed; run it first")
    return Run(path, manifest, dict(sorted(lines.items())), tuple(damage))
