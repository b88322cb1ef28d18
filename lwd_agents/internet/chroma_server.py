"""One Internet that several runs share, on a Chroma server (``chroma run``).

Two kinds of collections. ``NAME`` is where all meet: every run publishes what it posts there, and
LWD deletes nothing from it; any other Chroma client may add posts. ``NAME.RUN`` holds exactly the
A(t) of one run, like a collection on disk: its own posts, and copies of those of others that it
has taken in. So what one run forgets is not lost to another, and what a run reads can't be changed
behind its back.

In ``NAME`` a post's id is ``RUN:id``: models that have collapsed post equal texts, and two runs may
name their agents alike. Posts of A(0) go by their id alone, so that runs that start from one seed
file have them once. Others' posts come in under the name ``author@RUN``. When they come depends on
the clock: a run that shares its Internet is not reproducible, and says so.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import RunStopped
from lwd_agents.internet.backends import ORIGIN, told
from lwd_agents.internet.chroma import Collection, ids_of, rows_of
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN, SYNTHETIC, Post

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

OPEN = "open"  # the run of a post that no run has published
_SECONDS = 60.0  # that a server may be silent; Chroma's client would wait for ever
_WHOLE = 1_000  # rows in one get with texts and vectors
_REQUEST = 16_000_000  # bytes aimed at in one call; a server takes 40 MB
_EXACT: Any = {"hnsw": {"space": "l2"}}  # one for cosines gives vectors back in other last bits
_RUN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_OWN = {"author", "step", "slot", "kind", "query", "run", ORIGIN}


class ChromaServerBackend(Collection):
    """A run's part of a shared Internet; see ``backends.SharedBackend``.

    Args:
        host, port: the server.
        name: the Internet's.
        run: tells this run from all others on the server, and stays the same when it goes on. Up to
            64 letters, digits, dots, hyphens and underscores are used as they are; anything else
            by the first 16 digits of its sha256.
        embeddings: phi, for the vector store's own searches. Runs that share an Internet need one
            phi: a collection takes vectors of one width.

    Raises:
        RunStopped: there is no Chroma server there.
    """

    def __init__(self, host: str, port: int, name: str, run: str, embeddings: Embeddings) -> None:
        where = f"http://{host}:{port}/{name}"
        with told(where):
            client = _connect(host, port, where)
            self._board = rows_of(client, name, _EXACT)
        self._run = run if _RUN.fullmatch(run) else hashlib.sha256(run.encode()).hexdigest()[:16]
        super().__init__(client, f"{name}.{self._run}", embeddings, where)

    def insert(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """See ``Backend``. What is this run's own is published first."""
        own = [i for i, post in enumerate(posts) if ORIGIN not in post.labels]
        with told(self.where):
            self._publish([posts[i] for i in own], vectors[own])
        super().insert(posts, vectors)

    def news(self, seen: Ids[str], t: int) -> tuple[list[Post], NDArray[np.float32]]:
        """See ``SharedBackend``. Sorted by their step, author, slot and origin."""
        with told(self.where):
            new = sorted(
                origin
                for origin in ids_of(self._board)
                if origin not in seen and not origin.startswith(f"{self._run}:")
            )
            found: list[tuple[str, Any, Any, Any]] = []
            for start in range(0, len(new), _WHOLE):
                rows = self._board.get(
                    ids=new[start : start + _WHOLE],
                    include=["documents", "metadatas", "embeddings"],
                )
                found += zip(
                    rows["ids"],
                    rows["documents"],
                    rows["metadatas"],
                    rows["embeddings"],
                    strict=True,
                )
        made = [
            (_order(origin, metadata or {}), _foreign(origin, text, metadata or {}, t), vector)
            for origin, text, metadata, vector in found
            if text and text.strip()
        ]
        made.sort(key=lambda row: row[0])
        vectors = [vector for _order, _post, vector in made]
        return [post for _order, post, _vector in made], np.array(vectors, dtype=np.float32)

    def _publish(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Put posts up for all. Those that are up already stay: Chroma passes over an id it has."""
        batch = self._batch(vectors.shape[1])
        for start in range(0, len(posts), batch):
            part = posts[start : start + batch]
            self._board.add(
                ids=[self._origin(post) for post in part],
                documents=[post.text for post in part],
                metadatas=[{**post.metadata(), "run": self._run} for post in part],
                embeddings=np.asarray(vectors[start : start + batch], dtype=np.float32),
            )

    def _origin(self, post: Post) -> str:
        return post.id if _is_seed(post) else f"{self._run}:{post.id}"

    def _batch(self, width: int) -> int:
        """So many that a call stays far below what a server takes."""
        return max(1, min(super()._batch(width), _REQUEST // (20 * width + 4_000)))


def _is_seed(post: Post) -> bool:
    return post.step == BEFORE_THE_RUN and post.author == post.kind == HUMAN


def _foreign(origin: str, text: str, metadata: Mapping[str, Any], t: int) -> Post:
    """A post of another run or client, as this run takes it in before step t.

    It counts as written at t - 1, since another run's steps say nothing about this one's; what its
    author called its step is the label ``written``.
    """
    labels = {
        name: value
        for name, value in metadata.items()
        if name not in _OWN and isinstance(value, str | int | float | bool)
    }
    kind = str(metadata.get("kind", SYNTHETIC))
    query = str(metadata.get("query", ""))
    run = metadata.get("run")
    if run is not None and ":" not in origin:
        seed = Post(text, HUMAN, BEFORE_THE_RUN, _slot(metadata), query, HUMAN, labels)
        if seed.id == origin:
            return Post(**{**vars(seed), "labels": {**labels, ORIGIN: origin}})
    author = f"{metadata.get('author', 'unknown')}@{OPEN if run is None else run}"
    if "step" in metadata:
        labels["written"] = metadata["step"]
    # Two posts of one author may enter together: the origin, not their slots, tells them apart.
    slot = int(hashlib.sha256(origin.encode()).hexdigest()[:12], 16)
    return Post(text, author, t - 1, slot, query, kind, {**labels, ORIGIN: origin})


def _order(origin: str, metadata: Mapping[str, Any]) -> tuple[int, str, int, str]:
    step = metadata.get("step")
    author = str(metadata.get("author", ""))
    return step if isinstance(step, int) else BEFORE_THE_RUN, author, _slot(metadata), origin


def _slot(metadata: Mapping[str, Any]) -> int:
    slot = metadata.get("slot")
    return slot if isinstance(slot, int) else 0


def _connect(host: str, port: int, where: str) -> Any:
    """A client, after a look at whether what answers there is a Chroma server."""
    import chromadb
    import httpx
    from chromadb.config import Settings

    hint = f"start one (chroma run --host {host} --port {port} --path FOLDER) and run it again"
    try:
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS / 4)
        connection.request("GET", "/api/v2/heartbeat")
        beat = json.loads(connection.getresponse().read(10_000))
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
        raise RunStopped(f"{where}: no Chroma server answers there ({said}); {hint}") from None
    if not isinstance(beat, dict) or "nanosecond heartbeat" not in beat:
        raise RunStopped(f"{where}: what answers there is no Chroma server; {hint}")
    client = chromadb.HttpClient(host, port, settings=Settings(anonymized_telemetry=False))
    session = getattr(getattr(client, "_server", None), "_session", None)
    if isinstance(session, httpx.Client):
        session.timeout = httpx.Timeout(_SECONDS)
    return client
