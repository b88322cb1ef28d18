"""Numbers as words: counts, spans of steps, p-values, signed values."""

from __future__ import annotations

import math
from collections.abc import Sequence


def printable(text: str) -> str:
    """A line in which control characters (they could steer the terminal) are marks."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def count(number: int, what: str) -> str:
    """``1 run``, ``12 runs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def span(window: Sequence[int]) -> str:
    """``7``, ``17 .. 20``."""
    first, last = window
    return f"{first}" if first == last else f"{first} .. {last}"


def signed(value: float | None) -> str:
    """Four digits after the point, with a sign."""
    return "none" if value is None else f"{value:+.4f}"


def number(value: float | None) -> str:
    """Four digits after the point; four in all of the very large and small; ``not defined``."""
    if value is None or math.isnan(value):
        return "not defined"
    plainly = value == 0 or 1e-3 <= abs(value) < 1e6
    return f"{value:.4f}" if plainly else f"{value:.4g}"


def plain(value: float) -> str:
    """Three digits, and no power of ten below a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def probability(p: float) -> str:
    """``= 0.012``, or ``< 0.0001``."""
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
