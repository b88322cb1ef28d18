"""Which learners of a graph collapse, from the graph alone (our reading of arXiv 2605.20151).

Each round learner i refits on fresh real data (a share w_i0) and on data that its sources j
labelled (shares w_ij). In expectation over the fits its parameter is

    theta_i(t+1) = w_i0 theta* + sum_j w_ij theta_j(t) + noise_i(t).

Take the strongly connected components of the graph. A source component, which no edge enters, is
unstable when none of its members uses real data. A learner's error variance then grows without
bound if and only if it is in an unstable source, or reachable from one; equivalently, if the
weights among it and its ancestors have the spectral radius 1. The theorem's body was not at hand:
both forms are ours, and agree on thousands of random graphs.

It holds for unbiased linear estimators whose Gram matrices are proportional and of full rank.
Elsewhere the spectral radius of E[M (x) M] decides, M the random update of one round
(`error_limits`, and for an experiment `worlds.graph_judgement`): redrawn designs with few rows,
designs of deficient rank; or the reading doesn't apply: biased estimators (ridge, the covariance
MLE), data that accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.theory.learning_graph import LearningGraph
from lwd_agents.theory.perron import AGREE, radii

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CONDITIONS = (
    "our reading of arXiv 2605.20151, whose theorem we have not seen",
    "holds for unbiased linear estimators with proportional Gram matrices of full rank, and data "
    "that is replaced each round",
    "with redrawn designs of few rows, or designs of deficient rank, the spectral radius of "
    "E[M (x) M] decides, M the random update of one round; with ridge, the covariance MLE or data "
    "that accumulates it says nothing (lwd verdict GRAPH --set designs=redrawn --set rows=14 asks "
    "for a setting)",
)
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Structure:
    """What the edges and the real data say, without the weights' sizes.

    Attributes:
        component: (n,) the strongly connected component of each learner, from 0.
        sources: the unstable sources, each the indices of its members, in order.
        collapses: (n,) whether a learner is in an unstable source or reachable from one.
        before: (n,) the learner before it on a shortest path from an unstable source; -1 in an
            unstable source, and for learners that don't collapse.
    """

    component: Integers
    sources: tuple[tuple[int, ...], ...]
    collapses: Bools
    before: Integers


@dataclass(frozen=True, eq=False)
class Verdict:
    """The verdict on a graph of n learners.

    Attributes:
        graph: the graph.
        structure: its components, and what they say.
        component_radius: (components,) the spectral radius of each component's own weights.
        radius: (n,) the spectral radius of the weights among a learner and its ancestors. It is
            exactly 1 for the learners that collapse, and below 1 for the others.
        radius_error: (n,) how far the radius may be off: half of what is between its bounds, and
            0 where it is known exactly. Below 1e-11, but for large slow components.
    """

    graph: LearningGraph
    structure: Structure
    component_radius: NDArray[np.float64]
    radius: NDArray[np.float64]
    radius_error: NDArray[np.float64]

    @cached_property
    def collapses(self) -> list[str]:
        """The names of the learners that collapse, in the graph's order."""
        return [self.graph.names[i] for i in np.flatnonzero(self.structure.collapses)]

    @cached_property
    def stable(self) -> list[str]:
        """The names of the others."""
        return [self.graph.names[i] for i in np.flatnonzero(~self.structure.collapses)]

    @cached_property
    def unstable_sources(self) -> list[list[str]]:
        """The members' names of each unstable source."""
        return [[self.graph.names[i] for i in members] for members in self.structure.sources]

    def path(self, name: str) -> list[str]:
        """A shortest path from an unstable source to a learner; empty where it doesn't collapse.

        Raises:
            BadInput: there is no such learner.
        """
        at = self.graph.index(name)
        if not self.structure.collapses[at]:
            return []
        steps = [at]
        while (at := int(self.structure.before[at])) >= 0:
            steps.append(at)
        return [self.graph.names[i] for i in reversed(steps)]

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON. ``learns_collapse_from``: the step before on a shortest path from
        an unstable source, null inside one (all paths in full could be of quadratic size)."""
        names, before = self.graph.names, self.structure.before
        return {
            "collapses": self.collapses,
            "stable": self.stable,
            "unstable_sources": self.unstable_sources,
            "spectral_radius": dict(zip(names, self.radius.tolist(), strict=True)),
            "spectral_radius_error": float(self.radius_error.max()),
            "learns_collapse_from": {
                names[i]: names[before[i]] if before[i] >= 0 else None
                for i in np.flatnonzero(self.structure.collapses)
            },
            "applies": True,
            "basis": "graph",
            "conditions": list(CONDITIONS),
        }


def verdict(graph: LearningGraph | str | Path) -> Verdict:
    """The verdict on a graph: who collapses, along which path, and the spectral radii.

    Who collapses is read off the edges alone: a radius that is 1 but for rounding, or slow to
    settle, changes nothing.

    Args:
        graph: the graph, or its file (``LearningGraph.read``).

    Raises:
        BadInput: the file cannot be read, or holds no graph of learners.
    """
    if not isinstance(graph, LearningGraph):
        graph = LearningGraph.read(graph)
    found = structure(graph.weights, graph.real > 0)
    component = found.component
    count = int(component.max()) + 1
    bounds = radii(graph.weights, component, count)
    closed = np.zeros(count, dtype=np.bool_)
    closed[[component[members[0]] for members in found.sources]] = True
    # Rows that sum to 1, and nothing leaks: 1 by Perron and Frobenius. Else something leaks, and
    # the radius is below 1, if by less than a number can show.
    below = np.nextafter(1.0, 0.0)
    own = np.where(closed, 1.0, np.minimum(bounds.middle, below))
    error = np.where(closed, 0.0, np.maximum((bounds.high - bounds.low) / 2, 0.0))
    top = _largest_before(own, component, graph.weights)
    off = error[top]
    if error.max() > AGREE:  # then another ancestor's radius may be the largest
        high = own + error
        off = np.maximum(off, high[_largest_before(high, component, graph.weights)] - own[top])
    return Verdict(graph, found, own, own[top[component]], off[component])


def structure(weights: csr_array, real: Bools) -> Structure:
    """Components, unstable sources, and who is reachable from them.

    Args:
        weights: (n, n), row i learns from column j where the entry is not 0.
        real: (n,) whether a learner has real data.
    """
    from scipy.sparse.csgraph import connected_components

    n = len(real)
    count, component = connected_components(weights, directed=True, connection="strong")
    component = component.astype(np.int64)
    targets = np.repeat(np.arange(n), np.diff(weights.indptr))
    sources = weights.indices
    fed = np.zeros(count, dtype=np.bool_)
    fed[component[real]] = True
    crossing = component[targets] != component[sources]
    fed[component[targets[crossing]]] = True
    inside = np.flatnonzero(~fed[component])
    order = inside[np.argsort(component[inside], kind="stable")]
    cuts = np.flatnonzero(np.diff(component[order])) + 1
    groups = [tuple(part.tolist()) for part in np.split(order, cuts) if len(part)]
    collapses, before = _reach(weights, inside)
    return Structure(component, tuple(sorted(groups)), collapses, before)


def _reach(weights: csr_array, roots: Integers) -> tuple[Bools, Integers]:
    """Who learns from the roots, at whatever remove, and the step before on a shortest path."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    n = weights.shape[0]
    reached, before = np.zeros(n, dtype=np.bool_), np.full(n, -1, dtype=np.int64)
    if not len(roots):
        return reached, before
    # One node more, from which an edge goes to every root.
    targets = np.concatenate([np.repeat(np.arange(n), np.diff(weights.indptr)), roots])
    sources = np.concatenate([weights.indices, np.full(len(roots), n)])
    edges = csr_array((np.ones(len(targets)), (sources, targets)), shape=(n + 1, n + 1))
    order, previous = breadth_first_order(edges, n, directed=True)
    order = order[order < n]
    reached[order] = True
    before[order] = previous[order]
    before[before == n] = -1
    return reached, before


def _largest_before(own: NDArray[np.float64], component: Integers, weights: csr_array) -> Integers:
    """(components,) the component of the largest radius among each one and its ancestors."""
    from scipy.sparse import csr_array

    count, n = len(own), len(component)
    targets = component[np.repeat(np.arange(n), np.diff(weights.indptr))]
    sources = component[weights.indices]
    kept = targets != sources
    edges = csr_array(
        (np.ones(np.count_nonzero(kept)), (sources[kept], targets[kept])), shape=(count, count)
    )
    starts, into = edges.indptr.tolist(), edges.indices.tolist()
    top = [-1] * count
    # From the largest down: whoever is reached first has its largest ancestor.
    for first in np.argsort(-own, kind="stable").tolist():
        waiting = [first] if top[first] < 0 else []
        while waiting:
            at = waiting.pop()
            if top[at] < 0:
                top[at] = first
                waiting += into[starts[at] : starts[at + 1]]
    return np.array(top, dtype=np.int64)
