"""A LangChain chat model over llama.cpp, whose n draws share one prefill of the prompt.

Sampling is plain: the temperature alone, no truncation and no penalty, whatever llama.cpp's own
defaults are; the settings that took effect are in ``backend``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from langchain_core.messages import BaseMessage, convert_to_openai_messages
from pydantic import Field, PrivateAttr

from lwd_agents.agents.gguf_header import read_header
from lwd_agents.agents.llama_engine import Engine, EngineSettings, engine_for, usable_cores
from lwd_agents.agents.shared_prompt import Draw, Sampling, SharedPromptChat
from lwd_agents.errors import BadInput

_PLAIN: dict[str, Any] = {
    "samplers": ["temperature"],
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "top_n_sigma": -1.0,
    "xtc_probability": 0.0,
    "dynatemp_range": 0.0,
    "repeat_penalty": 1.0,
    "repeat_last_n": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "dry_multiplier": 0.0,
    "mirostat": 0,
    "adaptive_target": -1.0,
}
_FINISH = {"eos": "stop", "word": "stop", "limit": "length"}
_PROBE = [{"role": "user", "content": "."}]


class LlamaCppChat(SharedPromptChat):
    """A GGUF file as a chat model; it loads when it is made.

    n draws are made in requests of at most ``draws`` answers, each with one prefill. The prompt
    is written with the file's own chat template.

    Making one raises BadInput where the file is missing, broken, or has no chat template.
    """

    model_path: Path
    draws: int = Field(default=1, ge=1, le=256)
    n_batch: int = Field(default=2048, ge=1)
    n_ubatch: int = Field(default=512, ge=1)
    n_threads: int | None = Field(default=None, ge=1)
    flash_attention: bool = False  # llama.cpp's is slower on a processor at some 40 rows a batch
    cache_type: Literal["f16", "f32"] = "f16"
    ignore_eos: bool = False
    room: int | None = None  # tokens of an answer to keep cells for: another agent may write more

    OPTIONS: ClassVar[tuple[str, ...]] = (
        "context_length",
        "n_batch",
        "n_ubatch",
        "n_threads",
        "flash_attention",
        "cache_type",
    )
    _engine: Engine = PrivateAttr()
    _trained: int = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Read the header and load the file, so that what is wrong is known at once."""
        super().model_post_init(context)
        path = self.model_path.expanduser().resolve()
        header = read_header(path)
        if not header.has_chat_template:
            raise BadInput(
                f"model file {path}: it has no chat template (tokenizer.chat_template), so it "
                "cannot be given messages; use an instruct model's file"
            )
        self._trained = header.context_length
        self.check_context()
        longest = max(self.max_tokens, self.room or 0)
        cells = self.context + self.draws * longest  # a full cache fails the request
        self._engine = engine_for(
            EngineSettings(
                path=path,
                slots=self.draws,
                n_ctx=-(-cells // 256) * 256,
                n_batch=self.n_batch,
                n_ubatch=self.n_ubatch,
                n_threads=self.n_threads or usable_cores(),
                flash_attention=self.flash_attention,
                cache_type=self.cache_type,
            )
        )

    @property
    def label(self) -> str:
        """The file's name."""
        return self.model_path.name

    @property
    def trained_context(self) -> int:
        """Tokens that the model was trained to read at most, as its file says."""
        return self._trained

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (self._engine.settings.path,)

    @property
    def engine(self) -> Engine:
        """The engine, shared with every model of the same file and settings."""
        return self._engine

    @cached_property
    def backend(self) -> dict[str, Any]:
        """Engine and sampler settings, as llama.cpp reports that they took effect."""
        options = self._options(Sampling(self.temperature, 1, ()))
        record = self._engine.complete(self._engine.tokenize(_PROBE), 1, 0, options)[0]
        of_the_call = {"seed", "max_tokens", "n_predict", "stop"}
        settings = record["generation_settings"].items()
        sampler = {key: value for key, value in settings if key not in of_the_call}
        return {**self.common_backend, "engine": self._engine.description, "sampler": sampler}

    @property
    def _llm_type(self) -> str:
        return "llamacpp"

    def tokens(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The prompt as the model will read it, in the file's chat template."""
        written = convert_to_openai_messages(list(messages), text_format="string")
        return self._engine.tokenize(written if isinstance(written, list) else [written])

    def draw(self, prompt: list[int], n: int, seed: int, sampling: Sampling) -> list[Draw]:
        """Draw n answers in requests of at most ``draws``, whose seeds continue."""
        records: list[dict[str, Any]] = []
        for first in range(0, n, self.draws):
            size = min(self.draws, n - first)
            records += self._engine.complete(prompt, size, seed + first, self._options(sampling))
        return [
            Draw(
                record["content"],
                record["tokens_predicted"],
                _FINISH.get(record["stop_type"], record["stop_type"]),
            )
            for record in records
        ]

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        return {
            **_PLAIN,
            "temperature": sampling.temperature,
            "n_predict": sampling.max_tokens,
            "ignore_eos": self.ignore_eos,
            "stop": list(sampling.stop),
        }
