"""Finite numbers and rows of them, as experiment files give them."""

from __future__ import annotations

import math
import re
from typing import Any

Row = tuple[float, ...]
Rows = tuple[Row, ...]
_WRITTEN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", re.ASCII)


def finite(value: Any) -> float:
    """A finite number; YAML leaves 1e-3 as a text.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, str) and _WRITTEN.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} should be a finite number")
    return float(value)


def row(value: Any) -> Row:
    """One number or a list of them, as a row."""
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(finite(item) for item in items)


def rows(value: Any) -> Any:
    """Rows of equal length from a list of numbers (d = 1) or of lists; None stays None."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("should be a list of numbers, or of lists of numbers")
    found = tuple(row(item) for item in value)
    lengths = sorted({len(one) for one in found})
    if len(lengths) > 1 or not lengths[0]:
        raise ValueError(f"its rows have different lengths: {', '.join(map(str, lengths))}")
    return found
