"""A LangChain chat model over transformers, whose n draws share one prefill of the prompt.

LangChain's own classes for transformers drop ``n``. Here the prompt's key-value cache is filled
once and repeated for each draw. Sampling is plain: the temperature alone. Draw j takes its
uniform numbers from a generator of its own, seeded with seed + j, and turns each into a token by
the inverse of the model's distribution function; the process's global randomness is not touched.
"""

from __future__ import annotations

import copy
import inspect
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from pydantic import Field, PrivateAttr

from lwd_agents import hub
from lwd_agents.agents.shared_prompt import Draw, Sampling, SharedPromptChat
from lwd_agents.errors import BadInput

_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


class HuggingFaceChat(SharedPromptChat):
    """An instruct model in transformers' format: a folder, or a name on the hub.

    The draws of a call run in batches of at most ``chunk``. ``device`` "auto" is the GPU if
    there is one; ``dtype`` "auto" is bfloat16 there and float32 on the processor.

    Making one raises BadInput where the model cannot be loaded or has no chat template.
    """

    model_name_or_path: str
    chunk: int = Field(default=64, ge=1)
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    revision: str | None = None

    OPTIONS: ClassVar[tuple[str, ...]] = (
        "context_length",
        "chunk",
        "device",
        "dtype",
        "revision",
    )
    _weights: _Weights = PrivateAttr()
    _folder: Path = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model, so that what is wrong is known at once."""
        super().model_post_init(context)
        self._folder = _find(self.model_name_or_path, self.revision)
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = self.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        self._weights = _weights_for(self.model_name_or_path, self._folder, device, dtype)
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
        found = {path for pattern in _FILES for path in self._folder.glob(pattern)}
        return tuple(sorted(found))

    @property
    def backend(self) -> dict[str, Any]:
        """Versions and settings that a draw depends on."""
        import transformers

        return {
            **self.common_backend,
            "chunk": self.chunk,
            "device": self._weights.device_name,
            "dtype": str(self._weights.model.dtype).removeprefix("torch."),
            "attention": str(self._weights.model.config._attn_implementation),
            "sampler": {"temperature": self.temperature, "top_k": 0, "top_p": 1.0},
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

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
        """Draw n answers in batches of at most ``chunk``, after one prefill."""
        weights = self._weights
        with weights.lock, torch.inference_mode():
            logits, cache = weights.prefill(prompt)
            draws: list[Draw] = []
            for first in range(0, n, self.chunk):
                size = min(self.chunk, n - first)
                mine = cache if first + size == n else copy.deepcopy(cache)
                mine.batch_repeat_interleave(size)
                uniforms = _uniforms(seed + first, size, sampling.max_tokens)
                rows = weights.decode(logits.expand(size, -1), mine, uniforms, sampling)
                draws += [weights.finish(row, sampling) for row in rows]
        return draws


class _Weights:
    """A loaded model and its tokenizer, shared by all chat models that ask for the same."""

    def __init__(self, name: str, folder: Path, device: str, dtype: str) -> None:
        try:
            self.tokenizer, model = _load(folder, getattr(torch, dtype))
            self.model = model.to(device).eval()
        except Exception as error:  # of whatever class: the folder is not what it should be
            first = (str(error).strip().splitlines() or [""])[0][:300]
            raise BadInput(
                f"model hf:{name}: transformers cannot load it "
                f"({type(error).__name__}: {first}); it should be a whole causal language model"
            ) from None
        if not self.tokenizer.chat_template:
            raise BadInput(
                f"model hf:{name}: its tokenizer has no chat template, so it cannot be given "
                "messages; use an instruct model"
            )
        self.lock = threading.Lock()
        text_config = self.model.config.get_text_config(decoder=True)
        self.context = int(getattr(text_config, "max_position_embeddings", None) or 2**20)
        self.ends = self._end_tokens()
        self.device_name = (
            torch.cuda.get_device_name() if device.startswith("cuda") else torch.device(device).type
        )

    def _end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer, by the model's configuration and its tokenizer."""
        configured = self.model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return frozenset(
            end for end in [*ends, self.tokenizer.eos_token_id] if isinstance(end, int)
        )

    def prefill(self, prompt: list[int]) -> tuple[torch.Tensor, Any]:
        """Read the prompt once: logits (1, V) of the first new token, and the filled cache."""
        accepts = inspect.signature(self.model.forward).parameters
        last = {"logits_to_keep": 1} if "logits_to_keep" in accepts else {}
        ids = torch.tensor([prompt], device=self.model.device)
        output = self.model(input_ids=ids, use_cache=True, **last)
        return output.logits[:, -1], output.past_key_values

    def decode(
        self, logits: torch.Tensor, cache: Any, uniforms: torch.Tensor, sampling: Sampling
    ) -> list[list[int]]:
        """Write n answers side by side, until each has ended or has ``max_tokens`` tokens.

        Shapes: logits (n, V), uniforms (n, max_tokens). Returns n lists of tokens.
        """
        rows: list[list[int]] = [[] for _ in range(logits.shape[0])]
        open_rows = set(range(len(rows)))
        for position in range(sampling.max_tokens):
            chosen = _choose(logits, uniforms[:, position], sampling.temperature)
            for row, token in enumerate(chosen.tolist()):
                if row in open_rows:
                    rows[row].append(token)
                    if token in self.ends:
                        open_rows.discard(row)
            if not open_rows or position + 1 == sampling.max_tokens:
                break
            output = self.model(input_ids=chosen[:, None], past_key_values=cache, use_cache=True)
            logits = output.logits[:, -1]
        return rows

    def finish(self, row: list[int], sampling: Sampling) -> Draw:
        """The text of an answer, up to its end token or the first stop string."""
        ended = bool(row) and row[-1] in self.ends
        text = str(self.tokenizer.decode(row[:-1] if ended else row, skip_special_tokens=True))
        stops = [text.index(stop) for stop in sampling.stop if stop in text]
        reason = "stop" if ended or stops else "length"
        return Draw(text[: min(stops)] if stops else text, len(row), reason)


def _load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and model. Raises ValueError where weights are missing (they would be random)."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=dtype, output_loading_info=True
        )
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    model, report = loaded
    if report["missing_keys"]:
        raise ValueError(f"{len(report['missing_keys'])} weights are missing from its files")
    return tokenizer, model


def _uniforms(seed: int, n: int, count: int) -> torch.Tensor:
    """Numbers in [0, 1), shape (n, count); row j is a function of seed + j alone."""
    generators = [torch.Generator().manual_seed(seed + j) for j in range(n)]
    rows = [torch.rand(count, generator=g, dtype=torch.float64) for g in generators]
    return torch.stack(rows)


def _choose(logits: torch.Tensor, uniforms: torch.Tensor, temperature: float) -> torch.Tensor:
    """Invert each row's distribution function at its uniform number: (n, V), (n,) -> (n,)."""
    if temperature == 0.0:
        return logits.argmax(dim=-1)
    total = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    place = uniforms.to(total.device)[:, None] * total[:, -1:]
    chosen = torch.searchsorted(total, place, right=True)[:, 0]
    return chosen.clamp(max=logits.shape[-1] - 1)


_loaded: weakref.WeakValueDictionary[tuple[Path, str, str], _Weights] = (
    weakref.WeakValueDictionary()
)
_loading = threading.Lock()


def _weights_for(name: str, folder: Path, device: str, dtype: str) -> _Weights:
    with _loading:
        weights = _loaded.get((folder, device, dtype))
        if weights is None:
            weights = _loaded[folder, device, dtype] = _Weights(name, folder, device, dtype)
        return weights


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
