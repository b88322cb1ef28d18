"""The words and tables of ``lwd measure``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lwd_agents.errors import BadInput
from lwd_agents.measures.table import Measures
from lwd_agents.report.wording import printable

if TYPE_CHECKING:
    import pandas as pd

_TABLES = ("steps", "agents", "pairs", "responses")


def tell(place: Path, found: Measures, console: Console | None = None) -> None:
    """Print the measures of the first and the last step: of the network, and of each agent."""
    console = console or Console(highlight=False)
    for line in lines(place, found):
        console.print(printable(line), soft_wrap=True, markup=False, emoji=False)


def lines(place: Path, found: Measures) -> list[str]:
    """The same, line by line."""
    last = found.steps.index[-1]
    told = [f"{place}: t = 0 and t = {last}"]
    ends = found.steps.iloc[[0, -1]].T
    told += [f"  {name:<24} {_number(a)} {_number(b)}" for name, a, b in ends.itertuples()]
    by_agent = found.agents.loc[[0, last]] if last else found.agents.loc[[0]]
    names = list(dict.fromkeys(by_agent.index.get_level_values("agent")))
    if len(by_agent.columns) and len(names) <= 6:
        told.append("  " + " " * 24 + "".join(f" {name[:19]:^19}" for name in names))
        for measure in by_agent.columns:
            cells = [
                f" {_number(by_agent.loc[(0, name), measure])}"
                f" {_number(by_agent.loc[(last, name), measure])}"
                for name in names
            ]
            told.append(f"  {measure:<24}{''.join(cells)}")
    for row in found.responses.to_dict("records"):
        told.append(f"  response of {row['agent']}: {_response(row)}")
    return told + [f"  {line}" for line in found.said]


def _response(row: dict[Any, Any]) -> str:
    """How an agent's answers move with what it reads."""
    if row["gain"] != row["gain"]:
        return f"not defined: {row['reason']}"
    ends = ""
    if row["gain_low"] == row["gain_low"]:
        ends = f" [{row['gain_low']:.3f}, {row['gain_high']:.3f}]"
    return f"gain {row['gain']:.3f}{ends}, {row['basis']}"


def _number(value: float) -> str:
    return f"{'none':>9}" if value != value else f"{value:>9.4g}"


def as_json(found: Measures) -> dict[str, Any]:
    """The tables as lists of rows; null for what is not defined."""
    tables = {name: _rows(getattr(found, name)) for name in _TABLES}
    return {**tables, "said": list(found.said)}


def _rows(table: pd.DataFrame) -> Any:
    named = table.index.names != [None]
    return json.loads((table.reset_index() if named else table).to_json(orient="records"))


def write(found: Measures, out: Path) -> None:
    """Write the tables as CSV files.

    Raises:
        BadInput: they cannot be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            table: pd.DataFrame = getattr(found, name)
            table.to_csv(out / f"{name}.csv", index=table.index.names != [None])
    except OSError as error:
        raise BadInput(f"--out {out}: cannot be written: {error.strerror or error}") from None
