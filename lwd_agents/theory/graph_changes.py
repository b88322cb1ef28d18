"""What one edge would change: the edges whose addition or removal flips a learner's verdict (ours).

Adding an edge j -> i, or real data to i, takes an arbitrarily small share of i's weights. Removing
one scales i's remaining weights up to a sum of 1; a learner that it leaves without data has no
verdict. The verdict depends on the edges alone, so their sizes don't matter here.

Call a learner unfed when no real data reaches it, by whatever path. A learner collapses if and
only if an unfed learner is among its ancestors or itself. Hence:

- Added, j -> i flips something in two cases only. j collapses and i is stable: then i and all that
  learn from it collapse, always. Or i is in an unstable source S and j is fed and has no unstable
  source but S, if any, upstream: then all are rescued that have no unstable source but S upstream.
- Removed, j -> i flips something only if it flips i. A stable i collapses, with all that learn
  from it, if every path from real data to i ends with that edge. A collapsing i is rescued, with
  all that the unstable sources reach only through i, if every path from them to i ends with that
  edge and real data still reaches i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.theory.dominators import dominators
from lwd_agents.theory.graph_verdict import Structure, structure
from lwd_agents.theory.learning_graph import REAL, LearningGraph

Lists = list[list[int]]
_EXAMPLES = 10
_NONE, _SEVERAL = -1, -2  # of the unstable sources upstream


@dataclass(frozen=True)
class Flips:
    """What the addition or removal of one edge does.

    Attributes:
        source, target: the edge's ends; the source may be ``real``.
        change: ``added``, or ``removed`` where the edge is there.
        collapses: the stable learners that collapse with the change, in the graph's order.
        rescued: the collapsing learners that are stable with it.
        without_data: the removal leaves the target without data: it has no verdict then.
    """

    source: str
    target: str
    change: str
    collapses: list[str]
    rescued: list[str]
    without_data: bool = False


@dataclass(frozen=True)
class Rescue:
    """The edges that rescue what learns from one unstable source alone.

    Attributes:
        into: the source's members: any of them may be the target.
        count: how many edges, real data among them.
        sources: at most ten examples of where they come from; ``real`` is the first.
        rescued: who becomes stable.
    """

    into: list[str]
    count: int
    sources: list[str]
    rescued: list[str]


@dataclass(frozen=True)
class Changes:
    """All single edges that flip a verdict.

    Attributes:
        collapse_count: additions that make learners collapse: any edge from a collapsing learner
            to a stable one does, and no other.
        collapse_examples: at most ten of them, with what they do.
        rescues: additions that rescue, one entry for each unstable source.
        removals: removals that flip, all of them: (source, target, whether the target collapses).
            All that learn from the target collapse too, or it is rescued.
        without_data: how many edges are a learner's only one, and so can't be removed.
    """

    collapse_count: int
    collapse_examples: list[Flips]
    rescues: list[Rescue]
    removals: list[tuple[str, str, bool]]
    without_data: int

    def as_json(self) -> dict[str, Any]:
        """The changes as JSON."""
        return {
            "added": {
                "collapse": {
                    "edges": self.collapse_count,
                    "which": "from any learner that collapses to any that is stable",
                    "examples": [
                        {"source": f.source, "target": f.target, "collapse": len(f.collapses)}
                        for f in self.collapse_examples
                    ],
                },
                "rescue": [
                    {
                        "into": one.into,
                        "edges": one.count,
                        "from_for_example": one.sources,
                        "rescued": one.rescued,
                    }
                    for one in self.rescues
                ],
            },
            "removed": {
                "collapse": [[s, t] for s, t, falls in self.removals if falls],
                "rescue": [[s, t] for s, t, falls in self.removals if not falls],
                "leaves_without_data": self.without_data,
            },
        }


def flips(graph: LearningGraph, source: str, target: str) -> Flips:
    """What one edge's addition does, or its removal where it is there. Exact, by a new verdict.

    Raises:
        BadInput: an end is no learner; the source may also be ``real``.
    """
    i = graph.index(target)
    j = -1 if source == REAL else graph.index(source)
    return _flips(graph, structure(graph.weights, graph.real > 0), j, i)


def _flips(graph: LearningGraph, now: Structure, j: int, i: int) -> Flips:
    from scipy.sparse import csr_array

    n, real = len(graph.names), graph.real > 0
    rows = np.repeat(np.arange(n), np.diff(graph.weights.indptr))
    columns = graph.weights.indices
    there = (rows == i) & (columns == j)
    removed = bool(real[i]) if j < 0 else bool(there.any())
    source = REAL if j < 0 else graph.names[j]
    if j < 0:
        real[i] = not removed
    elif removed:
        rows, columns = rows[~there], columns[~there]
    else:
        rows, columns = np.append(rows, i), np.append(columns, j)
    change = "removed" if removed else "added"
    if not real[i] and not np.any(rows == i):
        return Flips(source, graph.names[i], change, [], [], without_data=True)
    then = structure(csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)), real)
    falls = np.flatnonzero(then.collapses & ~now.collapses)
    rises = np.flatnonzero(now.collapses & ~then.collapses)
    return Flips(source, graph.names[i], change, _names(graph, falls), _names(graph, rises))


def changes(graph: LearningGraph) -> Changes:
    """All single edges whose addition or removal flips a verdict, without trying each.

    About as long as reading the edges a few times; see the module's text for why it is complete.
    """
    now = structure(graph.weights, graph.real > 0)
    before = _lists(graph)
    after: Lists = [[] for _ in before]
    for i, sources in enumerate(before):
        for j in sources:
            after[j].append(i)
    lone = [i for i, sources in enumerate(before) if len(sources) + (graph.real[i] > 0) == 1]
    falling, stable = np.flatnonzero(now.collapses), np.flatnonzero(~now.collapses)
    pairs = (
        [(int(falling[k % len(falling)]), int(i)) for k, i in enumerate(stable[:_EXAMPLES])]
        if len(falling)
        else []
    )
    return Changes(
        len(falling) * len(stable),
        [_flips(graph, now, j, i) for j, i in pairs],
        _rescues(graph, now, before, after),
        _removals(graph, now, before, after),
        len(lone),
    )


def _rescues(graph: LearningGraph, now: Structure, before: Lists, after: Lists) -> list[Rescue]:
    """The additions into each unstable source that feed it and bring no other collapse."""
    upstream = _upstream(now, after)
    fed = np.zeros(len(before), dtype=np.bool_)
    waiting = np.flatnonzero(graph.real > 0).tolist()
    while waiting:
        at = waiting.pop()
        if not fed[at]:
            fed[at] = True
            waiting += after[at]
    anywhere = np.flatnonzero(fed & (upstream == _NONE))
    below = [np.flatnonzero(upstream == s) for s in range(len(now.sources))]
    return [
        Rescue(
            _names(graph, members),
            len(members) * (1 + len(anywhere) + int(np.count_nonzero(fed[below[s]]))),
            [
                REAL,
                *_names(graph, np.sort(np.append(anywhere, below[s][fed[below[s]]]))),
            ][:_EXAMPLES],
            _names(graph, below[s]),
        )
        for s, members in enumerate(now.sources)
    ]


def _upstream(now: Structure, after: Lists) -> NDArray[np.int64]:
    """(n,) the one unstable source upstream of each learner, or that there is none, or several."""
    found = [_NONE] * len(after)
    waiting = [(i, s) for s, members in enumerate(now.sources) for i in members]
    while waiting:
        at, mark = waiting.pop()
        if found[at] in (mark, _SEVERAL):
            continue
        found[at] = mark if found[at] == _NONE else _SEVERAL
        waiting += [(i, found[at]) for i in after[at]]
    return np.array(found, dtype=np.int64)


def _removals(
    graph: LearningGraph, now: Structure, before: Lists, after: Lists
) -> list[tuple[str, str, bool]]:
    """The removals that flip their target."""
    n = len(before)
    fed, feeds = _bridges(before, after, np.flatnonzero(graph.real > 0).tolist())
    _, spoils = _bridges(before, after, [i for members in now.sources for i in members])
    found = []
    for i, sources in enumerate(before):
        if len(sources) + (graph.real[i] > 0) == 1:
            continue
        if not now.collapses[i]:
            if feeds[i] >= 0:
                found.append((REAL if feeds[i] == n else graph.names[feeds[i]], i, True))
        elif 0 <= spoils[i] < n and fed[i] and feeds[i] != spoils[i]:
            found.append((graph.names[spoils[i]], i, False))
    return [(source, graph.names[i], falls) for source, i, falls in found]


def _bridges(before: Lists, after: Lists, roots: list[int]) -> tuple[list[bool], list[int]]:
    """Whom the roots reach; and where the edge comes from that ends every path to a learner.

    -1 where there is no such edge, n where it is what makes the learner a root. The first arrival
    at i comes from a node that i doesn't dominate: where there is one such, all come from it.
    """
    n = len(before)
    entering = [list(sources) for sources in before] + [[]]
    for i in roots:
        entering[i].append(n)
    tree = dominators([*after, roots], entering, n)
    reached = [tree.parent[i] >= 0 for i in range(n)]
    found = [-1] * n
    for i in range(n):
        if reached[i]:
            first = [j for j in entering[i] if tree.parent[j] >= 0 and not tree.dominates(i, j)]
            found[i] = first[0] if len(first) == 1 else -1
    return reached, found


def _lists(graph: LearningGraph) -> Lists:
    """For each learner, whom it learns from."""
    starts, sources = graph.weights.indptr.tolist(), graph.weights.indices.tolist()
    return [sources[a:b] for a, b in pairwise(starts)]


def _names(graph: LearningGraph, some: Sequence[int] | NDArray[np.int64]) -> list[str]:
    return [graph.names[i] for i in some]
