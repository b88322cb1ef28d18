"""Reading a run directory's files: what is whole is returned, what is torn at the end is not.

A line without its newline, or a last line that is not JSON, is what a killed process leaves; it
does not count. A damaged line with whole ones after it is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput

SCHEMA = 1


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a run directory; None where there is none.

    Raises:
        BadInput: it is not ours, is damaged, or was made by a newer version.
    """
    file = path / "manifest.json"
    if not file.is_file():
        return None
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{file}: not readable as a manifest: {error}") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or "config" not in manifest or "world" not in manifest:
        raise BadInput(f"{file}: not a manifest of lwd; choose another directory with --out")
    if schema > SCHEMA:
        raise BadInput(f"{file}: schema {schema} is newer than this version reads ({SCHEMA})")
    return dict(manifest)


def several(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of an llm run of several replicates, each with its own directory."""
    return bool(manifest["world"] == "llm" and manifest["config"].get("replicates", 1) > 1)


def replicate_folder(path: Path, r: int) -> Path:
    """Where replicate r of an llm run of several replicates has its own run directory."""
    return path / f"replicate-{r:03d}"


def replicate_folders(path: Path) -> list[Path]:
    """The run directories of the replicates that have begun, r = 0, 1, ...; none in other runs."""
    found: list[Path] = []
    while (folder := replicate_folder(path, len(found))).joinpath("manifest.json").is_file():
        found.append(folder)
    return found


def read_lines(file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The whole lines of a .jsonl file, and the byte at which each one ends.

    Raises:
        BadInput: a damaged line that is not the last.
    """
    content = file.read_bytes() if file.is_file() else b""
    rows: list[dict[str, Any]] = []
    ends: list[int] = []
    end = 0
    lines = content.split(b"\n")[:-1]
    for number, line in enumerate(lines, 1):
        end += len(line) + 1
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            if number == len(lines):
                break
            raise BadInput(
                f"{file}, line {number}: damaged, with whole lines after it; restore the file "
                "from a copy, or run into another directory with --out"
            ) from None
        rows.append(row)
        ends.append(end)
    return rows, ends


def salvage_lines(file: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The whole lines of a .jsonl file, and a sentence for each that is damaged.

    For those who only read: where ``read_lines`` refuses a file, this leaves lines out and says so.
    What follows the last newline is torn by a killed process, and is no damage.
    """
    try:
        content = file.read_bytes() if file.is_file() else b""
    except OSError as error:
        return [], [f"{file}: cannot be read: {error.strerror}"]
    rows: list[dict[str, Any]] = []
    damaged: list[str] = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and type(row.get("t")) is int:
            rows.append(row)
        else:
            damaged.append(f"{file}, line {number}: damaged; it is left out")
    return rows, damaged


def read_rounds(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The committed lines of rounds.jsonl, t = 0, 1, ..., and the byte at which the last ends.

    Raises:
        BadInput: a line is damaged, or the steps are not 0, 1, 2, ...
    """
    file = path / "rounds.jsonl"
    rows, ends = read_lines(file)
    for t, row in enumerate(rows):
        if row.get("t") != t:
            raise BadInput(f"{file}, line {t + 1}: step {row.get('t')!r} where {t} should stand")
    return rows, ends[-1] if ends else 0


def read_responses(path: Path, steps: int) -> tuple[list[list[dict[str, Any]]], int]:
    """The rows of responses.jsonl of steps 0 .. steps - 1, by step, and where the last one ends.

    Raises:
        BadInput: a line is damaged, or its step is out of order.
    """
    file = path / "responses.jsonl"
    by_step: list[list[dict[str, Any]]] = [[] for _ in range(steps)]
    kept, last = 0, 0
    for number, (row, end) in enumerate(zip(*read_lines(file), strict=True), 1):
        t = row.get("t")
        if not isinstance(t, int) or t < last:
            raise BadInput(f"{file}, line {number}: step {t!r} after step {last}")
        last = t
        if t < steps:
            by_step[t].append(row)
            kept = end
    return by_step, kept


def array_files(path: Path, t: int) -> list[Path]:
    """The arrays of one step: ``00000.npy``, then further queries and readings."""
    folder = path / "embeddings"
    return [folder / f"{t:05d}.npy", *sorted(folder.glob(f"{t:05d}.*.npy"))]


def load_array(file: Path) -> NDArray[Any]:
    """One .npy file.

    Raises:
        BadInput: it is gone or damaged.
    """
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except FileNotFoundError:
        raise BadInput(f"{file}: cannot be read as an array: it is gone") from None
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{file}: cannot be read as an array: {error}") from None
    except Exception as error:  # numpy reads the header as Python, whose errors are of many kinds
        raise BadInput(f"{file}: damaged: {type(error).__name__}: {error}") from None
