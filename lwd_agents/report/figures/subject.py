"""What figures are drawn of: run directories, read when a figure first asks for something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.records import read_manifest
from lwd_agents.trajectory import Trajectory, load

if TYPE_CHECKING:
    from lwd_agents.inference.verdict import Findings
    from lwd_agents.measures.table import Measures


class CannotDraw(BadInput):
    """A run lacks what a figure shows; the message says what."""


@dataclass(frozen=True)
class Subject:
    """Run directories. Figures of one run are of the first.

    Attributes:
        paths: the directories; at least one.
        manifest: of the first.
    """

    paths: tuple[Path, ...]
    manifest: dict[str, Any]

    @property
    def world(self) -> str:
        """What evolved in the first run: llm, gmm, graph."""
        return str(self.manifest["world"])

    @cached_property
    def trajectory(self) -> Trajectory:
        """The first run read back; one with replicates has all of them.

        Raises:
            BadInput: it is damaged; CannotDraw: no step is committed.
        """
        trajectory = load(self.paths[0])
        if not len(trajectory):
            raise CannotDraw("no step is committed")
        return trajectory

    @cached_property
    def measures(self) -> Measures:
        """``lwd.measure`` of the first run, or of its first replicate; damage is left out."""
        from lwd_agents.inference.grouping import expand
        from lwd_agents.measures.table import measure

        return measure(expand([self.paths[0]])[0])

    @cached_property
    def findings(self) -> Findings:
        """``lwd.test`` of all the runs and the placebos beside them, without tests inside steps."""
        from lwd_agents.inference.verdict import test

        return test(self.paths, at="none", write=False)


def subject_of(runs: str | Path | Trajectory | Sequence[str | Path | Trajectory]) -> Subject:
    """The runs at some places: directories, folders of several, patterns with a ``*``.

    Raises:
        BadInput: there is no run at one of them, or the first cannot be read at all.
    """
    from lwd_agents.inference.grouping import expand

    given = [runs] if isinstance(runs, str | Path | Trajectory) else list(runs)
    if not given:
        raise BadInput("runs: none are given; give a run directory")
    paths: list[Path] = []
    for one in given:
        place = one.path if isinstance(one, Trajectory) else Path(one)
        try:
            whole = (place / "manifest.json").is_file()
        except (OSError, ValueError):  # no path at all; expand says so
            whole = False
        try:
            paths += [place] if whole else expand([place])
        except OSError as error:
            raise BadInput(f"{place}: cannot be read: {error.strerror}") from None
    manifest = read_manifest(paths[0])
    if manifest is None:
        raise BadInput(f"{paths[0]}: no run directory (no manifest.json in it)")
    return Subject(tuple(dict.fromkeys(paths)), manifest)
