"""The world ``llm``: language models that read one Internet and post into it.

Algorithm 1 of LLM Web Dynamics (arXiv 2506.15690). At each step every agent reads posts of A(t),
answers the query L times from that one reading, and its first answer is posted. All agents read
A(t) before any of them posts, so neither their order nor their speed can change a result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.agents.agent import Agent, Reading
from lwd_agents.agents.calls import threads
from lwd_agents.config import LlmConfig
from lwd_agents.embedding import EmbeddingCache
from lwd_agents.engine import MOST_DISTANCES, Round
from lwd_agents.errors import RunStopped
from lwd_agents.inference.convergence import Row
from lwd_agents.internet.post import Post
from lwd_agents.internet.retrievers import Reader
from lwd_agents.internet.store import Internet
from lwd_agents.ledger import Ledger
from lwd_agents.marks import Rule
from lwd_agents.measures.geometry import (
    collapse_norm,
    distances,
    over_queries,
    perspectives,
)
from lwd_agents.worlds.llm_past import Past, change_of, known_of
from lwd_agents.worlds.llm_publish import Publisher, recorded
from lwd_agents.worlds.llm_reading import Readings, keyed
from lwd_agents.worlds.llm_round import (
    Answered,
    Answers,
    array_name,
    event,
    number,
    numbers,
    rows_of,
    told,
)
from lwd_agents.worlds.llm_stop import Stopping

ROUND_EVENT = "lwd.round"
ANSWERS_EVENT = "lwd.answers"


class LlmWorld:
    """A network of language models; see ``lwd_agents.engine.World``.

    Args:
        config: the experiment.
        queries: their texts, one unless the experiment has several.
        agents: who reads and answers, in the order of the axes of D and of the embeddings.
        reader: where readings come from.
        internet: the store of A(t), empty or as a former process left it.
        cache: phi, which already knows the posts of A(0).
        seeds: the posts of A(0).
        seed_vectors: their embeddings, (len(seeds), D).
        ledger: the account of the calls.
        rules: what answers are marked by; none marks nothing.
        publisher: what is posted, what enters beside it, and what leaves.
        callbacks: LangChain handlers that see the whole run.
        stopping: the rule by which it ends before its last step; None for none.
    """

    def __init__(
        self,
        config: LlmConfig,
        queries: Sequence[str],
        agents: Sequence[Agent],
        reader: Reader,
        internet: Internet,
        cache: EmbeddingCache,
        seeds: Sequence[Post],
        seed_vectors: NDArray[np.float32],
        ledger: Ledger,
        rules: Mapping[str, Rule],
        publisher: Publisher,
        callbacks: Sequence[Any] = (),
        stopping: Stopping | None = None,
    ) -> None:
        self._config = config
        self._queries = tuple(queries)
        readings = range(config.reading.readings_per_step)
        self._tasks = [(q, r) for q in range(len(queries)) for r in readings]
        self._agents = tuple(agents)
        self._places = {agent.name: i for i, agent in enumerate(self._agents)}
        self._internet = internet
        self._cache = cache
        self._width = seed_vectors.shape[1]
        self._past = Past(seeds, seed_vectors)
        self._run: RunnableConfig = {"callbacks": list(callbacks), "run_name": "lwd.run"}
        self._store_seconds = 0.0
        self._ledger = ledger
        self._rules = rules
        self._publisher = publisher
        self._stopping = stopping
        self._row = Row()
        self._readings = Readings(
            config, queries, tuple(self._places), reader, internet, self._past.posts, cache
        )

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
        foreign = self._internet.sync(t)
        self._past.arrive(foreign)
        answers = self._answers(t, config)
        seconds = {
            name: sum(answer.seconds[name] for answer in answers)
            for name in ("retrieve", "generate")
        }
        started = time.perf_counter()
        posts = self._publisher.posts(t, answers)
        entering = self._publisher.entering(t, posts)
        arrays = self._embed(t, answers, entering)
        if foreign:
            arrays[f"{t:05d}.from.npy"] = self._internet.vectors([post.id for post in foreign])
        embedded = time.perf_counter()
        D = over_queries(
            [
                distances(perspectives(arrays[array_name(t, q, 0)]))
                for q in range(len(self._queries))
            ]
        )
        there = [self._places[answer.agent] for answer in answers]
        norm = collapse_norm(D[np.ix_(there, there)])
        stop = self._stopping
        judged = {"converged": stop.judge(t, arrays, self._row)} if stop else {}
        measured = time.perf_counter()
        mine = [] if self._publisher.placebo else list(posts.values())
        left = self._publisher.leaving(t, [*self._past.posts.values(), *mine, *entering])
        seconds |= {
            "embed": embedded - started,
            "measure": measured - embedded,
            "store": self._store_seconds,
        }
        line = {
            "t": t,
            "internet_size": len(self._internet),
            "synthetic": self._past.written_by_models,
            "norm": number(norm),
            "distances": numbers(D) if D.size <= MOST_DISTANCES else None,
            **judged,
            **told(answers, self._rules, self._config.reading.budget is not None),
            "posted": [post.id for post in mine],
            **({"foreign": recorded(foreign)} if foreign else {}),
            **({"entered": recorded(entering)} if entering else {}),
            **({"left": left} if left else {}),
            "seconds": {name: round(spent, 6) for name, spent in seconds.items()},
        }
        shown = {} if self._publisher.placebo else posts
        rows = tuple(rows_of(t, self._queries, answers, shown, self._rules))
        return Round(t, line, rows, arrays, spent=self._ledger.totals)

    def _answers(self, t: int, config: RunnableConfig) -> list[Answers]:
        """What every agent read and answered, in the order of the agents.

        Those that wait for a provider wait side by side; models in this process take turns.
        """
        present = [agent for agent in self._agents if self._takes_part(agent, t)]
        called = [agent for agent in present if agent.remote]

        def serve(agent: Agent) -> Answers:
            return self._serve(t, agent, config)

        gates = [agent.drawer.caller.gate for agent in called]
        with threads(len(called), gates) as pool:
            waiting = {agent.name: pool.submit(serve, agent) for agent in called}
            here = {a.name: serve(a) for a in present if a.name not in waiting}
            there = {name: future.result() for name, future in waiting.items()}
        return [{**here, **there}[agent.name] for agent in present]

    def _serve(self, t: int, agent: Agent, config: RunnableConfig) -> Answers:
        """One agent's reading and its L draws, as one Runnable of the trace."""

        def both(who: Agent, config: RunnableConfig) -> Answers:
            return self._read_and_answer(t, who, config)

        serve: RunnableLambda[Agent, Answers] = RunnableLambda(both)
        answers: Answers = serve.invoke(agent, {**config, "run_name": agent.name})
        responses = [r for reading in answers.readings for r in reading.responses]
        missing = [r.missing for r in responses if r.text is None]
        if len(missing) > self._config.max_missing * len(responses):
            raise RunStopped(
                f"agent {agent.name} at step {t}: {len(missing)} of {len(responses)} draws "
                f"are missing ({missing[0]}); max_missing allows {self._config.max_missing:.0%}. "
                "The step is not committed: mend the model and run the same command again"
            )
        return answers

    def _takes_part(self, agent: Agent, t: int) -> bool:
        return self._config.agents[self._places[agent.name]].takes_part(t)

    def _read_and_answer(self, t: int, agent: Agent, config: RunnableConfig) -> Answers:
        before = self._ledger.of(agent.name)
        readings, seconds = [], {"retrieve": 0.0, "generate": 0.0}
        draws = self._config.draws
        for q, r in self._tasks:
            started = time.perf_counter()
            drawn = self._readings.read(t, agent, q, r, config)
            read = time.perf_counter()
            responses = agent.sample(
                Reading(tuple(d.page_content for d in drawn.documents), self._queries[q]),
                draws,
                seeding.base_seed(
                    keyed(self._config, "draws", t, agent.name, self._queries[q], r), draws
                ),
                config,
            )
            seconds["retrieve"] += read - started
            seconds["generate"] += time.perf_counter() - read
            ids = tuple(str(document.id) for document in drawn.documents)
            readings.append(Answered(q, r, ids, tuple(responses), drawn.asked, drawn.short))
        spent = self._ledger.of(agent.name).minus(before)
        answers = Answers(agent.name, tuple(readings), seconds, spent)
        dispatch_custom_event(
            ANSWERS_EVENT,
            {
                "t": t,
                "agent": agent.name,
                "reads": list(answers.reads),
                "responses": [asdict(response) for response in answers.responses],
                "seconds": seconds,
            },
            config=config,
        )
        return answers

    def _embed(
        self, t: int, answers: Sequence[Answers], entering: Sequence[Post]
    ) -> dict[str, NDArray[np.float32]]:
        """The step's arrays by file name.

        (N, L, D) float32 of each reading, NaN for a missing draw and an absent agent; and (m, D)
        of the m posts that no model wrote. Each is a batch of its own, so that further readings,
        queries and posts change no bit of the first ones.
        """
        shape = (len(self._agents), self._config.draws, self._width)
        arrays = {}
        for place, task in enumerate(self._tasks):
            array = np.full(shape, np.nan, dtype=np.float32)
            places = [
                (self._places[answer.agent], j, response.text)
                for answer in answers
                for j, response in enumerate(answer.readings[place].responses)
                if response.text is not None
            ]
            if places:
                rows, columns, texts = zip(*places, strict=True)
                array[rows, columns] = self._cache.embed(texts)
            arrays[array_name(t, *task)] = array
        if entering:
            arrays[f"{t:05d}.in.npy"] = self._cache.embed([post.text for post in entering])
        return arrays

    def absorb(self, round: Round) -> None:
        """Let a committed step's posts into A(t+1), others out of it, and tell the handlers."""
        change = change_of(round, self._places, self._queries)
        self._past.take(change, round.replayed)
        if self._stopping is not None:
            self._row = self._stopping.absorbed(round, self._row)
        if round.replayed:
            self._cache.remember(*known_of(round, self._places, self._queries))
        else:
            started = time.perf_counter()
            self._internet.add(change.posts, change.vectors)
            self._internet.remove(change.left)
            self._internet.note_reads(change.reads.elements())
            self._store_seconds = time.perf_counter() - started
        dispatch_custom_event(ROUND_EVENT, event(round), config=self._run)

    def resumed(self) -> None:
        """Make the store hold what the journal says; a lost or torn one is filled anew."""
        past = self._past
        self._internet.restore(list(past.posts.values()), past.vectors(), past.gone)
        self._internet.note_reads(past.reads.elements())

    def ended(self, t: int) -> bool:
        """Whether the run ended before step t by its own rule: it converged, fresh steps follow."""
        stopped = self.stopped
        return stopped is not None and t > stopped["fresh"][1]

    @property
    def stopped(self) -> dict[str, Any] | None:
        """What the manifest says of a run that converged; None before it has."""
        return None if self._stopping is None else self._stopping.told(self._row)

    def close(self) -> None:
        """Let go of the store."""
        self._internet.close()
