"""GGUF files under llama-cpp-python, through LangChain's class for it (an extra).

langchain-community is archived upstream, so this is the only module that touches it. What the class
and the library do by themselves would change what is sampled, and is set right here:

- min_p is 0.05 in the library, and the class has no field for it;
- the class has a RoPE base of 10,000 for every model, whatever its file says;
- without a seed the library derives each draw from the one before, from a fixed first one;
- what is left of the last prompt in the cache is used again, which changes last bits;
- the library takes a template of its own where the file's looks like one it knows, and leaves out
  the first token (BOS) that the file asks for where the template does not write it;
- the class forgets stop sequences when it streams, and the library shortens an answer in silence
  where the context is full;
- the library writes beyond max_tokens until a character is whole;
- it prints llama.cpp's warnings even where it was told to be quiet.

What stays: the token that ends an answer is not counted in output_tokens (llama.cpp's own server
counts it), and bytes that are no UTF-8 are left out of a text (there they become U+FFFD). Apart
from these a draw is that of ``LlamaCppChat`` with the same seed.
"""

from __future__ import annotations

import functools
import random
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatResult
from numpy.typing import NDArray
from pydantic import PrivateAttr, model_validator

from lwd_agents.agents.catalogue import install_command
from lwd_agents.agents.gguf_header import read_header
from lwd_agents.agents.llama_engine import usable_cores
from lwd_agents.agents.sampling import RANDOM_SEED, SEED_KEY, check_seeds
from lwd_agents.agents.shared_prompt import DEFAULT_CONTEXT
from lwd_agents.errors import BadInput, RunStopped

try:
    with warnings.catch_warnings():  # it says that it is archived, which we know
        warnings.filterwarnings("ignore", "`langchain-community` is", DeprecationWarning)
        from langchain_community.chat_models.llamacpp import ChatLlamaCpp
    if find_spec("llama_cpp") is None:
        raise ImportError("llama_cpp")
except ImportError:
    raise BadInput(
        f"llama-cpp-python is not installed; {install_command('llama_cpp')} (it compiles for "
        "some minutes), or use gguf:FILE, which needs nothing more"
    ) from None

OPTIONS = ("context_length", "n_batch", "n_gpu_layers", "n_threads")
_PLAIN: dict[str, Any] = {
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "mirostat_mode": 0,
}


@dataclass
class _Limit:
    """Stops the library at max_tokens; ``most`` counts the prompt too, and ``hit`` tells of it."""

    most: int = 0
    hit: bool = False

    def __call__(self, tokens: NDArray[np.intc], scores: NDArray[np.float32]) -> bool:
        self.hit = self.hit or len(tokens) >= self.most
        return self.hit


class LlamaCppPythonChat(ChatLlamaCpp):
    """LangChain's class with plain sampling, one draw at a time; made by ``make``.

    A draw takes ``seed=`` (``invoke(..., seed=1)`` or ``bind(seed=1)``), else the seed in its run's
    metadata, else a random one; it depends on nothing else. Each message's ``response_metadata``
    has its seed, input_tokens, output_tokens and finish_reason. A prompt that leaves no room for
    the answer raises RunStopped.
    """

    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _limit: _Limit = PrivateAttr(default_factory=_Limit)

    @model_validator(mode="after")
    def _set_right(self) -> Self:
        """Have the library write prompts as llama.cpp does, and end answers at max_tokens."""
        from llama_cpp.llama_chat_format import chat_formatter_to_chat_completion_handler

        write = _formatter(self.client, self._limit)
        self.client.chat_handler = chat_formatter_to_chat_completion_handler(write)
        return self

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may take together."""
        return int(self.n_ctx)

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (Path(self.model_path),)

    @property
    def backend(self) -> dict[str, Any]:
        """Whatever a draw depends on besides the prompt and the seed, as JSON."""
        import llama_cpp

        return {
            "class": type(self).__name__,
            "model": Path(self.model_path).name,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "context": self.context,
            "n_batch": self.n_batch,
            "n_threads": self.n_threads,
            "n_gpu_layers": self.n_gpu_layers or 0,
            "sampler": dict(_PLAIN),
            "cache_prompt": False,
            "llama_cpp_python": llama_cpp.__version__,
            "cpu": " ".join(llama_cpp.llama_print_system_info().decode().split()),
        }

    def tokens(self, messages: Sequence[BaseMessage]) -> list[int]:
        """The prompt as the model reads it, in the file's own chat template."""
        formatter = _formatter(self.client, self._limit)
        prompt = formatter(messages=self._create_message_dicts(list(messages))).prompt
        found: list[int] = self.client.tokenize(prompt.encode(), add_bos=False, special=True)
        return found

    def count_tokens(self, messages: Sequence[BaseMessage]) -> int:
        """The prompt's length in tokens."""
        return len(self.tokens(messages))

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """As ``count_tokens``."""
        return self.count_tokens(messages)

    @property
    def _default_params(self) -> dict[str, Any]:
        return {**super()._default_params, **_PLAIN}

    def _create_message_dicts(self, messages: list[BaseMessage]) -> list[dict[str, Any]]:
        written = convert_to_openai_messages(messages, text_format="string")
        return written if isinstance(written, list) else [written]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        seed = _seed(kwargs.pop("seed", None), run_manager)
        check_seeds(seed, 1)
        with self._lock:  # a context holds one draw at a time
            prompt = self.count_tokens(messages)
            new = kwargs.get("max_tokens") or self.max_tokens
            self._check_room(prompt, new)
            self._limit.most, self._limit.hit = prompt + new, False
            self.client.reset()  # without this, cells of the last draw would be read again
            result = super()._generate(messages, stop, run_manager, seed=seed, **kwargs)
            if self._limit.hit:
                result.generations[0].generation_info = {"finish_reason": "length"}
        return _described(result, self.files[0].name, prompt, seed)

    def _check_room(self, prompt: int, new: int) -> None:
        if prompt + new > self.context:
            raise RunStopped(
                f"model {self.files[0].name}: a prompt of {prompt} tokens and {new} new ones "
                f"exceed its context of {self.context} tokens"
            )


def make(
    path: Path,
    *,
    temperature: float,
    max_tokens: int,
    draws: int = 1,
    options: Mapping[str, Any] | None = None,
) -> BaseChatModel:
    """Load a GGUF file; ``draws`` is not used, because each draw reads the prompt anew.

    ``options`` are those in ``OPTIONS``: context_length in tokens (default: as trained, at most
    8,192), n_batch (512), n_threads (the cores there are), n_gpu_layers (0). Raises BadInput, in
    one line, for a broken file, one without a chat template, and an option that cannot be used.
    """
    given = dict(options or {})
    if unknown := sorted(given.keys() - set(OPTIONS)):
        raise BadInput(
            f"option {unknown[0]!r} of model {path.name}: unknown; give {', '.join(OPTIONS)}"
        )
    path = path.expanduser().resolve()
    header = read_header(path)
    if not header.has_chat_template:
        raise BadInput(
            f"model file {path}: it has no chat template (tokenizer.chat_template), so it cannot "
            "be given messages; use an instruct model's file"
        )
    for name in given:
        if not isinstance(given[name], int) or isinstance(given[name], bool):
            raise BadInput(f"{name} {given[name]!r} of model {path.name}: it should be a number")
    context = given.pop("context_length", min(header.context_length, DEFAULT_CONTEXT))
    if not 1 <= context <= header.context_length:
        raise BadInput(
            f"context_length {context} of model {path.name}: it should lie between 1 and "
            f"{header.context_length}, the tokens that the model was trained on"
        )
    threads = given.pop("n_threads", usable_cores())
    settings = {"n_batch": 512, **given, "n_ctx": context, "n_threads": threads}
    return _load(path, header.architecture, temperature, max_tokens, settings)


def _load(
    path: Path, architecture: str, temperature: float, max_tokens: int, settings: dict[str, Any]
) -> LlamaCppPythonChat:
    import llama_cpp

    llama_cpp.llama_log_set(_silent(), None)
    try:
        return LlamaCppPythonChat(
            model_path=str(path),
            temperature=temperature,
            max_tokens=max_tokens,
            rope_freq_base=0.0,  # 0: as the file says
            rope_freq_scale=0.0,
            streaming=False,
            disable_streaming=True,
            verbose=False,
            model_kwargs={"n_threads_batch": settings["n_threads"]},
            **settings,
        )
    except ValueError:
        raise BadInput(
            f"model file {path}: llama-cpp-python cannot load it (architecture {architecture!r}); "
            "it should be a whole GGUF file of a supported architecture"
        ) from None


@functools.cache  # kept: llama.cpp calls it until the process ends
def _silent() -> Any:
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda level, text, data: None)


def _formatter(client: Any, limit: _Limit) -> Callable[..., Any]:
    """The file's own template, with the first token that the file asks for."""
    from llama_cpp import StoppingCriteriaList
    from llama_cpp.llama_chat_format import ChatFormatterResponse, Jinja2ChatFormatter

    words = {
        kind: client._model.token_get_text(token) if token >= 0 else ""
        for kind, token in (("bos", client.token_bos()), ("eos", client.token_eos()))
    }
    template = Jinja2ChatFormatter(
        client.metadata["tokenizer.chat_template"],
        eos_token=words["eos"],
        bos_token=words["bos"],
    )
    first = words["bos"] if client._model.add_bos_token() else ""

    def write(**given: Any) -> ChatFormatterResponse:
        prompt = template(**given).prompt
        if not prompt.startswith(first):
            prompt = first + prompt
        # No stop by text: the token that ends an answer does, and its letters may be part of one.
        ends = StoppingCriteriaList([limit])
        return ChatFormatterResponse(prompt=prompt, added_special=True, stopping_criteria=ends)

    return write


def _seed(given: int | None, run_manager: CallbackManagerForLLMRun | None) -> int:
    from_run = (run_manager.metadata if run_manager else {}).get(SEED_KEY)
    for seed in (given, from_run):
        if seed is not None:
            return int(seed)
    return random.SystemRandom().randrange(RANDOM_SEED)


def _described(result: ChatResult, model: str, prompt: int, seed: int) -> ChatResult:
    """The same result, whose message tells what it took."""
    usage = (result.llm_output or {})["token_usage"]
    assert usage["prompt_tokens"] == prompt, (usage, prompt)
    written = usage["completion_tokens"]
    generation = result.generations[0]
    message = generation.message
    assert isinstance(message, AIMessage)
    message.usage_metadata = UsageMetadata(
        input_tokens=prompt, output_tokens=written, total_tokens=prompt + written
    )
    message.response_metadata = {
        "model_name": model,
        "seed": seed,
        "input_tokens": prompt,
        "output_tokens": written,
        "finish_reason": (generation.generation_info or {}).get("finish_reason"),
    }
    return result
