"""Which steps keep their responses on the page, where all would make it too large."""

from __future__ import annotations

from collections.abc import Sequence

from lwd_agents.records import salvage_lines
from lwd_agents.report.page.sources import Source

Lengths = dict[int, dict[str, int]]
"""step -> its different texts with their lengths; a text stands on the page once."""


def kept_steps(sources: Sequence[Source], most: int) -> dict[str, list[int]]:
    """The steps to keep, by the run's key; a run that keeps all is not there.

    Every run gets its share of ``most`` characters, and keeps as many steps as fit, spread evenly;
    the first and the last always.
    """
    lengths = {s.key: _lengths(s) for s in sources if s.run is not None and s.world == "llm"}
    sizes = {key: _size(found, list(found)) for key, found in lengths.items()}
    total = sum(sizes.values())
    if total <= most:
        return {}
    return {
        key: _fitting(found, most * sizes[key] // total)
        for key, found in lengths.items()
        if len(found) > 2
    }


def spread(steps: Sequence[int], count: int) -> list[int]:
    """``count`` of some steps (two or more), evenly, with the first and the last."""
    last = len(steps) - 1
    return [steps[round(i * last / (count - 1))] for i in range(count)]


def _fitting(found: Lengths, most: int) -> list[int]:
    """As many steps as fit; the first and the last in any case."""
    steps = list(found)
    low, high = 2, len(steps)  # low always counts as fitting
    while high - low > 1:
        middle = (low + high) // 2
        fits = _size(found, spread(steps, middle)) <= most
        low, high = (middle, high) if fits else (low, middle)
    return spread(steps, low)


def _size(found: Lengths, steps: Sequence[int]) -> int:
    """The characters of the different texts of some steps."""
    texts: dict[str, int] = {}
    for t in steps:
        texts |= found[t]
    return sum(texts.values())


def _lengths(source: Source) -> Lengths:
    rows, _ = salvage_lines(source.path / "responses.jsonl")
    found: Lengths = {t: {} for t in source.steps}
    for row in rows:
        text = row.get("text")
        if isinstance(text, str) and row["t"] in found:
            found[row["t"]][text] = len(text)
    return found
