"""The keys of the world ``llm``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from lwd_agents.config.parts import Count, Exact, Part, SizedReading, WindowsConfig
from lwd_agents.internet.backends import HTTP
from lwd_agents.internet.inflow import InflowPlan, check_names, make_inflow
from lwd_agents.internet.keeping import Keeping, make_keeping
from lwd_agents.internet.posting import Choice, make_choice
from lwd_agents.internet.readership import checked
from lwd_agents.secrets import looks_secret


class InternetConfig(Part):
    """A(0) and where the Internet is kept. ``seed``: a name in stores/ or a path.

    ``per_query``: of several queries, each has an Internet of its own, which begins with A(0).
    """

    seed: str = "crypto"
    store: str = Field(default="chroma", min_length=1)
    per_query: bool = False


class AgentConfig(Part):
    """A named model: ``model`` is a spec such as ``pocket:north`` or ``openai:...``.

    ``options`` are the backend's own. ``base_url`` is the address of a provider's server, and
    ``api_key_env`` the environment variable that holds its key: a key itself is never in a config.
    The last four hold for models that are called: how many calls may be under way at once, how
    many may start in a second (both for all agents of one model together), how long one may be
    silent (seconds), and how often one that fails is made in all.
    """

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\s/\\\x00]+$")
    model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    temperature: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    max_tokens: Count = 48
    options: dict[str, Any] = Field(default_factory=dict)
    concurrency: Count = 8
    requests_per_second: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    timeout: float = Field(default=120.0, gt=0.0, allow_inf_nan=False)
    attempts: Count = 5
    joins: Annotated[int, Field(ge=0, strict=True)] = 0
    leaves: Count | None = None

    def takes_part(self, t: int) -> bool:
        """Whether it reads and answers at step t: from ``joins`` on, before ``leaves``."""
        return t >= self.joins and (self.leaves is None or t < self.leaves)

    @model_validator(mode="after")
    def _no_keys(self) -> AgentConfig:
        for name in self.options:
            if looks_secret(name):
                raise ValueError(
                    f"options.{name}: a key never stands in a config; put it into an environment "
                    "variable and name that in api_key_env"
                )
        return self

    @model_validator(mode="after")
    def _an_address(self) -> AgentConfig:
        if self.base_url is None:
            return self
        try:
            url = urlsplit(self.base_url)
            sound = url.scheme in ("http", "https") and bool(url.hostname)
            bare = not (url.username or url.password or url.query or url.fragment)
        except ValueError:
            sound, bare = False, True
        if not bare:
            raise ValueError(
                "base_url: it holds more than an address (a user, a password, a query); "
                "name an environment variable with the key in api_key_env"
            )
        if not sound:
            raise ValueError("base_url: not an address such as http://127.0.0.1:8000/v1")
        return self


class TextReadingConfig(SizedReading):
    """What an agent reads: a law's draw from the posts that it may see.

    ``retriever``: in place of a law, the dotted path of a function from the ``internet`` to a
    LangChain retriever, or a registered name. ``options`` are the law's, or the function's own.
    ``schedule``: step -> beta, from that step on. ``order`` is how the posts stand in the prompt.
    ``shared``: all agents read one and the same draw. ``readings_per_step``: M readings, L draws
    each, of which only the first is ever posted and measured by D. ``budget``: tokens that a prompt
    may have; posts beyond it are not read, the last drawn first, and a step records how many were
    asked for (``k_asked``) and read.
    """

    law: str = Field(default="uniform", min_length=1)
    retriever: str | None = Field(default=None, min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    order: Literal["drawn", "random", "time", "reversed"] = "drawn"
    shared: bool = False
    readings_per_step: Count = 1
    budget: Count | None = None
    schedule: dict[Annotated[int, Field(ge=1)], Annotated[Exact, Field(gt=0, le=1)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _one_way(self) -> TextReadingConfig:
        if self.retriever is not None and (self.law != "uniform" or self.order != "drawn"):
            raise ValueError("reading.retriever: a retriever of your own has no law and no order")
        if self.schedule and self.beta is None:
            raise ValueError("reading.schedule: it changes beta, but reading.k is given")
        return self

    def size_at(self, t: int, visible: int) -> int:
        """k_t at step t: as ``size``, with the beta that the schedule has then."""
        since = [step for step in self.schedule if step <= t]
        if not since:
            return self.size(visible)
        numerator, denominator = self.schedule[max(since)].as_integer_ratio()
        return numerator * visible // denominator


class PriceConfig(Part):
    """What a model's tokens cost, in US dollars per million."""

    input: Exact = Field(ge=0)
    output: Exact = Field(ge=0)


class LimitsConfig(Part):
    """Where a run stops, resumably: tokens (read and written) and cost of the whole run in US
    dollars, and minutes of one command."""

    tokens: Count | None = None
    cost: Exact | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)


def _told(value: Choice | Keeping | InflowPlan) -> Any:
    return value.told


class PostingConfig(Part):
    """Which answers enter the Internet after a step, and which posts leave it (``posting``)."""

    choose: Annotated[Choice, BeforeValidator(make_choice), PlainSerializer(_told)] = Choice()
    keep: Annotated[Keeping, BeforeValidator(make_keeping), PlainSerializer(_told)] = Keeping()


class EmbeddingConfig(Part):
    """phi: ``minilm`` (shipped, offline), or a sentence-transformers model's name or folder.

    ``prefix`` is put before every text (some models ask for one).
    """

    model: str = Field(default="minilm", min_length=1)
    normalize: bool = True
    prefix: str = ""


class StopConfig(Part):
    """When a run ends before its last step (docs/inference/convergence.md).

    ``converged``: ||D||_F is shown to be below ``margin`` at ``window`` steps in a row, at the
    level ``alpha`` over the whole run; as many steps more are then run. ``margin`` may be left out
    where embeddings are normalised: 0.1 n sqrt(2), a tenth of the most there can be.
    """

    rule: Literal["converged"] = "converged"
    margin: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    window: Count = 5
    alpha: float = Field(default=0.05, gt=0.0, lt=1.0)


def _rule(value: Any) -> Any:
    """``stop: converged`` is short for ``stop: {rule: converged}``."""
    return {"rule": value} if isinstance(value, str) else value


class LlmConfig(Part):
    """The world ``llm``: Algorithm 1 of arXiv 2506.15690. Keys as in an experiment file."""

    world: Literal["llm"] = "llm"
    query: str = Field(default="bitcoin", min_length=1)
    queries: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    prompt: str = Field(default="answer", min_length=1)
    internet: InternetConfig = InternetConfig()
    agents: tuple[AgentConfig, ...] = Field(min_length=1)
    steps: Count = 60
    draws: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 40
    reading: TextReadingConfig = TextReadingConfig()
    readership: Annotated[Any, BeforeValidator(checked)] = "complete"
    posting: PostingConfig = PostingConfig()
    inflow: tuple[
        Annotated[InflowPlan, BeforeValidator(make_inflow), PlainSerializer(_told)], ...
    ] = ()
    embedding: EmbeddingConfig = EmbeddingConfig()
    placebo: bool | str = False
    replicates: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 1
    max_missing: float = Field(default=0.5, ge=0.0, le=1.0)
    marks: tuple[str, ...] = ()
    prices: dict[str, PriceConfig] = Field(default_factory=dict)
    limits: LimitsConfig = LimitsConfig()
    windows: WindowsConfig | None = None
    stop: Annotated[StopConfig | None, BeforeValidator(_rule)] = None
    seed: Annotated[int, Field(strict=True)] = 0

    @model_validator(mode="after")
    def _can_stop(self) -> Self:
        if self.stop is None:
            return self
        if len(self.agents) < 2:
            raise ValueError("stop: one agent has no distances that could become small")
        if self.draws < 3:
            raise ValueError(
                f"draws: {self.draws}, but stop tests with the spread of an agent's draws; give 3 "
                "or more"
            )
        if self.stop.margin is None and not self.embedding.normalize:
            raise ValueError(
                "stop.margin: the embeddings are not normalised, so there is no scale to take it "
                "from; give the ||D||_F below which agents count as agreeing"
            )
        return self

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.windows is not None:
            self.windows.check(self.steps)
        return self

    @model_validator(mode="after")
    def _replicates_apart(self) -> LlmConfig:
        if self.replicates > 1 and self.internet.store.startswith(HTTP):
            raise ValueError(
                f"replicates: {self.replicates} of them would hear each other on a store that is "
                "shared; give internet.store=chroma, or each its own run"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> LlmConfig:
        names = [agent.name for agent in self.agents]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"agents: two agents are named {doubled[0]!r}; names must differ")
        try:
            check_names(self.inflow, names)
        except ValueError as error:
            raise ValueError(f"inflow: {error}") from None
        return self
