"""Static figures of learners: who learns from whom with the verdict as colour, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lwd_agents.report.figures.network import Panel, network_figure
from lwd_agents.report.figures.style import COLOURS, below, look, over_steps
from lwd_agents.report.page.still_parts import (
    MOST_NAMED,
    Floats,
    Run,
    as_numbers,
    card,
    draw_curve,
    in_words,
    is_known,
    named,
    spelt,
    stride,
    thinned,
    told_ends,
)
from lwd_agents.report.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_GRAPHS = 6  # runs whose graphs are drawn
_EDGES = 12  # told in words
_SPREAD = 30.0  # times: errors further apart than this are drawn on a logarithmic axis
_WORDS = {True: "collapse", False: "stable", None: "no verdict"}
_SHADES = {True: COLOURS[1], False: COLOURS[0], None: "0.5"}


def drawn_graphs(runs: Sequence[Run]) -> dict[str, tuple[Figure, str]]:
    """The graphs of the first runs of learners that have some, by name: ``graph-0`` of run 0."""
    places = [i for i, run in enumerate(runs) if (run.get("learners") or {}).get("graphs")]
    return {f"graph-{i}": _graph(runs[i]) for i in places[:MOST_GRAPHS]}


def _graph(run: Run) -> tuple[Figure, str]:
    """A run's graphs side by side, and what is seen, in words."""
    known, names = run["learners"], run["agents"]
    falls = {one["from"]: one["collapses"] for one in known["verdicts"] or ()}
    panels = []
    for graph in known["graphs"]:
        title = f"from t = {graph['from']}" if len(known["graphs"]) > 1 else ""
        real = as_numbers(graph["real"])
        panels.append(Panel(title, names, graph["edges"], real, falls.get(graph["from"])))
    figure = network_figure(panels)
    figure.set_facecolor("white")
    return figure, " ".join(_told(panel) for panel in panels)


def _told(panel: Panel) -> str:
    """A graph in words: who collapses, who has real data, who learns from whom."""
    names = [spelt(name) for name in panel.names]
    head = f"Graph {panel.title}".rstrip()
    told = [f"{head} of {count(len(names), 'learner')}."]
    if panel.falls is not None:
        falling = [name for name, fall in zip(names, panel.falls, strict=True) if fall]
        told.append(f"Collapse: {_listed(falling)}.")
    real = [
        f"{name} {share:.3g}"
        for name, share in zip(names, panel.real.tolist(), strict=True)
        if share > 0
    ]
    told.append(f"Real data: {_listed(real)}.")
    edges = [f"{names[s]} to {names[t]} {weight:.3g}" for s, t, weight in panel.edges]
    return " ".join([*told, f"Edges: {_listed(edges)}."])


def _listed(said: Sequence[str]) -> str:
    more = f" and {len(said) - _EDGES} more" if len(said) > _EDGES else ""
    return f"{', '.join(said[:_EDGES])}{more}" if said else "none"


def errors_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """Each learner's error over the steps, beside what is expected; of many thin curves."""
    run = next((run for run in runs if is_known(run.get("errors"))), None)
    if run is None:
        return None
    errors, names = as_numbers(run["errors"]), run["agents"]
    expected = as_numbers(run["expected"]) if is_known(run.get("expected")) else None
    few = len(names) <= MOST_NAMED
    figure, every = card(4.2), stride([run], 2 * len(names))
    axes: Axes = figure.subplots()
    lines = _curves(axes, run, errors, every) if few else _crowd(axes, run, errors, every)
    shown = range(len(names)) if few else range(0, len(names), -(-len(names) // MOST_NAMED))
    dashes: dict[str, Any] = {"color": "0.15", "ls": (0, (4, 2)), "lw": 1.1, "zorder": 4}
    if expected is not None:
        for i in shown:
            lines["expected"] = draw_curve(axes, run["t"], expected[:, i], every, **dashes)
    _scaled(axes, errors)
    axes.set_ylabel("squared distance from the truth")
    over_steps(axes, run["t"][-1])
    axes.set_xlabel("step t")
    below(figure, list(lines.values()), list(lines), 5)
    told = [told_ends(spelt(name), run["t"], errors[:, i]) for i, name in enumerate(names)]
    alt = f"Squared distance from the truth, {spelt(run.get('key'))}. {in_words(told)}"
    return figure, f"{alt}{thinned(every)}"


def _falls(run: Run) -> Sequence[bool | None]:
    """Whether each learner collapses in the last graph; None where nothing is claimed."""
    verdicts = (run.get("learners") or {}).get("verdicts")
    found = verdicts[-1]["collapses"] if verdicts else None
    return [None] * len(run["agents"]) if found is None else found


def _curves(axes: Axes, run: Run, errors: Floats, every: int) -> dict[str, Any]:
    """A curve a learner, in its colour and with its mark."""
    lines, falls = {}, _falls(run)
    for i, name in enumerate(run["agents"]):
        colour, marker = look(i)
        marks = {"marker": marker, "ms": 3.5, "markevery": max(1, len(run["t"]) // 9)}
        word = "" if falls[i] is None else f" ({'collapses' if falls[i] else 'stable'})"
        line = draw_curve(axes, run["t"], errors[:, i], every, color=colour, lw=1.3, **marks)
        lines[f"{named(name)}{word}"] = line
    return lines


def _crowd(axes: Axes, run: Run, errors: Floats, every: int) -> dict[str, Any]:
    """Thin curves in the colour of the verdict."""
    lines, falls = {}, _falls(run)
    for i, fall in enumerate(falls):
        thin: dict[str, Any] = {"color": _SHADES[fall], "lw": 0.6, "alpha": 0.5}
        line = draw_curve(axes, run["t"], errors[:, i], every, **thin)
        lines[f"{_WORDS[fall]} ({list(falls).count(fall)})"] = line
    return lines


def _scaled(axes: Axes, errors: Floats) -> None:
    """From nought, or logarithmic where the last errors are too far apart for that."""
    known = errors[-1][np.isfinite(errors[-1]) & (errors[-1] > 0)]
    if len(known) and known.max() > _SPREAD * known.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)
