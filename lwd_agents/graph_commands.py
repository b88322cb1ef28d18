"""The command that reads a graph of learners and runs nothing: ``lwd verdict``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwd_agents.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lwd_agents.report.figures.network import Panel
    from lwd_agents.theory.graph_verdict import Verdict
    from lwd_agents.theory.learning_graph import LearningGraph
    from lwd_agents.worlds.graph_judgement import Judgement

Graph = Annotated[
    str,
    typer.Argument(
        metavar="GRAPH",
        help="A .csv (source,target,weight; source real) or .graphml file; or a preset, a YAML "
        "file or a run of the world graph.",
    ),
]
_FORMATS = ("png", "svg", "pdf")


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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="A.B=C", help="Estimator, designs, rows and so on; may be repeated."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the graph, its verdict as colour: png, svg, pdf."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say who collapses in a graph of learners, before anything is run.

    An edge's target learns from its source; the weights into each learner sum to 1, and the source
    real stands for real data. It is our reading of arXiv 2605.20151; the conditions are printed.
    With --set, or of an experiment, it also says whether the graph decides there.
    """
    from lwd_agents.report.graph_words import tell
    from lwd_agents.theory import graph_changes

    _check_figure(figure)
    if bound is not None and not (0 < bound < math.inf):
        raise BadInput(f"--bound {bound:g}: should be a positive number")
    found, last, panels = _judged(graph, settings or [], drawn=figure is not None)
    if changes:
        _check_decides("--changes", found)
        found["changes"] = graph_changes.changes(_graph(last)).as_json()
    if bound is not None:
        _check_decides(f"--bound {bound:g}", found)
        found["bounded"] = _bounded(last, bound)
    if figure is not None:
        _draw(figure, panels, Path(graph).stem)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, allow_nan=False))
    else:
        tell(found)
        if figure is not None:
            print(f"figure: {figure}")


def _judged(
    graph: str, settings: list[str], *, drawn: bool
) -> tuple[dict[str, Any], Verdict | Judgement, list[Panel]]:
    """The verdict as JSON, the (last) one itself, and what is drawn of each graph."""
    from lwd_agents import verdicts
    from lwd_agents.theory import graph_verdict

    if not settings and verdicts.is_graph(graph):
        alone = graph_verdict.verdict(graph)
        panels = [_panel("", alone, alone.structure.collapses)] if drawn else []
        return alone.as_json(), alone, panels
    every = verdicts.judged(graph, settings)
    found = every[-1].as_json()
    several = len(every) > 1
    if several:
        kept = ("collapses", "stable", "applies", "basis", "why")
        told = [(one.first, one.as_json()) for one in every]
        found["graphs"] = [{"from": t, **{key: one[key] for key in kept}} for t, one in told]
    panels = [
        _panel(f"from t = {one.first}" if several else "", one.graph, one.falls)
        for one in every
        if drawn
    ]
    return found, every[-1], panels


def _check_decides(option: str, found: dict[str, Any]) -> None:
    if found["basis"] != "graph":
        raise BadInput(
            f"{option}: it rests on the graph alone, which does not decide here: {found['why']}"
        )


def _graph(found: Verdict | Judgement) -> LearningGraph:
    from lwd_agents.theory.graph_verdict import Verdict

    return found.graph if isinstance(found, Verdict) else found.graph.graph


def _bounded(found: Verdict | Judgement, bound: float) -> dict[str, Any]:
    """Error variances under a bound: in units of a round's noise, or of a setting with its rows."""
    from lwd_agents.theory.graph_verdict import Verdict
    from lwd_agents.theory.real_shares import under_bound

    noise = 1.0 if isinstance(found, Verdict) else found.noise
    try:
        if noise is None:
            raise BadInput(
                "with mixing weight a round's noise depends on the shares; take mixing samples, or "
                "the graph alone"
            )
        return under_bound(_graph(found), bound, noise=noise)
    except BadInput as error:
        raise BadInput(f"--bound {bound:g}: {error}") from None


def _panel(title: str, reading: Verdict, falls: NDArray[np.bool_] | None) -> Panel:
    from lwd_agents.report.figures.network import Panel

    graph = reading.graph
    table = graph.weights.tocoo()
    edges = list(zip(table.col.tolist(), table.row.tolist(), table.data.tolist(), strict=True))
    return Panel(title, graph.names, edges, graph.real, None if falls is None else falls.tolist())


def _check_figure(file: Path | None) -> None:
    if file is None:
        return
    if file.suffix.lower().removeprefix(".") not in _FORMATS:
        raise BadInput(f"--figure {file}: should end in .{', .'.join(_FORMATS)}")
    if not file.parent.is_dir():
        raise BadInput(f"--figure {file}: there is no folder {file.parent}")


def _draw(file: Path, panels: list[Panel], title: str) -> None:
    from lwd_agents.report.figures.drawing import write_figure
    from lwd_agents.report.figures.network import MOST, network_figure
    from lwd_agents.report.figures.style import plain, styled

    n = len(panels[0].names)
    if n > MOST:
        raise BadInput(
            f"--figure: {n:,} learners are too many to tell apart; up to {MOST} are drawn"
        )
    with styled():
        write_figure(network_figure(panels, plain(title)), file)


COMMANDS: dict[str, Callable[..., None]] = {"verdict": verdict}
