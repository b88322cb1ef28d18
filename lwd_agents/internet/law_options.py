"""What laws have in common: options that are checked when a law is made, and how they refuse."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from lwd_agents.internet.view import View


def exact(name: str, value: Any, low: float, high: float) -> Decimal:
    """An option's number as the decimal that was written.

    Raises:
        ValueError: it is none, not finite, or outside low..high; in one line that names it.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise InvalidOperation
        number = Decimal(str(value))
        if number.is_finite() and low <= number <= high:
            return number
    except InvalidOperation:
        pass
    span = f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
    raise ValueError(f"{name}: {value!r} should be a number {span}")


def number(name: str, value: Any, low: float, high: float) -> float:
    """As ``exact``, in floating point."""
    return float(exact(name, value, low, high))


def asked(law: object, view: View, k: int) -> str:
    """How a law's refusal begins."""
    name = type(law).__name__.lower()
    return f"reading.law {name}: k = {k} posts asked for {view.agent} at step {view.t}, but"
