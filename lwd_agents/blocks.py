"""The arrays of a numeric world's run: blocks of steps, one file when all are there.

A run of R replicates is a rectangle, replicates by steps. It is cut into pieces of replicates
(the first has the lines of rounds.jsonl; more replicates add pieces), and each piece into blocks of
steps: ``arrays/00000-00049.npz`` for the first piece, ``arrays/r5-99/00000-00049.npz`` for others.
When all is there, ``trajectories.npz`` holds it whole and the blocks go.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput

TEMPORARY = ".tmp"
WHOLE = "trajectories.npz"
_BLOCK = re.compile(r"(\d+)-(\d+)\.npz")
_PIECE = re.compile(r"r(\d+)-(\d+)")
_PLACEBO = "placebo_"
_AXES = {
    **dict.fromkeys(("norm", "clips", "predicted_rms", "predicted_mean_field"), 2),
    **dict.fromkeys(("weights", "distances"), 4),
}
LARGE = frozenset(
    f"{side}{name}" for side in ("", "placebo_") for name in ("parameters", "distances")
)
"""Arrays that grow with P or N^2, and that most readers don't need."""
Arrays = dict[str, NDArray[Any]]


class Blocks:
    """The blocks of one piece of replicates.

    Args:
        path: the run directory.
        replicates: the piece's, where it is not the first of the run.
    """

    def __init__(self, path: Path, replicates: range | None = None) -> None:
        self._path = path
        name = f"r{replicates.start}-{replicates.stop - 1}" if replicates is not None else ""
        self._folder = path / "arrays" / name
        self._first = replicates is None

    def write(self, first: int, block: Mapping[str, NDArray[Any]]) -> None:
        """Commit the steps first, first + 1, ...: arrays (R, S, ...)."""
        self._folder.mkdir(parents=True, exist_ok=True)
        last = first + next(iter(block.values())).shape[1] - 1
        file = self._folder / f"{first:05d}-{last:05d}.npz"
        replace_file(file, lambda handle: np.savez(handle, allow_pickle=False, **block))

    def read(self, steps: int | None = None, without: Container[str] = ()) -> Arrays:
        """The first ``steps`` steps (all that are there), by name, (R, steps, ...); {} for none.

        Args:
            without: these arrays are not read from disk.

        Raises:
            BadInput: steps are missing, or a file is damaged.
        """
        whole = load_arrays(self._path / WHOLE, without) if self._first else {}
        parts = [whole] if whole else []
        there = _steps(whole)
        for first, last, file in self._files():
            if last < there:
                continue
            if first != there:
                break
            parts.append(load_arrays(file, without))
            there = last + 1
        if steps is not None and there < steps:
            raise BadInput(
                f"{self._folder}: the arrays of steps {there} .. {steps - 1} are gone, which "
                "rounds.jsonl has; restore them from a copy, or choose another directory with --out"
            )
        return {
            name: np.concatenate([part[name] for part in parts], axis=1)[:, :steps]
            for name in (parts[-1] if parts else {})
        }

    def recover(self, steps: int = sys.maxsize) -> None:
        """Take away what a killed process left behind the first ``steps`` steps (where told)."""
        if self._folder.is_dir():
            for file in self._folder.glob(f"*{TEMPORARY}"):
                file.unlink()
        for first, last, file in self._files():
            if first < steps <= last:  # some of its lines were written, not all
                block = load_arrays(file)
                self.write(
                    first, {name: array[:, : steps - first] for name, array in block.items()}
                )
            if last >= steps:
                file.unlink()

    def _files(self) -> list[tuple[int, int, Path]]:
        """(first step, last step, file), in order."""
        found = []
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            if match := _BLOCK.fullmatch(file.name):
                found.append((int(match[1]), int(match[2]), file))
        return sorted(found)


def replicates_of(path: Path) -> int:
    """How many replicates the first piece of a run has; 0 before its first block."""
    block = Blocks(path).read()
    return len(next(iter(block.values()))) if block else 0


def pieces(path: Path, first: int) -> list[range]:
    """The replicates of the pieces after the first, which has ``first``, in order.

    Pieces that trajectories.npz holds already (a process was killed before it took them away) go.
    """
    found = []
    folder = path / "arrays"
    for entry in folder.iterdir() if folder.is_dir() else ():
        if match := _PIECE.fullmatch(entry.name):
            piece = range(int(match[1]), int(match[2]) + 1)
            if piece.start < first:
                shutil.rmtree(entry)
            else:
                found.append(piece)
    return sorted(found, key=lambda piece: piece.start)


def write_whole(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write trajectories.npz, then take the blocks away: at no time is neither there."""
    replace_file(path / WHOLE, lambda handle: np.savez(handle, allow_pickle=False, **arrays))
    shutil.rmtree(path / "arrays", ignore_errors=True)


def load_arrays(file: Path, without: Container[str] = ()) -> Arrays:
    """An .npz file by name, but for those left out; {} where there is none.

    Raises:
        BadInput: it is damaged.
    """
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as loaded:
            found = {name: loaded[name] for name in loaded.files if name not in without}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise BadInput(f"{file}: cannot be read as arrays: {error}") from None
    except Exception as error:  # zipfile has errors of its own, and zlib
        raise BadInput(f"{file}: damaged: {error}") from None
    if wrong := [name for name, array in found.items() if not _fits(name, array, found)]:
        array = found[wrong[0]]
        raise BadInput(f"{file}: damaged: {wrong[0]} is {array.dtype} of shape {array.shape}")
    return found


def _fits(name: str, array: NDArray[Any], among: Arrays) -> bool:
    """Whether it is numbers, (R, S, ...) as the others, with the axes that its name tells."""
    other = among.get(name.removeprefix(_PLACEBO), array)
    norm = among.get("norm", array)
    axes = _AXES.get(name.removeprefix(_PLACEBO), array.ndim)
    return (
        array.dtype.kind in "biuf"
        and array.ndim == axes >= 2
        and array.shape == other.shape
        and array.shape[:2] == norm.shape[:2]
    )


def replace_file(target: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write beside the target, bring to disk, then rename: the name never means half a file."""
    temporary = target.with_name(target.name + TEMPORARY)
    try:
        with temporary.open("wb") as handle:
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(target)


def _steps(arrays: Arrays) -> int:
    return next(iter(arrays.values())).shape[1] if arrays else 0
