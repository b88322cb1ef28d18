"""Which edge of a directed graph lies on every path from a root to a node.

Dominators after Cooper, Harvey and Kennedy ("A simple, fast dominance algorithm", 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Lists = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Dominators:
    """The tree of immediate dominators below node ``root``.

    Attributes:
        parent: each node's immediate dominator; the root's own is the root, and -1 where the root
            doesn't reach.
        opened, closed: when a walk through the tree enters and leaves a node.
    """

    parent: list[int]
    opened: list[int]
    closed: list[int]

    def dominates(self, a: int, b: int) -> bool:
        """Whether every path from the root to b passes a; b is reached."""
        return self.opened[a] <= self.opened[b] and self.closed[b] <= self.closed[a]

    def below(self) -> list[int]:
        """How many nodes each node dominates, itself included; 0 where the root doesn't reach."""
        pairs = zip(self.parent, self.opened, self.closed, strict=True)
        return [(c - o + 1) // 2 if parent >= 0 else 0 for parent, o, c in pairs]


def dominators(after: Lists, before: Lists, root: int) -> Dominators:
    """The dominators of the nodes that a root reaches.

    Args:
        after, before: for each node, where its edges go to and come from.
    """
    order = _postorder(after, root)
    number = [-1] * len(after)
    for i, node in enumerate(order):
        number[node] = i
    # By number in postorder: the root has the largest, and a dominator a larger one than its own.
    parent = [-1] * len(order)
    last = len(order) - 1
    parent[last] = last
    entering = [[number[j] for j in before[node] if number[j] >= 0] for node in order]
    changed = True
    while changed:
        changed = False
        for i in range(last - 1, -1, -1):
            new = -1
            for j in entering[i]:
                if parent[j] >= 0:
                    new = j if new < 0 else _meet(parent, new, j)
            if parent[i] != new:
                parent[i], changed = new, True
    full = [-1] * len(after)
    for i, node in enumerate(order):
        full[node] = order[parent[i]]
    return Dominators(full, *_walk(full, root))


def _meet(parent: list[int], a: int, b: int) -> int:
    while a != b:
        while a < b:
            a = parent[a]
        while b < a:
            b = parent[b]
    return a


def _postorder(after: Lists, root: int) -> list[int]:
    seen, order = [False] * len(after), []
    seen[root] = True
    stack = [(root, iter(after[root]))]
    while stack:
        node, rest = stack[-1]
        for j in rest:
            if not seen[j]:
                seen[j] = True
                stack.append((j, iter(after[j])))
                break
        else:
            order.append(node)
            stack.pop()
    return order


def _walk(parent: Sequence[int], root: int) -> tuple[list[int], list[int]]:
    children: dict[int, list[int]] = {}
    for node, above in enumerate(parent):
        if above >= 0 and node != root:
            children.setdefault(above, []).append(node)
    opened, closed, clock = [-1] * len(parent), [-1] * len(parent), 0
    stack = [root]
    while stack:
        node = stack.pop()
        if node < 0:
            closed[~node] = clock
        else:
            opened[node] = clock
            stack.append(~node)
            stack += children.get(node, ())
        clock += 1
    return opened, closed
