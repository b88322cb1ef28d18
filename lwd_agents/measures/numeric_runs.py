"""One side of a numeric world's run, measured: what its worlds have in common.

A run holds its live side and, where it has one, its placebo. Axes: R replicates, T + 1 steps,
N agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.run_files import Run

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Side:
    """One side of a run, its models or its placebo.

    Attributes:
        quantities: name -> (R, T + 1): between, drift, and what else its world measures.
        agents: name -> (R, T + 1, N) of each agent.
        said: what could not be measured, and why.
    """

    quantities: Mapping[str, Floats]
    agents: Mapping[str, Floats]
    said: tuple[str, ...] = ()


def sides(arrays: Arrays) -> list[str]:
    """The prefixes of the arrays of each side that a run has: "" and "placebo_"."""
    return [side for side in ("", "placebo_") if f"{side}norm" in arrays]


def read_side(run: Run, arrays: Arrays, side: str = "") -> Side:
    """Measure one side of a run.

    Args:
        run: of a numeric world.
        arrays: what ``Blocks(run.path).read()`` gives.
        side: "" or "placebo_".

    Raises:
        BadInput: there is no such side, or its arrays are gone or damaged.
    """
    if run.world == "graph":
        from lwd_agents.measures.learner_runs import read_learners

        return read_learners(run, arrays, side)
    from lwd_agents.measures.mixture_runs import read_mixtures

    return read_mixtures(run, arrays, side)


def array_of(run: Run, arrays: Arrays, name: str) -> Floats:
    """One of a run's arrays.

    Raises:
        BadInput: it is not there.
    """
    if name not in arrays:
        raise BadInput(f"{run.path}: no array {name} (there: {', '.join(arrays) or 'none'})")
    return np.asarray(arrays[name], dtype=np.float64)
