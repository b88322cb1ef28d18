"""Readings: the posts that one agent sees at one step, drawn by a LangChain retriever."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray
from pydantic import Field

from lwd_agents import seeding
from lwd_agents.errors import RunStopped
from lwd_agents.internet.laws import Uniform, arranged
from lwd_agents.internet.store import Internet
from lwd_agents.internet.view import View
from lwd_agents.internet.weighted import Indices


class LawRetriever(BaseRetriever):
    """k of the posts in a view, drawn by a law: P(reading) is what the law's docstring says.

    Used alone, as any LangChain retriever is, it reads ``k`` posts of the whole Internet, the same
    ones at each call; a run gives it k, a seed and a view.

    Attributes:
        internet: where the posts are.
        law: see ``lwd_agents.internet.laws``; it is given a generator keyed by the seed.
        order: how the posts stand in the reading, see ``laws.arranged``; ``random`` has a key of
            its own, so another order never changes which posts are read.
        k: how many are read where a call doesn't say.
    """

    internet: Any
    law: Any
    order: Literal["drawn", "random", "time", "reversed"] = "drawn"
    k: Annotated[int, Field(ge=0)] = 10

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        seed: int = 0,
        view: View | None = None,
    ) -> list[Document]:
        k = self.k if k is None else k
        view = self._everything(query) if view is None else view
        if k > len(view.ids):
            raise RunStopped(f"reading.k: {k} posts asked of {len(view.ids)} that may be read")
        chosen = self.law.draw(view, k, seeding.generator(seed))
        indices = _checked(chosen, view, k, type(self.law).__name__)
        shuffle = seeding.generator(seeding.key(seed, "order"))
        indices = arranged(indices, view, self.order, shuffle)
        documents: list[Document] = self.internet.get([view.ids[i] for i in indices])
        return documents

    def _everything(self, query: str) -> View:
        def phi() -> NDArray[np.float32]:
            return np.asarray(self.internet.embeddings.embed_query(query), dtype=np.float32)

        view: View = self.internet.view("", 0, None, phi)
        return view


class UniformRetriever(LawRetriever):
    """k posts drawn uniformly at random without replacement from those visible.

    Every k-subset of the view and every order of it has the same probability
    (arXiv 2506.15690, Algorithm 1, line 3). The query plays no part.
    """

    law: Any = Uniform()


class Reader:
    """Asks any ``BaseRetriever`` for readings, and checks what comes back.

    A retriever is called ``invoke(query, config, k=, t=, agent=, seed=, visible=, view=)`` with
    those of the six that its ``_get_relevant_documents`` names; one that takes ``**kwargs``
    (LangChain's vector store retrievers) also gets ``k``. ``visible`` are the ids of the view. One
    that takes no seed is not reproducible.
    """

    def __init__(self, retriever: BaseRetriever, internet: Internet) -> None:
        self._retriever = retriever
        self._internet = internet
        parameters = inspect.signature(retriever._get_relevant_documents).parameters
        self._accepts = {"k", "t", "agent", "seed", "visible", "view"} & set(parameters)
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            self._accepts |= {"k"}
        self.reproducible = "seed" in self._accepts
        self.law = getattr(retriever, "law", None)  # where it draws by one of ours
        self.name = f"{type(retriever).__module__}.{type(retriever).__qualname__}"

    def read(
        self,
        query: str,
        config: RunnableConfig | None,
        *,
        k: int,
        t: int,
        agent: str,
        seed: int,
        view: View | None = None,
    ) -> list[Document]:
        """A reading of exactly k different posts that are visible; none are asked for at k = 0.

        Args:
            view: what the agent may read; without one it may read the whole Internet.

        Raises:
            RunStopped: fewer than k posts are visible; the retriever raised, or returned too few
                or too many posts, one post twice, or a post that is not visible to the agent.
        """
        if k == 0:
            return []
        visible = self._internet.ids if view is None else view.ids
        if k > len(visible):
            raise RunStopped(
                f"reading.k: {k} posts asked for {agent} at step {t}, who may read {len(visible)} "
                f"of the Internet's {len(self._internet)}"
            )
        offered = {"k": k, "t": t, "agent": agent, "seed": seed, "visible": visible, "view": view}
        given = {name: offered[name] for name in self._accepts}
        try:
            documents = self._retriever.invoke(query, config, **given)
        except RunStopped:
            raise
        except Exception as error:
            raise RunStopped(
                f"{self.name} raised at step {t} for {agent}: {type(error).__name__}: {error}"
            ) from error
        self._check(documents, k, t, agent, None if view is None else view.ids)
        return documents

    def _check(
        self,
        documents: Sequence[Document],
        k: int,
        t: int,
        agent: str,
        visible: Sequence[str] | None,
    ) -> None:
        where = f"{self.name} at step {t} for {agent}"
        ids = [_id(document, where) for document in documents]
        if len(ids) != k:
            raise RunStopped(f"{where}: it returned {len(ids)} posts where k = {k} were asked for")
        if len(set(ids)) != len(ids):
            doubled = next(post_id for post_id in ids if ids.count(post_id) > 1)
            raise RunStopped(f"{where}: it returned the post {doubled} twice")
        for post_id in ids:
            if post_id not in self._internet:
                raise RunStopped(f"{where}: the post {post_id} is not in the Internet")
        hidden = set() if visible is None else set(ids).difference(visible)
        if hidden:
            first = next(post_id for post_id in ids if post_id in hidden)
            raise RunStopped(f"{where}: it returned {first}, a post that is not visible to it")


def _checked(chosen: Any, view: View, k: int, name: str) -> Indices:
    """What a law drew, if it is k different indices into the view; RunStopped if it isn't."""
    where = f"the law {name} at step {view.t} for {view.agent}"
    indices = np.asarray(chosen)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise RunStopped(f"{where}: it returned no list of whole numbers, but {chosen!r}"[:300])
    if len(indices) != k:
        raise RunStopped(f"{where}: it returned {len(indices)} posts where k = {k} were asked for")
    for i in indices[(indices < 0) | (indices >= len(view.ids))]:
        raise RunStopped(f"{where}: it returned the index {i} of {len(view.ids)} posts")
    if len(np.unique(indices)) != k:
        raise RunStopped(f"{where}: it returned a post twice")
    return indices.astype(np.int64)


def _id(document: Document, where: str) -> str:
    if document.id is None:
        raise RunStopped(f"{where}: it returned a document without an id; keep the post's own")
    return document.id
