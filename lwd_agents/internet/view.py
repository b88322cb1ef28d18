"""What one agent may read at one step, as columns for laws to draw from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """The posts that an agent may read at a step, oldest first; V posts, D dimensions.

    Attributes:
        agent, t: who reads, and when.
        ids: (V,).
        author: (V,) names; "human" for the posts of A(0).
        step: (V,) when each was written; -1 for A(0).
        human: (V,) whether a human wrote it.
        reads: (V,) how often it was read at earlier steps, by all agents.
        vectors: () -> (V, D) float32, for laws that need them.
        query: () -> (D,) float32, phi(q).
    """

    agent: str
    t: int
    ids: Sequence[str]
    author: NDArray[np.object_]
    step: NDArray[np.int64]
    human: NDArray[np.bool_]
    reads: NDArray[np.int64]
    vectors: Callable[[], NDArray[np.float32]]
    query: Callable[[], NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, keep: NDArray[np.bool_]) -> View:
        """The posts where ``keep``, (V,), is true."""
        rows, vectors = np.flatnonzero(keep), self.vectors
        return replace(
            self,
            ids=[self.ids[row] for row in rows.tolist()],
            author=self.author[rows],
            step=self.step[rows],
            human=self.human[rows],
            reads=self.reads[rows],
            vectors=lambda: vectors()[rows],
        )
