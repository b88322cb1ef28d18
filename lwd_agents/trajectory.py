"""A run read back from its directory, as arrays and data frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import Blocks
from lwd_agents.errors import BadInput
from lwd_agents.records import (
    array_files,
    load_array,
    read_manifest,
    read_responses,
    read_rounds,
    replicate_folders,
    several,
)
from lwd_agents.report.wording import count

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Trajectory:
    """The committed steps of one run. Axes: T + 1 steps, N agents, L draws, D dimensions.

    Where a run has replicates, everything here is of the first, in every world, except ``norms``,
    ``arrays``, ``replicated`` and ``runs``, which have all of them, and ``summary``.

    Attributes:
        path: the run directory.
        manifest: what was run, with which versions.
        rounds: the lines of rounds.jsonl, t = 0, 1, ...
        replicates: of an llm run of several replicates those that have begun, r = 0, 1, ..., each a
            whole run; () in all other runs.
    """

    path: Path
    manifest: dict[str, Any]
    rounds: tuple[dict[str, Any], ...]
    replicates: tuple[Trajectory, ...] = ()

    def __repr__(self) -> str:
        """One line: the directory, the world, its agents and steps, how it stands."""
        who, steps = count(len(self.agents), "agent"), count(len(self), "step")
        said = f"{self.world}, {who}, {steps}, {self.manifest['status']}"
        return f"<Trajectory {str(self.path)!r}: {said}>"

    def __len__(self) -> int:
        """The number of committed steps."""
        return len(self.rounds)

    @property
    def agents(self) -> list[str]:
        """The N agents' names, in the order of every N axis."""
        return list(self.manifest["agents"])

    @property
    def runs(self) -> tuple[Trajectory, ...]:
        """Those that have directories of their own: the replicates of an llm run, or itself."""
        return self.replicates or (self,)

    @property
    def source(self) -> Path:
        """The directory that ``rounds``, ``responses`` and ``embeddings`` are read from."""
        return self.runs[0].path

    @property
    def world(self) -> str:
        """What evolved: llm, gmm, graph."""
        return str(self.manifest["world"])

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """A numeric world's arrays by name, (R, T + 1, ...); {} for a world that has none.

        gmm: ``norm`` (R, T + 1), ``clips`` (R, T + 1), ``weights`` (R, T + 1, N, B), ``distances``
        (R, T + 1, N, N) up to 256 MB, and of a placebo the same under names that begin with
        ``placebo_``; where they move, ``means`` and ``covariances``. Before the run's end, what
        its first replicates have committed. graph: ``norm``, ``drift`` (R, T + 1), ``error``
        (R, T + 1, N), ``parameters`` (R, T + 1, N, P), ``distances`` as above, and what is
        expected under names that begin with ``predicted_``.
        """
        return {} if self.world == "llm" else Blocks(self.path).read(len(self.rounds))

    def replicated(self, name: str) -> NDArray[Any]:
        """One of ``arrays``.

        Raises:
            BadInput: this run has no such array.
        """
        if name not in self.arrays:
            known = ", ".join(self.arrays) or "none"
            raise BadInput(f"{self.path}: no array {name!r} in this run (there: {known})")
        return self.arrays[name]

    @property
    def norms(self) -> NDArray[np.float64]:
        """||D(t)||_F of all replicates, (R, T + 1); NaN after the last step of one that is shorter.

        T + 1 is the length of the longest.
        """
        if self.world != "llm":
            return self.replicated("norm")
        norms = np.full((len(self.runs), max(len(run) for run in self.runs)), np.nan)
        for row, run in zip(norms, self.runs, strict=True):
            row[: len(run)] = run.norm
        return norms

    @property
    def norm(self) -> NDArray[np.float64]:
        """||D(t)||_F, (T + 1,), of the first replicate; NaN where it could not be computed."""
        return np.array([r["norm"] for r in self.rounds], dtype=np.float64)

    @property
    def distances(self) -> NDArray[np.float64]:
        """D(t), (T + 1, N, N); NaN where it could not be computed or is too large to be kept."""
        n = len(self.agents)
        missing = np.full((n, n), np.nan)
        stack = [missing if r["distances"] is None else r["distances"] for r in self.rounds]
        return np.array(stack, dtype=np.float64).reshape(len(self.rounds), n, n)

    @property
    def internet_size(self) -> NDArray[np.int64]:
        """|A(t)|, (T + 1,)."""
        return np.array([r["internet_size"] for r in self.rounds], dtype=np.int64)

    @property
    def synthetic_share(self) -> NDArray[np.float64]:
        """The share of A(t) that models wrote, (T + 1,); NaN while A(t) is empty."""
        return np.array(
            [
                r["synthetic"] / r["internet_size"] if r["internet_size"] else np.nan
                for r in self.rounds
            ]
        )

    @property
    def first_and_last(self) -> list[int]:
        """The steps set side by side: 1 and T (0 and 1 where T is 1; 0 alone where it is 0)."""
        last = len(self) - 1
        return [1, last] if last > 1 else list(range(last + 1))

    def step_embeddings(self, t: int) -> NDArray[np.float32]:
        """The embeddings of one step, (N, L, D); a missing draw is NaN.

        Raises:
            BadInput: the world has no answers.
        """
        self._check_answers("embeddings")
        return np.asarray(load_array(array_files(self.source, t)[0]), dtype=np.float32)

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """All embeddings, (T + 1, N, L, D); a missing draw is NaN."""
        return np.stack([self.step_embeddings(t) for t in range(len(self))])

    def responses(self) -> pd.DataFrame:
        """One row a draw: t, agent, query, reading, draw, text, missing, post_id, seed, tokens.

        Raises:
            BadInput: the world has no answers.
        """
        import pandas as pd

        self._check_answers("responses")
        by_step, _ = read_responses(self.source, len(self))
        return pd.DataFrame([row for rows in by_step for row in rows])

    def _check_answers(self, what: str) -> None:
        if self.world != "llm":
            raise BadInput(
                f"{self.path}: a run of the world {self.world} has no {what}; its numbers are in "
                f"arrays ({', '.join(self.arrays) or 'none yet'})"
            )

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; empty before the run's end."""
        file = self.path / "summary.json"
        if not file.is_file():
            return {}
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise BadInput(f"{file}: damaged: {error}") from None


def load(path: str | Path) -> Trajectory:
    """Read a run directory, finished or not, with all its replicates.

    Raises:
        BadInput: there is no run, or a file of it is damaged.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if manifest is None:
        raise BadInput(f"{path}: no run directory (no manifest.json in it)")
    if several(manifest):
        replicates = tuple(load(folder) for folder in replicate_folders(path))
        rounds = replicates[0].rounds if replicates else ()
        return Trajectory(path, manifest, rounds, replicates)
    return Trajectory(path, manifest, tuple(read_rounds(path)[0]))
