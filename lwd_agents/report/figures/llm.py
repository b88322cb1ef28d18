"""The figures of an LLM network: Figures 2 and 3 of arXiv 2506.15690."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.measures.geometry import classical_mds
from lwd_agents.report.figures.style import (
    COLOURS,
    PAGE,
    below,
    headline,
    look,
    over_steps,
    plain,
    tidy,
    title,
)
from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 3000  # classical MDS takes the eigenvectors of a matrix this wide


def norm_figure(trajectory: Trajectory, *, width: float = PAGE, titles: bool = True) -> Figure:
    """Figure 2: ||D(t)||_F over the steps, with the share of the Internet that models wrote.

    ``width`` inches wide, one column of a paper or two.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(width, 1.5 + 0.4 * width), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _norms(upper, trajectory.norms)
    upper.set_ylim(bottom=0.0)
    upper.set_ylabel(r"$\|D^{(t)}\|_F$")
    if titles:
        headline(figure, f"Collapse norm: {title(trajectory)}")
    t = np.arange(len(trajectory))
    lower.fill_between(t, trajectory.synthetic_share, color=COLOURS[1], alpha=0.35, linewidth=0)
    lower.plot(t, trajectory.synthetic_share, color=COLOURS[1], linewidth=1.0)
    lower.set_ylim(0.0, 1.0)
    lower.yaxis.set_major_formatter(PercentFormatter(1.0))
    lower.set_ylabel("synthetic\nshare of $A^{(t)}$")
    over_steps(lower, trajectory.norms.shape[1] - 1)
    tidy(upper)
    figure.align_ylabels()
    return figure


def _norms(axes: Axes, norms: NDArray[np.float64]) -> None:
    """The norm of a run; of replicates, (R, T + 1), thin lines and their mean."""
    t = np.arange(norms.shape[1])
    mean: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "markersize": 2, "linewidth": 1.1}
    if len(norms) == 1:
        axes.plot(t, norms[0], **mean)
        return
    for norm in norms:
        axes.plot(t, norm, color=COLOURS[5], linewidth=0.6)
    axes.plot(t, norms.mean(axis=0), label=f"mean of {len(norms)} replicates", **mean)
    axes.legend(frameon=False, loc="lower right")


def responses_figure(trajectory: Trajectory, *, titles: bool = True) -> Figure:
    """Figure 3: all responses at t = 1 and t = T by classical MDS, in one frame and one scale.

    6.9 inches wide, for both columns of a paper.
    """
    from matplotlib.figure import Figure

    steps = trajectory.first_and_last
    points, groups = _responses(trajectory, steps)
    plane = classical_mds(points)
    figure = Figure(figsize=(PAGE if len(steps) > 1 else PAGE / 2, 4.2), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(steps), squeeze=False, sharey=True)[0]
    clouds: list[Any] = []
    for axes, t in zip(panels, steps, strict=True):
        clouds = [
            _cloud(axes, plane[(groups == (t, i)).all(axis=1)], i)
            for i in range(len(trajectory.agents))
        ]
        axes.set_title(f"$t = {t}$")
        axes.set_aspect("equal", adjustable="box")
        tidy(axes)
    reach = float(np.abs(plane).max(initial=0.0)) * 1.08 or 1.0
    for axes in panels:
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_xlabel("first coordinate")
    panels[0].set_ylabel("second coordinate")
    below(figure, clouds, [plain(name) for name in trajectory.agents], 7)
    if titles:
        headline(figure, f"Responses, classical MDS in one frame: {title(trajectory)}")
    return figure


def _cloud(axes: Axes, points: NDArray[np.float64], i: int) -> Any:
    """The responses of the i-th agent at one step."""
    colour, marker = look(i)
    edge: dict[str, Any] = {"alpha": 0.6, "linewidths": 0}
    return axes.scatter(points[:, 0], points[:, 1], s=14, color=colour, marker=marker, **edge)


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
