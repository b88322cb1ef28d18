"""Numbers as the page's JSON has them: rounded, and null where one is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def number(value: Any) -> float | int | None:
    """One number to 6 significant digits; None for what is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    if isinstance(value, int | np.integer):
        whole = int(value)
        return whole if abs(whole) < 2**53 else None
    real = float(value)
    return float(f"{real:.6g}") if math.isfinite(real) else None


def numbers(values: Any) -> Any:
    """An array of any shape as nested lists, as ``number`` has each."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    return [numbers(v) if isinstance(v, list) else number(v) for v in values]


def coordinates(values: Any) -> Any:
    """An array of any shape as nested lists, 4 decimals; null where one is not finite."""
    rounded = np.round(np.asarray(values, dtype=np.float64), 4) + 0.0  # no -0.0
    return _finite(rounded.tolist())


def _finite(values: Iterable[Any]) -> list[Any]:
    return [
        _finite(v) if isinstance(v, list) else (v if math.isfinite(v) else None) for v in values
    ]
