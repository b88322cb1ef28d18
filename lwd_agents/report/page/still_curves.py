"""Static figures of the page over the steps: norms, measures, and the weights of mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_PANELS = 6  # agents
_MOST_BESIDE = 5  # replicates drawn one by one
_MOST_CORNERS = 6000  # of all areas of a figure together
_THEORY = {"predicted": (0, (1, 1)), "placebo_predicted": (0, (4, 1, 1, 1))}
_CURVES = {
    "error": "error: squared distance from the truth",
    "between": "between models: ‖D‖², unbiased",
    "within": "within models: tr S",
    "drift": "drift from the human posts",
    "vendi_of_all": "Vendi score of all answers",
    "edit_between": "edit distance between models",
    "support_of_all": "share of A(0) that is answered",
}
_OF_LEARNERS = {
    "between": "between learners: ‖D‖²",
    "within": "within learners: trace of the covariance",
    "drift": "drift of the mean from the truth",
}


def _looks(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """How each run is drawn: placebos dashed, in the colour of their live run; many runs thin."""
    if len(runs) > MOST_NAMED:
        return [
            {"color": COLOURS[1 if run.get("placebo") else 0], "lw": 0.6, "alpha": 0.6}
            | ({"ls": "--"} if run.get("placebo") else {})
            for run in runs
        ]
    live = [run.get("key") for run in runs if not run.get("placebo")]
    places = {key: place for place, key in enumerate(live)}
    looks = []
    for i, run in enumerate(runs):
        owner = run.get("of") if run.get("placebo") else run.get("key")
        colour, marker = look(places.get(owner, i))
        dashes: dict[str, Any] = {"ls": "--", "mfc": "white"} if run.get("placebo") else {}
        marks = {"marker": marker, "ms": 3.5, "markevery": max(1, len(run["t"]) // 9)}
        looks.append({"color": colour, "lw": 1.3, **marks, **dashes})
    return looks


def _legend_of_runs(runs: Sequence[Run], lines: Mapping[int, Any]) -> dict[str, Any]:
    """Legend texts and lines: each run by its name, or of many the two kinds."""
    if len(runs) <= MOST_NAMED:
        said = {i: " (placebo)" if runs[i].get("placebo") else "" for i in lines}
        return {f"{named(runs[i].get('key'))}{said[i]}": line for i, line in lines.items()}
    return {("placebos" if runs[i].get("placebo") else "runs"): line for i, line in lines.items()}


def norm_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """The norm of every run; band, floor, theory and replicates of the first that has a norm."""
    shown = [run for run in runs if is_known((run.get("curves") or {}).get("norm"))]
    if not shown:
        return None
    figure = card(4.2)
    axes: Axes = figure.subplots()
    around = _around(axes, shown[0], stride(shown[:1], 8 + 2 * _MOST_BESIDE))
    looks, lines, told, every = _looks(shown), {}, [], stride(shown)
    for i, run in enumerate(shown):
        values, kind = run["curves"]["norm"], ", a placebo" if run.get("placebo") else ""
        replicates = run.get("replicates") or {}
        if is_known(replicates.get("rms")):
            values, kind = replicates["rms"], f", root mean square of {replicates['count']}"
        lines[i] = draw_curve(axes, run["t"], values, every, **looks[i])
        told.append(told_ends(f"{spelt(run.get('key'))}{kind}", run["t"], values))
        if is_known(replicates.get("placebo_rms")):
            told.append(told_ends("its placebo", run["t"], replicates["placebo_rms"]))
    legend = _legend_of_runs(shown, lines) | around
    if axes.dataLim.y0 >= 0.0:  # a band of signed roots may be below
        axes.set_ylim(bottom=0.0)
    axes.set_ylabel("collapse norm ‖D(t)‖")
    over_steps(axes, max(run["t"][-1] for run in shown))
    axes.set_xlabel("step t")
    below(figure, list(legend.values()), list(legend), 3)
    alt = f"The collapse norm over the steps. {in_words(told)}{thinned(every)}"
    beside = f" Drawn with the first: {'; '.join(around)}." if around else ""
    return figure, alt + beside


def _around(axes: Axes, run: Run, every: int) -> dict[str, Any]:
    """Band, floor, theory and replicates of a run, under its norm: legend text -> what it shows."""
    t, legend = run["t"], {}
    band, replicates = run.get("band") or {}, run.get("replicates") or {}
    for low, high, about in (
        ("low_all", "high_all", "without draw noise, all steps at once"),
        ("low", "high", "without draw noise, each step"),
    ):
        if is_known(band.get(low)) and is_known(band.get(high)):
            bottom, top = (as_numbers(band[end])[::every] for end in (low, high))
            shade: dict[str, Any] = {"color": COLOURS[0], "alpha": 0.15, "lw": 0}
            legend[about] = axes.fill_between(t[::every], bottom, top, **shade)
    for side, colour in (("norm", COLOURS[0]), ("placebo_norm", COLOURS[1])):
        for values in (replicates.get(side) or [])[:_MOST_BESIDE]:
            draw_curve(axes, t, values, every, color=colour, lw=0.4, alpha=0.35)
    lines: list[tuple[str, Any, dict[str, Any]]] = [
        ("placebo", replicates.get("placebo_rms"), {"color": COLOURS[1], "ls": "--", "lw": 1.3}),
        ("draw floor: equal means", run.get("floor"), {"color": "0.35", "ls": ":", "lw": 1.3}),
    ]
    for theory, values in (run.get("theory") or {}).items():
        dashes = _THEORY.get(theory, "-.")
        look = {"color": "0.15", "ls": dashes, "lw": 1.1, "zorder": 4}
        lines.append((f"theory: {named(theory.replace('_', ' '))}", values, look))
    for about, values, look in lines:
        if is_known(values):
            legend[about] = draw_curve(axes, t, values, every, **look)
    return legend


def measures_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """Measures of the whole network over the steps, all runs."""
    shown = [run for run in runs if run.get("curves") and run.get("t")]
    names = [name for name in _CURVES if any(is_known(run["curves"].get(name)) for run in shown)]
    if not names:
        return None
    about = {name: _about(name, shown) for name in names}
    columns = min(3, len(names))
    figure = card(1.0 + 2.0 * -(-len(names) // columns))
    panels = list(figure.subplots(-(-len(names) // columns), columns, squeeze=False).flat)
    looks, every, told = _looks(shown), stride(shown, 2 * len(names)), []
    lines: dict[int, Any] = {}
    placebo: dict[str, Any] = {}
    for axes, name in zip(panels, names, strict=False):
        for i, run in enumerate(shown):
            if is_known(values := run["curves"].get(name)):
                lines[i] = draw_curve(axes, run["t"], values, every, **looks[i])
                told.append(told_ends(f"{spelt(run.get('key'))}, {about[name]}", run["t"], values))
            if is_known(values := run["curves"].get(f"placebo_{name}")):
                look = {**looks[i], "ls": "--", "mfc": "white"}
                placebo["placebo"] = draw_curve(axes, run["t"], values, every, **look)
        axes.set_title(about[name], loc="left")
        over_steps(axes, max(run["t"][-1] for run in shown))
        axes.set_xlabel("step t")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    legend = _legend_of_runs(shown, dict(sorted(lines.items()))) | placebo
    below(figure, list(legend.values()), list(legend), 3)
    return figure, f"Measures over the steps. {in_words(told, 12)}{thinned(every)}"


def _about(name: str, runs: Sequence[Run]) -> str:
    """What a measure is, of the worlds that have it."""
    kinds = {bool(run.get("learners")) for run in runs if is_known(run["curves"].get(name))}
    own = _OF_LEARNERS.get(name)
    if own is None or True not in kinds:
        return _CURVES[name]
    return own if kinds == {True} else name


def weights_still(runs: Sequence[Run]) -> tuple[Figure, str] | None:
    """The weights of each mixture over the steps, stacked; the first replicate."""
    run = next((run for run in runs if is_known(run.get("weights"))), None)
    if run is None:
        return None
    weights, names = as_numbers(run["weights"]), run["agents"][:_MOST_PANELS]
    parts, columns = weights.shape[2], min(3, len(names))
    figure = card(1.0 + 2.0 * -(-len(names) // columns))
    rows = -(-len(names) // columns)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    every = max(1, -(-len(weights) * parts * len(names) // _MOST_CORNERS))
    told, areas = [], []
    for i, (axes, name) in enumerate(zip(panels.flat, names, strict=False)):
        areas = _stacked(axes, run["t"][::every], weights[::every, i])
        axes.set_title(named(name), loc="left")
        over_steps(axes, run["t"][-1])
        axes.set_xlabel("step t")
        ends = [", ".join(f"{w:.2f}" for w in weights[k, i, :MOST_NAMED]) for k in (0, -1)]
        told.append(f"{spelt(name)} ({ends[0]}) to ({ends[1]}).")
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    panels[0, 0].set_ylabel("weight")
    few = areas if parts <= 12 else []
    below(figure, few, [f"component {b + 1}" for b in range(len(few))], 6)
    alt = f"Weights of the mixtures' {parts} components, first to last step: {in_words(told)}"
    more = len(run["agents"]) - len(names)
    return figure, alt + (f" {more} more agents are not drawn." if more else "") + thinned(every)


def _stacked(axes: Axes, t: Sequence[int], weights: Floats) -> list[Any]:
    """(T, B) weights on each other, the first component lowest."""
    from matplotlib import colormaps

    tops = np.cumsum(weights, axis=1)
    floors = tops - weights
    shades = colormaps["cividis"](np.linspace(0.1, 0.95, weights.shape[1]))
    axes.set_ylim(0.0, 1.0)
    return [
        axes.fill_between(t, floors[:, b], tops[:, b], color=shades[b], ec="white", lw=0.3)
        for b in range(weights.shape[1])
    ]
