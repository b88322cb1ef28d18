"""What a run of learners comes to, as the page's data have it: graphs, verdicts, a row a learner.

Graphs and verdicts are the manifest's, from a run's start on; what was simulated and expected is
the summary's, which it makes when it ends. Axes: n learners.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lwd_agents.errors import BadInput
from lwd_agents.report.figures.learners import panels
from lwd_agents.report.figures.network import Panel
from lwd_agents.report.figures.subject import CannotDraw
from lwd_agents.report.page.numbers import number, numbers
from lwd_agents.report.page.sources import DAMAGE, Source

Found = Mapping[str, Any]

MOST_ROWS = 60  # learners with a row in the table
_MOST_EDGES = 1000  # that can be told apart, of all graphs together
_LATER = {  # by status, why there is no row a learner
    "complete": "summary.json, which has them, is gone or is of an earlier end",
    "failed": "a run tells them when it ends, and this one could not go on",
}
_ENDS = "a run tells them when it ends"


def learners(source: Source) -> dict[str, Any]:
    """What the manifest says of the learners; damage raises nothing."""
    config = source.config
    status = source.manifest.get("status")
    why = _LATER.get(status, _ENDS) if isinstance(status, str) else _ENDS
    return {
        "estimator": _estimator(config.get("estimator")),
        **{name: _text(config.get(name)) for name in ("regime", "designs", "mixing")},
        "rows": _rows(config.get("rows")),
        "of": "error",
        **_graphs(source),
        "verdicts": _verdicts(source),
        "theory": None,
        "table": [],
        "said": f"The learners one by one: {why}.",
    }


def summarised(source: Source, known: dict[str, Any]) -> dict[str, Any]:
    """The same with what the summary says of the run as it stands; as it was where there is none.

    Raises:
        BadInput, and what ``DAMAGE`` has: the summary is damaged.
    """
    summary = _summary(source)
    if summary is None:
        return known
    table = summary["learners"][: min(MOST_ROWS, len(source.agents))]
    if not summary["verdicts"]:
        raise BadInput(f"{source.path / 'summary.json'}: damaged: no verdict on any graph")
    of = "mean_error" if table and "mean_error_last" in table[0] else "error"
    theory = summary["theory"]
    return known | {
        "of": of,
        "verdicts": [_verdict(one, source.agents) for one in summary["verdicts"]],
        "theory": {
            "refused": None if theory["applies"] else str(theory["refused"]),
            "exact": bool(theory["exact"]),
        },
        "table": [_row(one, i, of) for i, one in enumerate(table)],
        "said": None,
    }


def _verdicts(source: Source) -> list[dict[str, Any]] | None:
    """The manifest's; None where it has none that can be read."""
    try:
        return [_verdict(one, source.agents) for one in source.manifest["verdicts"]] or None
    except DAMAGE:
        return None


def _estimator(found: Any) -> str:
    """Its kind, with the numbers that it has: ``ridge, penalty 1``."""
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return ""
    more = [
        f"{name} {value:g}"
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    unbiased = ["unbiased"] if found.get("unbiased") is True else []
    return ", ".join([found["kind"], *more, *unbiased])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _rows(rows: Any) -> str:
    """How many rows a learner fits in a round: one number, or from the least to the most."""
    if isinstance(rows, list):  # by edge
        of: dict[str, int] = {}
        for edge in rows:
            if isinstance(edge, list) and len(edge) == 3 and type(edge[2]) is int:
                of[str(edge[1])] = of.get(str(edge[1]), 0) + edge[2]
        rows = of
    found = list(rows.values()) if isinstance(rows, dict) else [rows]
    counts = sorted({n for n in found if type(n) is int})
    return "\u2013".join(f"{n:,}" for n in dict.fromkeys((*counts[:1], *counts[-1:])))


def _graphs(source: Source) -> dict[str, Any]:
    """The graphs with places for names; or why they are not drawn, as the end of a sentence."""
    try:
        graphs = _reached(source)
        found = panels(source.agents, graphs, ())
        edges = sum(len(one.edges) for one in found)
        if edges > _MOST_EDGES:
            raise CannotDraw(
                f"{edges:,} edges are too many to tell apart (up to {_MOST_EDGES:,} are drawn)"
            )
        drawn = [_graph(one, graph["from"]) for one, graph in zip(found, graphs, strict=True)]
    except CannotDraw as error:
        return {"graphs": None, "undrawn": str(error)}
    except DAMAGE:
        return {"graphs": None, "undrawn": "what the manifest has of it is damaged"}
    return {"graphs": drawn, "undrawn": None}


def _reached(source: Source) -> list[Any]:
    """The manifest's graphs that the run comes to within its steps."""
    graphs, last = source.manifest.get("graphs") or [], source.planned
    return [one for one in graphs if last is None or one["from"] <= last]


def _graph(panel: Panel, first: Any) -> dict[str, Any]:
    """One graph: edges from place to place, and shares of real data.

    Raises:
        ValueError: a weight is no such thing.
    """
    if not all(0 <= weight < np.inf for weight in (*panel.real, *(w for _, _, w in panel.edges))):
        raise ValueError("a weight is below 0, or not finite")
    return {
        "from": int(first),
        "edges": [[s, t, number(weight)] for s, t, weight in panel.edges],
        "real": numbers(panel.real),
    }


def _summary(source: Source) -> Found | None:
    """summary.json where it is of the run as it stands: of all its steps and replicates.

    Raises:
        BadInput: it is damaged.
    """
    file = source.path / "summary.json"
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{file}: damaged: {error}") from None
    if not isinstance(found, dict) or "verdicts" not in found:
        return None  # lwd test leaves one with what it found, of any run
    ends = (found.get("steps"), found.get("replicates"))
    wanted = (source.steps[-1] if source.steps else None, source.config.get("replicates"))
    return found if ends == wanted else None


def _verdict(one: Found, names: Sequence[str]) -> dict[str, Any]:
    """A graph's verdict: ``collapses`` of each learner, null where nothing is claimed."""
    places = {name: i for i, name in enumerate(names)}
    falling = None if one["collapses"] is None else set(one["collapses"])
    return {
        "from": int(one["from"]),
        "basis": str(one["basis"]),
        "why": str(one["why"]),
        "collapses": None if falling is None else [name in falling for name in names],
        "sources": [[places[name] for name in members] for members in one["unstable_sources"]],
    }


def _row(one: Found, place: int, of: str) -> dict[str, Any]:
    falls = one["collapses"]
    return {
        "learner": place,
        "collapses": falls if isinstance(falls, bool) else None,
        "radius": _radius(one["radius"]),
        "moment_radius": _radius(one["moment_radius"]),
        "first": number(one[f"{of}_first"]),
        "last": number(one[f"{of}_last"]),
        "se": number(one[f"{of}_last_se"]),
        "expected": number(one[f"predicted_{of}_last"]),
        "z": number(one["z"]),
    }


def _radius(value: Any) -> float | None:
    """In full: six digits would make 1 of what is just below it."""
    return None if number(value) is None else float(value)
