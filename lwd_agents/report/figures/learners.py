"""The figures of a network of learners: the graph with its verdict, and errors round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.network import MOST, Panel, network_figure
from lwd_agents.report.figures.style import (
    COLOURS,
    PAGE,
    below,
    headline,
    marked,
    over_steps,
    plain,
    tidy,
    title,
)
from lwd_agents.report.figures.subject import CannotDraw
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 8  # learners with a curve of their own
_DASHES: dict[str, Any] = {
    "linestyle": (0, (4, 2)),
    "linewidth": 1.1,
    "zorder": 4,
    "color": "black",
}
_WHAT = {
    "error": "squared distance from the truth",
    "mean_error": "squared distance of the mean",
    "spread": r"trace of the covariance",
}


def graph_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Who learns from whom, in every graph of a schedule, with the verdict as colour.

    Raises:
        CannotDraw: the run keeps no graph, or one that is too large for a page.
    """
    panels = panels_of(trajectory)
    return network_figure(panels, title(trajectory) if titles else None)


def panels_of(trajectory: Trajectory) -> list[Panel]:
    """A run's graphs as they are drawn, from its manifest and summary.

    Raises:
        CannotDraw: the run keeps no graph, or one that is too large for a page.
    """
    verdicts = trajectory.summary.get("verdicts", ())
    return panels(trajectory.agents, trajectory.manifest.get("graphs"), verdicts)


def panels(
    names: Sequence[str],
    graphs: Sequence[Mapping[str, Any]] | None,
    verdicts: Sequence[Mapping[str, Any]],
) -> list[Panel]:
    """Graphs as a manifest keeps them, with the verdicts of a summary.

    Raises:
        CannotDraw: there is no graph, or one that is too large for a page.
    """
    if not graphs:
        raise CannotDraw("the graph is too large to be kept in the manifest")
    if len(names) > MOST:
        raise CannotDraw(
            f"{len(names)} learners are too many to tell apart (up to {MOST} are drawn)"
        )
    place = {name: i for i, name in enumerate(names)}
    by_round = {one["from"]: one for one in verdicts}
    found = []
    for graph in graphs:
        real = np.zeros(len(names))
        edges = []
        for source, target, weight in graph["edges"]:
            if source == "real":
                real[place[target]] = weight
            else:
                edges.append((place[source], place[target], float(weight)))
        verdict = by_round.get(graph["from"], {})
        falling = verdict.get("collapses")
        falls = None if falling is None else [name in falling for name in names]
        said = f"from t = {graph['from']}" if len(graphs) > 1 else ""
        found.append(Panel(said, names, edges, real, falls))
    return found


def errors_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Each learner's squared distance from the truth, mean over replicates, beside its expectation.

    On plain axes and on logarithmic ones; of Gaussians the mean's and the covariance's trace. With
    many learners thin curves, coloured by the verdict. 6.9 inches wide.

    Raises:
        CannotDraw: the run's arrays are gone.
    """
    from matplotlib.figure import Figure

    arrays = trajectory.arrays
    kinds = ["mean_error", "spread"] if "mean_error" in arrays else ["error", "error"]
    if kinds[0] not in arrays:
        raise CannotDraw("the arrays of its errors are gone")
    figure = Figure(figsize=(PAGE, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for i, (axes, kind) in enumerate(zip(panels, kinds, strict=True)):
        _curves(axes, trajectory, kind)
        over_steps(axes, len(trajectory) - 1)
        axes.set_ylabel(_WHAT[kind])
        axes.set_ylim(bottom=0.0)
        if i and kind == "error":
            _log(axes, arrays[kind].mean(axis=0))
    handles, labels = panels[0].get_legend_handles_labels()
    below(figure, handles, labels, 5)
    if titles:
        count = len(arrays["norm"])
        said = f"mean over {count} replicates" if count > 1 else "one replicate"
        headline(figure, f"Errors, {said}: {title(trajectory)}")
    return figure


def _curves(axes: Axes, trajectory: Trajectory, kind: str) -> None:
    values = trajectory.arrays[kind].mean(axis=0)
    expected = trajectory.arrays.get(f"predicted_{kind}")
    t, names = np.arange(len(values)), trajectory.agents
    falls = _falls(trajectory)
    for change in _changes(trajectory):
        axes.axvline(change, color="0.6", lw=0.8, ls=":", zorder=1)
    if len(names) <= _NAMED:
        for i, name in enumerate(names):
            word = {True: " (collapses)", False: " (stable)", None: ""}[falls[i]]
            axes.plot(t, values[:, i], label=f"{plain(name)}{word}", **marked(i, len(t)))
    else:
        for fall, colour, word in (
            (True, COLOURS[1], "collapse"),
            (False, COLOURS[0], "stable"),
            (None, "0.5", "learners"),
        ):
            some = [i for i in range(len(names)) if falls[i] is fall]
            if some:
                axes.plot(t, values[:, some], color=colour, lw=0.5, alpha=0.5)
                axes.plot([], [], color=colour, lw=1.2, label=f"{word} ({len(some)})")
    if expected is not None:
        means = expected.mean(axis=0)
        shown = (
            range(len(names))
            if len(names) <= _NAMED
            else range(0, len(names), -(-len(names) // 12))
        )
        for k, i in enumerate(shown):
            axes.plot(t, means[:, i], label=None if k else "expected", **_DASHES)


def _falls(trajectory: Trajectory) -> list[bool | None]:
    """Whether each learner collapses in the last graph; None where nothing is claimed."""
    verdicts = trajectory.summary.get("verdicts") or [{}]
    falling = verdicts[-1].get("collapses")
    return [None if falling is None else name in falling for name in trajectory.agents]


def _changes(trajectory: Trajectory) -> list[int]:
    """The rounds from which another graph holds."""
    return [one["from"] for one in trajectory.summary.get("verdicts", ())[1:]]


def _log(axes: Axes, values: NDArray[np.float64]) -> None:
    """Logarithmic axes from t = 1 on, where there is anything to show on them."""
    shown = values[1:][values[1:] > 0]
    if len(values) < 3 or not len(shown):
        axes.set_visible(False)
        return
    tidy(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, len(values) - 1)
    axes.set_ylim(shown.min() / 1.5, shown.max() * 1.5)
