"""A run's files read one step at a time, and where embeddings stand in the plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.post_files import PostFiles

Floats = NDArray[np.floating[Any]]
Place = Callable[[Floats], Floats]
"""From embeddings, (m, D), to coordinates in the plane, (m, 2)."""
Spot = tuple[float | None, float | None]

_DECIMALS = 4


@dataclass
class StepFiles(PostFiles):
    """Files of which a step's arrays are read once.

    ``held``: the arrays of the step, by name; ``place``: None where there is no plane.
    """

    held: dict[str, NDArray[np.float32] | None] = field(default_factory=dict)
    place: Place | None = None

    def array(self, file: Path, *shape: int) -> NDArray[np.float32] | None:
        if file.name not in self.held:
            if not self.width:
                del self.width  # a run without an array so far: look again
            self.held[file.name] = super().array(file, *shape)
        return self.held[file.name]

    def spots(self, t: int, q: int, r: int) -> list[Spot]:
        """Coordinates of the draws of one query and reading, agent by agent."""
        suffix = f"{f'.q{q}' if q else ''}{f'.r{r}' if r else ''}"
        file = self.path / "embeddings" / f"{t:05d}{suffix}.npy"
        draws = len(self.agents) * self.draws
        array = self.array(file, len(self.agents), self.draws)
        return [(None, None)] * draws if array is None else self.placed(array.reshape(draws, -1))

    def placed(self, vectors: Floats) -> list[Spot]:
        """Coordinates of (m, D); None where there are none."""
        found: list[Spot] = [(None, None)] * len(vectors)
        if self.place is None or not vectors.size:
            return found
        known = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        if not len(known):
            return found
        spots = np.round(np.asarray(self.place(vectors[known]), dtype=np.float64), _DECIMALS)
        for row, (x, y) in zip(known.tolist(), (spots + 0.0).tolist(), strict=True):  # no -0.0
            if math.isfinite(x) and math.isfinite(y):
                found[row] = x, y
        return found
