"""What a test of finite runs of learners finds, beside what the graph said in advance.

An error that still grows at the end of a run may be slow to settle: where the graph says that
nobody collapses, growth is called growth. The verdict is the run's own, from its manifest.
Distances that fall after they rose are no consensus while they are above those that real data
alone leaves. Both only take claims back: the level of the tests holds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lwd_agents.inference.collapse import Verdict, finding_of
from lwd_agents.inference.windows import Floats
from lwd_agents.run_files import Run

GROWTH = "growth"


def said_in_advance(run: Run) -> dict[str, Any] | None:
    """The verdict on the last graph that a run has come to: ``collapses`` and ``why``; None where
    none is kept, or nothing is claimed."""
    try:
        last = [one for one in run.manifest["verdicts"] if one["from"] <= run.last][-1]
        return {"collapses": [str(name) for name in last["collapses"]], "why": str(last["why"])}
    except (LookupError, TypeError):
        return None


def not_yet_near(verdict: Verdict, live: Floats, placebo: Floats) -> Verdict:
    """A finding of consensus among learners; none where their distances stay above the placebo's.

    Args:
        live, placebo: (R, T + 1) unbiased ||D||_F^2 of matched replicates.
    """
    if verdict.finding != "consensus":
        return verdict
    first, last = verdict.windows.late
    here, there = (float(np.nanmean(curves[:, first : last + 1])) for curves in (live, placebo))
    if here < there:
        return verdict
    others = tuple(q for q in verdict.quantities if q.name != "between")
    finding, sentence = finding_of(others, verdict.alpha)
    above = f"||D||_F^2 is {here:.4g}, with real data alone {there:.4g}"
    sentence += f" Learners come nearer beyond the placebo, but no consensus: at the end {above}."
    return replace(verdict, finding=finding, sentence=sentence)


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
