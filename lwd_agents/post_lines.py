"""The lines of a run directory that posts are read from: which are whole, and which are not.

A line can be JSON and still be no answer or round of the run; every check says why.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwd_agents.errors import BadInput
from lwd_agents.internet.post import Post

if TYPE_CHECKING:
    from lwd_agents.post_files import PostFiles

Key = tuple[int, str, int, int]
"""A reading: (t, agent, query, reading); queries and readings count from 0."""

_LATEST = 2**32  # beyond every step
_FIELDS = ("text", "author", "step", "slot", "query", "kind", "labels")


def post_of(row: Mapping[str, Any]) -> Post:
    """The post of a line.

    Raises:
        BadInput: a field is missing, or no such thing.
    """
    texts = ("text", "author", "query", "kind")
    if (
        not all(_is_text(row.get(name)) for name in texts)
        or not all(_below(row.get(name), _LATEST, -1) for name in ("step", "slot"))
        or not isinstance(row.get("labels", {}), dict)
    ):
        raise BadInput(f"a post's line lacks a field: {reprlib.repr(dict(row))}")
    return Post(**{name: row[name] for name in _FIELDS if name in row})


def readings_of(lines: Mapping[int, Mapping[str, Any]]) -> dict[Key, tuple[str, ...]]:
    """The ids of the posts read, in order, of every reading."""
    found: dict[Key, tuple[str, ...]] = {}
    for t, line in lines.items():
        for agent, ids in line["reads"].items():
            found[t, agent, 0, 0] = tuple(ids)
        for agent, readings in line.get("more_reads", {}).items():
            for more in readings:
                found[t, agent, more["query"], more["reading"]] = tuple(more["reads"])
    return found


def numbered(file: Path) -> list[tuple[int, dict[str, Any] | None]]:
    """The lines of a .jsonl file with their numbers, from 1; None for one that is damaged.

    What follows the last newline is torn by a killed process, and does not count.
    """
    found: list[tuple[int, dict[str, Any] | None]] = []
    content = file.read_bytes() if file.is_file() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        whole = isinstance(row, dict) and type(row.get("t")) is int
        found.append((number, row if whole else None))
    return found


def wrong_response(row: Mapping[str, Any], run: PostFiles) -> str:
    """Why a line of responses.jsonl is no answer of the run; "" where it is one."""
    text, post_id = row.get("text", 0), row.get("post_id", 0)
    if row.get("agent") not in run.agents:
        return f"no agent {reprlib.repr(row.get('agent'))}"
    if row.get("query") not in run.queries:
        return f"no query {reprlib.repr(row.get('query'))}"
    for name, number in (("reading", run.readings), ("draw", run.draws)):
        if not _below(row.get(name), number):
            return f"no {name} {reprlib.repr(row.get(name))} of {number}, counted from 0"
    if text is not None and not _is_text(text):
        return "text is no text"
    if post_id is not None and not (isinstance(post_id, str) and text is not None):
        return "post_id is no post's"
    return ""


def wrong_round(line: Mapping[str, Any], run: PostFiles) -> str:
    """What posts need and a line of rounds.jsonl does not hold; "" where all is there."""
    reads, more = line.get("reads"), line.get("more_reads", {})
    if not isinstance(reads, dict) or not all(
        agent in run.agents and _are_ids(ids) for agent, ids in reads.items()
    ):
        return "reads is no list of posts for each agent"
    if not isinstance(more, dict) or not all(
        agent in run.agents
        and isinstance(readings, list)
        and all(_is_reading(reading, run) for reading in readings)
        for agent, readings in more.items()
    ):
        return "more_reads is no list of readings for each agent"
    for key in ("posted", "left"):
        if not _are_ids(line.get(key, None if key == "posted" else [])):
            return f"{key} is no list of posts"
    for key in ("foreign", "entered"):
        rows = line.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return f"{key} is no list of posts"
        try:
            for row in rows:
                post_of(row)
        except BadInput as error:
            return f"{key}: {error}"
    return ""


def _is_reading(found: object, run: PostFiles) -> bool:
    return (
        isinstance(found, dict)
        and _below(found.get("query"), len(run.queries))
        and _below(found.get("reading"), run.readings)
        and _are_ids(found.get("reads"))
    )


def _are_ids(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _below(found: object, end: int, first: int = 0) -> bool:
    """Whether it is a whole number from ``first`` up to ``end``, without it; true is none."""
    return type(found) is int and first <= found < end


def _is_text(found: object) -> bool:
    """Whether it is text that can be written; JSON may hold half a character."""
    if not isinstance(found, str):
        return False
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True
