"""The posts of A(t) in a FAISS index, through LangChain's class for it (the extra ``faiss``).

langchain-community is archived upstream, so nothing else here touches that class. The index lives
in memory, and a run that goes on fills it anew from its journal. Every distance is computed (a flat
index), of vectors that are scaled to unit length: the order is that of the cosine, as in Chroma.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.internet.backends import told
from lwd_agents.internet.post import Post

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

try:
    with warnings.catch_warnings():  # it says that it is archived, which we know
        warnings.filterwarnings("ignore", "`langchain-community` is", DeprecationWarning)
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores.faiss import FAISS
    if find_spec("faiss") is None:
        raise ImportError("faiss")
except ImportError:
    raise BadInput(
        "internet.store: 'faiss' needs what is not installed; pip install 'lwd-agents[faiss]', "
        "or use chroma"
    ) from None


class Faiss(FAISS):
    """LangChain's FAISS, with the two things that its other vector stores do.

    A document whose id is there replaces the one that was, and deleting what is not there is no
    error. Both raise in the class itself.
    """

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As in ``VectorStore``."""
        self.delete(ids or [])
        added: list[str] = super().add_texts(texts, metadatas=metadatas, ids=ids, **kwargs)
        return added

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As in ``VectorStore``."""
        self.delete(ids or [])
        added: list[str] = await super().aadd_texts(texts, metadatas=metadatas, ids=ids, **kwargs)
        return added

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete by id; all of them where none are named."""
        known = set(self.index_to_docstore_id.values())
        gone = sorted(known if ids is None else known & set(ids))
        return bool(super().delete(gone, **kwargs)) if gone else True


class FaissBackend:
    """Posts in a flat FAISS index; see ``lwd_agents.internet.backends.Backend``."""

    where = "faiss"

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._store: Faiss | None = None

    def insert(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """See ``Backend``."""
        with told(self.where):
            self._of_width(vectors.shape[1]).add_embeddings(
                zip([post.text for post in posts], vectors, strict=True),
                metadatas=[post.metadata() for post in posts],
                ids=[post.id for post in posts],
            )

    def fetch(self, ids: Sequence[str]) -> list[Document]:
        """See ``Backend``."""
        if self._store is None:
            return []
        found: list[Document] = self._store.get_by_ids(ids)
        return found

    def remove(self, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        if self._store is not None:
            with told(self.where):
                self._store.delete(list(ids))

    def ids(self) -> set[str]:
        """See ``Backend``."""
        return set(self._store.index_to_docstore_id.values()) if self._store else set()

    def clear(self) -> None:
        """See ``Backend``. The vector store stays the same object."""
        if self._store is not None:
            self._store.delete()

    def vectorstore(self) -> Faiss:
        """See ``Backend``."""
        if self._store is None:
            return self._of_width(len(self._embeddings.embed_query("width")))
        return self._store

    def close(self) -> None:
        """Nothing to let go of."""

    def _of_width(self, width: int) -> Faiss:
        """The store; it is made when the width D of the vectors is known."""
        if self._store is None:
            import faiss

            self._store = Faiss(
                self._embeddings,
                faiss.IndexFlatL2(width),
                InMemoryDocstore(),
                {},
                normalize_L2=True,
            )
        return self._store
