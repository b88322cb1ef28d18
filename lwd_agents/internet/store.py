"""The Internet A(t) in a Chroma collection on disk, with its ids in memory.

Drawing k of |A| posts costs O(k): the ids to draw from are held here, and only the drawn ones are
fetched. Chroma returns them in an order of its own, so the order is restored, and a missing one
is an error.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lwd_agents.errors import RunStopped
from lwd_agents.internet.post import Post

if TYPE_CHECKING:
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

_COLLECTION = "internet"
_FETCH = 30_000  # ids in one get: SQLite takes at most 32,766 values in a statement


class Internet:
    """A(t) as a multiset of posts, oldest first.

    Attributes:
        ids: the ids of all posts, in the order in which they entered; read it, don't change it.
        embeddings: phi as a LangChain ``Embeddings``, for retrievers that search.
    """

    def __init__(self, path: Path, embeddings: Embeddings) -> None:
        self.ids: list[str] = []
        self._known: set[str] = set()
        self.embeddings = embeddings
        self._path = path.resolve()
        self._client, self._collection = _open(self._path)
        self._chroma: Chroma | None = None

    def restore(self, posts: Sequence[Post], vectors: np.ndarray) -> None:
        """Hold exactly ``posts``: keep the collection if it does already, else fill it anew.

        Args:
            posts: all posts of A(t), oldest first.
            vectors: their embeddings, (len(posts), D).
        """
        expected = {post.id for post in posts}
        if len(expected) != len(posts):
            raise RunStopped(f"{self._path}: two posts have one id; the seed file is damaged")
        with _told(self._path):
            if self._stored_ids() != expected:
                self._client.delete_collection(_COLLECTION)
                self._collection, self._chroma = _collection(self._client), None
                self._insert(posts, vectors)
        self.ids, self._known = [post.id for post in posts], expected

    def add(self, posts: Sequence[Post], vectors: np.ndarray) -> None:
        """Put ``posts`` into A(t+1) together; ``vectors``: (len(posts), D), one for each."""
        with _told(self._path):
            self._insert(posts, vectors)
        self.ids.extend(post.id for post in posts)
        self._known.update(post.id for post in posts)

    def _insert(self, posts: Sequence[Post], vectors: np.ndarray) -> None:
        batch = self._client.get_max_batch_size()
        for start in range(0, len(posts), batch):
            part = posts[start : start + batch]
            self._collection.add(
                ids=[post.id for post in part],
                documents=[post.text for post in part],
                metadatas=[post.metadata() for post in part],
                embeddings=np.asarray(vectors[start : start + batch], dtype=np.float32),
            )

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The posts with these ids, in this order, as LangChain documents with id and metadata.

        Raises:
            RunStopped: the store has lost one of them.
        """
        from langchain_core.documents import Document

        found: dict[str, Document] = {}
        for start in range(0, len(ids), _FETCH):
            with _told(self._path):
                rows = self._collection.get(
                    ids=list(ids[start : start + _FETCH]), include=["documents", "metadatas"]
                )
            for post_id, text, metadata in zip(
                rows["ids"], rows["documents"] or [], rows["metadatas"] or [], strict=True
            ):
                found[post_id] = Document(id=post_id, page_content=text, metadata=dict(metadata))
        lost = [post_id for post_id in ids if post_id not in found]
        if lost:
            raise RunStopped(
                f"{self._path}: {len(lost)} of {len(ids)} posts are not in the store, "
                f"the first is {lost[0]}; run the same command again to rebuild it"
            )
        return [found[post_id] for post_id in ids]

    def close(self) -> None:
        """Let go of the files."""
        self._client.close()

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, post_id: object) -> bool:
        return post_id in self._known

    @property
    def vectorstore(self) -> Chroma:
        """The same collection as a LangChain vector store, for ``as_retriever`` and the like."""
        if self._chroma is None:
            from langchain_chroma import Chroma

            self._chroma = Chroma(
                client=self._client,
                collection_name=_COLLECTION,
                embedding_function=self.embeddings,
                create_collection_if_not_exists=False,
            )
        return self._chroma

    def _stored_ids(self) -> set[str]:
        """The ids on disk, read in pages (one get of 100,000 fails)."""
        stored: set[str] = set()
        for offset in range(0, self._collection.count(), _FETCH):
            page = self._collection.get(include=[], limit=_FETCH, offset=offset)
            stored.update(page["ids"])
        return stored


def _collection(client: Any) -> Any:
    """The collection, with no embedding function: Chroma's default one would download a model."""
    return client.get_or_create_collection(
        _COLLECTION,
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine"}},
    )


def _open(path: Path) -> tuple[Any, Any]:
    """A client on ``path``; a torn database is removed first, the journal refills it."""
    if not _sound(path / "chroma.sqlite3"):
        shutil.rmtree(path)
    with _told(path):
        return _connect(path)


def _sound(database: Path) -> bool:
    """Whether a database is whole, or not there at all. (Chroma does not get over a torn one.)"""
    if not database.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _connect(path: Path) -> tuple[Any, Any]:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False, allow_reset=False)
    client = chromadb.PersistentClient(path=str(path), settings=settings)
    return client, _collection(client)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what Chroma raises into one line; what is committed does not depend on the store."""
    try:
        yield
    except (RunStopped, OSError):
        raise
    except Exception as error:
        raise RunStopped(
            f"{path}: the store failed: {type(error).__name__}: {error}; the committed steps are "
            "valid: mend it (is the disk full?) and run the same command again"
        ) from error
