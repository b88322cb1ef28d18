"""Replicates of an LLM network: the same experiment under other seeds, each a run of its own.

Replicate 0 is the run with the experiment's seed; the seed of every other follows from it. Each has
its own run directory, so that it equals that replicate alone, byte for byte, and can be run alone.
Models are loaded once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lwd_agents import seeding
from lwd_agents.config import LlmConfig
from lwd_agents.engine import Round
from lwd_agents.journal import Journal
from lwd_agents.progress import Progress
from lwd_agents.records import read_manifest, replicate_folder, several
from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds.llm_parts import Parts
from lwd_agents.worlds.llm_publish import make_publisher

_SEEDS = 2**53 - 1  # what JSON, YAML and spreadsheets keep exactly

PlayOne = Callable[[Path, Parts, Progress], None]


def replicate_seed(seed: int, r: int) -> int:
    """The seed of replicate r: the experiment's, then 1 .. 2**53 - 1 by sha256 of (seed, r)."""
    return seed if r == 0 else 1 + seeding.key(seed, "replicate", replicate=r) % _SEEDS


@dataclass(frozen=True)
class Replicated:
    """An LLM network ready to run R times (``lwd_agents.engine.Parts``).

    Attributes:
        first: the network of replicate 0; the others have its models, phi and account.
        config: the experiment, with its R.
        shown: what is shown the progress.
        play_one: runs one replicate in its directory, or goes on with it.
    """

    first: Parts
    config: LlmConfig
    shown: Progress
    play_one: PlayOne

    @property
    def agents(self) -> tuple[Any, ...]:
        """The N agents."""
        return self.first.agents

    def describe(self) -> dict[str, Any]:
        """What the manifest says: of the network, and the seed of each replicate."""
        config = self.config
        seeds = [replicate_seed(config.seed, r) for r in range(config.replicates)]
        return {**self.first.describe(), "seeds": seeds}

    def play(
        self,
        journal: Journal,
        on_round: Callable[[Round], None],
        say: Callable[[str], None],
    ) -> None:
        """Run all replicates to the last step, one after the other, or on from where they stand.

        The rounds are shown by ``shown``, which learns of each what share of the whole it ends.
        """
        _move_in(journal.path)
        places = [replicate_folder(journal.path, r) for r in range(self.config.replicates)]
        left = [r for r, place in enumerate(places) if not _ended(place, self.config.steps)]
        for i, r in enumerate(left):
            shown = _Share(self.shown, f"replicate {r + 1} of {len(places)}", i, len(left))
            self.play_one(places[r], self.replicate(r), shown)

    def replicate(self, r: int) -> Parts:
        """Replicate r alone."""
        own = {"replicates": 1, "seed": replicate_seed(self.config.seed, r)}
        config = self.config.model_copy(update=own)
        publisher = make_publisher(config, self.first.texts)
        return replace(self.first, config=config, publisher=publisher)

    def findings(self, trajectory: Trajectory) -> dict[str, Any]:
        """Nothing beyond what every summary says."""
        return {}


class _Share:
    """The progress of one replicate, the i-th of so many that are to be run."""

    def __init__(self, shown: Progress, name: str, i: int, of: int) -> None:
        self._shown, self._name, self._i, self._of = shown, name, i, of

    def phase(self, text: str) -> None:
        """With the number of the replicate, from 1."""
        self._shown.phase(f"{self._name}: {text}")

    def round(self, round: Round, steps: int) -> None:
        """With the share of the whole that is done."""
        done = (self._i + (round.t + 1) / (steps + 1)) / self._of
        self._shown.round(replace(round, done=done), steps)

    def close(self) -> None:
        """More may come."""


def _ended(path: Path, steps: int) -> bool:
    """Whether a replicate is complete, and was to have so many steps."""
    manifest = read_manifest(path)
    if manifest is None:
        return False
    return bool(manifest["status"] == "complete" and manifest["config"]["steps"] == steps)


def take_in(journal: Journal) -> None:
    """Make the one run of a directory the first of several replicates.

    Its manifest goes first; its files follow once the directory has a manifest of several. A kill
    between leaves one run that is whole, or several of which the first is still to be moved.
    """
    if journal.manifest is not None and not several(journal.manifest):
        place = replicate_folder(journal.path, 0)
        place.mkdir(exist_ok=True)
        journal.write_json(f"{place.name}/manifest.json", journal.manifest)


def _move_in(path: Path) -> None:
    """Move what a directory held as one run into replicate 0's; rounds.jsonl goes last."""
    if not (path / "rounds.jsonl").is_file():
        return
    for entry in sorted(path.iterdir(), key=lambda entry: (entry.name == "rounds.jsonl", entry)):
        if not entry.name.startswith((".", "manifest.json", "replicate-")):
            entry.replace(replicate_folder(path, 0) / entry.name)
