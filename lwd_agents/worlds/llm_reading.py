"""What each agent of an LLM network reads: whom it may hear, how many posts, and which."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.agents.agent import Agent, within
from lwd_agents.config import LlmConfig
from lwd_agents.embedding import EmbeddingCache
from lwd_agents.internet.laws import shortfall
from lwd_agents.internet.post import Post
from lwd_agents.internet.readership import stretches
from lwd_agents.internet.retrievers import Reader
from lwd_agents.internet.store import Internet
from lwd_agents.internet.view import View


@dataclass(frozen=True)
class Drawn:
    """One reading: its posts, k_t (more, where a budget left some out), what its law lacked."""

    documents: list[Document]
    asked: int
    short: Mapping[str, int]


class Readings:
    """Draws the readings of a run.

    Args:
        config: the experiment.
        queries: their texts.
        names: the agents, in order.
        reader: the retriever, and the checks of what it returns.
        internet: A(t).
        posts: the posts of A(t) by id, kept up to date by the caller.
        cache: phi.
    """

    def __init__(
        self,
        config: LlmConfig,
        queries: Sequence[str],
        names: Sequence[str],
        reader: Reader,
        internet: Internet,
        posts: Mapping[str, Post],
        cache: EmbeddingCache,
    ) -> None:
        self._config = config
        self._queries = queries
        self._names = tuple(names)
        self._graphs = stretches(config.readership, self._names, config.seed)
        self._reader = reader
        self._internet = internet
        self._posts = posts
        self._cache = cache
        self._one_at_a_time = threading.Lock()  # a retriever need not be thread safe

    def read(self, t: int, agent: Agent, q: int, r: int, config: RunnableConfig) -> Drawn:
        """Reading number r of an agent for query q."""
        query, budget = self._queries[q], self._config.reading.budget
        who = "" if self._config.reading.shared else agent.name
        with self._one_at_a_time:
            view = self._view(t, agent, query)
            k = self._config.reading.size_at(t, len(view))
            documents = self._reader.read(
                query,
                config,
                k=k,
                t=t,
                agent=agent.name,
                seed=keyed(self._config, "reading", t, who, query, r),
                view=view,
            )
            kept = within(agent, [d.page_content for d in documents], query, budget)
            short = shortfall(self._reader.law, view, k) if self._reader.law else {}
        return Drawn(documents[: len(kept)], len(documents), short)

    def _view(self, t: int, agent: Agent, query: str) -> View:
        """What an agent may read for a query: all its posts, or those to that query alone."""

        def vector() -> NDArray[np.float32]:
            found: NDArray[np.float32] = self._cache.embed([query])[0]
            return found

        view = self._internet.view(agent.name, t, self._may_author(agent, t), vector)
        if len(self._queries) == 1 or not self._config.internet.per_query:
            return view
        mine = [self._posts[post_id].query in ("", query) for post_id in view.ids]
        return view.only(np.array(mine, dtype=np.bool_))

    def _may_author(self, agent: Agent, t: int) -> frozenset[str] | None:
        """Whose posts an agent may read beside human ones; None for everyone's.

        What flows in is for all: a readership is over agents.
        """
        graph = self._graphs[max(step for step in self._graphs if step <= t)]
        row = graph[self._names.index(agent.name)]
        if row.all():
            return None
        heard = (name for name, yes in zip(self._names, row, strict=True) if yes)
        return frozenset([*heard, *(plan.name for plan in self._config.inflow)])


def keyed(config: LlmConfig, purpose: str, t: int, agent: str, query: str, r: int) -> int:
    """A key of an agent at a step; the first of several readings has the plain purpose."""
    purpose = f"{purpose} {r}" if r else purpose
    return seeding.key(config.seed, purpose, t=t, agent=agent, query=query)
