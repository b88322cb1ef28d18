"""LangChain's chat model for OpenAI-style servers, strict about what it takes for an answer.

langchain-openai is an extra: import this module only where it is installed.
"""

from __future__ import annotations

from typing import Any

from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI


class OpenAIStyleChat(ChatOpenAI):
    """ChatOpenAI that never takes one choice for two: it reads each choice's ``index``.

    The base class takes the choices as they come. A server that sends one twice would double a
    draw. An answer without any choice is a connection's failure: the call is made again.
    """

    def _create_chat_result(
        self, response: Any, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        if not result.generations:
            raise ConnectionError("an answer without choices")
        first: dict[Any, int] = {}
        for place, choice in enumerate(getattr(response, "choices", None) or []):
            first.setdefault(getattr(choice, "index", None), place)
        if None in first or len(first) == len(result.generations):  # unnumbered, or all differ
            return result
        kept = [result.generations[place] for place in sorted(first.values())]
        return ChatResult(generations=kept, llm_output=result.llm_output)
