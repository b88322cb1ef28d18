"""What the benchmarks of the numeric worlds share: medians of interleaved runs, Markdown tables."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

Timed = Callable[[], Any]


def medians(functions: dict[str, Timed], repetitions: int) -> dict[str, float]:
    """Processor seconds of each function, after a call to warm up, the repetitions interleaved."""
    for function in functions.values():
        function()
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repetitions):
        for name, function in functions.items():
            started = time.process_time()
            function()
            taken[name].append(time.process_time() - started)
    return {name: statistics.median(times) for name, times in taken.items()}


def print_table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A Markdown table."""
    head = list(head)
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()
