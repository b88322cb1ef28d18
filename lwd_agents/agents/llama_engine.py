"""One model file under llama.cpp, held by a server inside this process (xllamacpp).

The engine speaks to its own server over loopback, because only llama.cpp's native routes tell what
was sampled, draw by draw: the text before any chat parser, the tokens, the seed and the settings
that took effect. A key that nobody else has keeps other programs out, which could change a draw.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import tempfile
import threading
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lwd_agents.agents.gguf_header import read_header
from lwd_agents.errors import BadInput, RunStopped


@dataclass(frozen=True)
class EngineSettings:
    """What makes two engines different; two models with equal settings share one engine."""

    path: Path
    slots: int  # draws that share a prefill
    n_ctx: int  # cells of the cache that all slots share
    n_batch: int
    n_ubatch: int
    n_threads: int
    flash_attention: bool
    cache_type: Literal["f16", "f32"]


def usable_cores() -> int:
    """The processor cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(settings: EngineSettings, key: str, folder: str) -> Any:
    """Start a server; whatever llama.cpp would print is switched off."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(settings.path)
    params.verbosity = -1
    params.n_parallel, params.kv_unified = settings.slots, True
    params.n_ctx, params.n_batch, params.n_ubatch = (
        settings.n_ctx,
        settings.n_batch,
        settings.n_ubatch,
    )
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.n_threads
    flash = "ENABLED" if settings.flash_attention else "DISABLED"
    params.flash_attn_type = getattr(
        xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{flash}"
    )
    cache_type = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{settings.cache_type.upper()}")
    params.cache_type_k = params.cache_type_v = cache_type
    params.cache_prompt, params.cache_ram_mib = False, 0
    params.fit_params, params.warmup, params.ui = False, False, False
    params.n_threads_http, params.api_keys = 2, [key]
    params.slot_save_path = folder  # llama.cpp lets slots be erased only where this is set
    return xllamacpp.Server(params)


class Engine:
    """A loaded model that answers one request at a time.

    Before each request the cache is emptied: cells that earlier requests left behind change the
    order of sums, and with it the last bits of the logits, even with the prompt cache off.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Load the model. Raises BadInput, in one line, where the file is no sound model."""
        self.settings = settings
        self._lock = threading.Lock()
        self._key = secrets.token_hex(16)
        self._folder = tempfile.TemporaryDirectory(prefix="lwd-engine-")
        try:
            self._server = _start(settings, self._key, self._folder.name + os.sep)
        except RuntimeError:
            architecture = read_header(settings.path).architecture
            raise BadInput(
                f"model file {settings.path}: llama.cpp cannot load it (architecture "
                f"{architecture!r}); it should be a whole GGUF file of a supported architecture"
            ) from None
        self._address = self._server.listening_address.removeprefix("http://")
        # A server that is dropped before its loop has begun never ends: its end is told to the
        # loop, which begins by forgetting it. An answer from the loop says that it has begun.
        self._used: set[int] = {0}  # slots with cells in the cache
        line = self._line()
        try:
            self._empty(line)
        finally:
            line.close()

    @property
    def description(self) -> dict[str, Any]:
        """Versions and settings that a draw depends on, as JSON (the file by its name)."""
        import xllamacpp

        return {
            **asdict(self.settings),
            "path": self.settings.path.name,
            "kv_unified": True,
            "cache_prompt": False,
            "xllamacpp": xllamacpp.__version__,
            "cpu": " ".join(xllamacpp.get_system_info().split()),
        }

    def _post(self, line: http.client.HTTPConnection, route: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        line.request("POST", route, json.dumps(body), headers)
        answer = json.loads(line.getresponse().read())
        if isinstance(answer, dict) and "error" in answer:
            error = answer["error"]
            message = " ".join(str(error.get("message", error)).split())
            if error.get("type") == "exceed_context_size_error":
                raise RunStopped(f"model {self.settings.path.name}: {message}")
            raise RuntimeError(f"llama.cpp: {message}")
        return answer

    def _line(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address)

    def tokenize(self, messages: Sequence[dict[str, Any]]) -> list[int]:
        """Write messages (role, content) in the model's own template and cut them into tokens."""
        line = self._line()
        try:
            prompt = self._post(line, "/apply-template", {"messages": list(messages)})["prompt"]
            body = {"content": prompt, "add_special": True, "parse_special": True}
            tokens: list[int] = self._post(line, "/tokenize", body)["tokens"]
            return tokens
        finally:
            line.close()

    def complete(
        self, prompt: Sequence[int], n: int, seed: int, options: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Draw n <= slots answers from one prefill of ``prompt``; draw j uses seed + j.

        Returns llama.cpp's own records, in the order of the draws.
        """
        # llama.cpp would give the prompt to the slot that has been idle longest, so that what was
        # asked before would decide in which order the draws stand in a batch, and change last bits.
        first = {"id_slot": 0, "cache_prompt": False}
        body = {"prompt": list(prompt), "n_cmpl": n, "seed": seed, **first}
        with self._lock:
            line = self._line()
            try:
                self._empty(line)
                self._used = set(range(self.settings.slots))  # until we know better
                answer = self._post(line, "/completion", {**body, "return_tokens": True, **options})
                records: list[dict[str, Any]] = answer if isinstance(answer, list) else [answer]
                self._used = {record["id_slot"] for record in records}
                return sorted(records, key=lambda record: int(record["index"]))
            finally:
                line.close()

    def _empty(self, line: http.client.HTTPConnection) -> None:
        for slot in sorted(self._used):
            self._post(line, f"/slots/{slot}?action=erase", {})
        self._used = set()


_engines: weakref.WeakValueDictionary[EngineSettings, Engine] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def engine_for(settings: EngineSettings) -> Engine:
    """The engine with these settings, loaded once for all models that ask for it."""
    with _loading:
        engine = _engines.get(settings)
        if engine is None:
            engine = _engines[settings] = Engine(settings)
        return engine
