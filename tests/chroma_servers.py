"""A real Chroma server on loopback, as ``chroma run`` starts it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    """Where it listens, ``HOST:PORT``, and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def chroma_server(folder: Path, port: int | None = None) -> Iterator[Server]:
    """A server that keeps its files in ``folder``, until the end of the block."""
    port = port or free_port()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1"]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--path", str(folder / "data")], stdout=log, stderr=log
        )
        try:
            _wait(port, process, folder / "server.log")
            yield Server(f"127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5).read()
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
