"""The table and the words of ``lwd estimate``."""

from __future__ import annotations

import json
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lwd_agents.estimates import AgentEstimate, Estimate, Figures
from lwd_agents.prices import Price

_LONGEST = 30  # characters of a spec that a row of the table shows whole


def tell(estimate: Estimate, console: Console | None = None) -> None:
    """Print an estimate for people: a row for every agent, the totals, and what they rest on."""
    console = console or Console(highlight=False)
    if not estimate.agents:
        _say(console, nothing_to_pay(estimate))
        return
    first, last = estimate.readings
    _say(
        console,
        f"{estimate.experiment}: {_replicates(estimate)}t = 0 to {estimate.steps}, "
        f"{estimate.draws} draws; "
        f"a reading grows from {first:,} to {last:,} posts.",
    )
    console.print(_table(estimate))
    for sentence in sentences(estimate):
        _say(console, sentence)


def _replicates(estimate: Estimate) -> str:
    return f"{estimate.replicates} replicates of " if estimate.replicates > 1 else ""


def nothing_to_pay(estimate: Estimate) -> str:
    """What there is to say of a world without language models."""
    return f"{estimate.experiment}: the world {estimate.world} calls no models and costs nothing."


def sentences(estimate: Estimate) -> list[str]:
    """What the figures rest on, and what is not in them."""
    agents = estimate.agents
    said = [
        "Expected: answers as long as a post of A(0) is on average. At most: answers of max_tokens,"
        " and readings of the longest posts there can be. Calls that fail and are made again are in"
        " neither.",
        *_grouped("Tokens", [(agent.name, agent.counted) for agent in agents]),
    ]
    if any(agent.counted.startswith("4") for agent in agents):
        said.append("Where tokens are counted by characters, both figures are as rough as that.")
    said += _grouped("Price", [(agent.name, _rate(agent.price)) for agent in agents if agent.price])
    if any(agent.price and agent.price.input for agent in agents):
        said.append("No discount for cached input is counted.")
    if unknown := [agent for agent in agents if agent.price is None]:
        said.append(_how_to_price(unknown))
    if any(agent.probe for agent in agents):
        said.append("Probes: small requests before the run that find out what a provider honours.")
    if shared := [agent.name for agent in agents if agent.one_by_one]:
        said.append(
            f"{', '.join(shared)}: n draws are asked of one reading of the prompt. Where the server"
            " gives one answer at a time, the rows 'one by one' hold; the total is without them."
        )
    if estimate.may_end:
        said.append(f"A run that converges stops itself before t = {estimate.steps}, for less.")
    return [*said, *_stops(estimate)]


def _table(estimate: Estimate) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("agent", overflow="fold")
    table.add_column("", no_wrap=True)
    for name in ("requests", "tokens read", "written", "US dollars"):
        table.add_column(name, justify="right", no_wrap=True)
    probes = [agent.probe for agent in estimate.agents if agent.probe]
    for agent in estimate.agents:
        _rows(table, Text(f"{agent.name}\n{_shown(agent.model)}"), agent.expected, agent.most)
        if agent.one_by_one:
            _rows(table, Text("  one by one"), *agent.one_by_one)
    if probes:
        total = sum(probes[1:], probes[0])
        _row(table, Text("probes"), "at most", total)
    table.add_section()
    _rows(table, Text("total"), estimate.expected, estimate.most)
    return table


def _rows(table: Table, name: Text, expected: Figures, most: Figures) -> None:
    cells = [f"{one}\n{other}" for one, other in zip(_cells(expected), _cells(most), strict=True)]
    table.add_row(name, "expected\nat most", *cells)


def _row(table: Table, name: Text, kind: str, figures: Figures) -> None:
    table.add_row(name, kind, *_cells(figures))


def _cells(figures: Figures) -> list[str]:
    return [
        f"{figures.requests:,}",
        f"{figures.prompt_tokens:,}",
        f"{figures.completion_tokens:,}",
        dollars(figures.cost),
    ]


def dollars(cost: Decimal | None) -> str:
    """A cost in words: two decimals, or more where it is small."""
    if cost is None:
        return "unknown"
    if cost == 0:
        return "0"
    if cost >= 1:
        return f"{cost:,.2f}"
    return f"{cost:.4f}" if cost >= Decimal("0.0001") else "< 0.0001"


def _rate(price: Price) -> str:
    if price.input == price.output == 0:
        return f"0 ({price.source})"
    read, written = (f"{dollars.normalize():f}" for dollars in (price.input, price.output))
    return f"{read} dollars per million tokens read, {written} written ({price.source})"


def _shown(spec: str) -> str:
    """A spec, or the end of one that is a long path."""
    scheme, colon, place = spec.partition(":")
    if len(spec) <= _LONGEST or "/" not in place:
        return spec
    return f"{scheme}{colon}.../{place.rpartition('/')[2]}"


def _grouped(what: str, pairs: list[tuple[str, str]]) -> list[str]:
    """One sentence a kind; names only where there are several kinds."""
    kinds = dict.fromkeys(kind for _, kind in pairs)
    if len(kinds) == 1:
        return [f"{what}: {next(iter(kinds))}."]
    names = {kind: ", ".join(name for name, own in pairs if own == kind) for kind in kinds}
    return [f"{what} of {names[kind]}: {kind}." for kind in kinds]


def _how_to_price(unknown: list[AgentEstimate]) -> str:
    specs = dict.fromkeys(agent.model for agent in unknown)
    example = ", ".join(f"{json.dumps(spec)}: {{input: 0.25, output: 2}}" for spec in specs)
    return (
        f"No price is known for {', '.join(specs)}. Give dollars per million tokens under prices "
        f"in the experiment, or with --set 'prices={{{example}}}'."
    )


def _stops(estimate: Estimate) -> list[str]:
    said = []
    for stop in estimate.stops:
        many = estimate.replicates
        place = f" of replicate {stop.replicate + 1} of {many}" if many > 1 else ""
        when = "stops before about" if stop.certain else "can stop as early as"
        said.append(
            f"{stop.key} of {stop.limit:,}: the run {when} t = {stop.t} of {estimate.steps}{place};"
            " with a higher limit the same command goes on."
        )
    return said


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=not console.is_terminal)
