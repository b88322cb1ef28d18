"""The words that end ``lwd run`` on a terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lwd_agents.report.summary import side_by_side
from lwd_agents.trajectory import Trajectory

_NARROWEST = 20  # columns of a terminal that one answer needs to be read


def closing(trajectory: Trajectory, console: Console | None = None) -> None:
    """The norm at both ends, the agents' answers at t = 1 and t = T, and where everything is."""
    console = console or Console(highlight=False)
    first, last = trajectory.norm[0], trajectory.norm[-1]
    steps = len(trajectory) - 1
    change = f" ({last / first - 1:+.0%})" if first > 0 and math.isfinite(last) else ""
    console.print(
        f"||D||_F: {_number(first)} at t = 0, {_number(last)} at t = {steps}{change}; "
        f"{trajectory.synthetic_share[-1]:.0%} of the Internet was written by the models.",
        soft_wrap=True,
    )
    if last < first:
        console.print(
            "A falling norm alone is no evidence of collapse: readings grow, and average out.",
            soft_wrap=True,
        )
    answers = side_by_side(trajectory)
    if len(trajectory.agents) * _NARROWEST > console.width:
        for t, by_agent in answers.items():
            for agent, text in by_agent.items():
                console.print(Text(f"t = {t}, {agent}: {_shown(text)}"), soft_wrap=True)
    else:
        table = Table("", show_lines=True)
        for agent in trajectory.agents:
            table.add_column(Text(agent))
        for t, by_agent in answers.items():
            table.add_row(f"t = {t}", *(Text(_shown(text)) for text in by_agent.values()))
        console.print(table)
    figures = sorted((trajectory.path / "figures").glob("*.png"))
    status = trajectory.manifest["status"]
    console.print(f"run: {trajectory.path} ({status})", soft_wrap=True, markup=False)
    for figure in figures:
        console.print(f"figure: {figure}", soft_wrap=True, markup=False)


def _shown(text: str | None) -> str:
    """A model's text, in which control characters (they could steer the terminal) are marks."""
    if text is None:
        return "(silent)"
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def _number(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.4f}"
