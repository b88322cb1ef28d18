"""Writing a run directory: manifest, rounds, responses, embeddings (docs/run-directory.md).

A step exists when its line stands in rounds.jsonl, which is written last. Whatever a killed
process left behind the last whole line is cut away when the run goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from lwd_agents.blocks import TEMPORARY, Blocks, replace_file
from lwd_agents.errors import BadInput
from lwd_agents.records import (
    array_files,
    load_array,
    read_manifest,
    read_responses,
    read_rounds,
    several,
)

_LOCK = ".lock"


class Journal:
    """One run directory, open for writing by this process alone.

    Attributes:
        path: the directory.
        manifest: its manifest, None before ``begin`` of a new run.
        committed: how many steps are committed (t = 0 .. committed - 1).
        blocks: the numeric worlds' arrays.
    """

    def __init__(self, path: Path) -> None:
        """Lock a directory, which is made if it is not there.

        Raises:
            BadInput: it cannot be written, another process runs in it, or it holds other things.
        """
        self.path = path
        self.committed = 0
        self.blocks = Blocks(path)
        self._lines: list[dict[str, Any]] = []
        self._rows: list[list[dict[str, Any]]] = []
        self._lock = _claim(path)
        try:
            self.manifest = read_manifest(path)
        except BadInput:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the directory."""
        self._lock.release()

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest of a new run, or of one that goes on.

        Raises:
            BadInput: a file of the run is damaged before its end.
        """
        if self.manifest is not None:
            self._recover()
        self.write_manifest(manifest)
        if several(manifest):  # the rounds are in the replicates' own directories
            return
        (self.path / "rounds.jsonl").touch()
        if manifest["world"] == "llm":
            (self.path / "embeddings").mkdir(exist_ok=True)
            (self.path / "responses.jsonl").touch()

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace manifest.json in one step."""
        self.manifest = dict(manifest)
        self.write_json("manifest.json", manifest)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace a JSON file in one step; NaN is refused."""
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        replace_file(self.path / name, lambda handle: handle.write(text.encode()))

    def write_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace a .jsonl file in one step; NaN is refused."""
        text = "".join(_dump(row) for row in rows)
        replace_file(self.path / name, lambda handle: handle.write(text.encode()))

    def write_array(self, name: str, array: NDArray[Any]) -> None:
        """Replace a .npy file in one step."""
        replace_file(self.path / name, lambda handle: np.save(handle, array, allow_pickle=False))

    def commit(
        self,
        first: int,
        lines: Sequence[Mapping[str, Any]],
        responses: Sequence[Mapping[str, Any]] = (),
        arrays: Mapping[str, NDArray[Any]] | None = None,
        block: Mapping[str, NDArray[Any]] | None = None,
    ) -> list[dict[str, Any]]:
        """Write the steps first, first + 1, ..., their lines last; returns these as written.

        ``seconds.commit`` of a line is its share of the time up to the writing of the lines.
        """
        if first != self.committed:
            raise RuntimeError(f"step {first} cannot follow {self.committed} committed steps")
        started = time.perf_counter()
        for name, array in (arrays or {}).items():
            self.write_array(f"embeddings/{name}", array)
        if block:
            self.blocks.write(first, block)
        if responses:
            _append(self.path / "responses.jsonl", "".join(_dump(row) for row in responses))
        spent = round((time.perf_counter() - started) / len(lines), 6)
        written = [
            {**line, "seconds": {**line.get("seconds", {}), "commit": spent}} for line in lines
        ]
        _append(self.path / "rounds.jsonl", "".join(_dump(line) for line in written))
        self.committed += len(lines)
        return written

    def rounds(self) -> Iterator[dict[str, Any]]:
        """The steps that were committed before this process began, as arguments of a Round.

        Those of a numeric world come as one round: t, line, before, block.
        """
        if self._lines and self.manifest is not None and self.manifest["world"] != "llm":
            *before, line = self._lines
            block = self.blocks.read(len(self._lines))
            yield {"t": len(before), "line": line, "before": tuple(before), "block": block}
            return
        for t, line in enumerate(self._lines):
            arrays = {file.name: load_array(file) for file in array_files(self.path, t)}
            yield {"t": t, "line": line, "responses": tuple(self._rows[t]), "arrays": arrays}

    def _recover(self) -> None:
        """Take in what is committed, and cut away what a killed process left behind it."""
        self._lines, rounds_end = read_rounds(self.path)
        self.committed = len(self._lines)
        self.blocks.recover(self.committed)
        self._rows, responses_end = read_responses(self.path, self.committed)
        _truncate(self.path / "rounds.jsonl", rounds_end)
        _truncate(self.path / "responses.jsonl", responses_end)
        folder = self.path / "embeddings"
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            step = file.name.split(".")[0]
            late = step.isdecimal() and int(step) >= self.committed
            if late or file.name.endswith(TEMPORARY):
                file.unlink()


def _claim(path: Path) -> FileLock:
    """The lock on a run directory, made if need be; a directory of another program is refused."""
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path}: a file; the run directory (--out) must be a directory or new")
    try:
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        if "manifest.json" not in names:
            strangers = sorted(n for n in names if n != _LOCK and not n.endswith(TEMPORARY))
            if strangers:
                raise BadInput(
                    f"{path}: not a run directory, it holds {strangers[0]!r}; "
                    "choose an empty or a new directory with --out"
                )
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise BadInput(
            f"{path}: another process is running in it; wait for it or stop it"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"{path}: cannot be written: {reason}; choose another --out") from None
    return lock


def _dump(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")) + "\n"


def _append(file: Path, text: str) -> None:
    """Append and bring to disk; when that fails the file is left as it was."""
    with file.open("ab", buffering=0) as handle:
        before = handle.seek(0, os.SEEK_END)
        content = memoryview(text.encode())
        try:
            while content:
                content = content[handle.write(content) :]
            os.fsync(handle.fileno())
        except OSError:
            os.ftruncate(handle.fileno(), before)
            raise


def _truncate(file: Path, size: int) -> None:
    if file.is_file() and file.stat().st_size > size:
        os.truncate(file, size)
