"""What every page that looks on still lacks: the last deltas, numbered, in bounded memory."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

_MOST = 64  # deltas
_BYTES = 8_000_000  # of all of them


class Versions:
    """Numbered deltas; whoever waits for the next one is woken.

    Numbers go up by one. They begin with the time in milliseconds, so that a page of an earlier
    server at the same address has none of ours.

    Args:
        most: deltas that are kept; a page that lacks an older one loads itself anew.
        size: bytes of all deltas that are kept.
    """

    def __init__(self, most: int = _MOST, size: int = _BYTES) -> None:
        self._most, self._size = most, size
        self._news = threading.Condition()
        self._kept: deque[bytes] = deque()
        self._last = time.time_ns() // 1_000_000
        self._closed = False

    @property
    def last(self) -> int:
        """The number of the newest version."""
        return self._last

    def add(self, delta: Mapping[str, Any]) -> None:
        """Give the next number to a delta, or to a word that pages must load themselves anew."""
        with self._news:
            number = self._last + 1
            if delta.get("reload"):
                self._kept.clear()
            else:
                self._kept.append(_json({**delta, "version": number, "reload": False}))
            while len(self._kept) > self._most or sum(map(len, self._kept)) > self._size:
                self._kept.popleft()
            self._last = number
            self._news.notify_all()

    def after(self, version: int, seconds: float) -> bytes:
        """The delta that follows a version, as JSON; waits for it so long.

        Returns:
            that delta; ``reload`` where it is not kept; the version alone where nothing came.
        """
        with self._news:
            self._news.wait_for(lambda: self._closed or version != self._last, seconds)
            if version == self._last:
                return _json({"version": version, "reload": False})
            place = len(self._kept) - (self._last - version)
            if version > self._last or place < 0:
                return _json({"version": self._last, "reload": True})
            return self._kept[place]

    def close(self) -> None:
        """Let everyone go who waits."""
        with self._news:
            self._closed = True
            self._news.notify_all()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
