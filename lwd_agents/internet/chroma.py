"""The posts of A(t) in a Chroma collection, on disk or wherever a client leads."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.internet.backends import told
from lwd_agents.internet.post import Post

if TYPE_CHECKING:
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

CONFIGURATION: Any = {"hnsw": {"space": "cosine"}}
_COLLECTION = "internet"
FETCH = 30_000  # ids in one get: SQLite takes at most 32,766 values in a statement


class Collection:
    """Posts in one collection of a Chroma client; see ``backends.Backend``."""

    def __init__(self, client: Any, name: str, embeddings: Embeddings, where: str) -> None:
        self.where = where
        self._client = client
        self._name = name
        self._embeddings = embeddings
        self._chroma: Chroma | None = None
        with told(where):
            self._rows = rows_of(client, name)

    def insert(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """See ``Backend``. Chroma keeps what it has where an id is there already."""
        with told(self.where):
            batch = self._batch(vectors.shape[1])
            for start in range(0, len(posts), batch):
                part = posts[start : start + batch]
                self._rows.add(
                    ids=[post.id for post in part],
                    documents=[post.text for post in part],
                    metadatas=[post.metadata() for post in part],
                    embeddings=np.asarray(vectors[start : start + batch], dtype=np.float32),
                )

    def fetch(self, ids: Sequence[str]) -> list[Document]:
        """See ``Backend``."""
        from langchain_core.documents import Document

        found: list[Document] = []
        for start in range(0, len(ids), FETCH):
            with told(self.where):
                rows = self._rows.get(
                    ids=list(ids[start : start + FETCH]), include=["documents", "metadatas"]
                )
            found += [
                Document(id=post_id, page_content=text, metadata=dict(metadata))
                for post_id, text, metadata in zip(
                    rows["ids"], rows["documents"], rows["metadatas"], strict=True
                )
            ]
        return found

    def remove(self, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        with told(self.where):
            for start in range(0, len(ids), FETCH):
                self._rows.delete(ids=list(ids[start : start + FETCH]))

    def ids(self) -> set[str]:
        """See ``Backend``."""
        with told(self.where):
            return ids_of(self._rows)

    def clear(self) -> None:
        """See ``Backend``. A new collection: what may be wrong with the old one goes with it."""
        with told(self.where):
            if self._chroma is None:
                self._client.delete_collection(self._name)
            else:  # a retriever may hold it already, and must see the new one
                self._chroma.reset_collection()
            self._rows = rows_of(self._client, self._name)

    def vectorstore(self) -> Chroma:
        """See ``Backend``."""
        if self._chroma is None:
            from langchain_chroma import Chroma

            self._chroma = Chroma(
                client=self._client,
                collection_name=self._name,
                embedding_function=self._embeddings,
                collection_configuration=CONFIGURATION,
            )
        return self._chroma

    def close(self) -> None:
        """See ``Backend``."""
        self._client.close()

    def _batch(self, width: int) -> int:
        """How many posts one call may add, with vectors of a width."""
        return int(self._client.get_max_batch_size())


class ChromaBackend(Collection):
    """Posts in a Chroma database in a folder that no other process has open.

    A torn database is removed first: the journal refills it.
    """

    def __init__(self, path: Path, embeddings: Embeddings) -> None:
        path = path.resolve()
        if not _sound(path / "chroma.sqlite3"):
            shutil.rmtree(path)
        with told(str(path)):
            client = _connect(path)
        super().__init__(client, _COLLECTION, embeddings, str(path))


def rows_of(client: Any, name: str, configuration: Any = CONFIGURATION) -> Any:
    """A collection, with no embedding function: Chroma's default one would download a model."""
    return client.get_or_create_collection(
        name, embedding_function=None, configuration=configuration
    )


def ids_of(rows: Any) -> set[str]:
    """The ids in a collection, read in pages (one get of 100,000 fails)."""
    found: set[str] = set()
    for offset in range(0, rows.count(), FETCH):
        found.update(rows.get(include=[], limit=FETCH, offset=offset)["ids"])
    return found


def _sound(database: Path) -> bool:
    """Whether a database is whole, or not there at all. (Chroma does not get over a torn one.)"""
    if not database.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _connect(path: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False, allow_reset=False)
    return chromadb.PersistentClient(path=str(path), settings=settings)
