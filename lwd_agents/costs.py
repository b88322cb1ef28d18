"""What a run will ask of its models, and what that costs, before it runs. ``lwd.estimate`` is here.

k_t is known beforehand, so the only unknowns are the lengths of what will be written. ``expected``
takes every answer to be as long as a post of A(0) is on average, ``most`` to be ``max_tokens``
long, and every reading to hold the longest posts there can be. Tries of calls that fail are not in
either figure. No model is called, no key is read, and no network is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.agents.agent import MOST_CHOICES
from lwd_agents.agents.models import is_remote
from lwd_agents.agents.probe import PROBE_REQUESTS, PROBE_TOKENS
from lwd_agents.agents.providers import split
from lwd_agents.config import LlmConfig, read_experiment
from lwd_agents.config.llm import AgentConfig
from lwd_agents.estimates import NOTHING, AgentEstimate, Estimate, Figures, Stop
from lwd_agents.internet.sizes import is_plain, reading_sizes, visible_posts
from lwd_agents.lengths import (
    Floats,
    Lengths,
    Longs,
    bounded_prompts,
    expected_prompts,
    longest_prompts,
    prompt_lengths,
)
from lwd_agents.prices import check_overrides, price_of

if TYPE_CHECKING:
    from lwd_agents.worlds.llm_texts import Texts

_SHARE = {"pocket", "gguf", "hf"}  # n draws from one reading of the prompt
# Providers whose LangChain class is a BaseChatOpenAI, which can ask for n answers to one prompt.
_TAKE_N = {
    "azure_ai",
    "azure_openai",
    "baseten",
    "bedrock_mantle_openai",
    "deepseek",
    "langsmith",
    "openai",
    "together",
    "upstage",
    "xai",
}


def estimate(
    experiment: str | Path | Mapping[str, Any] = "pocket",
    *,
    settings: Sequence[str] = (),
    **keys: Any,
) -> Estimate:
    """What ``run`` with the same arguments will take; nothing is run.

    Args:
        experiment: a preset's name, a YAML file, or a mapping of its keys.
        settings: ``a.b=value`` pairs laid over the experiment, as ``--set`` does.
        keys: further keys of the experiment (``steps=10``, ``draws=4``, ...).

    Raises:
        BadInput: something given is not usable.
    """
    described = read_experiment(experiment, settings)
    for key, value in keys.items():
        described.put(key, value, f"argument {key}={value!r}")
    config = described.resolve()
    if not isinstance(config, LlmConfig):
        nothing = (config.steps, 0, (0, 0), (), NOTHING, NOTHING, ())
        return Estimate(described.name, config.world, *nothing, config.replicates)
    from lwd_agents.worlds.llm_texts import read_texts

    return estimate_run(config, read_texts(config), described.name)


def estimate_run(config: LlmConfig, texts: Texts, name: str = "experiment") -> Estimate:
    """The estimate of an experiment that is read and checked."""
    check_overrides(config.prices, [agent.model for agent in config.agents])
    visible = visible_posts(config, len(texts.seeds))
    posts = [post.text for post in texts.seeds]
    all_posts = [*posts, *(texts.held_out or ()), *(t for ready in texts.inflow for t in ready)]
    parts = []
    for agent, sizes in zip(config.agents, visible, strict=True):
        k = reading_sizes(config, sizes)
        lengths = prompt_lengths(
            agent.model, agent.options, texts.template, max(texts.queries, key=len), all_posts
        )
        parts.append(_Part(config, agent, lengths, len(posts), k))
    first = [part.k for part in parts if part.active.any()]
    agents = tuple(part.estimate() for part in parts)
    probes = sum((a.probe for a in agents if a.probe), NOTHING)
    return Estimate(
        experiment=name,
        world=config.world,
        steps=config.steps,
        draws=config.draws,
        readings=(int(min(k[0] for k in first)), int(max(k[-1] for k in first))),
        agents=agents,
        expected=sum((a.expected for a in agents), probes),
        most=sum((a.most for a in agents), probes),
        stops=_stops(config, parts, probes),
        replicates=config.replicates,
        may_end=config.stop is not None,
    )


class _Part:
    """One agent's tokens, step by step: (T + 1,) arrays of what one request reads."""

    def __init__(
        self, config: LlmConfig, agent: AgentConfig, lengths: Lengths, seeds: int, k: Longs
    ) -> None:
        most = [other.max_tokens for other in config.agents]
        self._agent, self._lengths, self._draws = agent, lengths, config.draws
        self.k = k
        self.active = np.array([agent.takes_part(t) for t in range(len(k))])
        self._replicates = config.replicates
        self._readings = config.reading.readings_per_step * max(1, len(config.queries))
        human = replace(lengths, posts=lengths.posts[:seeds])
        self._expected = expected_prompts(human, most, k)
        bound = longest_prompts if is_plain(config) else bounded_prompts
        self._most = bound(lengths, most, k)
        if (budget := config.reading.budget) is not None:
            self._expected = np.minimum(self._expected, budget)
            self._most = np.minimum(self._most, budget)
        self._expected = np.where(self.active, self._expected, 0.0)
        self._most = np.where(self.active, self._most, 0)
        mean = sum(human.posts) / len(human.posts)
        self._answer = min(mean, agent.max_tokens)
        self._provider = _provider(agent)
        longest = int(self._most.max())
        self.price = price_of(agent.model, agent.base_url, config.prices, longest_prompt=longest)

    @property
    def requests(self) -> int:
        """To one reading."""
        if self._provider in _SHARE:
            return 1
        if self._provider in _TAKE_N:
            return -(-self._draws // MOST_CHOICES)
        return self._draws

    def estimate(self) -> AgentEstimate:
        """All steps of all replicates together."""
        remote = is_remote(self._agent.model, self._agent.base_url)
        return AgentEstimate(
            name=self._agent.name,
            model=self._agent.model,
            expected=self._figures(self._expected, self._answer, self.requests),
            most=self._figures(self._most, self._agent.max_tokens, self.requests),
            one_by_one=self._one_by_one() if self._provider in _TAKE_N else None,
            probe=self._probe() if remote else None,
            longest_prompt=int(self._most.max()),
            counted=self._lengths.counted,
            price=self.price,
        )

    def tokens(self, most: bool) -> Floats:
        """What is read and written by the end of each step of one replicate, (2, T + 1)."""
        prompts: NDArray[Any] = self._most if most else self._expected
        answer = self._agent.max_tokens if most else self._answer
        written = self.active * float(answer * self._draws * self._readings)
        read = prompts * float(self.requests * self._readings)
        return np.cumsum([read, written], axis=1)

    def _one_by_one(self) -> tuple[Figures, Figures]:
        return (
            self._figures(self._expected, self._answer, self._draws),
            self._figures(self._most, self._agent.max_tokens, self._draws),
        )

    def _figures(self, prompts: NDArray[Any], answer: float, requests: int) -> Figures:
        readings = int(self.active.sum()) * self._readings
        read = round(prompts.sum() * requests * self._readings)
        written = round(answer * self._draws * readings)
        many = self._replicates
        return self._priced(requests * readings * many, read * many, written * many)

    def _probe(self) -> Figures:
        """Each of its requests reads the first prompt and asks for all draws, if n is taken."""
        draws = min(self._draws, MOST_CHOICES) if self._provider in _TAKE_N else 1
        read = PROBE_REQUESTS * round(float(self._expected[0]))
        return self._priced(PROBE_REQUESTS, read, PROBE_REQUESTS * draws * PROBE_TOKENS)

    def _priced(self, requests: int, read: int, written: int) -> Figures:
        cost = self.price.cost(read, written) if self.price else None
        return Figures(requests, read, written, cost)


def _stops(config: LlmConfig, parts: Sequence[_Part], probes: Figures) -> tuple[Stop, ...]:
    """Which limits a run reaches, and about when. (One of cost needs a price for every model.)"""

    def tokens(most: bool) -> Floats:
        start = float(probes.prompt_tokens + probes.completion_tokens)
        return start + _one_after_the_other(sum(p.tokens(most).sum(axis=0) for p in parts))

    def cost(most: bool) -> Floats:
        priced = [(part.tokens(most), part.price) for part in parts if part.price is not None]
        spent = [t.T @ np.array([float(p.input), float(p.output)]) / 1e6 for t, p in priced]
        return float(probes.cost or 0) + _one_after_the_other(sum(spent))

    def _one_after_the_other(spent: Any) -> Floats:
        """(R (T + 1),) of all replicates from (T + 1,) of one, cumulated."""
        total: Floats = np.add.outer(np.arange(config.replicates) * spent[-1], spent).ravel()
        return total

    bound = None if any(part.price is None for part in parts) else config.limits.cost
    limits = {"tokens": (config.limits.tokens, tokens), "cost": (bound, cost)}
    found = []
    for key, (limit, spent) in limits.items():
        for most in (False, True) if limit is not None else ():
            over = np.flatnonzero(spent(most) > float(limit or 0))
            if len(over):
                replicate, t = divmod(int(over[0]), config.steps + 1)
                found.append(Stop(f"limits.{key}", Decimal(limit or 0), t, not most, replicate))
                break
    return tuple(found)


def _provider(agent: AgentConfig) -> str:
    """The provider or scheme of an agent's model."""
    scheme = agent.model.partition(":")[0]
    found = split(agent.model, agent.base_url) if is_remote(agent.model, agent.base_url) else None
    return found[0] if found else scheme
