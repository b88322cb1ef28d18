"""A LangChain chat model over transformers, whose n draws share one prefill of the prompt.

LangChain's own classes for transformers drop ``n``. Here the prompt's key-value cache is filled
once and repeated for the draws, as many of them side by side as its memory allows. Sampling is
plain: the temperature alone. Draw j takes its uniform numbers from a generator of its own, seeded
with seed + j, and turns each into a token by the inverse of the model's distribution function;
the process's global randomness is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from pydantic import Field, PrivateAttr, field_validator

from lwd_agents import hub
from lwd_agents.agents.huggingface_cache import (
    bytes_per_draw,
    cache_bytes,
    repeat_cache,
    side_by_side,
)
from lwd_agents.agents.huggingface_weights import (
    GPU_SHARE,
    PROCESSOR_GIB,
    Weights,
    uniform_numbers,
    weights_for,
)
from lwd_agents.agents.shared_prompt import Draw, Sampling, SharedPromptChat
from lwd_agents.errors import BadInput, RunStopped

_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


class HuggingFaceChat(SharedPromptChat):
    """An instruct model in transformers' format: a folder, or a name on the hub.

    ``chunk`` is how many draws go side by side; "auto" is as many as fit ``cache_gib`` GiB, each
    with the keys and values of the prompt and of max_tokens new tokens. Without ``cache_gib`` that
    is 0.8 of what the weights of all loaded models leave of a GPU, and 4 GiB on a processor.
    ``device`` "auto" is the first GPU if there is one; ``dtype`` "auto" is bfloat16 there and
    float32 on the processor. ``ignore_eos``: every answer has max_tokens tokens, for measuring.

    Making one raises BadInput where the model cannot be loaded or has no chat template. Drawing
    raises RunStopped where the device's memory does not suffice.
    """

    model_name_or_path: str
    chunk: int | Literal["auto"] = "auto"
    cache_gib: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    revision: str | None = None
    ignore_eos: bool = False
    loaded: Any = Field(default=None, exclude=True, repr=False)  # what ``of`` is given

    OPTIONS: ClassVar[tuple[str, ...]] = (
        "context_length",
        "chunk",
        "cache_gib",
        "device",
        "dtype",
        "revision",
    )
    _weights: Weights = PrivateAttr()
    _folder: Path | None = PrivateAttr(default=None)

    @field_validator("chunk", mode="before")
    @classmethod
    def _a_count_or_auto(cls, chunk: Any) -> Any:
        if chunk == "auto" or (type(chunk) is int and chunk >= 1):
            return chunk
        raise ValueError('should be a whole number of draws, at least 1, or "auto"')

    @classmethod
    def of(cls, model: Any, tokenizer: Any, *, name: str | None = None, **settings: Any) -> Self:
        """A chat model of a transformers model that is loaded already, where and as it is.

        ``name`` is for messages and traces, the model's own by default; ``settings`` are this
        class's fields. The model is put into evaluation mode. As it was not read from files, a
        run records none. Raises BadInput for a tokenizer without a chat template, and for
        settings that say how to load.
        """
        if given := sorted({"device", "dtype", "revision"} & settings.keys()):
            raise BadInput(f"{given[0]} {settings[given[0]]!r}: the model is loaded already")
        name = name or str(model.config.name_or_path or type(model).__name__)
        return cls(model_name_or_path=name, loaded=Weights(name, tokenizer, model), **settings)

    def model_post_init(self, context: Any, /) -> None:
        """Load the model, so that what is wrong is known at once."""
        super().model_post_init(context)
        if self.loaded is not None:
            self._weights = self.loaded
        else:
            name = self.model_name_or_path
            self._folder = _find(name, self.revision)
            self._weights = weights_for(name, self._folder, self.device, self.dtype)
        self.check_context()

    @property
    def label(self) -> str:
        """The model's name, or its folder's."""
        return Path(self.model_name_or_path).name

    @property
    def trained_context(self) -> int:
        """Tokens that the model was trained to read at most, as its configuration says."""
        return self._weights.context

    @property
    def files(self) -> tuple[Path, ...]:
        """Weights, configuration and tokenizer."""
        if self._folder is None:
            return ()
        found = {path for pattern in _FILES for path in self._folder.glob(pattern)}
        return tuple(sorted(found))

    @property
    def backend(self) -> dict[str, Any]:
        """Versions and settings that a draw depends on."""
        import transformers

        return {
            **self.common_backend,
            "chunk": self.chunk,
            "cache": self._cache_policy(),
            "device": self._weights.device_name,
            "dtype": str(self._weights.model.dtype).removeprefix("torch."),
            "attention": str(self._weights.model.config._attn_implementation),
            "sampler": {
                "temperature": self.temperature,
                "top_k": 0,
                "top_p": 1.0,
                "ignore_eos": self.ignore_eos,
            },
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def _cache_policy(self) -> dict[str, Any]:
        """How much memory the caches may take: a number, or the rule where models are to come."""
        whole = self._weights.device_bytes
        if self.cache_gib is not None or whole is None:
            return {"gib": self.cache_gib or PROCESSOR_GIB}
        return {"device_gib": round(whole / 2**30, 3), "share_beside_weights": GPU_SHARE}

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def tokens(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The prompt as the model will read it, in the tokenizer's chat template."""
        written = convert_to_openai_messages(list(messages), text_format="string")
        encoded = self._weights.tokenizer.apply_chat_template(
            written, add_generation_prompt=True, tokenize=True, return_dict=True
        )
        ids: list[int] = encoded["input_ids"]
        return ids

    def draw(self, prompt: list[int], n: int, seed: int, sampling: Sampling) -> list[Draw]:
        """Draw n answers in chunks that fit, after one prefill."""
        weights, new = self._weights, sampling.max_tokens
        ends = frozenset[int]() if self.ignore_eos else weights.ends
        rows: list[list[int]] = []
        size = None
        try:
            with weights.busy():
                logits, cache = weights.prefill(prompt)
                size = self._side_by_side(n, cache, len(prompt), new)
                for first in range(0, n, size):
                    now = min(size, n - first)
                    # no name for the chunk's cache: it must be gone before the next is made
                    rows += weights.decode(
                        logits,
                        repeat_cache(cache, now, len(prompt) + new),
                        uniform_numbers(seed + first, now, new),
                        sampling.temperature,
                        ends,
                    )
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            raise RunStopped(self._too_large(len(prompt), new, size)) from None
        return [weights.finish(row, sampling, ends) for row in rows]

    def _side_by_side(self, n: int, cache: Any, prompt: int, new: int) -> int:
        if self.chunk != "auto":
            return min(n, self.chunk)
        each = bytes_per_draw(cache_bytes(cache), prompt, new, self._weights.vocabulary)
        return side_by_side(n, each, self._weights.cache_budget(self.cache_gib))

    def _too_large(self, prompt: int, new: int, size: int | None) -> str:
        start = f"model {self.label}: {self._weights.device_name} is out of memory"
        if size is None:
            return f"{start} with a prompt of {prompt} tokens; give it less to read"
        if size == 1:
            return f"{start} with {prompt} + {new} tokens, one draw at a time; give it less to read"
        budget = self._weights.cache_budget(self.cache_gib) / 2**30
        return (
            f"{start} with {size} draws of {prompt} + {new} tokens side by side; "
            f"give it the option chunk, below {size}, or cache_gib, below {budget:.1f}"
        )


def _out_of_memory(error: RuntimeError) -> bool:
    """A GPU's error has a class of its own; a processor's is told by its text alone."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _find(name: str, revision: str | None) -> Path:
    """The model's folder: a local one, or the hub's, fetched if the hub can be reached."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.is_absolute() or name.startswith((".", "~")):
        raise BadInput(f"model hf:{name}: there is no such folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(_FILES),
                local_files_only=not hub.reachable(),
            )
        )
    except LocalEntryNotFoundError:
        raise BadInput(
            f"model hf:{name}: not on this machine, and the hub cannot be reached; fetch it where "
            "there is a network, and give hf:/path/to/its/folder"
        ) from None
    except Exception as error:  # the hub's own, its HTTP library's, the disk's
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(f"model hf:{name}: the hub does not give it ({first})") from None
