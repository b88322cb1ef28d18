"""An agent: a named model that reads posts and answers a query, n independent draws at a time.

Its model is anything LangChain runs. Three kinds are told apart:

- ``prompt | model``, the default: a chat model or LLM, also one wrapped by ``bind`` or
  ``with_retry``;
- a graph that takes messages, as ``create_agent`` makes: it gets the rendered prompt's messages,
  and its last AI message is the answer (given other keys it would ignore them in silence);
- any other runnable: it gets ``{"posts": str, "query": str}``.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models.base import BaseLanguageModel
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig

from lwd_agents.agents.calls import Caller, Gate
from lwd_agents.agents.describing import (
    DescribesItself,
    describe,
    innermost,
    redact_keys,
    whole,
)
from lwd_agents.agents.drawing import (
    ChoicesDrawer,
    Drawer,
    SharedDrawer,
    SingleDrawer,
    is_llama_cpp_python,
    own_config,
)
from lwd_agents.agents.sampling import Response, check_seeds
from lwd_agents.agents.shared_prompt import SharedPromptChat
from lwd_agents.errors import BadInput

Kind = Literal["model", "graph", "runnable"]
VARIABLES = ("posts", "query")
NO_POSTS = "(none)"
MOST_CHOICES = 128  # OpenAI gives no more in one call


@dataclass(frozen=True)
class Reading:
    """What an agent is given at a step: k_t posts, in the order they are read, and the query."""

    posts: tuple[str, ...]
    query: str

    @property
    def variables(self) -> dict[str, str]:
        """The prompt's variables: one post a line, or "(none)"."""
        return {"posts": "\n".join(self.posts) or NO_POSTS, "query": self.query}


def within(agent: Agent, posts: list[str], query: str, budget: int | None) -> list[str]:
    """The first of the posts, as many as a prompt of at most ``budget`` tokens holds."""
    if budget is None:
        return posts

    def fits(count: int) -> bool:
        tokens = agent.count_tokens(Reading(tuple(posts[:count]), query))
        assert tokens is not None, agent.name  # checked before the run
        return tokens <= budget

    if fits(len(posts)):
        return posts
    return posts[: bisect.bisect_left(range(len(posts)), True, key=lambda m: not fits(m + 1))]


@dataclass(frozen=True)
class Agent:
    """A named model that reads and answers; make one with ``make_agent``.

    ``drawer`` makes its draws. ``context_length`` and ``max_tokens`` (tokens) are None where the
    backend does not tell; ``backend`` is JSON, and ``files`` are what the model was read from.
    """

    name: str
    kind: Kind
    prompt: BasePromptTemplate[Any] | None
    drawer: Drawer
    context_length: int | None
    max_tokens: int | None
    backend: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def native(self) -> bool:
        """Whether n draws are asked for in one call."""
        return not isinstance(self.drawer, SingleDrawer)

    @property
    def remote(self) -> bool:
        """Whether its calls wait for somebody else, so that those of other agents may run too."""
        return bool(self.backend.get("remote"))

    def render(self, reading: Reading, config: RunnableConfig | None = None) -> PromptValue | None:
        """The prompt as the model gets it; None for a runnable that writes its own."""
        if self.prompt is None:
            return None
        value: PromptValue = self.prompt.invoke(reading.variables, config)
        return value

    def count_tokens(self, reading: Reading) -> int | None:
        """The prompt's length in tokens, or None where the backend cannot tell."""
        value, model = self.render(reading), self.drawer.model
        if value is None or not isinstance(model, DescribesItself):
            return None
        return model.count_tokens(value.to_messages())

    def sample(
        self, reading: Reading, n: int, seed: int, config: RunnableConfig | None = None
    ) -> list[Response]:
        """Draw n answers from one prompt, in order; draw j uses seed + j where a seed is taken.

        A draw that fails is a Response that is missing with its reason. Raises RunStopped where
        the prompt exceeds the model's context, and BadInput where an LLM cache is in the way:
        it would hand one draw out n times.
        """
        check_seeds(seed, n)
        return self.drawer.draw(self.given(reading, config), n, seed, config)

    def given(self, reading: Reading, config: RunnableConfig | None = None) -> Any:
        """What the model is given for a reading."""
        value = self.render(reading, own_config(config))
        if value is None:
            return reading.variables
        return {"messages": value.to_messages()} if self.kind == "graph" else value


def make_agent(
    name: str,
    model_or_runnable: Runnable[Any, Any],
    *,
    prompt: BasePromptTemplate[Any] | None = None,
    caller: Caller | None = None,
) -> Agent:
    """Make an agent of a model, a graph that takes messages, or any other runnable.

    ``prompt`` has the variables posts and query, and is needed unless the runnable takes these
    itself. ``caller`` bounds, repeats and counts its calls. Raises BadInput for what is not
    runnable, a prompt with other variables, a graph with a checkpointer (its draws would not be
    independent), and a seed bound to the model (its draws would all be one).
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
    inner = innermost(model_or_runnable)
    if getattr(inner, "checkpointer", None):
        raise BadInput(
            f"agent {name}: a graph with a checkpointer remembers one draw in the next; "
            "compile it without"
        )
    if "seed" in (getattr(model_or_runnable, "kwargs", None) or {}):
        raise BadInput(
            f"agent {name}: a seed is bound to its model, so all draws would be one; "
            "leave it out: every draw gets its own"
        )
    own = model_or_runnable if isinstance(model_or_runnable, DescribesItself) else None
    return Agent(
        name=name,
        kind=kind,
        prompt=prompt,
        drawer=_drawer(name, kind, model_or_runnable, caller or Caller(name)),
        context_length=own.context if own else None,
        max_tokens=whole(inner, "max_tokens"),
        backend=own.backend if own else describe(kind, model_or_runnable, inner),
        files=own.files if own else (),
    )


def _drawer(name: str, kind: Kind, runnable: Runnable[Any, Any], caller: Caller) -> Drawer:
    """The fastest way to n draws; a model in a wrapper is invoked draw by draw."""
    if isinstance(runnable, SharedPromptChat):
        return SharedDrawer(name, runnable, caller)
    redact_keys(runnable)
    fields = getattr(type(runnable), "model_fields", {})
    takes_seed = isinstance(runnable, BaseLanguageModel) and "seed" in fields
    inner = innermost(runnable)
    if is_llama_cpp_python(inner):  # two threads in it abort the process
        caller = replace(caller, gate=Gate(1, caller.gate.requests_per_second))
    single = SingleDrawer(name, runnable, caller, takes_seed, whole(inner, "max_tokens"))
    if kind == "model" and is_openai(runnable):
        return ChoicesDrawer(runnable, single, most=MOST_CHOICES)
    return single


def is_openai(runnable: object) -> bool:
    """Whether it speaks OpenAI's chat completions, by the class of langchain-openai.

    That package is an extra: its classes are told by their names.
    """
    return any(
        cls.__name__ == "BaseChatOpenAI" and cls.__module__.startswith("langchain_openai")
        for cls in type(runnable).__mro__
    )


def _kind(runnable: Runnable[Any, Any]) -> Kind:
    inner = innermost(runnable)
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
