"""Loaded transformers models: read once, shared by all chat models that ask for the same.

Sampling is plain: the temperature alone, by the inverse of the model's distribution function.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from lwd_agents.agents.huggingface_cache import keep_rows, still_open
from lwd_agents.agents.shared_prompt import Draw, Sampling
from lwd_agents.errors import BadInput

GPU_SHARE = 0.8  # of what the weights leave: the rest is for activations and other libraries
PROCESSOR_GIB = 4.0  # no telling how much of a machine's memory is meant for us

# On Hopper and Blackwell torch prefers cuDNN's attention, which builds a new plan, tens of
# milliseconds, for each length of the cache: every token of every answer.
_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


class Weights:
    """A loaded model and its tokenizer.

    Args:
        name: the model's, for messages.
        tokenizer: transformers' own, with a chat template.
        model: a causal language model on its device; it is put into evaluation mode.

    Raises:
        BadInput: the tokenizer has no chat template.
    """

    def __init__(self, name: str, tokenizer: Any, model: Any) -> None:
        if not tokenizer.chat_template:
            raise BadInput(
                f"model {name}: its tokenizer has no chat template, so it cannot be given "
                "messages; use an instruct model"
            )
        self.tokenizer, self.model = tokenizer, model.eval()
        self.device: torch.device = model.device
        self.lock = _lock_of(self.device)
        self.look = 1 if self.device.type == "cpu" else 8  # tokens; a GPU has to halt to tell
        text_config = model.config.get_text_config(decoder=True)
        self.context = int(getattr(text_config, "max_position_embeddings", None) or 2**20)
        self.vocabulary = int(text_config.vocab_size)
        self.ends = self._end_tokens()
        accepts = inspect.signature(model.forward).parameters
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in accepts else {}
        _alive.add(self)

    def _end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer, by the model's configuration and its tokenizer."""
        configured = self.model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return frozenset(
            end for end in [*ends, self.tokenizer.eos_token_id] if isinstance(end, int)
        )

    @property
    def device_name(self) -> str:
        """The processor's kind, or the GPU's name."""
        if self.device.type == "cuda":
            return str(torch.cuda.get_device_name(self.device))
        return str(self.device.type)

    @property
    def device_bytes(self) -> int | None:
        """All memory of the GPU that the model is on; None elsewhere."""
        if self.device.type != "cuda":
            return None
        return int(torch.cuda.get_device_properties(self.device).total_memory)

    @property
    def nbytes(self) -> int:
        """What the weights take; shared ones count once."""
        return sum(tensor.nbytes for tensor in [*self.model.parameters(), *self.model.buffers()])

    def cache_budget(self, cache_gib: float | None) -> int:
        """Bytes that the caches of draws side by side may take; ``cache_gib`` if given.

        It depends on the device's whole memory and on the models that are loaded there, never on
        what happens to be free, so that a run that is resumed draws in the same chunks.
        """
        if cache_gib is not None:
            return int(cache_gib * 2**30)
        whole = self.device_bytes
        if whole is None:
            return int(PROCESSOR_GIB * 2**30)
        there = {id(w.model): w for w in list(_alive) if w.device == self.device}
        return gpu_budget(whole, sum(w.nbytes for w in there.values()))

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """The device for one call alone: the draws of two models at once would not fit on it."""
        kernels = sdpa_kernel(_KERNELS) if self.device.type == "cuda" else contextlib.nullcontext()
        with self.lock, torch.inference_mode(), kernels:
            yield

    def prefill(self, prompt: list[int]) -> tuple[torch.Tensor, Any]:
        """Read the prompt once: logits (1, V) of the first new token, and the filled cache."""
        ids = torch.tensor([prompt], device=self.device)
        output = self.model(input_ids=ids, use_cache=True, **self._last)
        return output.logits[:, -1], output.past_key_values

    def decode(
        self,
        logits: torch.Tensor,
        cache: Any,
        uniforms: torch.Tensor,
        temperature: float,
        ends: frozenset[int],
    ) -> list[list[int]]:
        """Write n answers side by side, until each has ended or has ``max_tokens`` tokens.

        Shapes: logits (1, V) of the first token, uniforms (n, max_tokens). Returns n lists of
        tokens. Every ``look`` tokens the answers that have ended leave the batch.
        """
        n, most = uniforms.shape
        uniforms, end = uniforms.to(self.device), torch.tensor(sorted(ends), device=self.device)
        tokens = torch.zeros((n, most), dtype=torch.long, device=self.device)
        rows = torch.arange(n, device=self.device)  # of the batch: the answers that they write
        ended = torch.zeros(n, dtype=torch.bool, device=self.device)
        for position in range(most):
            chosen = _choose(logits, uniforms[rows, position], temperature)
            tokens[rows, position] = chosen
            if position + 1 == most:
                break
            if ends:
                ended |= torch.isin(chosen, end)
                if (position + 1) % self.look == 0 and any(gone := ended.tolist()):
                    order = still_open(gone)
                    if not order:
                        break
                    keep_rows(cache, order)
                    kept = torch.tensor(order, device=self.device)
                    rows, chosen, ended = rows[kept], chosen[kept], ended[kept]
            output = self.model(input_ids=chosen[:, None], past_key_values=cache, use_cache=True)
            logits = output.logits[:, -1]
        return [_up_to_the_end(row, ends) for row in tokens.tolist()]

    def finish(self, row: list[int], sampling: Sampling, ends: frozenset[int]) -> Draw:
        """The text of an answer, up to its end token or the first stop string."""
        ended = bool(row) and row[-1] in ends
        text = str(self.tokenizer.decode(row[:-1] if ended else row, skip_special_tokens=True))
        stops = [text.index(stop) for stop in sampling.stop if stop in text]
        reason = "stop" if ended or stops else "length"
        return Draw(text[: min(stops)] if stops else text, len(row), reason)


def gpu_budget(device: int, weights: int) -> int:
    """Bytes for caches on a GPU of ``device`` bytes, of which all models take ``weights``."""
    return max(0, int(GPU_SHARE * (device - weights)))


def uniform_numbers(seed: int, n: int, count: int) -> torch.Tensor:
    """Numbers in [0, 1), shape (n, count); row j is a function of seed + j alone."""
    generators = [torch.Generator().manual_seed(seed + j) for j in range(n)]
    rows = [torch.rand(count, generator=g, dtype=torch.float64) for g in generators]
    return torch.stack(rows)


def _choose(logits: torch.Tensor, uniforms: torch.Tensor, temperature: float) -> torch.Tensor:
    """Invert the distribution function at a uniform number for each row: (n, V), (n,) -> (n,).

    Logits of shape (1, V) are those of all rows. Exponentials are exact to 1e-6 in single
    precision; their sums over V entries need double.
    """
    if temperature == 0.0:
        return logits.argmax(dim=-1).expand(len(uniforms))
    total = torch.softmax(logits.float() / temperature, dim=-1).double().cumsum(dim=-1)
    place = uniforms[:, None] * total[:, -1:]
    if len(total) == 1:
        chosen = torch.searchsorted(total[0], place[:, 0], right=True)
    else:
        chosen = torch.searchsorted(total, place, right=True)[:, 0]
    return chosen.clamp(max=logits.shape[-1] - 1)


def _up_to_the_end(row: list[int], ends: frozenset[int]) -> list[int]:
    for place, token in enumerate(row):
        if token in ends:
            return row[: place + 1]
    return row


_loaded: weakref.WeakValueDictionary[tuple[Path, str, str], Weights] = weakref.WeakValueDictionary()
_alive: weakref.WeakSet[Weights] = weakref.WeakSet()
_locks: dict[torch.device, threading.Lock] = {}
_loading = threading.Lock()


def _lock_of(device: torch.device) -> threading.Lock:
    return _locks.setdefault(device, threading.Lock())


def weights_for(name: str, folder: Path, device: str, dtype: str) -> Weights:
    """The model of a folder, loaded unless it is already.

    ``device`` and ``dtype`` as HuggingFaceChat takes them. Raises BadInput where transformers
    cannot load the folder whole, and where its tokenizer has no chat template.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    device = "cuda:0" if device == "cuda" else device
    with _loading:
        weights = _loaded.get((folder, device, dtype))
        if weights is None:
            weights = Weights(f"hf:{name}", *_load(name, folder, device, getattr(torch, dtype)))
            _loaded[folder, device, dtype] = weights
        return weights


def _load(name: str, folder: Path, device: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and model."""
    try:
        tokenizer, model = _read(folder, dtype)
        return tokenizer, model.to(device)
    except Exception as error:  # of whatever class: the folder is not what it should be
        first = (str(error).strip().splitlines() or [""])[0][:300]
        raise BadInput(
            f"model hf:{name}: transformers cannot load it "
            f"({type(error).__name__}: {first}); it should be a whole causal language model"
        ) from None


def _read(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
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
