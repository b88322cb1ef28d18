"""The command that reads a graph of learners and runs nothing: ``lwd verdict``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Graph = Annotated[
    Path,
    typer.Argument(
        metavar="GRAPH", help="A .csv file (source,target,weight; source real) or .graphml."
    ),
]


def verdict(
    graph: Graph,
    changes: Annotated[
        bool, typer.Option("--changes", help="Which edge, added or removed, flips a verdict.")
    ] = False,
    bound: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="The least real share that keeps error variances under X rounds' noise.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say who collapses in a graph of learners, from the graph alone. Nothing is run.

    An edge's target learns from its source; the weights into each learner sum to 1, and the source
    real stands for real data. It is our reading of arXiv 2605.20151; the conditions are printed.
    """
    from lwd_agents.report.graph_words import tell
    from lwd_agents.theory import graph_changes, graph_verdict, real_shares
    from lwd_agents.theory.learning_graph import LearningGraph

    read = LearningGraph.read(graph)
    found = graph_verdict.verdict(read).as_json()
    if changes:
        found["changes"] = graph_changes.changes(read).as_json()
    if bound is not None:
        found["bounded"] = real_shares.under_bound(read, bound)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        tell(found)


COMMANDS: dict[str, Callable[..., None]] = {"verdict": verdict}
