"""How the agents' perspectives move: every step in one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import PAGE, below, headline, look, plain, tidy
from lwd_agents.report.figures.subject import CannotDraw, Subject

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def trajectories_figure(subject: Subject, *, titles: bool = True) -> Figure:
    """X_i(t) of each agent in the joint frame of all steps, as a path and coordinate by coordinate.

    The first step known has an open mark and the last a large full one. What the plane doesn't
    show is said as the median distance from it. 6.9 inches wide, for both columns of a paper.

    Raises:
        CannotDraw: no perspective is known.
    """
    from matplotlib.figure import Figure

    table = subject.measures.agents
    if "x" not in table or not np.isfinite(table["x"]).any():
        raise CannotDraw("no agent's perspective is known at any step")
    names = [str(name) for name in subject.manifest["agents"]]
    x, y = (_by_agent(table, column, names) for column in ("x", "y"))
    figure = Figure(figsize=(PAGE, 3.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1))
    plane: Axes = figure.add_subplot(grid[:, 0])
    first: Axes = figure.add_subplot(grid[0, 1])
    second: Axes = figure.add_subplot(grid[1, 1], sharex=first)
    lines = [_path(plane, x[:, i], y[:, i], i) for i in range(len(names))]
    plane.set_aspect("equal", adjustable="datalim")
    plane.set_xlabel("first coordinate")
    plane.set_ylabel("second coordinate")
    off = np.nanmedian(table["off_the_plane"])
    plane.set_title(f"distance from this plane: {off:.2g} (median)", loc="left", fontsize="small")
    for axes, values, label in ((first, x, "first"), (second, y, "second")):
        for i in range(len(names)):
            axes.plot(values[:, i], color=look(i)[0], linewidth=0.9)
            _ends(axes, np.arange(len(values), dtype=np.float64), values[:, i], i)
        axes.set_ylabel(f"{label} coordinate")
        tidy(axes)
    first.tick_params(labelbottom=False)
    second.set_xlabel("step $t$")
    second.locator_params(axis="x", integer=True)
    tidy(plane)
    below(figure, lines, [plain(name) for name in names], 7)
    if titles:
        about = plain(str(subject.manifest["experiment"]))
        headline(figure, f"Perspectives in one frame: {about}, seed {subject.manifest['seed']}")
    return figure


def _by_agent(table: pd.DataFrame, column: str, names: list[str]) -> NDArray[np.float64]:
    """A column of ``measure(run).agents``, (T + 1, N)."""
    return np.asarray(table[column].to_numpy(dtype=np.float64).reshape(-1, len(names)))


def _path(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], i: int) -> Line2D:
    colour, marker = look(i)
    (line,) = axes.plot(x, y, color=colour, marker=marker, ms=1.8, lw=0.5, alpha=0.75)
    _ends(axes, x, y, i)
    return line


def _ends(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], i: int) -> None:
    """The first and the last place that are known: open, and full."""
    colour, marker = look(i)
    there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    for place, face in ((there[:1], "white"), (there[-1:], colour)):
        axes.plot(
            x[place], y[place], ls="", marker=marker, ms=6, mfc=face, mec=colour, mew=1.1, zorder=4
        )
