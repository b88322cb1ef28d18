"""The runs of a page, found and opened: what can be read of each, and a sentence for what cannot.

A run that measures and inference can read is a ``run_files.Run``. Of any other (one made by a newer
version, one whose manifest is damaged, one without a step) what can be shown is its norm, its
status and its configuration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lwd_agents.errors import BadInput
from lwd_agents.inference.grouping import conditions, expand, with_placebos
from lwd_agents.records import SCHEMA, salvage_lines
from lwd_agents.run_files import Run, read_run

DAMAGE = (
    *(ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError),
    RecursionError,
)
"""What reading a file raises that is whole JSON and not what a run holds."""


_LATEST = 2**32  # beyond every step


@dataclass(frozen=True)
class Source:
    """One run directory as it was found.

    Attributes:
        path: of the run.
        key: its short name on the page, no two alike.
        manifest: as it stands in the file; {} where that cannot be read.
        lines: step -> its line of rounds.jsonl.
        run: the run as measures and inference see it; None where only norm, status and
            configuration can be shown.
        of: the key of the live run whose placebo it is.
        notes: what is missing, in words.
    """

    path: Path
    key: str
    manifest: dict[str, Any]
    lines: dict[int, dict[str, Any]]
    run: Run | None
    of: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def world(self) -> str:
        """llm, gmm, ...; "unknown" where the manifest does not say."""
        found = self.manifest.get("world")
        return found if isinstance(found, str) else "unknown"

    @property
    def config(self) -> dict[str, Any]:
        """The experiment, resolved; {} where it is not known."""
        found = self.manifest.get("config")
        return found if isinstance(found, dict) else {}

    @property
    def agents(self) -> list[str]:
        """The N agents' names; [] where they are not known."""
        found = self.manifest.get("agents")
        return [str(name) for name in found] if isinstance(found, list) else []

    @property
    def placebo(self) -> bool:
        """Whether it is the placebo of another run (a gmm run holds both)."""
        return self.world == "llm" and bool(self.config.get("placebo"))

    @property
    def planned(self) -> int | None:
        """T, the last step that the run is to have; None where that is not known."""
        found = self.config.get("steps")
        return found if type(found) is int else None

    @property
    def steps(self) -> list[int]:
        """The committed steps that can be read, in order; there may be gaps."""
        return list(self.lines)


def open_all(places: Sequence[str | Path]) -> list[Source]:
    """The runs at some places, and the placebos that stand beside them.

    Raises:
        BadInput: there is no run at all at one of the places.
    """
    paths = directories(places)
    found = [_open(path, key) for path, key in zip(paths, _keys(paths), strict=True)]
    of = _matched(found)
    return [replace(s, of=of.get(s.key), notes=_notes(s)) for s in found]


def directories(places: Sequence[str | Path]) -> list[Path]:
    """The run directories at some places, and those of the placebos beside them.

    Raises:
        BadInput: there is no run at all at one of the places.
    """
    return with_placebos([path for place in places for path in _expanded(place)])


def shown_path(path: Path) -> str:
    """A directory as people may be shown it: below the working directory without what is above."""
    with suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)


def _expanded(place: str | Path) -> list[Path]:
    """As ``grouping.expand``, and run directories that have no rounds.jsonl (yet)."""
    path = Path(place)
    own, inside = [], []
    with suppress(OSError, ValueError):  # no path: said below
        own = [path] if (path / "manifest.json").is_file() else []
        inside = [] if own else [file.parent for file in sorted(path.glob("*/manifest.json"))]
    try:
        runs = expand([place])
    except BadInput:
        if not own and not inside:
            raise
        return own or inside
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    known = {run if run in inside else run.parent for run in runs}
    return runs + [folder for folder in inside if folder not in known]


def _keys(paths: Sequence[Path]) -> list[str]:
    """A short name for each: its folder's, with those above it as far as they tell runs apart."""
    parts = [path.resolve().parts for path in paths]
    lengths = [2 if re.fullmatch(r"replicate-\d+", own[-1]) else 1 for own in parts]
    while True:
        keys = ["/".join(own[-n:]) for own, n in zip(parts, lengths, strict=True)]
        doubled = [i for i, key in enumerate(keys) if keys.count(key) > 1]
        longer = [i for i in doubled if lengths[i] < len(parts[i])]
        if not longer:
            return keys
        for i in longer:
            lengths[i] += 1


def _open(path: Path, key: str) -> Source:
    try:
        run = read_run(path)
        _try_out(run)
    except BadInput as error:
        return _salvaged(path, key, str(error).split(";")[0])
    except DAMAGE as error:
        why = f"{path / 'manifest.json'}: no whole manifest ({type(error).__name__}: {error})"
        return _salvaged(path, key, why)
    return Source(path, key, run.manifest, run.lines, run, notes=run.damage)


def _try_out(run: Run) -> None:
    """Look at what measures and inference take from its manifest; raises where it is not whole."""
    conditions([run])
    for name in ("queries", "readings", "draws", "normalised", "frozen", "fresh", "always"):
        getattr(run, name)


def _salvaged(path: Path, key: str, why: str) -> Source:
    """What can be read of a run that is refused otherwise, with a sentence on why it is."""
    manifest = _manifest(path / "manifest.json")
    rows, damage = salvage_lines(path / "rounds.jsonl")
    lines: dict[int, dict[str, Any]] = {}
    for row in rows:
        if 0 <= row["t"] < _LATEST:
            lines.setdefault(row["t"], row)
    schema = manifest.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        why = f"{path}: made by a newer version (schema {schema}; this one reads {SCHEMA})"
    if not lines:
        why = f"{path}: no step of this run is committed yet" if manifest else why
        shown = "only its configuration is shown"
    else:
        shown = "only its norm and its configuration are shown"
    notes = (f"{why}: {shown}", *damage)
    return Source(path, key, manifest, dict(sorted(lines.items())), None, notes=notes)


def _manifest(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _matched(sources: Sequence[Source]) -> dict[str, str]:
    """key of a placebo -> key of the live run of its condition and seed."""
    readable = [(source.key, source.run) for source in sources if source.run is not None]
    found: dict[str, str] = {}
    for placebo, beside in readable:
        for live, run in readable if beside.placebo else ():
            same = not run.placebo and run.seed == beside.seed
            if same and len(conditions([run, beside])) == 1:
                found.setdefault(placebo, live)
    return found


def _notes(source: Source) -> tuple[str, ...]:
    """What is missing of one run, with what its status says."""
    status, steps = source.manifest.get("status"), source.steps
    if not steps or not source.manifest:
        return source.notes
    if status == "complete":
        if source.planned is None or len(steps) > source.planned:
            return source.notes
        kept = f"{len(steps)} of its {source.planned + 1} steps can be read"
        return (*source.notes, f"{source.path}: its status is complete, but only {kept}")
    word = {
        "running": "its status is running: it goes on, or was killed",
        "stopped": "it was stopped by the user, and can go on",
        "failed": f"it failed: {source.manifest.get('error') or 'no reason is kept'}",
    }.get(str(status), f"its status is {status!r}")
    planned = f" of {source.planned}" if source.planned is not None else ""
    there = f"t = {steps[0]} .. {steps[-1]}{planned} are there"
    return (*source.notes, f"{source.path}: {word}; {there}")
