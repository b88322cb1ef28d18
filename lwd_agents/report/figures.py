"""The figures of a run, drawn from its directory alone. What they show is computed in measures."""

from __future__ import annotations

from pathlib import Path

from lwd_agents.report.style import DPI
from lwd_agents.trajectory import Trajectory


def draw_figures(trajectory: Trajectory, folder: Path) -> list[Path]:
    """Draw the figures of arXiv 2506.15690 that a run's world has, as PNG files in ``folder``."""
    if trajectory.world == "llm":
        from lwd_agents.report import llm_figures

        figures = {
            "figure2-norm.png": llm_figures.norm_figure(trajectory),
            "figure3-responses.png": llm_figures.responses_figure(trajectory),
        }
    else:
        from lwd_agents.report import gmm_figures

        number = 4 if trajectory.manifest["config"]["components"] == 2 else 6
        figures = {
            f"figure{number}-norm.png": gmm_figures.norm_figure(trajectory),
            "figure5-histograms.png": gmm_figures.histograms_figure(trajectory),
        }
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return [folder / name for name in figures]
