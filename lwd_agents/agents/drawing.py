"""How n independent draws are made from one prompt: as fast as the model behind it allows.

- ``SharedDrawer``: our own backends read the prompt once for all n.
- ``ChoicesDrawer``: OpenAI-style servers take ``n``; what they don't give is asked for singly.
- ``SingleDrawer``: everything else, n calls in threads, so many at once as the model's gate lets.

Draw j of a call has the seed ``seed + j`` wherever a seed is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config

from lwd_agents.agents.answers import read, without_cache
from lwd_agents.agents.calls import Caller, CallFailed, Gate, threads
from lwd_agents.agents.sampling import SEED_KEY, Response, failed
from lwd_agents.agents.shared_prompt import SharedPromptChat
from lwd_agents.ledger import Pending

T = TypeVar("T")
S = TypeVar("S")
_UNKNOWN_LENGTH = 1024  # tokens reserved for the answer of a model that states no bound
_CHARACTERS = 3  # a token, when tokens are reserved before they are counted


class Drawer(Protocol):
    """Draws n answers from one prompt."""

    @property
    def caller(self) -> Caller:
        """Who makes its calls."""
        ...

    @property
    def model(self) -> Any:
        """What is called."""
        ...

    def draw(self, given: Any, n: int, seed: int, config: RunnableConfig | None) -> list[Response]:
        """n answers in order, a failed one missing with its reason.

        ``given`` is what the model takes: a prompt value, messages, or variables.
        """
        ...


@dataclass(frozen=True)
class SharedDrawer:
    """n draws from one reading of the prompt, by a model of ours."""

    name: str
    model: SharedPromptChat
    caller: Caller

    def draw(self, given: Any, n: int, seed: int, config: RunnableConfig | None) -> list[Response]:
        """As ``Drawer``: one call."""
        model = without_cache(self.name, self.model)

        def make(pending: Pending) -> list[Response]:
            answers = _generate(self.name, model, given, own_config(config), n=n, seed=seed)
            first = answers[0]
            written = sum(answer.output_tokens or 0 for answer in answers)
            pending.got, pending.told = n, (first.input_tokens, written)
            return answers

        try:
            return self.caller.call(
                make,
                asked=n,
                most_input=_length(given),
                most_output=n * self.model.max_tokens,
            )
        except CallFailed as error:
            return [failed(str(error), seed + j) for j in range(n)]


@dataclass(frozen=True)
class SingleDrawer:
    """n calls of any runnable, so many at once as its gate lets.

    ``takes_seed``: the model has a field ``seed``, and each call goes to a copy with the draw's
    own (or says it in the call, to a class that reads the field only when it loads). A seed fixed
    in the model would make all draws one.
    """

    name: str
    model: Runnable[Any, Any]
    caller: Caller
    takes_seed: bool
    max_tokens: int | None = None

    def draw(self, given: Any, n: int, seed: int, config: RunnableConfig | None) -> list[Response]:
        """As ``Drawer``: n calls."""
        return self.draw_each(given, [seed + j for j in range(n)], config)

    def draw_each(
        self, given: Any, seeds: Sequence[int], config: RunnableConfig | None
    ) -> list[Response]:
        """One draw for each seed."""
        runnable = without_cache(self.name, self.model)
        own = own_config(config)

        def one(seed: int) -> Response:
            return self._one(runnable, given, seed, own)

        return pooled(one, seeds, self.caller.gate)

    def _one(
        self, runnable: Runnable[Any, Any], given: Any, seed: int, config: RunnableConfig
    ) -> Response:
        try:
            return self.ask(runnable, given, seed, config)
        except CallFailed as error:
            return failed(str(error), seed if self.takes_seed else None)

    def ask(
        self, runnable: Runnable[Any, Any], given: Any, seed: int, config: RunnableConfig
    ) -> Response:
        """One draw. Raises CallFailed where none came."""
        seeded = _seeded(runnable, seed) if self.takes_seed else runnable
        metadata = {**config.get("metadata", {}), SEED_KEY: seed}
        own: RunnableConfig = {**config, "metadata": metadata}

        def make(pending: Pending) -> Response:
            answer = read(self.name, seeded.invoke(_copied(given), own))
            pending.got = 1
            pending.told = (answer.input_tokens, answer.output_tokens)
            pending.output_tokens = len(answer.text or "") // _CHARACTERS + 1  # if it tells none
            return answer

        answer = self.caller.call(
            make,
            asked=1,
            most_input=_length(given),
            most_output=self.max_tokens or _UNKNOWN_LENGTH,
        )
        return answer.with_seed(seed) if self.takes_seed else answer


@dataclass(frozen=True)
class ChoicesDrawer:
    """n choices of one call, from a server that speaks OpenAI's chat completions.

    ``most`` choices are asked for at once. What a call lacks is drawn singly, with its own seeds.
    ``counts_one``: the server's usage counts one choice of n.
    """

    model: Any  # a BaseChatOpenAI; its package is an extra
    single: SingleDrawer
    most: int
    counts_one: bool = False

    @property
    def caller(self) -> Caller:
        """The same as for single draws."""
        return self.single.caller

    def draw(self, given: Any, n: int, seed: int, config: RunnableConfig | None) -> list[Response]:
        """As ``Drawer``: a call for every ``most`` draws, and one for each draw they lack."""
        model, own = without_cache(self.single.name, self.model), own_config(config)
        gate = self.caller.gate
        chunks = [(first, min(self.most, n - first)) for first in range(0, n, self.most)]

        def some(chunk: tuple[int, int]) -> list[Response]:
            return self._choices(model, given, chunk[1], seed + chunk[0], own)

        drawn: dict[int, Response] = {}
        for (first, _), some_of_it in zip(chunks, pooled(some, chunks, gate), strict=True):
            drawn |= dict(enumerate(some_of_it, first))
        rest = [j for j in range(n) if j not in drawn]
        singly = self.single.draw_each(given, [seed + j for j in rest], config)
        drawn |= dict(zip(rest, singly, strict=True))
        return [drawn[j] for j in range(n)]

    def _choices(
        self, model: Any, given: PromptValue, n: int, seed: int, config: RunnableConfig
    ) -> list[Response]:
        """At most n answers; none where the call failed for good."""
        if n == 1:
            return []
        try:
            answers = self.ask(model, given, n, seed, config)
        except (
            CallFailed
        ):  # it may be the n that the server chokes on: each draw is asked for alone
            return []
        return [self._own(answer, j, seed, len(answers)) for j, answer in enumerate(answers)]

    def ask(
        self, model: Any, given: PromptValue, n: int, seed: int, config: RunnableConfig
    ) -> list[Response]:
        """One call: what came, n answers at most, each with the token counts of the whole call.

        Raises CallFailed where none came.
        """

        def make(pending: Pending) -> list[Response]:
            seeds = {"seed": seed} if self.single.takes_seed else {}
            answers = _generate(self.single.name, model, given, config, n=n, **seeds)[:n]
            if not answers:
                raise ConnectionError("an answer without choices")
            pending.got = len(answers)
            pending.told = self._usage(answers)
            pending.estimated = self.counts_one and len(answers) > 1
            return answers

        return self.caller.call(
            make,
            asked=n,
            most_input=_length(given),
            most_output=n * (self.single.max_tokens or _UNKNOWN_LENGTH),
        )

    def _usage(self, answers: list[Response]) -> tuple[int | None, int | None]:
        """Of the whole call, which every message of it tells."""
        read, written = answers[0].input_tokens, answers[0].output_tokens
        return read, written * len(answers) if self.counts_one and written else written

    def _own(self, answer: Response, j: int, seed: int, of: int) -> Response:
        """The draw's own part: how many tokens it took is told for all together alone."""
        own = answer if of == 1 else answer.of_many()
        return own.with_seed(seed + j) if self.single.takes_seed else own


def pooled(do: Callable[[S], T], items: Sequence[S], gate: Gate) -> list[T]:
    """``do`` of each item in threads, in order; at the first error the rest is given up."""
    if len(items) <= 1:
        return [do(item) for item in items]
    with threads(min(len(items), gate.concurrency), [gate]) as pool:
        futures = [pool.submit(do, item) for item in items]
        return [future.result() for future in futures]


def _seeded(model: Any, seed: int) -> Runnable[Any, Any]:
    if is_llama_cpp_python(model):
        bound: Runnable[Any, Any] = model.bind(seed=seed)
        return bound
    copied: Runnable[Any, Any] = model.model_copy(update={"seed": seed})
    return copied


def is_llama_cpp_python(model: object) -> bool:
    """Whether it is LangChain's class over llama-cpp-python, which is not thread safe.

    Its package is an extra: the class is told by its name.
    """
    return any(cls.__name__ in ("ChatLlamaCpp", "LlamaCpp") for cls in type(model).__mro__)


def own_config(config: RunnableConfig | None) -> RunnableConfig:
    """The caller's config without what belongs to the caller's own run alone."""
    own = ensure_config(config)
    own.pop("run_id", None)
    own.pop("run_name", None)
    return own


def _generate(
    name: str, model: Any, given: PromptValue, config: RunnableConfig, **how: Any
) -> list[Response]:
    result = model.generate_prompt(
        [given],
        callbacks=config.get("callbacks"),
        tags=config.get("tags"),
        metadata=config.get("metadata"),
        **how,
    )
    return [read(name, generation.message) for generation in result.generations[0]]


def _copied(given: Any) -> Any:
    """A graph writes ids into the messages that it is given."""
    if isinstance(given, Mapping) and "messages" in given:
        return {"messages": [message.model_copy() for message in given["messages"]]}
    return given


def _length(given: Any) -> int:
    """At most about how many tokens a prompt has, to reserve them before they are counted."""
    if isinstance(given, PromptValue):
        text = given.to_string()
    elif "messages" in given:
        text = "".join(str(message.text) for message in given["messages"])
    else:
        text = "".join(given.values())
    return len(text) // _CHARACTERS + 16
