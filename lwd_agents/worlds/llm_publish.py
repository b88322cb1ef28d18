"""What enters the Internet after a step of an LLM network, and what leaves it.

Decided once, when the step is made, and written into its round; a replayed round is taken as it
stands there, so that what a run did is never decided anew under another config (as in a fork).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.retrievers import BaseRetriever

from lwd_agents import extensions, seeding
from lwd_agents.config import LlmConfig
from lwd_agents.config.llm import TextReadingConfig
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.inflow import Inflow, Placebo
from lwd_agents.internet.keeping import check_k, keeper, leaving
from lwd_agents.internet.laws import Law, Mmr, Similarity, make_law
from lwd_agents.internet.policies import Function
from lwd_agents.internet.post import BEFORE_THE_RUN, HUMAN, SYNTHETIC, Post
from lwd_agents.internet.posting import choose, judge
from lwd_agents.internet.readership import stretches
from lwd_agents.internet.retrievers import LawRetriever, UniformRetriever
from lwd_agents.internet.sizes import slots, visible_posts
from lwd_agents.internet.store import Internet
from lwd_agents.internet.view import View
from lwd_agents.worlds.llm_round import Answers

if TYPE_CHECKING:
    from lwd_agents.worlds.llm_texts import Texts


@dataclass(frozen=True)
class Publisher:
    """The posting policy of a run.

    Args:
        config: the experiment.
        queries: their texts.
        judge, keeper: the functions that ``posting`` names, if it names any.
        placebo: what enters in place of the models' posts; None outside a placebo.
        inflows: what enters beside them.
    """

    config: LlmConfig
    queries: Sequence[str]
    judge: Function | None
    keeper: Function | None
    placebo: Placebo | None
    inflows: Sequence[Inflow]

    def posts(self, t: int, answers: Sequence[Answers]) -> dict[tuple[str, int, int], Post]:
        """The draws that are to be posted, by (agent, query, draw).

        Those of an agent and a query have the slots 0, 1, ...
        """
        found = {}
        for answer in answers:
            for reading in answer.readings:
                if reading.reading > 0:
                    continue
                query = self.queries[reading.query]
                key = seeding.key(self.config.seed, "posting", t=t, agent=answer.agent, query=query)
                texts = [response.text for response in reading.responses]
                choice, rng = self.config.posting.choose, seeding.generator(key)
                for slot, j in enumerate(choose(texts, choice, rng, self.judge)):
                    post = Post(str(texts[j]), answer.agent, t, slot, query, SYNTHETIC)
                    found[answer.agent, reading.query, j] = post
        return found

    def entering(self, t: int, posts: Mapping[tuple[str, int, int], Post]) -> list[Post]:
        """Posts that no model wrote: a placebo's, in place of the models', and what flows in."""
        entering = [self._instead(post) for post in posts.values()] if self.placebo else []
        for inflow in self.inflows:
            entering += inflow.posts(t)
        return entering

    def _instead(self, post: Post) -> Post:
        """The held-out post that stands for an answer; those of several queries follow on."""
        assert self.placebo is not None
        first = self.queries.index(post.query) * slots(self.config)
        stands = self.placebo.post(replace(post, slot=first + post.slot))
        return replace(stands, slot=post.slot)

    def leaving(self, t: int, posts: Sequence[Post]) -> list[str]:
        """The ids of those of the posts that are not in A(t+1)."""
        if self.config.posting.keep.how == "accumulate":
            return []
        gone = leaving(posts, self.config.posting.keep, t, self.config.seed, self.keeper)
        return [post.id for post, out in zip(posts, gone, strict=True) if out]


def make_publisher(config: LlmConfig, texts: Texts) -> Publisher:
    """The posting policy of an experiment, with the functions that it names imported.

    Raises BadInput where one is not there, or too few posts are there for it.
    """
    names = [agent.name for agent in config.agents]
    posting = config.posting
    each = slots(config) * len(texts.queries)
    placebo = None
    if texts.held_out is not None:
        seeds = [post.text for post in texts.seeds]
        for plan, ready in zip(config.inflow, texts.inflow, strict=True):
            seeds += ready if plan.kind == HUMAN else ()
        placebo = Placebo(texts.held_out, config.seed, names, each, config.steps, seeds)
    inflows = [
        Inflow(plan, ready, config.seed, config.steps)
        for plan, ready in zip(config.inflow, texts.inflow, strict=True)
    ]
    functions = judge(posting.choose), keeper(posting.keep)
    if config.reading.k is not None:
        fresh = sum(plan.most() for plan in config.inflow if plan.kind == HUMAN)
        others = each * len(names) + sum(p.most() for p in config.inflow if p.kind != HUMAN)
        check_k(posting.keep, config.reading.k, len(texts.seeds), fresh, others)
    return Publisher(config, texts.queries, *functions, placebo, inflows)


def make_retriever(
    reading: TextReadingConfig, internet: Internet, given: Any = None
) -> BaseRetriever:
    """The retriever of a run: a Python object, one that the experiment names, or a law's.

    Raises BadInput where what is named makes none.
    """
    if isinstance(given, BaseRetriever):
        return given
    if given is not None:
        made = given(internet)
    elif reading.retriever is not None:
        where = f"reading.retriever {reading.retriever!r}"
        made = extensions.call(
            named_retriever(reading.retriever), {"internet": internet}, where, reading.options
        )
    else:
        if reading.law == "uniform" and reading.order == "drawn":
            return UniformRetriever(internet=internet)
        law = make_law(reading.law, reading.options, "reading.law")
        return LawRetriever(internet=internet, law=law, order=reading.order)
    if not isinstance(made, BaseRetriever):
        raise BadInput(f"reading.retriever: {type(made).__name__} is no LangChain retriever")
    return made


def named_retriever(name: str) -> Any:
    """What a dotted path or a registered name stands for. Raises BadInput where it is nothing."""
    if name in extensions.registered("retrievers") or not extensions.is_dotted_path(name):
        return extensions.load("retrievers", name, "reading.retriever")
    return extensions.imported(name, "reading.retriever")


def check_reading(config: LlmConfig, humans: int = 0) -> None:
    """Refuse a law or a readership under which agents could not read, at t = 0 already.

    Args:
        config: the experiment.
        humans: |A(0)|.

    Raises:
        BadInput: in one line.
    """
    reading, names = config.reading, [agent.name for agent in config.agents]
    if reading.retriever is not None:
        named_retriever(reading.retriever)
    else:
        law = make_law(reading.law, reading.options, "reading.law")
        if humans and not isinstance(law, Similarity | Mmr):
            _try(law, names[0], humans, reading.size_at(0, humans))
    try:
        graphs = stretches(config.readership, names, config.seed)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if humans and reading.k != 0:
        _check_sight(config, humans)
    if reading.shared and reading.law == "own":
        raise BadInput("reading.shared: the law own asks who reads; choose another law")
    if reading.shared and not all(may.all() for may in graphs.values()):
        raise BadInput(
            "reading.shared: agents that may not read the same posts cannot share a reading; "
            "leave readership at complete"
        )


def _check_sight(config: LlmConfig, humans: int) -> None:
    """Refuse an agent that takes part at a step where it may read nothing at all."""
    for agent, sizes in zip(config.agents, visible_posts(config, humans), strict=True):
        blind = [t for t in np.flatnonzero(sizes == 0).tolist() if agent.takes_part(t)]
        if blind:
            raise BadInput(
                f"agents.{agent.name}: at t = {blind[0]} it may read nothing: no post is left that "
                "it may see; let more stay (posting.keep), let others post, or change readership"
            )


def _try(law: Law, agent: str, humans: int, k: int) -> None:
    """Draw once from an Internet that holds A(0) alone."""

    def nothing() -> Any:
        raise RunStopped("reading.law: it asks for vectors, which are there in a run alone")

    view = View(
        agent=agent,
        t=0,
        ids=[str(i) for i in range(humans)],
        author=np.full(humans, HUMAN, dtype=np.object_),
        step=np.full(humans, BEFORE_THE_RUN, dtype=np.int64),
        human=np.ones(humans, dtype=np.bool_),
        reads=np.zeros(humans, dtype=np.int64),
        vectors=nothing,
        query=nothing,
    )
    try:
        law.draw(view, k, seeding.generator(0))
    except RunStopped as error:
        if "asks for vectors" not in str(error):
            raise BadInput(f"reading.law: no agent could read at t = 0: {error}") from None


def recorded(posts: Sequence[Post]) -> list[dict[str, Any]]:
    """Posts that no model wrote, as a line of rounds.jsonl holds them."""
    return [
        {
            "author": post.author,
            "step": post.step,
            "slot": post.slot,
            "query": post.query,
            "kind": post.kind,
            "text": post.text,
            **({"labels": post.labels} if post.labels else {}),
        }
        for post in posts
    ]
