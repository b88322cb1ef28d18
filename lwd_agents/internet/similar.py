"""Readings by meaning: the posts closest to the query, and those that are close but differ.

The cosine of a zero vector with anything is 0. Posts with equal vectors have exactly equal
cosines (each distinct vector is compared once), so that ties are ties: a seeded key breaks them,
never the order of a store. V posts, U distinct vectors, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import RunStopped
from lwd_agents.internet.view import View
from lwd_agents.internet.weighted import Indices


def closest(view: View, k: int, rng: np.random.Generator) -> Indices:
    """The k posts of the largest cos(phi(post), phi(q)), (k,), best first.

    Raises:
        RunStopped: a vector of a post or of the query is not finite.
    """
    ties = rng.permutation(len(view.ids))
    rows, place, query = _directions(view)
    cosines = (rows @ query)[place]
    return np.lexsort((ties, -cosines))[:k]


def spread(view: View, k: int, trade_off: float, rng: np.random.Generator) -> Indices:
    """Greedy maximal marginal relevance, (k,), in the order chosen; O(k (U D + V)).

    Each next post maximises trade_off cos(post, q) - (1 - trade_off) max_{s chosen} cos(post, s);
    the maximum over no posts is 0.

    Raises:
        RunStopped: a vector of a post or of the query is not finite.
    """
    ties = rng.permutation(len(view.ids))  # argmax takes the first of equals in this order
    rows, place, query = _directions(view)
    place = place[ties]
    relevance = trade_off * (rows @ query)
    nearest = np.zeros_like(relevance)
    chosen = np.empty(k, dtype=np.int64)
    free = np.ones(len(place), dtype=np.bool_)
    for j in range(k):
        scores = np.where(free, (relevance - (1.0 - trade_off) * nearest)[place], -np.inf)
        chosen[j] = np.argmax(scores)
        free[chosen[j]] = False
        cosines = rows @ rows[place[chosen[j]]]
        nearest = np.maximum(nearest, cosines) if j else cosines
    return np.asarray(ties[chosen])


def _directions(view: View) -> tuple[NDArray[np.float32], Indices, NDArray[np.float32]]:
    """Distinct vectors at length 1, (U, D); which one each post has, (V,); the query's, (D,)."""
    vectors = np.ascontiguousarray(view.vectors(), dtype=np.float32)
    seen: dict[bytes, int] = {}
    place = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in vectors], np.int64)
    first = np.unique(place, return_index=True)[1]
    query = np.asarray(view.query(), dtype=np.float32)
    both = np.vstack([vectors[first], query[None]])
    lengths = np.linalg.norm(both, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        bad = ~np.isfinite(lengths[place, 0])
        whose = f"the post {view.ids[int(bad.argmax())]}" if bad.any() else "the query"
        raise RunStopped(f"reading.law: the vector of {whose} is not finite")
    both /= np.where(lengths > 0, lengths, 1)
    return both[:-1], place, both[-1]
