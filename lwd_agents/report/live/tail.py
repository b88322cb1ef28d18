"""A run directory followed while it grows: what is new since the last look, and no more.

A step exists when its line in rounds.jsonl is whole; its responses were written before. A look at
a directory where nothing changed costs two ``os.stat`` and opens no file. Nothing is ever written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lwd_agents.errors import BadInput
from lwd_agents.records import read_manifest

Row = dict[str, Any]
Stamp = tuple[int, int, int]
_GUARD = 65_536  # bytes of the last line taken, at most, that must still be what they were


class Replaced(Exception):
    """A file is not the one that was followed any more: it shrank, or holds other things."""


class Lines:
    """The whole lines of one .jsonl file, each read once.

    A file that is cut behind the last line taken goes on as if nothing had happened: that is what a
    resumed run does to a torn tail.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._end = 0
        self._guard = b""
        self._number = 0

    def take(self, wanted: Callable[[Row], bool] = lambda row: True) -> tuple[list[Row], list[str]]:
        """The lines since the last one taken, and a sentence for each damaged one.

        Args:
            wanted: where it first says no, that line and all after it are left for the next time.

        Raises:
            Replaced: the file is another than before.
            OSError: it cannot be read now.
        """
        rows: list[Row] = []
        damage: list[str] = []
        for line in self._content().split(b"\n")[:-1]:
            row = _row(line)
            if row is not None and not wanted(row):
                break
            self._number += 1
            self._end += len(line) + 1
            self._guard = (line + b"\n")[-_GUARD:]
            if row is None:
                damage.append(f"{self.file}, line {self._number}: damaged; it is left out")
            else:
                rows.append(row)
        return rows, damage

    def _content(self) -> bytes:
        """What stands behind the last line taken."""
        try:
            handle = self.file.open("rb")
        except FileNotFoundError:
            if self._end:
                raise Replaced(f"{self.file}: gone") from None
            return b""
        with handle:
            handle.seek(self._end - len(self._guard))
            if handle.read(len(self._guard)) != self._guard:
                raise Replaced(f"{self.file}: not the file that was followed")
            return handle.read()


@dataclass(frozen=True)
class News:
    """What a look at a run directory found.

    Attributes:
        manifest: the manifest, where it is new.
        lines: new lines of rounds.jsonl, in their order.
        damage: a sentence for each damaged line.
    """

    manifest: dict[str, Any] | None = None
    lines: tuple[Row, ...] = ()
    damage: tuple[str, ...] = ()


@dataclass
class Tail:
    """One run directory, followed."""

    path: Path
    _rounds: Lines = field(init=False)
    _responses: Lines = field(init=False)
    _seen: dict[str, Stamp | None] = field(init=False, default_factory=dict)
    _identity: tuple[Any, ...] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._rounds = Lines(self.path / "rounds.jsonl")
        self._responses = Lines(self.path / "responses.jsonl")

    def look(self) -> News | None:
        """What is new since the last look; None where nothing is.

        Raises:
            Replaced: another run stands there, or a resumed one cut what was read already.
            OSError, BadInput: something cannot be read now; the next look tries again.
        """
        changed = self._changed("manifest.json")  # first: a longer run says so before its lines
        manifest = self._manifest() if changed else None
        grown = self._changed("rounds.jsonl")
        rows, damage = self._rounds.take() if grown else ([], [])
        self._seen["manifest.json"] = changed or self._seen.get("manifest.json")
        self._seen["rounds.jsonl"] = grown or self._seen.get("rounds.jsonl")
        if manifest is None and not rows and not damage:
            return None
        return News(manifest, tuple(rows), tuple(damage))

    def responses(self, last: int) -> tuple[list[Row], list[str]]:
        """The new rows of responses.jsonl of steps up to ``last``, and what is damaged.

        Raises:
            Replaced: as in ``look``.
            OSError: it cannot be read now.
        """
        return self._responses.take(lambda row: row["t"] <= last)

    def _changed(self, name: str) -> Stamp | None:
        """How a file stands, where that is not how it was last seen.

        Taken before the file is read, so that what is written meanwhile is seen the next time.
        """
        try:
            stat = os.stat(self.path / name)
        except FileNotFoundError:
            if self._seen.get(name) is not None:
                raise Replaced(f"{self.path / name}: gone") from None
            return None
        stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return None if self._seen.get(name) == stamp else stamp

    def _manifest(self) -> dict[str, Any]:
        manifest = read_manifest(self.path)
        if manifest is None:
            raise BadInput(f"{self.path}: its manifest is gone")
        identity = tuple(manifest.get(key) for key in ("key", "created", "seed"))
        if self._identity not in (None, identity):
            raise Replaced(f"{self.path}: another run")
        self._identity = identity
        return manifest


def _row(line: bytes) -> Row | None:
    """A line as an object that has a step; None for one that is damaged."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("t")) is int else None
