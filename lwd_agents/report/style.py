"""What all figures share: colours, marks, titles, and quiet axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwd_agents.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DPI = 150


def title(trajectory: Trajectory) -> str:
    """The run in a few words."""
    manifest = trajectory.manifest
    config = manifest["config"]
    name = f"{manifest['experiment']}, seed {manifest['seed']}"
    if trajectory.world == "gmm":
        return (
            f"{name}: {config['models']} mixtures, B = {config['components']}, "
            f"L = {config['posts_per_step']}"
        )
    return f"{name}, {len(trajectory.agents)} agents, L = {config['draws']}"


def tidy(axes: Axes) -> None:
    """Two spines, a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
