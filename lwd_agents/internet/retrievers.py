"""Readings: the posts that one agent sees at one step, drawn by a LangChain retriever."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig

from lwd_agents import seeding
from lwd_agents.errors import RunStopped
from lwd_agents.internet.store import Internet


class UniformRetriever(BaseRetriever):
    """k posts drawn uniformly at random without replacement from those visible.

    Every k-subset of ``visible`` and every order of it has the same probability
    (arXiv 2506.15690, Algorithm 1, line 3). The query plays no part.
    """

    internet: Any

    def _get_relevant_documents(  # type: ignore[override]  # LangChain passes further keywords on
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int,
        seed: int,
        visible: Sequence[str],
    ) -> list[Document]:
        chosen = seeding.generator(seed).choice(len(visible), size=k, replace=False)
        documents: list[Document] = self.internet.get([visible[i] for i in chosen])
        return documents


class Reader:
    """Asks any ``BaseRetriever`` for readings, and checks what comes back.

    A retriever is called ``invoke(query, config, k=, t=, agent=, seed=, visible=)`` with those of
    the five that its ``_get_relevant_documents`` names; one that takes ``**kwargs`` (LangChain's
    vector store retrievers) also gets ``k``. One that takes no seed is not reproducible.
    """

    def __init__(self, retriever: BaseRetriever, internet: Internet) -> None:
        self._retriever = retriever
        self._internet = internet
        parameters = inspect.signature(retriever._get_relevant_documents).parameters
        self._accepts = {"k", "t", "agent", "seed", "visible"} & set(parameters)
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            self._accepts |= {"k"}
        self.reproducible = "seed" in self._accepts
        self.name = f"{type(retriever).__module__}.{type(retriever).__qualname__}"

    def read(
        self, query: str, config: RunnableConfig | None, *, k: int, t: int, agent: str, seed: int
    ) -> list[Document]:
        """A reading of exactly k different posts of the Internet; none are asked for at k = 0.

        Raises:
            RunStopped: the retriever raised, or returned too few or too many posts, one post
                twice, or a post that is not in the Internet.
        """
        if k == 0:
            return []
        if k > len(self._internet):
            raise RunStopped(f"reading.k: {k} posts asked of an Internet of {len(self._internet)}")
        offered = {"k": k, "t": t, "agent": agent, "seed": seed, "visible": self._internet.ids}
        given = {name: offered[name] for name in self._accepts}
        try:
            documents = self._retriever.invoke(query, config, **given)
        except RunStopped:
            raise
        except Exception as error:
            raise RunStopped(
                f"{self.name} raised at step {t} for {agent}: {type(error).__name__}: {error}"
            ) from error
        self._check(documents, k, t, agent)
        return documents

    def _check(self, documents: Sequence[Document], k: int, t: int, agent: str) -> None:
        where = f"{self.name} at step {t} for {agent}"
        ids = [_id(document, where) for document in documents]
        if len(ids) != k:
            raise RunStopped(f"{where}: it returned {len(ids)} posts where k = {k} were asked for")
        if len(set(ids)) != len(ids):
            doubled = next(post_id for post_id in ids if ids.count(post_id) > 1)
            raise RunStopped(f"{where}: it returned the post {doubled} twice")
        strangers = [post_id for post_id in ids if post_id not in self._internet]
        if strangers:
            raise RunStopped(f"{where}: the post {strangers[0]} is not in the Internet")


def _id(document: Document, where: str) -> str:
    if document.id is None:
        raise RunStopped(f"{where}: it returned a document without an id; keep the post's own")
    return document.id
