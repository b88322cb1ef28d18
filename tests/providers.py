"""Servers on loopback that speak OpenAI's protocol: a pocket model's own, and a faulty one of ours.

``llama_server`` serves a pocket model with llama.cpp. ``FaultyProvider`` answers by a plan: what
happens to request number i is a function of i alone, so a test can be told again. It keeps what it
was asked and what it served, so that what a run recorded can be held against it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

POCKET = Path(__file__).resolve().parent.parent / "lwd_agents" / "pocket"


@contextmanager
def llama_server(
    name: str = "north",
    slots: int = 8,
    *,
    context: int = 2304,
    max_tokens: int = 64,
    key: str | None = None,
    prompt_cache: bool = True,
) -> Iterator[str]:
    """Serve a pocket model on a free port; yields its address, up to /v1.

    The defaults of the sampler stay llama.cpp's own (top_k 40, top_p 0.95, min_p 0.05), as a user
    would meet them. All slots together have room for ``context`` tokens and ``slots`` answers of
    ``max_tokens``.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(POCKET / f"{name}.gguf"), {name}
    params.n_parallel, params.kv_unified, params.n_ctx = slots, True, context + slots * max_tokens
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_prompt, params.n_threads_http = prompt_cache, slots + 2
    params.verbosity, params.fit_params, params.warmup, params.ui = -1, False, False, False
    params.api_keys = [key] if key else []
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # this stops it


# What can befall a request, by whether a client can make use of the answer.
USABLE = ("ok", "fewer", "more", "empty", "null", "filtered", "repeated_index", "doubled")
PASSING = (
    "429",
    "429_date",
    "429_bare",
    "500",
    "503",
    "html",
    "reset",
    "reset_midway",
    "stall",
    "stall_midway",
    "truncated",
    "cut",
    "no_choices",
    "null_choices",
    "error_in_200",
)
LASTING = ("401", "404", "too_long")
FAULTS = (*USABLE[1:], *PASSING)  # what a run can live through

Plan = Callable[[int], str]
Seeds = Literal["ignored", "honoured", "one for all"]


def random_plan(seed: int, share: float, kinds: Sequence[str] = FAULTS) -> Plan:
    """A fault with chance ``share``, the kinds being equally likely; else ok."""

    def plan(number: int) -> str:
        rng = random.Random(f"{seed} {number}")
        return rng.choice(kinds) if rng.random() < share else "ok"

    return plan


def always(kind: str, first: int = 0, then: str = "ok") -> Plan:
    """The same fault for all requests from number ``first`` on; what is before, ``then``."""
    return lambda number: kind if number >= first else then


@dataclass
class Call:
    """One request for completions, and what became of it; the key's value is not kept."""

    number: int
    fault: str
    body: dict[str, Any]
    headers: dict[str, str]
    started: float  # seconds, monotonic
    ended: float | None = None
    status: int | None = None
    served: list[str | None] = field(default_factory=list)  # texts of a whole, readable answer
    usage: dict[str, int] | None = None  # as told in a whole, readable answer

    @property
    def seconds(self) -> float:
        """How long it took; one that is under way takes for ever."""
        return math.inf if self.ended is None else self.ended - self.started

    @property
    def n(self) -> int:
        """How many choices were asked for."""
        return int(self.body.get("n") or 1)


class FaultyProvider(ThreadingHTTPServer):
    """An OpenAI-compatible server that fails as planned; use it in a ``with``.

    Args:
        plan: the fault of request number i, counted from 0; or one for all.
        seeds: a seed is ignored (each answer names its request and choice, and is served once),
            honoured (choice j is a function of the prompt and seed + j), or used for all choices
            of a request alike. Without a seed all of them answer as the first.
        most: the largest n; a larger one is refused with 400. None: any.
        one_choice: n is ignored, and each answer has one choice.
        key: the key that is asked for, 401 without it. None: anybody may ask.
        echo: quote the request's Authorization header in every error.
        tells_usage: whether answers count tokens (a word is a token; all choices are counted).
        stall: seconds for which a stalled answer is held back.
        retry_after: seconds that a 429 asks for.
        delay: seconds that any answer takes.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(
        self,
        plan: Plan | str = "ok",
        *,
        seeds: Seeds = "ignored",
        most: int | None = None,
        one_choice: bool = False,
        key: str | None = None,
        echo: bool = False,
        tells_usage: bool = True,
        stall: float = 30.0,
        retry_after: float = 0.05,
        delay: float = 0.0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan: Plan = always(plan) if isinstance(plan, str) else plan
        self.seeds, self.most, self.one_choice = seeds, most, one_choice
        self.key, self.echo, self.tells_usage = key, echo, tells_usage
        self.stall, self.retry_after, self.delay = stall, retry_after, delay
        self.calls: list[Call] = []
        self.most_at_once = 0
        self.closing = threading.Event()
        self.resetting: set[socket.socket] = set()
        self._under_way = 0
        self._lock = threading.Lock()
        self._lines: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """The address, up to /v1."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def served(self) -> list[str]:
        """Every text of a whole, readable answer, in the order of the requests."""
        return [text for call in list(self.calls) for text in call.served if text]

    def __enter__(self) -> FaultyProvider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        with self._lock:
            lines = list(self._lines)
        for line in lines:  # a kept-alive line would hold its thread until the client goes
            with _gone():
                line.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    def begin(self, body: dict[str, Any], headers: dict[str, str]) -> Call:
        """Give a request its number and its fate."""
        with self._lock:
            number = len(self.calls)
            call = Call(number, self.plan(number), body, headers, time.monotonic())
            self.calls.append(call)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            return call

    def end(self, call: Call) -> None:
        """The request is over, however it went."""
        with self._lock:
            self._under_way -= 1
            call.ended = time.monotonic()

    def line_opened(self, line: socket.socket) -> None:
        """Remember a connection, to end it when the server closes."""
        with self._lock:
            self._lines.add(line)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection: with a reset where the plan wants one, else in good order."""
        with self._lock:
            self._lines.discard(request)
        if request in self.resetting:
            self.resetting.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error here."""


@contextmanager
def _gone() -> Iterator[None]:
    with contextlib.suppress(OSError):  # the other side has closed its end
        yield


def say(call: Call, choice: int, seeds: Seeds) -> str:
    """The text of a choice: a function of prompt and seed, or else of request and choice."""
    seed = call.body.get("seed")
    if seed is None or seeds == "ignored":
        return f"Bitcoin may go on as in reply {call.number}.{choice}."
    own = seed + (choice if seeds == "honoured" else 0)
    return seeded_text(json.dumps(call.body["messages"]), own)


def seeded_text(prompt: str, seed: int) -> str:
    """What a provider that honours seeds says to a prompt (its messages as JSON)."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode()).hexdigest()
    return f"Bitcoin may go on by way of {digest[:12]}."


def words(text: str | None) -> int:
    """What this provider counts as tokens."""
    return len(re.findall(r"\S+", text or ""))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyProvider

    def setup(self) -> None:
        super().setup()
        self.server.line_opened(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def handle(self) -> None:
        with _gone():
            super().handle()

    def do_GET(self) -> None:
        models = {"object": "list", "data": [{"id": "some-model", "object": "model"}]}
        found = self.path == "/v1/models"
        self._send(*((200, models) if found else (404, _error("no such route", "not_found_error"))))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send(404, _error(f"no route {self.path}", "not_found_error"))
            return
        sent = self.headers.get("Authorization", "")
        about = {k: v for k, v in self.headers.items() if k.lower() != "authorization"}
        call = self.server.begin(body, {**about, "Authorization": f"[{len(sent)} characters]"})
        try:
            self.server.closing.wait(self.server.delay)
            self._answer(call, sent)
        finally:
            self.server.end(call)

    def _answer(self, call: Call, sent: str) -> None:
        server, fault = self.server, call.fault
        if server.key is not None and sent != f"Bearer {server.key}":
            fault = call.fault = "401"
        if fault in _ERRORS:
            self._refuse(call, sent, *_ERRORS[fault])
        elif server.most is not None and call.n > server.most:
            call.fault = "refused"
            said = f"Field 'n': Value must be between 1 <= value <= {server.most}, but got {call.n}"
            self._refuse(call, sent, 400, said, "invalid_request_error")
        elif fault == "reset":
            self._reset()
        elif fault == "html":
            self._raw(call, b"<html><body>Bad gateway</body></html>", status=502, kind="text/html")
        else:
            self._complete(call, sent)

    def _refuse(self, call: Call, sent: str, status: int, message: str, kind: str) -> None:
        after = {
            "429": {"Retry-After": f"{self.server.retry_after:g}"},
            "429_date": {"Retry-After": formatdate(time.time() + 1, usegmt=True)},
        }
        if self.server.echo:
            message = f"{message}; you sent {sent!r}"
        call.status = status
        self._send(status, _error(message, kind), after.get(call.fault, {}))

    def _complete(self, call: Call, sent: str) -> None:
        """An answer with choices, whole or spoilt."""
        texts = self._texts(call)
        answer = self._written(call, texts)
        if call.fault == "error_in_200":
            said = f"overloaded; you sent {sent!r}" if self.server.echo else "overloaded"
            answer = _error(said, "server_error")
        raw = json.dumps(answer).encode()
        if call.fault == "truncated":
            self._raw(call, raw[: len(raw) // 2])
        elif call.fault in ("cut", "reset_midway", "stall_midway", "trickle"):
            self._part(call, raw)
        else:
            if call.fault == "stall":
                self.server.closing.wait(self.server.stall)
            if call.fault in ("stall", *USABLE):
                call.served, call.usage = texts, answer.get("usage")
            self._raw(call, raw)

    def _texts(self, call: Call) -> list[str | None]:
        n = 1 if self.server.one_choice else call.n
        n = {"fewer": n // 2, "more": n + 2, "no_choices": 0}.get(call.fault, n)
        texts: list[str | None] = [say(call, j, self.server.seeds) for j in range(n)]
        if call.fault in ("empty", "filtered"):
            texts[0] = ""
        elif call.fault == "null":
            texts[0] = None
        elif call.fault == "doubled":
            texts[-1] = texts[0]
        return texts

    def _written(self, call: Call, texts: list[str | None]) -> dict[str, Any]:
        choices: list[dict[str, Any]] = [
            {"index": j, "message": {"role": "assistant", "content": t}, "finish_reason": "stop"}
            for j, t in enumerate(texts)
        ]
        if call.fault == "filtered":
            choices[0]["finish_reason"] = "content_filter"
        if call.fault in ("repeated_index", "doubled"):
            choices[-1]["index"] = 0
        answer: dict[str, Any] = {
            "id": f"reply-{call.number}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": call.body.get("model"),
            "choices": None if call.fault == "null_choices" else choices,
        }
        if self.server.tells_usage:
            read = sum(words(str(message.get("content"))) for message in call.body["messages"])
            written = sum(words(text) for text in texts)
            answer["usage"] = {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            }
        return answer

    def _part(self, call: Call, raw: bytes) -> None:
        """The first half of an answer whose length says that there is more."""
        call.status = 200
        self._head(200, len(raw), "application/json", {})
        self.wfile.write(raw[: len(raw) // 2])
        if call.fault == "reset_midway":
            time.sleep(0.02)  # a reset at once would throw away what was written
            self._reset()
        elif call.fault == "stall_midway":
            self.server.closing.wait(self.server.stall)
        elif call.fault == "trickle":
            self._trickle(raw[len(raw) // 2 :])
        self.close_connection = True

    def _trickle(self, raw: bytes) -> None:
        """A byte now and then, so that no wait is long; the whole takes ``stall`` seconds."""
        for place in range(len(raw)):
            self.wfile.write(raw[place : place + 1])
            self.server.closing.wait(self.server.stall / len(raw))

    def _reset(self) -> None:
        self.server.resetting.add(self.connection)
        self.close_connection = True

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(value).encode()
        self._head(status, len(raw), "application/json", headers or {})
        self.wfile.write(raw)

    def _raw(
        self, call: Call, raw: bytes, status: int = 200, kind: str = "application/json"
    ) -> None:
        call.status = status
        self._head(status, len(raw), kind, {})
        self.wfile.write(raw)

    def _head(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


_ERRORS = {
    "429": (429, "Rate limit reached", "rate_limit_exceeded"),
    "429_date": (429, "Rate limit reached", "rate_limit_exceeded"),
    "429_bare": (429, "Rate limit reached", "rate_limit_exceeded"),
    "500": (500, "The server had an error", "server_error"),
    "503": (503, "Service unavailable", "server_error"),
    "401": (401, "Incorrect API key provided", "invalid_request_error"),
    "404": (404, "The model `some-model` does not exist", "model_not_found"),
    "too_long": (
        400,
        "The maximum context length is 64 tokens",
        "context_length_exceeded",
    ),
}


def _error(message: str, code: str) -> dict[str, Any]:
    kinds = {"context_length_exceeded", "model_not_found"}
    kind = "invalid_request_error" if code in kinds else code
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}
