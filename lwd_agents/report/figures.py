"""The figures of a run, drawn from its directory alone. What they show is computed in measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import classical_mds
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
_DPI = 150
_MOST_POINTS = 3000  # classical MDS takes the eigenvectors of a matrix this wide


def draw_figures(trajectory: Trajectory, folder: Path) -> list[Path]:
    """Draw Figures 2 and 3 of arXiv 2506.15690 for one run, as PNG files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "figure2-norm.png": norm_figure(trajectory),
        "figure3-responses.png": responses_figure(trajectory),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=_DPI)
    return [folder / name for name in figures]


def norm_figure(trajectory: Trajectory) -> Figure:
    """Figure 2: ||D(t)||_F over the steps, with the share of the Internet that models wrote."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    t = np.arange(len(trajectory))
    upper.plot(t, trajectory.norm, color=_COLOURS[0], marker="o", markersize=3, linewidth=1.4)
    upper.set_ylim(bottom=0.0)
    upper.set_ylabel(r"$\|D^{(t)}\|_F$")
    upper.set_title(f"Collapse norm: {_title(trajectory)}", loc="left", fontsize=10)
    lower.fill_between(t, trajectory.synthetic_share, color=_COLOURS[1], alpha=0.35, linewidth=0)
    lower.plot(t, trajectory.synthetic_share, color=_COLOURS[1], linewidth=1.2)
    lower.set_ylim(0.0, 1.0)
    lower.yaxis.set_major_formatter(PercentFormatter(1.0))
    lower.set_ylabel("synthetic\nshare of $A^{(t)}$")
    lower.set_xlabel("step $t$")
    lower.set_xlim(0, max(len(trajectory) - 1, 1))
    lower.xaxis.get_major_locator().set_params(integer=True)
    for axes in (upper, lower):
        _tidy(axes)
    return figure


def responses_figure(trajectory: Trajectory) -> Figure:
    """Figure 3: all responses at t = 1 and t = T by classical MDS, in one frame and one scale."""
    from matplotlib.figure import Figure

    steps = first_and_last(trajectory)
    points, groups = _responses(trajectory, steps)
    plane = classical_mds(points)
    figure = Figure(figsize=(4.4 * len(steps) + 0.6, 4.9), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(steps), squeeze=False)[0]
    for axes, t in zip(panels, steps, strict=True):
        for i, agent in enumerate(trajectory.agents):
            mine = plane[(groups == (t, i)).all(axis=1)]
            axes.scatter(
                mine[:, 0],
                mine[:, 1],
                s=26,
                color=_COLOURS[i % len(_COLOURS)],
                marker=_MARKERS[i % len(_MARKERS)],
                alpha=0.55,
                linewidths=0,
                label=agent,
            )
        axes.set_title(f"t = {t}", fontsize=10)
        axes.set_aspect("equal", adjustable="box")
        _tidy(axes)
    reach = float(np.abs(plane).max(initial=0.0)) * 1.08 or 1.0
    for axes in panels:
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_xlabel("first coordinate")
    panels[0].set_ylabel("second coordinate")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False
    )
    figure.suptitle(
        f"Responses, classical MDS in one frame: {_title(trajectory)}",
        fontsize=10,
        x=0.02,
        ha="left",
    )
    return figure


def first_and_last(trajectory: Trajectory) -> list[int]:
    """The steps set side by side: 1 and T (0 and 1 where T is 1; 0 alone where it is 0)."""
    last = len(trajectory) - 1
    return [1, last] if last > 1 else list(range(last + 1))


def _responses(
    trajectory: Trajectory, steps: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The present responses of some steps: (P, D) embeddings, and (P, 2) of (step, agent)."""
    points, groups = [], []
    for t in steps:
        embeddings = trajectory.step_embeddings(t).astype(np.float64)
        most = max(1, _MOST_POINTS // (len(steps) * len(embeddings)))
        for i, rows in enumerate(embeddings[:, :most]):
            present = rows[~np.isnan(rows[:, 0])]
            points.append(present)
            groups += [(t, i)] * len(present)
    return np.concatenate(points), np.array(groups, dtype=np.int64).reshape(-1, 2)


def _title(trajectory: Trajectory) -> str:
    manifest = trajectory.manifest
    name = f"{manifest['experiment']}, seed {manifest['seed']}"
    return f"{name}, {len(trajectory.agents)} agents, L = {manifest['config']['draws']}"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
