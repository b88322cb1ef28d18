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
_THIN = 200  # curves without a name, of more learners evenly chosen ones
_LONG = 24  # characters of a name in a legend
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


def verdicts_of(trajectory: Trajectory) -> list[Mapping[str, Any]]:
    """The verdict on each graph that a run reaches, as its manifest has them from the start."""
    return list(trajectory.manifest.get("verdicts") or ())


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
    last = trajectory.manifest["config"]["steps"]
    graphs = [one for one in trajectory.manifest.get("graphs") or () if one["from"] <= last]
    return panels(trajectory.agents, graphs, verdicts_of(trajectory))


def panels(
    names: Sequence[str],
    graphs: Sequence[Mapping[str, Any]] | None,
    verdicts: Sequence[Mapping[str, Any]],
) -> list[Panel]:
    """Graphs as a manifest keeps them, with the verdicts on them.

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
        falls = _by_learner(verdict.get("collapses"), names)
        said = f"from t = {graph['from']}" if len(graphs) > 1 else ""
        found.append(Panel(said, names, edges, real, falls))
    return found


def norm_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """||D(t)||_F of every replicate, with placebo and prediction (`gmm.norm_figure`).

    Raises:
        CannotDraw: one learner, which has no distance to another.
    """
    from lwd_agents.report.figures import gmm

    if len(trajectory.agents) == 1:
        raise CannotDraw("one learner has no distance to another: its norm is 0")
    return gmm.norm_figure(trajectory, titles=titles)


def errors_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Each learner's squared distance from the truth, mean over replicates, beside its expectation.

    On plain axes and on logarithmic ones; of Gaussians the mean's and the covariance's trace. With
    many learners thin curves, coloured by the verdict; a placebo's mean over learners is dotted.
    6.9 inches wide.

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
    below(figure, handles, labels, 5 if len(trajectory.agents) > _NAMED else 4)
    if titles:
        count = len(arrays["norm"])
        said = f"mean over {count} replicates" if count > 1 else "one replicate"
        headline(figure, f"Errors, {said}: {title(trajectory)}")
    return figure


def _curves(axes: Axes, trajectory: Trajectory, kind: str) -> None:
    values = trajectory.arrays[kind].mean(axis=0)
    for change in [one["from"] for one in verdicts_of(trajectory)[1:]]:
        axes.axvline(change, color="0.6", lw=0.8, ls=":", zorder=1)
    (_lines if len(trajectory.agents) <= _NAMED else _crowd)(axes, trajectory, values)
    expected = trajectory.arrays.get(f"predicted_{kind}")
    t, n = np.arange(len(values)), len(trajectory.agents)
    if expected is not None:
        means = expected.mean(axis=0)
        for k, i in enumerate(range(n) if n <= _NAMED else range(0, n, -(-n // 12))):
            axes.plot(t, means[:, i], label=None if k else "expected", **_DASHES)
    placebo = trajectory.arrays.get(f"placebo_{kind}")
    if placebo is not None:
        mean = placebo.mean(axis=(0, 2))
        axes.plot(t, mean, color="0.35", ls=":", lw=1.4, zorder=5, label="placebo, mean")


def _lines(axes: Axes, trajectory: Trajectory, values: NDArray[np.float64]) -> None:
    """A curve with a name for each learner; values (T + 1, n)."""
    words, t = {True: "collapses", False: "stable"}, np.arange(len(values))
    named = zip(trajectory.agents, _falls(trajectory), strict=True)
    for i, (name, (fall, first)) in enumerate(named):
        label = plain(name if len(name) <= _LONG else f"{name[: _LONG - 1]}\u2026")
        if fall is not None:
            label += f" ({words[fall]}{f' from t = {first}' if first else ''})"
        axes.plot(t, values[:, i], label=label, **marked(i, len(t)))


def _crowd(axes: Axes, trajectory: Trajectory, values: NDArray[np.float64]) -> None:
    """Thin curves in the colours of the verdict; values (T + 1, n)."""
    falls, t = [fall for fall, _ in _falls(trajectory)], np.arange(len(values))
    every = -(-len(falls) // _THIN)
    last = " in the end" if len(verdicts_of(trajectory)) > 1 else ""
    for fall, colour, word in (
        (True, COLOURS[1], f"collapse{last}"),
        (False, COLOURS[0], f"stable{last}"),
        (None, "0.5", "learners"),
    ):
        some = [i for i in range(len(falls)) if falls[i] is fall]
        if some:
            axes.plot(t, values[:, some[::every]], color=colour, lw=0.5, alpha=0.5)
            axes.plot([], [], color=colour, lw=1.2, label=f"{word} ({len(some)})")


def _falls(trajectory: Trajectory) -> list[tuple[bool | None, int]]:
    """Whether each learner collapses in the last graph (None where nothing is claimed), and since
    which round the verdict on it has been that; 0 where it always was."""
    names = trajectory.agents
    found: list[tuple[bool | None, int]] = [(None, 0)] * len(names)
    for k, one in enumerate(verdicts_of(trajectory)):
        known = _by_learner(one.get("collapses"), names)
        falls: Sequence[bool | None] = [None] * len(names) if known is None else known
        first = one["from"] if k else 0
        found = [
            (fall, since if k and fall is before else first)
            for fall, (before, since) in zip(falls, found, strict=True)
        ]
    return found


def _by_learner(falling: Sequence[str] | None, names: Sequence[str]) -> list[bool] | None:
    """Whether each learner is among those that collapse."""
    if falling is None:
        return None
    among = set(falling)
    return [name in among for name in names]


def _log(axes: Axes, values: NDArray[np.float64]) -> None:
    """Logarithmic axes from t = 1 on, where there is anything to show on them."""
    later = values[1:]
    shown = later[(later > 0) & np.isfinite(later)]
    if len(values) < 3 or not len(shown):
        axes.set_visible(False)
        return
    tidy(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, len(values) - 1)
    axes.set_ylim(shown.min() / 1.5, shown.max() * 1.5)
