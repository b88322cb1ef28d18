"""Measures over the steps: how varied the answers are, and where their phrases come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import (
    COLOURS,
    PAGE,
    below,
    headline,
    marked,
    over_steps,
    plain,
)
from lwd_agents.report.figures.subject import CannotDraw, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A column of measure(run).agents, and what stands over its panel.
_OF_TEXTS = {
    "spread": r"within: tr $S_i$",
    "vendi": "Vendi score",
    "effective_rank": "effective rank",
    "distinct": "distinct 3-grams",
    "copied": "share copied from what was read",
}
_SHARES = {
    "from_human": ("human posts", "#F0F0F0", ""),
    "from_others": ("other agents", COLOURS[4], "////"),
    "from_own": ("own posts", COLOURS[1], ""),
    "from_elsewhere": ("elsewhere", COLOURS[3], "...."),
    "from_new": ("new", COLOURS[0], ""),
}
_MOST_AGENTS = 6


def diversity_figure(subject: Subject, *, titles: bool = True) -> Figure:
    """Measures of diversity over the steps, one line an agent; 6.9 inches wide.

    Of mixtures the spread within, the drift and the effective number of components, means over
    replicates, with the placebo's dashed.

    Raises:
        CannotDraw: none of them is known.
    """
    from matplotlib.figure import Figure

    table, names = subject.measures.agents, [str(name) for name in subject.manifest["agents"]]
    if subject.world == "gmm":
        return _of_mixtures(subject, titles)
    curves = {
        column: np.asarray(table[column], dtype=np.float64).reshape(-1, len(names))
        for column in _OF_TEXTS
        if column in table and np.isfinite(table[column]).any()
    }
    if not curves:
        raise CannotDraw("no measure of diversity is known at any step")
    rows = (len(curves) + 2) // 3
    figure = Figure(figsize=(PAGE, 0.6 + 1.7 * rows), layout="constrained")
    panels = list(figure.subplots(rows, 3, squeeze=False, sharex=True).flat)
    lines: list[Any] = []
    for axes, (column, values) in zip(panels, curves.items(), strict=False):
        last = len(values) - 1
        lines = [axes.plot(values[:, i], **marked(i, last))[0] for i in range(len(names))]
        axes.set_title(_OF_TEXTS[column], loc="left")
        over_steps(axes, last)
        axes.tick_params(labelbottom=True)
    _rest(panels[len(curves) :])
    below(figure, lines, [plain(name) for name in names], 7)
    if titles:
        headline(figure, f"Diversity of the answers: {_about(subject)}")
    return figure


def _of_mixtures(subject: Subject, titles: bool) -> Figure:
    from matplotlib.figure import Figure

    steps, agents = subject.measures.steps, subject.measures.agents
    names = [str(name) for name in subject.manifest["agents"]]
    if "within" not in steps:
        raise CannotDraw("no measure of the mixtures is known")
    figure = Figure(figsize=(PAGE, 2.4), layout="constrained")
    panels = figure.subplots(1, 3)
    handles: dict[str, Any] = {}
    for side, dashes in (("", "-"), ("placebo_", "--")):
        word = "placebo: human points" if side else "models' posts"
        for axes, column in zip(panels[:2], ("within", "drift"), strict=True):
            if f"{side}{column}" in steps:
                values = steps[f"{side}{column}"].to_numpy()
                (line,) = axes.plot(values, color="black", ls=dashes, lw=1.0)
                handles[word] = line
        column = f"{side}effective_components"
        if column in agents:
            each = agents[column].to_numpy().reshape(-1, len(names))
            for i, name in enumerate(names):
                look = {**marked(i, len(each) - 1), "linestyle": dashes, "linewidth": 0.8}
                (line,) = panels[2].plot(each[:, i], **look)
                if not side:
                    handles[plain(name)] = line
    told = ("within: trace of the covariance", "drift from the human law", "effective components")
    for axes, word in zip(panels, told, strict=True):
        axes.set_title(word, loc="left")
        over_steps(axes, len(steps) - 1)
    below(figure, list(handles.values()), list(handles), 5)
    if titles:
        headline(figure, f"Diversity of the mixtures: {_about(subject)}")
    return figure


def lineage_figure(subject: Subject, *, titles: bool = True) -> Figure:
    """Whose posts the phrases of each agent come from in the end: stacked shares over the steps.

    6.9 inches wide; the first six agents.

    Raises:
        CannotDraw: no share is known at any step.
    """
    from matplotlib.figure import Figure

    table, names = subject.measures.agents, [str(name) for name in subject.manifest["agents"]]
    if not set(_SHARES) <= set(table) or not np.isfinite(table["from_new"]).any():
        raise CannotDraw("no phrase could be traced (no texts, or no posts that were read)")
    shares = np.stack(
        [table[column].to_numpy(dtype=np.float64).reshape(-1, len(names)) for column in _SHARES]
    )
    shown = names[:_MOST_AGENTS]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(PAGE, 0.8 + 1.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    areas: Sequence[Any] = []
    for axes, name, share in zip(panels.flat, shown, np.moveaxis(shares, 2, 0), strict=False):
        areas = _stacked(axes, share)
        axes.set_title(plain(name), loc="left")
    for axes in panels[:, 0]:
        axes.set_ylabel("share of words")
    _rest(panels.flat[len(shown) :])
    below(figure, areas, [word for word, *_ in _SHARES.values()], 5)
    if titles:
        some = "" if shown == names else f" (the first {len(shown)} of {len(names)} agents)"
        headline(figure, f"Where phrases come from{some}: {_about(subject)}")
    return figure


def _stacked(axes: Axes, shares: NDArray[np.float64]) -> list[Any]:
    """(5, T + 1) as areas on each other; a gap where a step is not known."""
    from matplotlib.ticker import PercentFormatter

    t, tops = np.arange(shares.shape[1]), np.cumsum(shares, axis=0)
    floors = np.concatenate([np.zeros_like(tops[:1]), tops[:-1]])
    areas = []
    for (_, colour, hatch), low, high in zip(_SHARES.values(), floors, tops, strict=True):
        edge: dict[str, Any] = {"facecolor": colour, "edgecolor": "0.25", "linewidth": 0.3}
        areas.append(axes.fill_between(t, low, high, hatch=hatch, **edge))
    axes.set_ylim(0.0, 1.0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    over_steps(axes, len(t) - 1)
    axes.tick_params(labelbottom=True)
    return areas


def _rest(panels: Any) -> None:
    """Panels that nothing is drawn in."""
    for axes in panels:
        axes.set_visible(False)


def _about(subject: Subject) -> str:
    manifest = subject.manifest
    return f"{plain(str(manifest['experiment']))}, seed {manifest['seed']}"
