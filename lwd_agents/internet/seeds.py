"""Reading A(0), the seed Internet, from a folder, a JSONL, a CSV or a plain text file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lwd_agents.errors import BadInput
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN, Post

_READABLE = ".jsonl, .csv or .txt"
_OWN_FIELDS = {"author", "step", "slot", "kind", "query"}


def read_seed(path: Path, where: str = "internet.seed") -> list[Post]:
    """The human posts of A(0), in the file's order.

    Args:
        where: the key that named it, for errors.
        path: a folder with ``posts.jsonl``; or a ``.jsonl`` file (an object with ``text``, or a
            string, a line), a ``.csv`` file (a column ``text``), a ``.txt`` file (a post a line).
            Other fields of an object or row that are single values become labels.

    Raises:
        BadInput: not readable, no posts, or a post that is empty or not text, with its line.
    """
    file = path / "posts.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise BadInput(f"{where}: {path}: a store is a folder with posts.jsonl in it")
    readers = {".jsonl": _jsonl, ".csv": _csv, ".txt": _lines}
    if file.suffix.lower() not in readers:
        raise BadInput(f"{where}: {file}: cannot tell its format; use {_READABLE}")
    try:
        rows = list(readers[file.suffix.lower()](file, where))
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}: {file}: not UTF-8 text ({error.reason})") from None
    except (OSError, csv.Error) as error:
        raise BadInput(f"{where}: {file}: cannot be read: {error}") from None
    if not rows:
        raise BadInput(f"{where}: {file}: no posts in it; a store needs at least one")
    return [_post(file, line, slot, row, where) for slot, (line, row) in enumerate(rows)]


def _post(file: Path, line: int, slot: int, row: Any, where: str) -> Post:
    if isinstance(row, str):
        row = {"text": row}
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        what = "no 'text'" if text is None else f"'text' is {type(text).__name__}, not text"
        raise BadInput(f"{where}: {file}, line {line}: {what}; a post is a piece of text")
    if not text.strip():
        raise BadInput(f"{where}: {file}, line {line}: the post is empty")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise BadInput(f"{where}: {file}, line {line}: half a surrogate pair is not text")
    labels = {
        str(name): value
        for name, value in row.items()
        if name not in {"text", *_OWN_FIELDS} and isinstance(value, str | int | float | bool)
    }
    return Post(text, HUMAN, BEFORE_THE_RUN, slot, "", HUMAN, labels)


def _jsonl(file: Path, where: str) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except ValueError as error:
                    place = f"{where}: {file}, line {number}"
                    raise BadInput(f"{place}: not JSON: {error}") from None


def _csv(file: Path, where: str) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        if "text" not in (reader.fieldnames or []):
            columns = ", ".join(reader.fieldnames or []) or "none"
            raise BadInput(f"{where}: {file}: no column 'text' (columns: {columns})")
        for row in reader:
            yield reader.line_num, row


def _lines(file: Path, where: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            yield number, line.strip("\r")
