"""The words of ``lwd plan``. Nothing is computed but products for the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from lwd_agents.report.wording import count, plain, span

Found = Mapping[str, Any]
_HOUR = 3600.0


def tell(found: Found, console: Console | None = None) -> None:
    """Print a plan."""
    console = console or Console(highlight=False)
    for line in lines(found):
        console.print(line, soft_wrap=True, markup=False)


def lines(found: Found) -> list[str]:
    """The plan, line by line."""
    parts, plan = found["components"], found["plan"]
    windows = f"[t = {span(found['windows']['late'])}] - [t = {span(found['windows']['early'])}]"
    told = [
        f"pilot: {found['name']}, {count(parts['pairs'], 'matched pair')}, L = {parts['draws']}, "
        f"M = {parts['readings']}; delta of ||D||_F^2, {windows}",
        f"variance of delta: {parts['total']:.4g}; {_parts(parts)}",
        f"to find an effect of {plain(plan['effect'])} with power {plan['power']:.0%} at a "
        f"one-sided level of {plan['level']:.3g}:",
        f"  {'draws':>6} {'readings':>8} {'pairs':>8} {'range':>15} {'responses':>12} {'cost':>22}",
    ]
    told += [_row(one, found) for one in plan["options"]]
    return [*told, *(f"  {note}" for note in (*plan["notes"], *found["said"]))]


def _row(one: Found, found: Found) -> str:
    pairs = "none" if one["pairs"] is None else f"{one['pairs']:,}"
    ends = [one["pairs_low"], one["pairs_high"]]
    shown = " to ".join("over 100,000" if end is None else f"{end:,}" for end in ends)
    responses = "" if one["responses"] is None else f"{one['responses']:,}"
    return (
        f"  {one['draws']:>6} {one['readings']:>8} {pairs:>8} {shown:>15} {responses:>12} "
        f"{_cost(one, found):>22}"
    )


def _cost(one: Found, found: Found) -> str:
    """Dollars and hours, as far as the pilot knows them."""
    if one["responses"] is None:
        return ""
    dollars = "" if not found["dollars"] else f"${one['responses'] * found['dollars']:,.2f}"
    hours = ""
    if found["seconds"]:
        hours = f"{plain(one['responses'] * found['seconds'] / _HOUR)} h"
    return ", ".join(part for part in (dollars, hours) if part) or "not known"


def _parts(parts: Found) -> str:
    """What of the variance draws, readings and runs make, in the pilot."""
    many = parts["draws"]
    draw = parts["draw_linear"] / many + parts["draw_square"] / max(many * (many - 1), 1)
    told = {
        "draws": draw / parts["readings"],
        "readings": parts["reading"] / parts["readings"],
        "runs": parts["run"],
    }
    return ", ".join(f"{name} {value:.3g}" for name, value in told.items())
