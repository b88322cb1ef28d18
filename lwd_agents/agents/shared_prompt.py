"""Chat models whose n draws share one reading of the prompt: what our two backends have in common.

A subclass says how a prompt is cut into tokens and how n answers are drawn from it; here is the
LangChain side: seeds, room, usage, and what each message tells of its draw.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from lwd_agents.agents.sampling import RANDOM_SEED, SEED_KEY, check_seeds
from lwd_agents.errors import BadInput, RunStopped

DEFAULT_CONTEXT = 8_192  # tokens; a model trained on more gets this unless told otherwise


@dataclass(frozen=True)
class Draw:
    """One answer: its text as sampled, how many tokens that took, and "stop" or "length"."""

    text: str
    tokens: int
    finish_reason: str


@dataclass(frozen=True)
class Sampling:
    """How the answers of one call are drawn."""

    temperature: float
    max_tokens: int
    stop: tuple[str, ...]


class SharedPromptChat(BaseChatModel):
    """A chat model whose ``generate([messages], n=n, seed=seed)`` reads its prompt once.

    Draw j uses seed + j alone; without a seed, the draw's own from the run's metadata is used,
    else ``seed``, else a random one. No draw depends on earlier calls. An answer ends before the
    first of the call's ``stop`` texts, or else of the model's own. Each message's
    ``response_metadata`` has its seed, input_tokens, output_tokens and finish_reason, and the
    first message's ``usage_metadata`` counts the whole call once. The prompt is never cut: one
    that leaves no room for the new tokens raises RunStopped.
    """

    temperature: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    max_tokens: int = Field(default=48, ge=1)
    draws: int = Field(default=1, ge=1)
    context_length: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=RANDOM_SEED)
    stop: list[str] | None = None

    OPTIONS: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def label(self) -> str:
        """The model's name in messages and traces."""

    @property
    @abstractmethod
    def trained_context(self) -> int:
        """Tokens that the model was trained to read at most."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files that the model was read from."""

    @property
    @abstractmethod
    def backend(self) -> dict[str, Any]:
        """Whatever a draw depends on besides the prompt and the seed, as JSON."""

    @abstractmethod
    def tokens(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The prompt as the model will read it, in its own chat template."""

    @abstractmethod
    def draw(self, prompt: list[int], n: int, seed: int, sampling: Sampling) -> list[Draw]:
        """Draw n answers; draw j uses seed + j."""

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may take together."""
        return self.context_length or min(self.trained_context, DEFAULT_CONTEXT)

    def check_context(self) -> None:
        """Refuse a context beyond the trained one."""
        if self.context > self.trained_context:
            raise BadInput(
                f"context_length {self.context} of model {self.label}: it was trained on "
                f"{self.trained_context} tokens at most"
            )

    def count_tokens(self, messages: Sequence[BaseMessage]) -> int:
        """The prompt's length in tokens."""
        return len(self.tokens(messages))

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """As ``count_tokens``; the model takes no tools."""
        return self.count_tokens(messages)

    @property
    def common_backend(self) -> dict[str, Any]:
        """The part of ``backend`` that every such model has."""
        return {
            "class": type(self).__name__,
            "model": self.label,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "context": self.context,
            "trained_context": self.trained_context,
            "draw_seed": "seed + draw",
        }

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.label, "temperature": self.temperature}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        usual = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        name = kwargs.get("model") or self.label
        return {**usual, "ls_provider": self._llm_type, "ls_model_name": name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        n: int = 1,
        seed: int | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if kwargs:
            raise ValueError(f"{type(self).__name__} takes no {', '.join(sorted(kwargs))}")
        seed = self._seed(seed, run_manager)
        check_seeds(seed, n)
        sampling = Sampling(
            self.temperature if temperature is None else temperature,
            max_tokens or self.max_tokens,
            tuple(stop or self.stop or ()),
        )
        prompt = self.tokens(messages)
        self._check_room(len(prompt), sampling.max_tokens)
        return self._result(self.draw(prompt, n, seed, sampling), len(prompt), seed)

    def _streaming_disabled(self, **kwargs: Any) -> bool:
        """Only who calls ``stream`` gets a stream: as one, a draw would lose its run's seed."""
        wanted = bool(kwargs.get("stream")) and kwargs.get("n", 1) == 1
        return not wanted or super()._streaming_disabled(**kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """The whole answer as one chunk."""
        message = self._generate(messages, stop, run_manager, **kwargs).generations[0].message
        assert isinstance(message, AIMessage)
        chunk = AIMessageChunk(
            content=message.content,
            response_metadata=message.response_metadata,
            usage_metadata=message.usage_metadata,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=chunk)

    def _seed(self, given: int | None, run_manager: CallbackManagerForLLMRun | None) -> int:
        from_run = (run_manager.metadata if run_manager else {}).get(SEED_KEY)
        for seed in (given, from_run, self.seed):
            if seed is not None:
                return int(seed)
        return random.SystemRandom().randrange(2**31)

    def _check_room(self, prompt: int, new: int) -> None:
        if new > self.max_tokens:
            raise BadInput(
                f"max_tokens {new}: model {self.label} was made to write {self.max_tokens} at most"
            )
        if prompt + new > self.context:
            raise RunStopped(
                f"model {self.label}: a prompt of {prompt} tokens and {new} new ones exceed its "
                f"context of {self.context} tokens (it was trained on {self.trained_context})"
            )

    def _result(self, draws: list[Draw], prompt: int, seed: int) -> ChatResult:
        written = sum(draw.tokens for draw in draws)
        usage = UsageMetadata(
            input_tokens=prompt, output_tokens=written, total_tokens=prompt + written
        )
        generations = []
        for j, draw in enumerate(draws):
            about = {
                "model_name": self.label,
                "seed": seed + j,
                "input_tokens": prompt,
                "output_tokens": draw.tokens,
                "finish_reason": draw.finish_reason,
            }
            message = AIMessage(
                content=draw.text,
                response_metadata=about,
                usage_metadata=usage if j == 0 else None,
            )
            generations.append(ChatGeneration(message=message, generation_info=about))
        return ChatResult(generations=generations, llm_output={"token_usage": dict(usage)})
