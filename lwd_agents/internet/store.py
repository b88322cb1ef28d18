"""The Internet A(t): its ids, their order and their columns in memory, its posts in a store.

Drawing k of |A| posts costs O(k) of the store: what laws weigh is held here, and only the drawn
posts are fetched. A store returns them in an order of its own, so the order is restored, and a
missing one is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import RunStopped
from lwd_agents.internet.backends import ORIGIN, Backend, SharedBackend, open_backend
from lwd_agents.internet.columns import Columns
from lwd_agents.internet.post import Post
from lwd_agents.internet.view import View

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore


class Internet:
    """A(t) as a multiset of posts, oldest first.

    Args:
        path: the folder for a store that keeps files.
        embeddings: phi.
        store: where posts are kept: a spec (see ``backends``), or a ``Backend``.
        where: the place that named the store, for errors.
        run: tells this run from those that it shares a server with; the same when it goes on.

    Attributes:
        embeddings: phi as a LangChain ``Embeddings``, for retrievers that search.
        shared: others may post into it, so that a run is not reproducible.

    Raises:
        BadInput: no such store, or what it needs is not installed.
        RunStopped: it cannot be opened now.
    """

    def __init__(
        self,
        path: Path,
        embeddings: Embeddings,
        store: str | Backend = "chroma",
        where: str = "internet.store",
        run: str = "run",
    ) -> None:
        self.embeddings = embeddings
        made = (
            open_backend(store, path, embeddings, where, run) if isinstance(store, str) else store
        )
        self._backend = made
        self.shared = isinstance(made, SharedBackend)
        self._columns = Columns()
        self._seen: set[str] = set()  # ids and origins of all that is or was in A(t)
        self._early: Counter[str] = Counter()  # reads told before restore

    @property
    def ids(self) -> list[str]:
        """The ids of all posts, in the order in which they entered; read it, don't change it."""
        return self._columns.ids

    def restore(
        self, posts: Sequence[Post], vectors: NDArray[np.float32], left: Iterable[Post] = ()
    ) -> None:
        """Hold exactly ``posts``: keep what the store has if it is that, else fill it anew.

        Args:
            posts: all posts of A(t), oldest first; those of others too.
            vectors: their embeddings, (len(posts), D).
            left: posts that were in A at an earlier step; ``sync`` won't bring them back.

        Raises:
            RunStopped: two posts have one id, or the store fails.
        """
        expected = {post.id for post in posts}
        if len(expected) != len(posts):
            raise RunStopped(
                f"{self._backend.where}: two posts have one id; the seed file is damaged"
            )
        stored = self._backend.ids()
        if stored != expected:
            if stored:
                self._backend.clear()
            if posts:
                self._backend.insert(posts, vectors)
        self._columns = Columns()
        self._hold(posts, vectors)
        self._seen.update(_names([*posts, *left]))
        self._columns.count_reads(self._early)
        self._early.clear()

    def add(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Put ``posts`` into A(t+1) together; ``vectors``: (len(posts), D), one for each."""
        assert not any(post.id in self._columns for post in posts), "a post enters once"
        if posts:
            self._backend.insert(posts, vectors)
            self._hold(posts, vectors)

    def sync(self, t: int) -> list[Post]:
        """Take in what others have posted since the last time; nothing where none can.

        Returns:
            the posts, in an order that depends on nothing but them; ``vectors`` has theirs. A round
            must keep them whole, labels too: ``restore`` expects them.
        """
        if not isinstance(self._backend, SharedBackend):
            return []
        posts, vectors = self._backend.news(self._seen, t)
        self.add(posts, vectors)
        return posts

    def remove(self, ids: Collection[str]) -> None:
        """Take posts out of A(t+1), all at once; an id that is not in it is passed over."""
        gone = [post_id for post_id in dict.fromkeys(ids) if post_id in self._columns]
        if gone:
            self._backend.remove(gone)
            self._columns.remove(gone)

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The posts with these ids, in this order, as LangChain documents with id and metadata.

        Raises:
            RunStopped: the store has lost one of them.
        """
        from langchain_core.documents import Document

        found = {document.id: document for document in self._backend.fetch(ids)} if ids else {}
        lost = [post_id for post_id in ids if post_id not in found]
        if lost:
            raise RunStopped(
                f"{self._backend.where}: {len(lost)} of {len(ids)} posts are not in the store, "
                f"the first is {lost[0]}; run the same command again to rebuild it"
            )
        kept = [found[post_id] for post_id in ids]
        # Anew: what a retriever does to a document must not reach a store in memory.
        return [Document(id=d.id, page_content=d.page_content, metadata=d.metadata) for d in kept]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """(len(ids), D) float32: the embeddings of posts of A(t), in this order."""
        return self._columns.vectors(ids)

    def note_reads(self, ids: Iterable[str]) -> None:
        """Count that posts were read, once for each time that an id is given.

        Call it when a round is absorbed, live or replayed: before ``restore`` too. Posts that
        have left are passed over.
        """
        counts = Counter(ids)
        if not self._seen:
            self._early.update(counts)
        self._columns.count_reads(counts)

    def view(
        self,
        agent: str,
        t: int,
        may_author: Collection[str] | None,
        query: Callable[[], NDArray[np.float32]],
    ) -> View:
        """What an agent may read: human posts, and the posts of the authors in ``may_author``.

        Args:
            agent, t: who reads, and when.
            may_author: names; None is all. Posts that came from elsewhere have authors
                ``name@run``.
            query: () -> (D,): phi(q).
        """
        return self._columns.view(agent, t, may_author, query)

    def close(self) -> None:
        """Let go of files and connections."""
        self._backend.close()

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, post_id: object) -> bool:
        return post_id in self._columns

    @property
    def vectorstore(self) -> VectorStore:
        """The same posts as a LangChain vector store, for ``as_retriever`` and the like."""
        return self._backend.vectorstore()

    def _hold(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        self._columns.append(posts, vectors)
        self._seen.update(_names(posts))


def _names(posts: Iterable[Post]) -> Iterable[str]:
    """Ids, and origins of what came from elsewhere."""
    for post in posts:
        yield post.id
        if ORIGIN in post.labels:
            yield str(post.labels[ORIGIN])
