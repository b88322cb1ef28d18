"""Pieces of work on all processors that this process may use."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any


def threads() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(count: int) -> ThreadPoolExecutor:
    """Threads that stay, and with them the memory that each has for its readings."""
    return ThreadPoolExecutor(count)


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads don't follow into a fork


def each(work: Callable[[Any], None], pieces: Iterable[Any]) -> None:
    """Do every piece of work, on all processors; an interrupt stops what has not begun."""
    pieces = list(pieces)
    if len(pieces) < 2 or threads() == 1:
        for piece in pieces:
            work(piece)
        return
    futures = [_pool(threads()).submit(work, piece) for piece in pieces]
    try:
        for future in futures:
            future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        wait(futures)
        raise
