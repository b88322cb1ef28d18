"""Who fits what: the cells of a network of learners, as arrays for the kernels.

A cell is one fit of one round: of all rows of a learner together (mixing ``samples``), or of those
of one source (mixing ``weight``, where a learner's parameter is the weighted sum of its cells').
Axes: C cells, E edges, n learners, d features, P parameters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.theory.learning_graph import LearningGraph

REAL = -1  # the source of real data
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """The fits of a round.

    Attributes:
        start: (C + 1,) the edges of cell c are start[c] .. start[c + 1] - 1.
        source: (E,) the learner that labels an edge's rows, or -1: real data.
        rows: (E,) how many rows an edge brings in a round.
        total: (C,) the same over a cell's edges.
        owner: (C,) whose cell it is.
        weight: (C,) what it counts for in its owner's parameter.
    """

    start: Integers
    source: Integers
    rows: Integers
    total: Integers
    owner: Integers
    weight: Floats

    def all_real(self) -> Cells:
        """The same fits of real data alone."""
        return self._replace(source=np.full_like(self.source, REAL))


class Setting(NamedTuple):
    """What all kernels need besides the cells.

    Attributes:
        truth: (P,) the parameter that real data comes from.
        noise: the standard deviation of a label, or of a point's coordinates.
        penalty: of ridge; 0 else.
        accumulates: whether a fit has all rows so far.
        key: (2,) of the run's random numbers.
    """

    truth: Floats
    noise: float
    penalty: float
    accumulates: bool
    key: NDArray[np.uint64]


def pooled(rows: Integers) -> Cells:
    """One cell a learner, of all its rows.

    Args:
        rows: (n, n + 1) of each source, the last real; a scipy sparse array.
    """
    table: Any = rows
    n = table.shape[0]
    table = table.tocsr()
    table.sort_indices()
    source = np.where(table.indices == n, REAL, table.indices).astype(np.int64)
    counts = np.asarray(table.data, dtype=np.int64)
    start = np.asarray(table.indptr, dtype=np.int64)
    total = np.add.reduceat(counts, start[:-1])
    return Cells(start, source, counts, total, np.arange(n, dtype=np.int64), np.ones(n))


def apart(rows: Integers, weights: Floats) -> Cells:
    """One cell an edge, each with its weight.

    Args:
        rows, weights: (n, n + 1) of each source, the last real; sparse, with the same entries.
    """
    cells = pooled(rows)
    table: Any = weights
    table = table.tocsr()
    table.sort_indices()
    edges = len(cells.source)
    owner = np.repeat(cells.owner, np.diff(cells.start))
    return Cells(
        np.arange(edges + 1, dtype=np.int64),
        cells.source,
        cells.rows,
        cells.rows.copy(),
        owner,
        np.asarray(table.data, dtype=np.float64),
    )


def weights_of(graph: LearningGraph) -> Any:
    """(n, n + 1) sparse: a graph's weights, the last column the real shares; no explicit zeros."""
    from scipy.sparse import csr_array, hstack

    found = csr_array(hstack([graph.weights, graph.real[:, None]]))
    found.eliminate_zeros()
    return found
