"""Calling a model that may fail, throttle or cost money: the bounds, the tries, the account.

All agents of one model share a ``Gate``: so many calls under way at once, so many started in a
second, and none while the provider has asked for a pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables.config import ContextThreadPoolExecutor

from lwd_agents.agents import retrying
from lwd_agents.agents.sampling import reason
from lwd_agents.errors import LwdError, Refused, RunStopped
from lwd_agents.ledger import Ledger, Pending

T = TypeVar("T")
_POLL = 0.02  # seconds between two looks at the rate


class Gate:
    """What all calls to one model pass.

    Args:
        concurrency: calls under way at once.
        requests_per_second: calls started in a second; None for no bound.
    """

    def __init__(self, concurrency: int = 8, requests_per_second: float | None = None) -> None:
        self.concurrency = concurrency
        self.requests_per_second = requests_per_second
        self._free = threading.BoundedSemaphore(concurrency)
        self._rate = requests_per_second and InMemoryRateLimiter(
            requests_per_second=requests_per_second, check_every_n_seconds=_POLL
        )
        self._lock = threading.Lock()
        self._open_at = 0.0
        self._closed = threading.Event()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Wait for a place, for the rate, and for the end of a pause; then hold the place."""
        with self._free:
            while (left := self._open_at - time.monotonic()) > 0:
                self.wait(left)
            while self._rate and not self._rate.acquire(blocking=False):
                self.wait(_POLL)
            self.wait(0.0)
            yield

    def pause(self, seconds: float) -> None:
        """Let no call pass for so long: the provider said when it wants to be asked again."""
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def wait(self, seconds: float) -> None:
        """Do nothing for so long. Raises RunStopped where the run is being stopped meanwhile."""
        if self._closed.wait(seconds) if seconds else self._closed.is_set():
            raise RunStopped("the run is stopping; no further call is made")

    def close(self) -> None:
        """Wake whoever waits here, and let no call pass: the run is being stopped."""
        self._closed.set()


@contextmanager
def threads(most: int, gates: Sequence[Gate]) -> Iterator[ContextThreadPoolExecutor]:
    """Threads for calls that pass these gates; at an error inside, no further call passes.

    Calls under way are waited for, since they are paid for, unless the user wants to stop.
    """
    pool = ContextThreadPoolExecutor(max_workers=max(1, most))
    try:
        yield pool
    except BaseException as error:
        for gate in gates:
            gate.close()
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


class CallFailed(Exception):
    """A call failed for good; ``cause`` is what its last try raised."""

    def __init__(self, cause: Exception, tries: int) -> None:
        super().__init__(f"{reason(cause)} ({tries} tries)" if tries > 1 else reason(cause))
        self.cause = cause


@dataclass(frozen=True)
class Caller:
    """Makes the calls of one agent: through the gate, onto the account, again where it pays.

    ``attempts`` is how often a call that fails is made in all.
    """

    agent: str = ""
    gate: Gate = field(default_factory=Gate)
    ledger: Ledger = field(default_factory=Ledger)
    attempts: int = 1

    def call(
        self, make: Callable[[Pending], T], *, asked: int, most_input: int, most_output: int
    ) -> T:
        """Make a call until it succeeds, its tries are used up, or trying again makes no sense.

        ``make`` gets the account of the call, and fills in what came.

        Raises:
            RunStopped: a limit is reached, or the provider wants a longer pause than a run should
                wait.
            Refused: no call to this model can succeed (a wrong key, no such model).
            CallFailed: with what the last try raised.
        """
        for tries in range(1, self.attempts + 1):
            with (
                self.gate.passed(),
                self.ledger.call(self.agent, asked, most_input, most_output) as pending,
            ):
                try:
                    return make(pending)
                except BaseException as error:
                    pending.error = reason(error)
                    if isinstance(error, LwdError) or not isinstance(error, Exception):
                        raise
                    cause = error
            if retrying.hopeless(cause):
                raise Refused(f"agent {self.agent}: {reason(cause)}") from cause
            if tries == self.attempts or not retrying.transient(cause):
                raise CallFailed(cause, tries) from cause
            self._rest(cause, tries)
        raise AssertionError("attempts is at least 1")

    def _rest(self, error: Exception, tries: int) -> None:
        """Wait before the next try; the others wait too where the provider is overrun."""
        seconds = retrying.wait(error, tries)
        if seconds > retrying.LONGEST_WAIT:
            raise RunStopped(
                f"agent {self.agent}: the provider wants to be asked again in {seconds:,.0f} s "
                f"({reason(error)}); run the same command then"
            ) from error
        if retrying.status(error) == 429:
            self.gate.pause(seconds)
        else:
            self.gate.wait(seconds)
