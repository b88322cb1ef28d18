"""What the graph said of learners in advance, beside what a test of their finite runs finds.

An error that still grows at the end of a run may be slow to settle: where the graph says that
nobody collapses, growth is called growth. The verdict is the run's own, from its summary.json.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lwd_agents.inference.collapse import Verdict
from lwd_agents.run_files import Run

GROWTH = "growth"


def said_in_advance(run: Run) -> dict[str, Any] | None:
    """The verdict on a run's last graph: ``collapses`` and ``why``; None where none is kept, or
    nothing is claimed."""
    try:
        summary = json.loads((run.path / "summary.json").read_text(encoding="utf-8"))
        last = summary["verdicts"][-1]
        found = {"collapses": [str(name) for name in last["collapses"]], "why": str(last["why"])}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found


def beside_the_graph(verdict: Verdict, run: Run) -> Verdict:
    """A finding of collapse with what the graph says: ``growth`` where it says that nobody does."""
    if run.world != "graph" or verdict.finding != "collapse":
        return verdict
    graph = said_in_advance(run)
    if graph is None:
        return verdict
    told = verdict.sentence.partition(": ")[2].removesuffix(".")
    if not graph["collapses"]:
        sentence = f"Growth within these steps: {told}; by the graph nobody collapses."
        return replace(verdict, finding=GROWTH, sentence=sentence)
    n = len(run.agents)
    who = f"so do, by the graph, {len(graph['collapses'])} of {n} learners"
    return replace(verdict, sentence=f"Collapse: {told}; {who}.")
