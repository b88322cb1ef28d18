"""The words of ``lwd plan``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from lwd_agents.report.wording import count, plain, printable, span

Found = Mapping[str, Any]
_HOUR = 3600.0
_HEAD = f"{'pairs':>8} {'range':>15}"


def tell(found: Found, console: Console | None = None) -> None:
    """Print a plan."""
    console = console or Console(highlight=False)
    for line in lines(found):
        console.print(printable(line), soft_wrap=True, markup=False, emoji=False)


def lines(found: Found) -> list[str]:
    """The plan, line by line."""
    parts, plan = found["components"], found["plan"]
    windows = f"[t = {span(found['windows']['late'])}] - [t = {span(found['windows']['early'])}]"
    learners = found["world"] == "graph"
    shown = ", ".join(f"{name} {value:.3g}" for name, value in found["parts"].items())
    told = [
        f"pilot: {found['name']}, {count(parts['pairs'], 'matched pair')}{_sizes(found)}; "
        f"delta of {'the error' if learners else '||D||_F^2'}, {windows}",
        f"variance of delta: {parts['total']:.4g}{'' if learners else f'; {shown}'}",
        f"to find an effect of {plain(plan['effect'])} with power {plan['power']:.0%} at a "
        f"one-sided level of {plan['level']:.3g}:",
    ]
    if found["world"] == "llm":
        told.append(f"  {'draws':>6} {'readings':>8} {_HEAD} {'responses':>12} {'cost':>22}")
        told += [_row(one, found) for one in plan["options"]]
    else:
        told += [f"  {_HEAD}", f"  {_pairs(plan['options'][0])}"]
    return [*told, *(f"  {note}" for note in (*plan["notes"], *found["said"]))]


def _sizes(found: Found) -> str:
    parts = found["components"]
    return f", L = {parts['draws']}, M = {parts['readings']}" if found["world"] == "llm" else ""


def _pairs(one: Found) -> str:
    """How many pairs, and their range."""
    pairs = "none" if one["pairs"] is None else f"{one['pairs']:,}"
    ends = [one["pairs_low"], one["pairs_high"]]
    shown = " to ".join("over 100,000" if end is None else f"{end:,}" for end in ends)
    return f"{pairs:>8} {shown:>15}"


def _row(one: Found, found: Found) -> str:
    responses = "" if one["responses"] is None else f"{one['responses']:,}"
    return (
        f"  {one['draws']:>6} {one['readings']:>8} {_pairs(one)} {responses:>12} "
        f"{_cost(one, found):>22}"
    )


def _cost(one: Found, found: Found) -> str:
    """Dollars and hours, as far as the pilot knows them."""
    if one["responses"] is None:
        return ""
    dollars = f"${one['cost']:,.2f}" if one["cost"] else ""
    hours = ""
    if found["seconds"]:
        hours = f"{plain(one['responses'] * found['seconds'] / _HOUR)} h"
    return ", ".join(part for part in (dollars, hours) if part) or "not known"
