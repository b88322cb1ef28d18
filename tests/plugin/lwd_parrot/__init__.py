"""A model that says again what it read: an example of a plugin.

``model: parrot`` in an experiment repeats a post, ``model: parrot:loud`` in capitals.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Parrot(BaseChatModel):
    """Repeats a post, chosen by the draw's seed, with ``times`` marks behind it."""

    loud: bool = False
    times: int = 1

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        posts = [line for line in messages[-1].text.splitlines()[1:-1] if line.strip()]
        seed = (run_manager.metadata if run_manager else {}).get("lwd_seed", 0)
        said = posts[seed % len(posts)] + "!" * self.times
        message = AIMessage(said.upper() if self.loud else said)
        return ChatResult(generations=[ChatGeneration(message=message)])


def make(model: str, *, times: int = 1) -> Parrot:
    """Make a parrot: ``model`` is what stands behind the colon, ``times`` an option."""
    if model not in ("", "loud"):
        raise ValueError(f"a parrot is loud or nothing, not {model!r}")
    return Parrot(loud=model == "loud", times=times)
