"""Who may read whom: a directed graph over agents. Human posts are open to all, own posts too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED = ("complete", "isolated", "ring", "star")
_CHOICES = f"choices: {', '.join(NAMED)}, or {{edges: [[reader, author], ...]}}"


def checked(value: Any) -> Any:
    """A readership as an experiment file gives it: a name, or a mapping with ``edges``.

    Raises:
        ValueError: it is neither, in one line.
    """
    if isinstance(value, str) and value in NAMED:
        return value
    if isinstance(value, Mapping) and set(value) == {"edges"}:
        edges = value["edges"]
        if isinstance(edges, list | tuple) and all(
            isinstance(edge, list | tuple) and len(edge) == 2 for edge in edges
        ):
            return {"edges": [[str(end) for end in edge] for edge in edges]}
    raise ValueError(f"no such readership ({_CHOICES})")


def authors(readership: str | Mapping[str, Any], names: Sequence[str]) -> NDArray[np.bool_]:
    """Whose posts each agent may read.

    Args:
        readership: as ``checked`` returns it. ``complete``: everyone's; ``isolated``: its own;
            ``ring``: the one before it in the order of names; ``star``: the first reads all, the
            others read the first.
        names: the N agents.

    Returns:
        (N, N) bool: row reads column; the diagonal is true.

    Raises:
        ValueError: an edge names an agent that is not there.
    """
    n = len(names)
    if readership == "complete":
        return np.ones((n, n), dtype=np.bool_)
    may = np.eye(n, dtype=np.bool_)
    if readership == "ring":
        may[np.arange(n), np.arange(n) - 1] = True
    elif readership == "star":
        may[0], may[:, 0] = True, True
    elif not isinstance(readership, str):
        place = {name: i for i, name in enumerate(names)}
        for edge in readership["edges"]:
            for end in edge:
                if end not in place:
                    shown = ", ".join(names) if n <= 12 else f"{names[0]} to {names[-1]}"
                    raise ValueError(f"readership: no agent {end!r} (choices: {shown})")
            may[place[edge[0]], place[edge[1]]] = True
    return may
