"""The agents of an LLM network: their models found, bounded, put on one account, and asked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig

from lwd_agents.agents.agent import Agent, Reading, is_openai, make_agent
from lwd_agents.agents.calls import Caller, Gate
from lwd_agents.agents.models import is_remote, resolve_model
from lwd_agents.agents.probe import Honours, heeding, probe
from lwd_agents.agents.providers import Service
from lwd_agents.config import LlmConfig
from lwd_agents.config.llm import AgentConfig
from lwd_agents.errors import BadInput
from lwd_agents.internet.sizes import largest_reading
from lwd_agents.ledger import Ledger
from lwd_agents.lengths import CHARACTERS
from lwd_agents.prices import price_of


def make_ledger(config: LlmConfig, posts: Sequence[str]) -> Ledger:
    """The account of a run on the ``posts`` of A(0), with each agent's price.

    Where a provider asks more for long prompts, the price is that of the last reading, were all its
    posts as long as A(0)'s longest.

    Raises BadInput where a cost is to be bounded and a price is not known.
    """
    k = largest_reading(config, len(posts))
    longest = k * max(len(post) for post in posts) // CHARACTERS
    prices = {
        agent.name: price_of(agent.model, agent.base_url, config.prices, longest_prompt=longest)
        for agent in config.agents
    }
    return Ledger(config.limits, prices)


def make_agents(
    config: LlmConfig,
    objects: Mapping[str, Any],
    prompt: BasePromptTemplate[Any],
    ledger: Ledger,
) -> tuple[Agent, ...]:
    """The agents in the order of the experiment; ``objects`` stand in for specs, by name.

    Raises BadInput, in one line, for a model that cannot be loaded.
    """
    gates = _gates(config.agents)
    models = _Models(config)
    agents = []
    for spec in config.agents:
        model = objects.get(spec.name)
        caller = Caller(spec.name, gates[_service_of(spec)], ledger, spec.attempts)
        agent = make_agent(
            spec.name, models.get(spec) if model is None else model, prompt=prompt, caller=caller
        )
        called = is_openai(model) if model is not None else is_remote(spec.model, spec.base_url)
        if called:
            agent = replace(agent, backend={**agent.backend, "remote": True})
        agents.append(agent)
    return tuple(agents)


def ask_providers(
    agents: Sequence[Agent],
    reading: Reading,
    draws: int,
    config: RunnableConfig,
    say: Callable[[str], None],
) -> tuple[Agent, ...]:
    """The same agents; those behind a provider were asked what it honours, with the first reading.

    Raises BadInput where one refuses its key, its model or the reading, and RunStopped where one
    cannot be reached.
    """
    found: dict[int, Honours] = {}
    asked = []
    for agent in agents:
        if agent.remote:
            model = id(agent.drawer.model)
            if model not in found:
                say(f"asking the provider of {agent.name}")
                found[model] = probe(agent, agent.given(reading), draws, config)
                for note in found[model].notes:
                    say(f"{agent.name}: {note}")
            agent = heeding(agent, found[model])
        asked.append(agent)
    return tuple(asked)


class _Models:
    """The models of an experiment's agents, each loaded once."""

    def __init__(self, config: LlmConfig) -> None:
        self._config = config
        self._made: dict[str, Runnable[Any, Any]] = {}

    def get(self, agent: AgentConfig) -> Runnable[Any, Any]:
        """The model of an agent; agents that differ in nothing but the name share the object.

        Those that differ in how they sample share the weights: the backends see to it.
        """
        own = {"name", "concurrency", "requests_per_second", "attempts"}
        key = agent.model_dump_json(exclude=own)
        if key not in self._made:
            same = [a.max_tokens for a in self._config.agents if a.model == agent.model]
            self._made[key] = resolve_model(
                agent.model,
                draws=self._config.draws,
                temperature=agent.temperature,
                max_tokens=agent.max_tokens,
                options=agent.options,
                service=Service(agent.base_url, agent.api_key_env, agent.timeout),
                room=max(same),
                name=agent.name,
            )
        return self._made[key]


def _service_of(agent: AgentConfig) -> tuple[str, str | None]:
    """What agents have in common that share one bound and one rate."""
    return agent.model, agent.base_url


def _gates(agents: Sequence[AgentConfig]) -> dict[tuple[str, str | None], Gate]:
    """A gate for each model. Raises BadInput where two agents want different bounds of one."""
    gates: dict[tuple[str, str | None], Gate] = {}
    first: dict[tuple[str, str | None], AgentConfig] = {}
    for agent in agents:
        key = _service_of(agent)
        other = first.setdefault(key, agent)
        for name in ("concurrency", "requests_per_second"):
            mine, theirs = getattr(agent, name), getattr(other, name)
            if mine != theirs:
                raise BadInput(
                    f"agents.{agent.name}.{name}: {mine}, but agent {other.name} of the same model "
                    f"has {theirs}; the bound is for the model, so give both the same"
                )
        gates.setdefault(key, Gate(agent.concurrency, agent.requests_per_second))
    return gates
