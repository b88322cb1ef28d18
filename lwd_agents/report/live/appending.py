"""Columns that are appended: what a live page gets, laid over what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lwd_agents.report.page.curves import BY_AGENT

_ALIGNED = ("curves", "agent_measures", "pair_measures", "theory")
_INNER = ("norm", "placebo_norm")  # of replicates: (R, T)


def append(old: dict[str, Any], more: Mapping[str, Any], lacking: int = 0) -> None:
    """Lay what is new over what is there, in place: as the page's own script does.

    Arrays are appended, objects merged, all else is replaced. A column that comes late begins with
    as many nulls as steps were there before (``lacking``). Of ``replicates`` each norm goes on; of
    texts ``left_at`` has [row, t] of posts that left.
    """
    before = len(old.get("t") or ())
    for name, value in more.items():
        if name == "left_at":
            for row, t in value:
                old["posts"]["left"][row] = t
        elif name in _INNER and value and isinstance(value[0], list):
            for own, new in zip(old.setdefault(name, [[] for _ in value]), value, strict=True):
                own.extend(new)
        elif isinstance(value, list):
            if not isinstance(old.get(name), list):
                old[name] = [None] * lacking
            old[name].extend(value)
        elif isinstance(value, dict):
            if not isinstance(old.get(name), dict):
                old[name] = {}
            append(old[name], value, before if name in _ALIGNED else 0)
        else:
            old[name] = value


def after(column: Any, first: int, name: str) -> Any:
    """What a column of replicates has from a place on; a number as it is."""
    if not isinstance(column, list):
        return column
    return [row[first:] for row in column] if name in _INNER else column[first:]


def padded(part: dict[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of some steps with nulls for those that the run has and these steps lack."""
    count = len(part["t"])
    for group in (*_ALIGNED, "path", "replicates"):
        for name, column in (shown[group] or {}).items():
            mine = part.setdefault(group, {})
            if name in _INNER and group == "replicates":
                rows = mine.get(name, [])[: len(column)]
                mine[name] = rows + [[None] * count] * (len(column) - len(rows))
            elif isinstance(column, list):
                mine.setdefault(name, _nulls(column, count))
    for name in ("floor", *BY_AGENT):
        if shown[name]:
            part.setdefault(name, _nulls(shown[name], count))
    return part


def _nulls(column: Sequence[Any], count: int) -> list[Any]:
    """So many rows of nulls, as wide as those of a column."""
    last = column[-1] if column else None
    return [[None] * len(last) if isinstance(last, list) else None for _ in range(count)]
