"""Changes of runs that have no placebo, which show no collapse. Axes: R replicates, T + 1 steps."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from lwd_agents.inference.replicates import Interval, t_interval
from lwd_agents.inference.windows import Floats, Windows, change

NOT_EVIDENCE = (
    "this is not evidence of collapse: growing readings average their noise away, so a norm falls "
    "whatever is read; a placebo is needed"
)
NO_VERDICT = (
    "a finite run's slope is no verdict on the long run: lwd verdict says it from the graph"
)


@dataclass(frozen=True)
class Trend:
    """Late mean - early mean of one quantity, over replicates.

    Attributes:
        changes: (R,), NaN where a window is empty.
        interval: their mean with its t interval; no limits with one replicate.
        sentence: the same in words.
    """

    changes: Floats
    interval: Interval
    sentence: str


def trend(
    curves: ArrayLike,
    windows: Windows | None = None,
    confidence: float = 0.95,
    caution: str = NOT_EVIDENCE,
) -> Trend:
    """The change of a quantity over runs that have no placebo.

    Args:
        curves: (R, T + 1); NaN where a step can't be measured.
        windows: declared in advance; by default the first tenth and the last fifth.
        caution: what it does not show; the sentence ends with it.

    Raises:
        BadInput: a run of one step, windows that don't fit.
    """
    changes = change(curves, windows)
    found = t_interval(changes, confidence)
    if not found.replicates:
        return Trend(changes, found, "No change could be measured: a window is empty in every run.")
    told = f"Change of {found.estimate:.3g}"
    if found.replicates == 1:
        told += " in the one run there is: no between-run inference"
    else:
        told += (
            f" ({100 * confidence:g} % t interval {found.low:.3g} to {found.high:.3g}, "
            f"{found.replicates} runs)"
        )
    return Trend(changes, found, f"{told}; {caution}.")
