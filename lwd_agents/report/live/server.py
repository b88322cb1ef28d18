"""The page of runs that go on, served on this machine alone: ``lwd watch``.

GET / is the page, GET /since?v=N what came after version N (it waits up to 20 s for it). Only
127.0.0.1 is listened on, and only requests that were meant for it are answered: a page of somebody
else, whose name was pointed at 127.0.0.1, is refused.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lwd_agents.errors import BadInput
from lwd_agents.report.live.watching import Watcher

_WAIT = 20.0  # seconds that a request waits for news, at most
_ENDING = 2.0  # seconds that the end waits for a page that is being made
_SILENCE = 30.0  # seconds after which a client that neither sends nor takes anything is dropped
_LOOPBACK = "127.0.0.1"
_NUMBER = re.compile(r"[0-9]{1,16}")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Watch:
    """A page being served while runs go on; ``close`` ends it, and so does leaving ``with``.

    Attributes:
        url: where the page is.
    """

    def __init__(self, watcher: Watcher, port: int) -> None:
        self._watcher = watcher
        self._server = _listen(watcher, port)
        self.url = f"http://{_LOOPBACK}:{self._server.server_port}/"
        self._threads = [
            threading.Thread(target=watcher.follow, name="lwd-watch", daemon=True),
            threading.Thread(target=self._server.serve_forever, name="lwd-serve", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop serving; a second time does nothing."""
        self._watcher.close()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(_ENDING)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def watch(runs: str | Path | Sequence[str | Path], *, port: int = 0, wait: bool = False) -> Watch:
    """Serve the page of runs that go on, in the background of this process.

    Args:
        runs: a run directory, a folder of runs, or several of them; placebos beside them, and
            replicates that begin later, come with them.
        port: on 127.0.0.1; 0 for any that is free.
        wait: wait for a run that is not there yet, in place of refusing it.

    Returns:
        what tells the page's ``url``, and has ``close``.

    Raises:
        BadInput: there is no run, or the port is in use.
    """
    if not 0 <= port <= 65535:
        raise BadInput(f"--port {port}: ports are 1 .. 65535, or 0 for any that is free")
    places = [runs] if isinstance(runs, str | Path) else list(runs)
    return Watch(Watcher(places, wait=wait), port)


def serve(
    paths: Sequence[str | Path],
    port: int = 0,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
    *,
    wait: bool = False,
) -> None:
    """Serve the page until Ctrl-C, or until ``stop`` is set.

    Args:
        paths, port, wait: as in ``watch``.
        on_ready: told the page's address when it is served.

    Raises:
        BadInput: there is no run, or the port is in use.
    """
    stop = stop or threading.Event()
    with watch(paths, port=port, wait=wait) as served:
        try:
            if on_ready:
                on_ready(served.url)
            stop.wait()
        except KeyboardInterrupt:
            return


def _listen(watcher: Watcher, port: int) -> _Server:
    try:
        return _Server(watcher, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        said = "in use" if "in use" in reason.lower() else f"cannot be served on ({reason})"
        raise BadInput(f"--port {port}: {said}; give another, or 0 for any") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True  # a port whose last connections still close is free

    def __init__(self, watcher: Watcher, port: int) -> None:
        self.watcher = watcher
        super().__init__((_LOOPBACK, port), _Handler)
        own = self.server_port
        self.hosts = {f"{name}:{own}" for name in (_LOOPBACK, "localhost", "[::1]")}
        if own == 80:  # which browsers leave out
            self.hosts |= {_LOOPBACK, "localhost", "[::1]"}

    def server_bind(self) -> None:
        """Without asking the name service who this machine is, as HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = _LOOPBACK, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; anything else is one of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE
    server_version, sys_version = "lwd", ""

    def do_GET(self) -> None:
        """The page, or what came after a version of it."""
        if self.headers.get("Host") not in self.server.hosts:
            self._answer(HTTPStatus.FORBIDDEN, b"ask by the address that lwd watch told\n")
            return
        asked = urlsplit(self.path)
        if self.path == "/":
            self._answer(HTTPStatus.OK, self.server.watcher.page(), "text/html")
        elif asked.path == "/since" and not asked.netloc:
            self._since(parse_qs(asked.query).get("v", [""])[0])
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are / and /since?v=N\n")

    def _since(self, version: str) -> None:
        if not _NUMBER.fullmatch(version):
            self._answer(HTTPStatus.BAD_REQUEST, b"/since?v=N: N is a whole number\n")
            return
        news = self.server.watcher.versions.after(int(version), _WAIT)
        self._answer(HTTPStatus.OK, news, "application/json")

    def __getattr__(self, name: str) -> Any:
        """Every other method is refused, whatever its name."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"GET alone\n", allow="GET")

    def _answer(
        self, status: HTTPStatus, body: bytes, kind: str = "text/plain", allow: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the user's."""
