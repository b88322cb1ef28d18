"""An agent: a named model that reads posts and answers a query, n independent draws at a time.

Its model is anything LangChain runs. Three kinds are told apart:

- ``prompt | model``, the default: a chat model or LLM, also one wrapped by ``bind`` or
  ``with_retry``;
- a graph that takes messages, as ``create_agent`` makes: it gets the rendered prompt's messages,
  and its last AI message is the answer (given other keys it would ignore them in silence);
- any other runnable: it gets ``{"posts": str, "query": str}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.language_models.base import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.base import RunnableBindingBase

from lwd_agents.agents.sampling import SEED_KEY, Response, check_seeds, failed, response
from lwd_agents.agents.shared_prompt import SharedPromptChat
from lwd_agents.errors import BadInput, LwdError

Kind = Literal["model", "graph", "runnable"]
VARIABLES = ("posts", "query")
NO_POSTS = "(none)"


@dataclass(frozen=True)
class Reading:
    """What an agent is given at a step: k_t posts, in the order they are read, and the query."""

    posts: tuple[str, ...]
    query: str

    @property
    def variables(self) -> dict[str, str]:
        """The prompt's variables: one post a line, or "(none)"."""
        return {"posts": "\n".join(self.posts) or NO_POSTS, "query": self.query}


@dataclass(frozen=True)
class Agent:
    """A named model that reads and answers; make one with ``make_agent``.

    ``native`` tells whether n draws share one reading of the prompt. ``context_length`` and
    ``max_tokens`` (tokens) are None where the backend does not tell; ``backend`` is JSON, and
    ``files`` are what the model was read from.
    """

    name: str
    kind: Kind
    runnable: Runnable[Any, Any]
    prompt: BasePromptTemplate[Any] | None
    shared: SharedPromptChat | None
    max_concurrency: int
    context_length: int | None
    max_tokens: int | None
    backend: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def native(self) -> bool:
        """Whether n draws share one reading of the prompt."""
        return self.shared is not None

    def render(self, reading: Reading, config: RunnableConfig | None = None) -> PromptValue | None:
        """The prompt as the model gets it; None for a runnable that writes its own."""
        if self.prompt is None:
            return None
        value: PromptValue = self.prompt.invoke(reading.variables, config)
        return value

    def count_tokens(self, reading: Reading) -> int | None:
        """The prompt's length in tokens, or None where the backend cannot tell."""
        value = self.render(reading)
        if value is None or self.shared is None:
            return None
        return self.shared.count_tokens(value.to_messages())

    def sample(
        self, reading: Reading, n: int, seed: int, config: RunnableConfig | None = None
    ) -> list[Response]:
        """Draw n answers from one prompt, in order; draw j uses seed + j where a seed is taken.

        A draw that fails is a Response that is missing with its reason. Raises RunStopped where
        the prompt exceeds the model's context, and BadInput where an LLM cache is in the way:
        it would hand one draw out n times.
        """
        check_seeds(seed, n)
        own = _own_config(config)
        value = self.render(reading, own)
        if self.shared is not None and value is not None:
            return _draw_at_once(self.shared, value, n, seed, own)
        runnable = _without_cache(self.name, self.runnable)
        inputs = [self._input(reading, value) for _ in range(n)]
        configs = [_draw_config(own, seed + j, self.max_concurrency) for j in range(n)]
        # The base class's batch: n plain invocations in threads. A class's own batch may raise
        # at the first failure, or ask a cache once for all.
        answers = Runnable.batch(runnable, inputs, configs, return_exceptions=True)
        return [self._response(answer) for answer in answers]

    def _input(self, reading: Reading, value: PromptValue | None) -> Any:
        if value is None:
            return reading.variables
        if self.kind == "graph":  # a graph writes ids into the messages that it is given
            return {"messages": [message.model_copy() for message in value.to_messages()]}
        return value

    def _response(self, answer: Any) -> Response:
        if isinstance(answer, LwdError):
            raise answer
        if isinstance(answer, Exception):
            return failed(answer)
        try:
            return _read(self.name, answer)
        except TypeError as error:
            return failed(error)


def make_agent(
    name: str,
    model_or_runnable: Runnable[Any, Any],
    *,
    prompt: BasePromptTemplate[Any] | None = None,
    max_concurrency: int = 8,
) -> Agent:
    """Make an agent of a model, a graph that takes messages, or any other runnable.

    ``prompt`` has the variables posts and query, and is needed unless the runnable takes these
    itself. ``max_concurrency`` bounds the draws under way at once where they don't share a
    prompt. Raises BadInput for what is not runnable, a prompt with other variables, and a graph
    with a checkpointer (its draws would not be independent).
    """
    if not isinstance(model_or_runnable, Runnable):
        raise BadInput(
            f"agent {name}: {type(model_or_runnable).__name__} is not a LangChain runnable; give a "
            'chat model, or a runnable that takes {"posts", "query"} or messages'
        )
    kind = _kind(model_or_runnable)
    if kind == "runnable":
        prompt = None
    else:
        _check_prompt(name, prompt)
    inner = _innermost(model_or_runnable)
    if getattr(inner, "checkpointer", None):
        raise BadInput(
            f"agent {name}: a graph with a checkpointer remembers one draw in the next; "
            "compile it without"
        )
    shared = _shared(model_or_runnable)
    return Agent(
        name=name,
        kind=kind,
        runnable=model_or_runnable,
        prompt=prompt,
        shared=shared,
        max_concurrency=max_concurrency,
        context_length=shared.context if shared else None,
        max_tokens=shared.max_tokens if shared else _whole(inner, "max_tokens"),
        backend=shared.backend if shared else _describe(kind, model_or_runnable, inner),
        files=shared.files if shared else (),
    )


def _innermost(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    while isinstance(runnable, RunnableBindingBase):
        runnable = runnable.bound
    return runnable


def _shared(runnable: Runnable[Any, Any]) -> SharedPromptChat | None:
    """The model itself, if its draws share a prompt; one in a wrapper is invoked draw by draw."""
    return runnable if isinstance(runnable, SharedPromptChat) else None


def _kind(runnable: Runnable[Any, Any]) -> Kind:
    inner = _innermost(runnable)
    if isinstance(inner, BaseLanguageModel):
        return "model"
    try:
        keys = inner.get_input_jsonschema().get("properties", {})
    except Exception:  # a schema that cannot be written down says nothing about the runnable
        return "runnable"
    return "graph" if "messages" in keys and not set(VARIABLES) <= set(keys) else "runnable"


def _check_prompt(name: str, prompt: BasePromptTemplate[Any] | None) -> None:
    if prompt is None:
        raise BadInput(f"agent {name}: its model takes messages, so it needs a prompt")
    unknown = sorted(set(prompt.input_variables) - set(VARIABLES))
    if unknown:
        raise BadInput(
            f"agent {name}: its prompt asks for {', '.join(unknown)}; there are only posts, query"
        )


def _whole(owner: object, field: str) -> int | None:
    value = getattr(owner, field, None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _describe(
    kind: Kind, runnable: Runnable[Any, Any], inner: Runnable[Any, Any]
) -> dict[str, Any]:
    """What can be told of a foreign model without its secrets."""
    about: dict[str, Any] = {"class": type(inner).__name__, "kind": kind}
    if inner is not runnable:
        about["wrapped_in"] = type(runnable).__name__
    for field in ("model", "model_name", "model_id", "temperature", "max_tokens", "top_p"):
        value = getattr(inner, field, None)
        if isinstance(value, str | int | float | None) and value is not None:
            about[field] = value
    return about


def _own_config(config: RunnableConfig | None) -> RunnableConfig:
    """The caller's config without what belongs to the caller's own run alone."""
    own = ensure_config(config)
    own.pop("run_id", None)
    own.pop("run_name", None)
    return own


def _draw_config(config: RunnableConfig, seed: int, most: int) -> RunnableConfig:
    return {
        **config,
        "metadata": {**config.get("metadata", {}), SEED_KEY: seed},
        "max_concurrency": config.get("max_concurrency") or most,
    }


def _draw_at_once(
    model: SharedPromptChat, value: PromptValue, n: int, seed: int, config: RunnableConfig
) -> list[Response]:
    try:
        result = model.generate_prompt(
            [value],
            callbacks=config.get("callbacks"),
            tags=config.get("tags"),
            metadata=config.get("metadata"),
            n=n,
            seed=seed,
        )
    except LwdError:
        raise
    except Exception as error:
        return [failed(error, seed + j) for j in range(n)]
    answers = [_read("", generation.message) for generation in result.generations[0]]  # type: ignore[union-attr]
    assert len(answers) == n
    return answers


def _without_cache(name: str, runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The same runnable, with the cache of the model that can be seen in it switched off."""
    if isinstance(runnable, RunnableBindingBase):
        return runnable.model_copy(update={"bound": _without_cache(name, runnable.bound)})
    if isinstance(runnable, BaseLanguageModel):
        cache = runnable.cache
        if isinstance(cache, BaseCache) or (cache is not False and get_llm_cache() is not None):
            return runnable.model_copy(update={"cache": False})
        return runnable
    if get_llm_cache() is not None:
        raise BadInput(_cache_error(name))
    return runnable


def _cache_error(name: str) -> str:
    return (
        f"agent {name}: a LangChain LLM cache would hand one draw out again and again; take it "
        "away with langchain_core.globals.set_llm_cache(None), or the model's own with cache=False"
    )


def _read(name: str, answer: Any) -> Response:
    """An answer in any of the forms that a runnable may give it: text, message, or messages."""
    if isinstance(answer, str):
        return response(answer)
    if isinstance(answer, Mapping) and isinstance(answer.get("messages"), Sequence):
        said = [message for message in answer["messages"] if isinstance(message, AIMessage)]
        if not said:
            raise TypeError("no AI message among the messages of the answer")
        answer = said[-1]
    if not isinstance(answer, BaseMessage):
        raise TypeError(f"an answer of type {type(answer).__name__}, not text or a message")
    usage: Mapping[str, Any] = getattr(answer, "usage_metadata", None) or {}
    if usage.get("total_cost") == 0:  # how langchain-core marks what comes from a cache
        raise BadInput(_cache_error(name))
    about = {**usage, **answer.response_metadata}
    reason = about.get("finish_reason") or about.get("stop_reason")
    return response(
        str(answer.text),
        seed=about.get("seed"),
        input_tokens=about.get("input_tokens"),
        output_tokens=about.get("output_tokens"),
        finish_reason=reason if isinstance(reason, str) else None,
    )
