"""Where the posts of A(t) are kept: one small protocol, and the names by which a store is opened.

``internet.store`` in an experiment is one of

- ``chroma``: a Chroma collection on disk, in the run's directory (the default);
- ``chroma+http://HOST:PORT[/NAME]``: a Chroma server, where runs share one Internet;
- ``faiss``: a FAISS index in memory (the extra ``faiss``);
- ``memory``: nothing but memory;
- a dotted path, or a name that a distribution registers by the entry point group
  ``lwd_agents.stores``: a factory that makes a ``Backend``, called with those of ``path``,
  ``embeddings``, ``run`` and ``where`` that its signature names.

What a store in memory held is filled in anew from the journal when a run goes on.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lwd_agents import extensions
from lwd_agents.errors import BadInput, LwdError, RunStopped
from lwd_agents.internet.post import Post

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

HTTP = "chroma+http://"
ORIGIN = "origin"  # a label: the id under which a post of others was found
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]")
NAMES = {
    "chroma": "a Chroma collection on disk, in the run's directory",
    f"{HTTP}HOST:PORT[/NAME]": "a Chroma server, where runs share one Internet",
    "faiss": "a FAISS index in memory (pip install 'lwd-agents[faiss]')",
    "memory": "nothing but memory",
}


@runtime_checkable
class Backend(Protocol):
    """Keeps posts by id. Ids, their order, and the vectors in use are the Internet's to hold.

    Attributes:
        where: the store in an error's line: a path, an address.
    """

    where: str

    def insert(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Keep posts, which have new ids, each with its row of ``vectors``, (len(posts), D)."""
        ...

    def fetch(self, ids: Sequence[str]) -> list[Document]:
        """The posts that are there, in any order, as documents with id and metadata."""
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Let go of posts; an id that is not there is passed over."""
        ...

    def ids(self) -> set[str]:
        """The ids of all posts that are there."""
        ...

    def clear(self) -> None:
        """Let go of all posts."""
        ...

    def vectorstore(self) -> VectorStore:
        """The same posts as a LangChain vector store, for ``as_retriever`` and the like."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@runtime_checkable
class SharedBackend(Backend, Protocol):
    """A backend that others post into too."""

    def news(self, seen: Collection[str], t: int) -> tuple[list[Post], NDArray[np.float32]]:
        """Posts of others whose origin is not in ``seen``, and their vectors, (n, D).

        Each names its origin in ``labels[ORIGIN]``; their order depends on nothing but them.
        """
        ...


class MemoryBackend:
    """Posts in LangChain's ``InMemoryVectorStore``, and nowhere else."""

    where = "memory"

    def __init__(self, embeddings: Embeddings) -> None:
        from langchain_core.vectorstores import InMemoryVectorStore

        self._store: InMemoryVectorStore = InMemoryVectorStore(embeddings)

    def insert(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """See ``Backend``. The class itself would embed the texts again."""
        for post, vector in zip(posts, np.asarray(vectors, dtype=np.float32), strict=True):
            self._store.store[post.id] = {
                "id": post.id,
                "vector": vector,
                "text": post.text,
                "metadata": post.metadata(),
            }

    def fetch(self, ids: Sequence[str]) -> list[Document]:
        """See ``Backend``."""
        return self._store.get_by_ids(ids)

    def remove(self, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        self._store.delete(ids)

    def ids(self) -> set[str]:
        """See ``Backend``."""
        return set(self._store.store)

    def clear(self) -> None:
        """See ``Backend``. The vector store stays the same object."""
        self._store.store.clear()

    def vectorstore(self) -> InMemoryVectorStore:
        """See ``Backend``. Of posts that are equally near, it gives the newest first."""
        return self._store

    def close(self) -> None:
        """Nothing to let go of."""


def open_backend(
    spec: str, path: Path, embeddings: Embeddings, where: str = "internet.store", run: str = "run"
) -> Backend:
    """The store that a spec names, as the docstring of this module lists them.

    Args:
        spec: which store.
        path: the folder for one that keeps files; made when it is needed.
        embeddings: phi, for the vector store's own searches.
        where: the place that named the spec, for errors.
        run: tells this run from those that it shares a server with; the same when it goes on.

    Raises:
        BadInput: no such store, or what it needs is not installed.
        RunStopped: it cannot be opened now.
    """
    if spec == "chroma":
        from lwd_agents.internet.chroma import ChromaBackend

        return ChromaBackend(path, embeddings)
    if spec.startswith(HTTP):
        from lwd_agents.internet.chroma_server import ChromaServerBackend

        return ChromaServerBackend(*address(spec, where), run, embeddings)
    if spec == "faiss":
        from lwd_agents.internet.faiss import FaissBackend

        return FaissBackend(embeddings)
    if spec == "memory":
        return MemoryBackend(embeddings)
    offered = {"path": path, "embeddings": embeddings, "run": run, "where": where}
    place = f"{where}: {spec!r}"
    made: Any = extensions.call(_factory(spec, where), offered, place)
    if not isinstance(made, Backend):
        raise BadInput(f"{place}: it made a {type(made).__name__}, which is no Backend")
    return made


def check(spec: str, where: str = "internet.store") -> None:
    """Refuse a spec that names no store, before anything is opened or imported.

    Raises:
        BadInput: no such store, or an address that is none.
    """
    if spec.startswith(HTTP):
        address(spec, where)
        return
    known = spec in NAMES or spec in extensions.registered("stores")
    if not known and not extensions.is_dotted_path(spec):
        raise _unknown(spec, where)


def address(spec: str, where: str) -> tuple[str, int, str]:
    """(host, port, name) of ``chroma+http://HOST:PORT[/NAME]``; the name is ``internet`` if none.

    Raises:
        BadInput: it is no such address.
    """
    right = f"write {HTTP}HOST:PORT or {HTTP}HOST:PORT/NAME"
    try:
        url = urlsplit(spec)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise BadInput(f"{where}: {spec!r}: {error}; {right}") from None
    if not host or port is None or url.username or url.query or url.fragment:
        raise BadInput(f"{where}: {spec!r} is not the address of a Chroma server; {right}")
    name = url.path.strip("/") or "internet"
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{where}: {name!r} in {spec!r} cannot name an Internet; use 3 to 128 letters, "
            "digits, dots, hyphens and underscores, a letter or digit first and last"
        )
    return host, port, name


def _factory(spec: str, where: str) -> Any:
    if spec in extensions.registered("stores"):
        return extensions.load("stores", spec, where)
    if extensions.is_dotted_path(spec):
        return extensions.imported(spec, where)
    raise _unknown(spec, where)


def _unknown(spec: str, where: str) -> BadInput:
    choices = [*NAMES, *extensions.registered("stores"), "package.module:NAME"]
    near = difflib.get_close_matches(spec, choices, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return BadInput(f"{where}: no such store {spec!r}{hint} (choices: {', '.join(choices)})")


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what a store raises into one line; what is committed does not depend on the store."""
    try:
        yield
    except (LwdError, OSError):
        raise
    except Exception as error:
        cause = "the server up" if "://" in where else "the disk full"
        raise RunStopped(
            f"{where}: the store failed: {extensions.said(error)}; the committed steps are "
            f"valid: mend it (is {cause}?) and run the same command again"
        ) from error
