"""What the page's static figures share: numbers of the Data, curves with gaps, words for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.report.figures.style import plain
from lwd_agents.report.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Run = Mapping[str, Any]
MOST_NAMED = 8  # runs with colours and names of their own
_MOST_PLACES = 10_000  # of all curves of a figure together


def card(height: float) -> Figure:
    """An empty figure on white: on a dark page its black text stays readable."""
    from matplotlib.figure import Figure

    return Figure(figsize=(8.0, height), layout="constrained", facecolor="white")


def as_numbers(values: Any) -> Floats:
    """An array of the Data; NaN for null."""
    return np.array(values, dtype=np.float64)


def is_known(values: Any) -> bool:
    """Whether there is any number in an array of the Data."""
    return bool(values) and bool(np.isfinite(as_numbers(values)).any())


def named(text: Any) -> str:
    """A name inside a figure, as text whatever it holds; the viewer's fonts show it."""
    return plain(str(text), any_glyph=True)


def spelt(text: Any) -> str:
    """A name in words beside a figure."""
    return printable(str(text))[:80]


def in_words(parts: Sequence[str], most: int = MOST_NAMED) -> str:
    """Sentences of the first few, and how many more there are."""
    more = f" And {len(parts) - most} more." if len(parts) > most else ""
    return " ".join(parts[:most]) + more


def told_ends(what: str, t: Sequence[int], values: Any) -> str:
    """``what: 0.67 at t = 0, 0.71 at t = 60.``"""
    y = as_numbers(values)
    there = np.flatnonzero(np.isfinite(y))
    if not len(there):
        return f"{what}: not known."
    told = [f"{y[i]:.3g} at t = {t[i]}" for i in dict.fromkeys((there[0], there[-1]))]
    return f"{what}: {', '.join(told)}."


def stride(runs: Sequence[Run], curves: int = 1) -> int:
    """Every how many steps a curve has a place, so that a figure of so many a run stays small."""
    return max(1, -(-curves * sum(len(run["t"]) for run in runs) // _MOST_PLACES))


def draw_curve(axes: Axes, t: Sequence[int], values: Any, every: int = 1, **look: Any) -> Any:
    """A curve over steps; it has a gap where steps are missing."""
    steps, y = as_numbers(t), as_numbers(values)
    gaps = np.flatnonzero(np.diff(steps) > 1) + 1
    steps, y = np.insert(steps, gaps, steps[gaps]), np.insert(y, gaps, np.nan)
    alone: dict[str, Any] = {"marker": "o", "ms": 3} if len(t) == 1 else {}
    return axes.plot(steps[::every], y[::every], **(alone | look))[0]


def thinned(every: int) -> str:
    """A sentence on steps that are left out; none where none is."""
    return f" One in {every} steps is drawn." if every > 1 else ""
