"""What a model answered, read from whatever it gave: text, a message, or messages.

No answer may come out of an LLM cache, which would hand one draw out again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.globals import get_llm_cache
from langchain_core.language_models.base import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase

from lwd_agents.agents.sampling import Response, response
from lwd_agents.errors import BadInput


def read(name: str, answer: Any) -> Response:
    """An answer in any of the forms that a runnable may give it: text, message, or messages.

    Raises TypeError for any other, and BadInput where it came out of a cache.
    """
    if isinstance(answer, str):
        return response(answer)
    said: list[BaseMessage] = []
    if isinstance(answer, Mapping) and isinstance(answer.get("messages"), Sequence):
        said = [message for message in answer["messages"] if isinstance(message, AIMessage)]
        if not said:
            raise TypeError("no AI message among the messages of the answer")
        answer = said[-1]
    if not isinstance(answer, BaseMessage):
        raise TypeError(f"an answer of type {type(answer).__name__}, not text or a message")
    usages = [getattr(message, "usage_metadata", None) or {} for message in said or [answer]]
    if any(usage.get("total_cost") == 0 for usage in usages):  # so langchain-core marks a cache's
        raise BadInput(_cache_error(name))
    about = answer.response_metadata
    finish = about.get("finish_reason") or about.get("stop_reason")
    return response(
        str(answer.text),
        seed=about.get("seed"),
        input_tokens=about.get("input_tokens") or _summed(usages, "input_tokens"),
        output_tokens=about.get("output_tokens") or _summed(usages, "output_tokens"),
        finish_reason=finish if isinstance(finish, str) else None,
    )


def _summed(usages: Sequence[Mapping[str, Any]], key: str) -> int | None:
    """Over the messages of an answer: a graph may call its model several times."""
    told = [usage[key] for usage in usages if isinstance(usage.get(key), int)]
    return sum(told) if told else None


def without_cache(name: str, runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The same runnable, with the cache of the model that can be seen in it switched off."""
    if isinstance(runnable, RunnableBindingBase):
        return runnable.model_copy(update={"bound": without_cache(name, runnable.bound)})
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
