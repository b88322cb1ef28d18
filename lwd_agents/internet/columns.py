"""The posts of A(t) as columns in memory: what laws of reading weigh, without asking the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.internet.post import HUMAN, Post
from lwd_agents.internet.view import View

_FIRST = 256  # rows held before the first doubling


class Columns:
    """Author, step, kind, reads and vector of each post, oldest first, in arrays that double.

    A view of V posts costs O(V) whole-array operations, and a post that enters O(1), spread over
    the doublings. What a view was given never changes: reads are copied, vectors are written only
    behind the rows that exist, and a removal makes new arrays.

    Attributes:
        ids: the ids, in the order in which they entered; read it, don't change it.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._place: dict[str, int] = {}
        self._names: dict[str, int] = {}  # author -> code
        self._code = np.empty(_FIRST, dtype=np.int32)
        self._step = np.empty(_FIRST, dtype=np.int64)
        self._human = np.empty(_FIRST, dtype=np.bool_)
        self._reads = np.empty(_FIRST, dtype=np.int64)
        self._vectors = np.empty((0, 0), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, post_id: object) -> bool:
        return post_id in self._place

    def append(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Take in posts behind those that are there; ``vectors``: (len(posts), D)."""
        start, stop = len(self.ids), len(self.ids) + len(posts)
        if not posts:
            return
        self._grow(stop, vectors.shape[1])
        for row, post in enumerate(posts, start):
            human = post.kind == HUMAN
            name = HUMAN if human else post.author
            self._code[row] = self._names.setdefault(name, len(self._names))
            self._step[row], self._human[row] = post.step, human
            self._place[post.id] = row
            self.ids.append(post.id)
        self._reads[start:stop] = 0
        self._vectors[start:stop] = vectors

    def remove(self, ids: Collection[str]) -> None:
        """Forget posts; ids that are not there are passed over."""
        keep = np.ones(len(self.ids), dtype=np.bool_)
        keep[[self._place[post_id] for post_id in ids if post_id in self._place]] = False
        rows = np.flatnonzero(keep)
        self._code, self._step = self._code[rows], self._step[rows]
        self._human, self._reads = self._human[rows], self._reads[rows]
        self._vectors = self._vectors[rows]
        self.ids = [self.ids[row] for row in rows]
        self._place = {post_id: row for row, post_id in enumerate(self.ids)}

    def count_reads(self, counts: Mapping[str, int]) -> None:
        """Add to how often posts were read; ids that are not there are passed over."""
        for post_id, count in counts.items():
            if post_id in self._place:
                self._reads[self._place[post_id]] += count

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """(len(ids), D) float32, in the order of ``ids``; a KeyError for one that is not there."""
        rows = np.array([self._place[post_id] for post_id in ids], dtype=np.intp)
        found: NDArray[np.float32] = self._vectors[rows]
        return found

    def view(
        self,
        agent: str,
        t: int,
        may_author: Collection[str] | None,
        query: Callable[[], NDArray[np.float32]],
    ) -> View:
        """See ``Internet.view``."""
        size = len(self.ids)
        rows = np.arange(size)
        ids = list(self.ids)
        if may_author is not None:
            allowed = np.array([name in may_author for name in self._names], dtype=np.bool_)
            code, human = self._code[:size], self._human[:size]
            rows = np.flatnonzero(human | (allowed[code] if size else False))
            ids = [ids[row] for row in rows.tolist()]
        names = np.array(list(self._names), dtype=np.object_)
        matrix = self._vectors
        return View(
            agent=agent,
            t=t,
            ids=ids,
            author=names[self._code[rows]],
            step=self._step[rows],
            human=self._human[rows],
            reads=self._reads[rows],
            vectors=lambda: matrix[rows],
            query=query,
        )

    def _grow(self, size: int, width: int) -> None:
        if not self.ids:
            self._vectors = np.empty((len(self._code), width), dtype=np.float32)
        if size <= len(self._code):
            return
        capacity = max(size, 2 * len(self._code), _FIRST)
        self._code = _longer(self._code, capacity)
        self._step = _longer(self._step, capacity)
        self._human = _longer(self._human, capacity)
        self._reads = _longer(self._reads, capacity)
        self._vectors = _longer(self._vectors, capacity)


def _longer(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """The same rows, with room for more behind them."""
    grown = np.empty((rows, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown
