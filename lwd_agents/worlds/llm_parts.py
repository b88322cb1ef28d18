"""Putting an LLM network together: prompt, query, agents, A(0) and phi, checked before step 0."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from numpy.typing import NDArray

from lwd_agents import marks, resources
from lwd_agents.agents.agent import Agent, Reading
from lwd_agents.config import LlmConfig
from lwd_agents.embedding import EmbeddingCache, SentenceEmbeddings
from lwd_agents.engine import Round, advance
from lwd_agents.errors import BadInput
from lwd_agents.internet import backends
from lwd_agents.internet.post import Post
from lwd_agents.internet.retrievers import LawRetriever, Reader, UniformRetriever
from lwd_agents.internet.sizes import largest_reading
from lwd_agents.internet.store import Internet
from lwd_agents.journal import Journal
from lwd_agents.ledger import Ledger
from lwd_agents.prices import check_overrides
from lwd_agents.records import load_array
from lwd_agents.trajectory import Trajectory
from lwd_agents.worlds import llm_agents
from lwd_agents.worlds.llm import LlmWorld
from lwd_agents.worlds.llm_publish import (
    Publisher,
    check_reading,
    make_publisher,
    make_retriever,
    recorded,
)
from lwd_agents.worlds.llm_stop import Stopping, make_stopping
from lwd_agents.worlds.llm_texts import Texts

_SEED_VECTORS = "embeddings/seed.npy"
_SEED_POSTS = "embeddings/seed.jsonl"

RetrieverFactory = Callable[[Internet], BaseRetriever]


@dataclass(frozen=True)
class Objects:
    """Python objects that stand in for specs: models or runnables by agent, retriever, phi."""

    models: Mapping[str, Any]
    retriever: BaseRetriever | RetrieverFactory | None = None
    embeddings: Embeddings | None = None
    callbacks: Sequence[Any] = ()


@dataclass(frozen=True)
class Parts:
    """A network ready to start: nothing on disk yet."""

    config: LlmConfig
    texts: Texts
    agents: tuple[Agent, ...]
    embeddings: Embeddings
    objects: Objects
    ledger: Ledger
    rules: Mapping[str, marks.Rule]
    publisher: Publisher
    stopping: Stopping | None = None

    def describe(self) -> dict[str, Any]:
        """What the manifest says of the parts."""
        files = {f"models/{f.name}": resources.sha256(f) for a in self.agents for f in a.files}
        return {
            "query": self.texts.queries[0],
            **({"queries": self.texts.queries} if len(self.texts.queries) > 1 else {}),
            "prompt": self.texts.template,
            "agents": [agent.name for agent in self.agents],
            "backends": {agent.name: agent.backend for agent in self.agents},
            "embedding": {
                **self.config.embedding.model_dump(mode="json"),
                "class": _class_name(self.embeddings),
            },
            "reproducible": not self.config.internet.store.startswith(backends.HTTP),
            "retriever": (
                _class_name(self.objects.retriever)
                if self.objects.retriever
                else self.config.reading.retriever or _class_name(_law_class(self.config))
            ),
            "sha256": {**self.texts.sha256, **files},
        }

    def play(
        self,
        journal: Journal,
        on_round: Callable[[Round], None],
        say: Callable[[str], None],
    ) -> None:
        """Run the network to its last step, or on from where the journal stands.

        It may end before, by its own rule; the manifest then says so.
        """
        with contextlib.closing(self.ledger), contextlib.closing(self.world(journal)) as world:
            self.ledger.open(journal.path)
            advance(world, journal, self.config.steps, on_round, world.ended)
            if world.stopped is not None:
                journal.write_manifest({**(journal.manifest or {}), "stopped": world.stopped})

    def findings(self, trajectory: Trajectory) -> dict[str, Any]:
        """How it stopped itself, if it did."""
        stopped = trajectory.manifest.get("stopped")
        return {"stopped": stopped} if stopped else {}

    def world(self, journal: Journal) -> LlmWorld:
        """The world in a run directory that is open for writing."""
        config = self.config
        internet = Internet(
            journal.path / "internet",
            self.embeddings,
            config.internet.store,
            run=_run_of(journal.manifest or {}),
        )
        cache = EmbeddingCache(self.embeddings)
        _keep_seeds(journal, self.texts.seeds)
        texts = [post.text for post in self.texts.seeds]
        vectors = _seed_vectors(journal, texts, cache)
        return LlmWorld(
            config,
            self.texts.queries,
            self.agents,
            Reader(make_retriever(config.reading, internet, self.objects.retriever), internet),
            internet,
            cache,
            self.texts.seeds,
            vectors,
            self.ledger,
            self.rules,
            self.publisher,
            self.objects.callbacks,
            self.stopping,
        )


def _run_of(manifest: Mapping[str, Any]) -> str:
    """What tells a run from others on a shared store; the same whenever it goes on."""
    return f"{manifest.get('created')} {manifest.get('key')}"


def _law_class(config: LlmConfig) -> type[LawRetriever]:
    plain = config.reading.law == "uniform" and config.reading.order == "drawn"
    return UniformRetriever if plain else LawRetriever


def assemble(
    config: LlmConfig, texts: Texts, objects: Objects, path: Path, say: Callable[[str], None]
) -> Parts:
    """Load the models and phi, and check that the longest reading fits every model.

    Providers are asked what they honour, on the account of the run that ``path`` holds already, if
    any; ``say`` is told what is going on.

    Raises:
        BadInput: a model or the embeddings cannot be loaded, or a context is too short.
    """
    prompt = ChatPromptTemplate.from_messages([("human", texts.template)])
    rules = marks.rules(config.marks)
    publisher = make_publisher(config, texts)
    check_reading(config, len(texts.seeds))
    backends.check(config.internet.store)
    if config.internet.store.startswith(backends.HTTP):
        say("internet.store: others may post there, so this run cannot be repeated byte for byte")
    check_overrides(config.prices, [spec.model for spec in config.agents])
    stopping = make_stopping(config, len(texts.queries), objects.embeddings is not None)
    ledger = llm_agents.make_ledger(config, [post.text for post in texts.seeds])
    ledger.read(path)
    agents = llm_agents.make_agents(config, objects.models, prompt, ledger)
    embeddings = objects.embeddings or SentenceEmbeddings(config.embedding)
    for agent in agents:
        _check_context(agent, config, texts)
    k = config.reading.size(len(texts.seeds))
    first = Reading(tuple(post.text for post in texts.seeds[:k]), texts.queries[0])
    callbacks: RunnableConfig = {"callbacks": list(objects.callbacks)}
    agents = llm_agents.ask_providers(agents, first, config.draws, callbacks, say)
    return Parts(config, texts, agents, embeddings, objects, ledger, rules, publisher, stopping)


def object_spec(model: Any) -> str:
    """How a Python object is named in a config: ``object:module.Class``."""
    return f"object:{_class_name(model)}"


def _check_context(agent: Agent, config: LlmConfig, texts: Texts) -> None:
    """Refuse a run whose last reading would not fit, were all its posts as long as A(0)'s longest.

    Posts to come can be longer; a reading that does not fit then stops the run, and is never cut.
    """
    _check_budget(agent, config, texts)
    if agent.context_length is None:
        return
    longest = max((post.text for post in texts.seeds), key=len)
    k = largest_reading(config, len(texts.seeds))
    tokens = agent.count_tokens(Reading((longest,) * k, max(texts.queries, key=len)))
    room = agent.context_length - (agent.max_tokens or 0)
    if tokens is not None and config.reading.budget is not None:
        tokens = min(tokens, config.reading.budget)
    if tokens is not None and tokens > room:
        raise BadInput(
            f"agents.{agent.name}: at t = {config.steps} it reads {k} posts, about {tokens} "
            f"tokens, but {agent.context_length} tokens of context less {agent.max_tokens} to "
            f"write leave {room}; lower reading.beta, steps or reading.k, or give a "
            f"reading.budget of at most {room}"
        )


def _check_budget(agent: Agent, config: LlmConfig, texts: Texts) -> None:
    """Refuse a budget that cannot be kept: by a model that counts no tokens, or by the query."""
    budget = config.reading.budget
    if budget is None:
        return
    least = agent.count_tokens(Reading((), max(texts.queries, key=len)))
    if least is None:
        raise BadInput(
            f"reading.budget: the model of agent {agent.name} cannot count a prompt's tokens "
            "beforehand; leave the budget out, or give reading.k"
        )
    if least > budget:
        raise BadInput(
            f"reading.budget: {budget} tokens, but the prompt of agent {agent.name} has {least} "
            "without any post"
        )


def _keep_seeds(journal: Journal, seeds: Sequence[Post]) -> None:
    """The posts of A(0), a line each, so that a run can be read where its store is not."""
    if not (journal.path / _SEED_POSTS).is_file():
        rows = [
            {"id": post.id, **fields} for post, fields in zip(seeds, recorded(seeds), strict=True)
        ]
        journal.write_rows(_SEED_POSTS, rows)


def _seed_vectors(journal: Journal, texts: list[str], cache: EmbeddingCache) -> NDArray[np.float32]:
    """The embeddings of A(0), (|A(0)|, D), computed once a run directory and kept there."""
    file = journal.path / _SEED_VECTORS
    if not file.is_file():
        journal.write_array(_SEED_VECTORS, cache.embed(texts))
    vectors: NDArray[np.float32] = load_array(file)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise BadInput(f"{file}: shape {vectors.shape} where {len(texts)} vectors should be")
    cache.remember(texts, vectors)
    return vectors


def _class_name(thing: Any) -> str:
    cls = thing if isinstance(thing, type) or callable(thing) else type(thing)
    cls = cls if hasattr(cls, "__qualname__") else type(thing)
    return f"{cls.__module__}.{cls.__qualname__}"
