"""The world ``llm``: language models that read one Internet and post into it.

Algorithm 1 of LLM Web Dynamics (arXiv 2506.15690). At each step every agent reads posts of A(t),
answers the query L times from that one reading, and its first answer is posted. All agents read
A(t) before any of them posts, so neither their order nor their speed can change a result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.agents.agent import Agent, Reading, within
from lwd_agents.agents.calls import threads
from lwd_agents.agents.sampling import Response
from lwd_agents.config import LlmConfig
from lwd_agents.embedding import EmbeddingCache
from lwd_agents.engine import MOST_DISTANCES, Round
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.internet.post import SYNTHETIC, Post
from lwd_agents.internet.retrievers import Reader
from lwd_agents.internet.store import Internet
from lwd_agents.ledger import Ledger
from lwd_agents.marks import Rule
from lwd_agents.measures.geometry import collapse_norm, distances, perspectives
from lwd_agents.worlds.llm_round import (
    Answers,
    event,
    number,
    numbers,
    posts_of,
    rows_of,
    stacked,
    told,
)

ROUND_EVENT = "lwd.round"
ANSWERS_EVENT = "lwd.answers"


class LlmWorld:
    """A network of language models; see ``lwd_agents.engine.World``.

    Args:
        config: the experiment.
        query: the text of q.
        agents: who reads and answers, in the order of the axes of D and of the embeddings.
        reader: where readings come from.
        internet: the store of A(t), empty or as a former process left it.
        cache: phi, which already knows the posts of A(0).
        seeds: the posts of A(0).
        seed_vectors: their embeddings, (len(seeds), D).
        ledger: the account of the calls.
        rules: what answers are marked by; none marks nothing.
        callbacks: LangChain handlers that see the whole run.
    """

    def __init__(
        self,
        config: LlmConfig,
        query: str,
        agents: Sequence[Agent],
        reader: Reader,
        internet: Internet,
        cache: EmbeddingCache,
        seeds: Sequence[Post],
        seed_vectors: NDArray[np.float32],
        ledger: Ledger,
        rules: Mapping[str, Rule],
        callbacks: Sequence[Any] = (),
    ) -> None:
        self._config = config
        self._query = query
        self._agents = tuple(agents)
        self._reader = reader
        self._internet = internet
        self._cache = cache
        self._humans = len(seeds)
        self._replayed: list[Post] = list(seeds)
        self._vectors: list[NDArray[np.float32]] = list(seed_vectors)
        self._run: RunnableConfig = {"callbacks": list(callbacks), "run_name": "lwd.run"}
        self._store_seconds = 0.0
        self._ledger = ledger
        self._rules = rules
        self._reading = threading.Lock()

    def within(self, loop: Callable[[], None]) -> None:
        """Run the whole loop inside one Runnable: a trace is run > step > agent > model."""

        def whole(_: Any, config: RunnableConfig) -> None:
            self._run = config
            loop()

        RunnableLambda(whole).invoke(None, self._run)

    def step(self, t: int) -> Round:
        """Everything of step t: readings, draws, embeddings, D and its norm."""
        step: RunnableLambda[int, Round] = RunnableLambda(self._step)
        return step.invoke(t, {**self._run, "run_name": f"step {t}"})

    def _step(self, t: int, config: RunnableConfig) -> Round:
        self._ledger.begin(t)
        answers = self._answers(t, config)
        seconds = {
            name: sum(answer.seconds[name] for answer in answers)
            for name in ("retrieve", "generate")
        }
        started = time.perf_counter()
        embeddings = self._embed([answer.responses for answer in answers])
        embedded = time.perf_counter()
        D = distances(perspectives(embeddings))
        measured = time.perf_counter()
        posts = posts_of(t, self._query, answers)
        seconds |= {
            "embed": embedded - started,
            "measure": measured - embedded,
            "store": self._store_seconds,
        }
        line = {
            "t": t,
            "internet_size": len(self._internet),
            "synthetic": len(self._internet) - self._humans,
            "norm": number(collapse_norm(D)),
            "distances": numbers(D) if D.size <= MOST_DISTANCES else None,
            **told(answers, self._rules, self._config.reading.budget is not None),
            "posted": [post.id for post in posts.values()],
            "seconds": {name: round(spent, 6) for name, spent in seconds.items()},
        }
        rows = tuple(rows_of(t, self._query, answers, posts, self._rules))
        spent = self._ledger.totals
        return Round(t, line, rows, {f"{t:05d}.npy": embeddings}, spent=spent)

    def _answers(self, t: int, config: RunnableConfig) -> list[Answers]:
        """What every agent read and answered, in the order of the agents.

        Those that wait for a provider wait side by side; models in this process take turns.
        """
        called = [agent for agent in self._agents if agent.remote]

        def serve(agent: Agent) -> Answers:
            return self._serve(t, agent, config)

        gates = [agent.drawer.caller.gate for agent in called]
        with threads(len(called), gates) as pool:
            waiting = {agent.name: pool.submit(serve, agent) for agent in called}
            here = {a.name: serve(a) for a in self._agents if a.name not in waiting}
            there = {name: future.result() for name, future in waiting.items()}
        return [{**here, **there}[agent.name] for agent in self._agents]

    def _serve(self, t: int, agent: Agent, config: RunnableConfig) -> Answers:
        """One agent's reading and its L draws, as one Runnable of the trace."""

        def both(who: Agent, config: RunnableConfig) -> Answers:
            return self._read_and_answer(t, who, config)

        serve: RunnableLambda[Agent, Answers] = RunnableLambda(both)
        answers: Answers = serve.invoke(agent, {**config, "run_name": agent.name})
        missing = [r.missing for r in answers.responses if r.text is None]
        if len(missing) > self._config.max_missing * len(answers.responses):
            raise RunStopped(
                f"agent {agent.name} at step {t}: {len(missing)} of {len(answers.responses)} draws "
                f"are missing ({missing[0]}); max_missing allows {self._config.max_missing:.0%}. "
                "The step is not committed: mend the model and run the same command again"
            )
        return answers

    def _read_and_answer(self, t: int, agent: Agent, config: RunnableConfig) -> Answers:
        with self._reading:  # a retriever need not be thread safe
            started = time.perf_counter()
            documents = self._reader.read(
                self._query,
                config,
                k=self._config.reading.size(len(self._internet)),
                t=t,
                agent=agent.name,
                seed=self._key("reading", t, agent),
            )
            asked = len(documents)
            posts = [document.page_content for document in documents]
            posts = within(agent, posts, self._query, self._config.reading.budget)
            documents = documents[: len(posts)]
            read = time.perf_counter()
        draws, before = self._config.draws, self._ledger.of(agent.name)
        responses = agent.sample(
            Reading(tuple(posts), self._query),
            draws,
            seeding.base_seed(self._key("draws", t, agent), draws),
            config,
        )
        seconds = {"retrieve": read - started, "generate": time.perf_counter() - read}
        answers = Answers(
            agent.name,
            tuple(str(document.id) for document in documents),
            tuple(responses),
            seconds,
            self._ledger.of(agent.name).minus(before),
            asked,
        )
        dispatch_custom_event(
            ANSWERS_EVENT,
            {
                "t": t,
                "agent": agent.name,
                "reads": list(answers.reads),
                "responses": [asdict(response) for response in responses],
                "seconds": seconds,
            },
            config=config,
        )
        return answers

    def _key(self, purpose: str, t: int, agent: Agent) -> int:
        return seeding.key(self._config.seed, purpose, t=t, agent=agent.name, query=self._query)

    def _embed(self, responses: Sequence[Sequence[Response]]) -> NDArray[np.float32]:
        """(N, L, D) float32, a missing draw NaN; new texts are embedded as one batch."""
        places = [
            (i, j, response.text)
            for i, row in enumerate(responses)
            for j, response in enumerate(row)
            if response.text is not None
        ]
        width = len(self._vectors[0])
        out = np.full((len(responses), self._config.draws, width), np.nan, dtype=np.float32)
        if places:
            rows, columns, texts = zip(*places, strict=True)
            out[rows, columns] = self._cache.embed(texts)
        return out

    def absorb(self, round: Round) -> None:
        """Let the posts of a committed step into A(t+1), and tell the handlers."""
        posts, vectors = self._posted(round)
        if round.replayed:
            self._replayed += posts
            self._vectors += vectors
            present = [row for row in round.responses if row["text"] is not None]
            flat = stacked(round).reshape(-1, len(self._vectors[0]))
            there = flat[~np.isnan(flat[:, 0])]
            self._cache.remember([row["text"] for row in present], there)
        elif posts:
            started = time.perf_counter()
            self._internet.add(posts, np.stack(vectors))
            self._store_seconds = time.perf_counter() - started
        dispatch_custom_event(ROUND_EVENT, event(round), config=self._run)

    def resumed(self) -> None:
        """Make the store hold what the journal says; a lost or torn one is filled anew."""
        self._internet.restore(self._replayed, np.stack(self._vectors))
        self._replayed, self._vectors = [], self._vectors[:1]

    def close(self) -> None:
        """Let go of the store."""
        self._internet.close()

    def _posted(self, round: Round) -> tuple[list[Post], list[NDArray[np.float32]]]:
        """The posts of a round and their vectors, each a (D,) array, in the order of ``posted``."""
        place = {agent.name: i for i, agent in enumerate(self._agents)}
        embeddings = stacked(round)
        rows = {row["post_id"]: row for row in round.responses if row["post_id"] is not None}
        posts, vectors = [], []
        for post_id in round.line["posted"]:
            row = rows.get(post_id)
            if row is None:
                raise BadInput(f"responses.jsonl: the post {post_id} of step {round.t} is gone")
            post = Post(row["text"], row["agent"], round.t, 0, row["query"], SYNTHETIC)
            if post.id != post_id:
                raise BadInput(f"responses.jsonl: a text of step {round.t} was changed afterwards")
            posts.append(post)
            vectors.append(embeddings[place[row["agent"]], row["draw"]])
        return posts, vectors
