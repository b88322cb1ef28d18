"""Calls that fail: which are made again, after how long, and what all calls to a model share."""

from __future__ import annotations

import email.utils
import threading
import time
from typing import Any

import pytest

from lwd_agents.agents import retrying
from lwd_agents.agents.calls import Caller, CallFailed, Gate, threads
from lwd_agents.errors import Refused, RunStopped
from lwd_agents.ledger import Pending


class Answer:
    """What an HTTP error holds of the answer."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class StatusError(Exception):
    def __init__(self, status: int, said: str = "no", **headers: str) -> None:
        super().__init__(said)
        self.response = Answer(status, **headers)


class ReadError(Exception):
    pass


class TransportError(ReadError):
    """Named like httpx's."""


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StatusError(429), True),
        (StatusError(500), True),
        (StatusError(503), True),
        (StatusError(408), True),
        (StatusError(400), False),
        (StatusError(401), False),
        (StatusError(404), False),
        (StatusError(429, "You exceeded: insufficient_quota"), False),
        (ConnectionResetError("reset"), True),
        (TimeoutError("slow"), True),
        (TransportError("broken"), True),
        (ReadError("a name that says nothing"), False),
        (ValueError({"message": "overloaded", "code": 502}), True),
        (ValueError({"message": "bad", "code": 400}), False),
        (ValueError("nonsense"), False),
        (FileNotFoundError("no file"), False),
    ],
)
def test_what_passes_is_tried_again_and_nothing_else(error: Exception, again: bool) -> None:
    assert retrying.transient(error) is again


def test_hopeless_is_what_no_call_can_mend() -> None:
    assert [retrying.hopeless(StatusError(code)) for code in (400, 401, 402, 403, 404, 429)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_the_wait_is_the_providers_or_doubles() -> None:
    assert retrying.wait(StatusError(429, retry_after="7"), 1) == 7.0
    assert retrying.wait(StatusError(429, retry_after_ms="250"), 1) == 0.25
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 28 <= retrying.wait(StatusError(503, retry_after=date), 1) <= 30
    past = email.utils.formatdate(time.time() - 30, usegmt=True)
    assert retrying.wait(StatusError(503, retry_after=past), 1) == 0.0
    for tries in range(1, 9):
        least = min(30.0, 0.25 * 2 ** (tries - 1))
        assert least <= retrying.wait(StatusError(500, retry_after="soon"), tries) <= 1.5 * least


def made_after(*errors: Exception) -> Any:
    left = list(errors)

    def make(pending: Pending) -> str:
        if left:
            raise left.pop(0)
        pending.got, pending.told = 1, (3, 4)
        return "yes"

    return make


def call(caller: Caller, make: Any) -> Any:
    return caller.call(make, asked=1, most_input=5, most_output=5)


def test_a_call_is_made_until_it_succeeds_and_each_try_is_on_the_account() -> None:
    caller = Caller("a", attempts=3)
    broken = StatusError(500, retry_after="0")
    assert call(caller, made_after(broken, broken)) == "yes"
    assert (caller.ledger.totals.calls, caller.ledger.totals.failed) == (3, 2)
    with pytest.raises(CallFailed, match=r"StatusError: no \(3 tries\)"):
        call(caller, made_after(broken, broken, broken))
    with pytest.raises(CallFailed, match=r"ValueError: wrong$"):
        call(caller, made_after(ValueError("wrong"), broken))
    assert caller.ledger.totals.calls == 7


def test_a_refusal_and_a_long_pause_stop_the_run() -> None:
    caller = Caller("a", attempts=3)
    with pytest.raises(Refused, match=r"agent a: StatusError: wrong key"):
        call(caller, made_after(StatusError(401, "wrong key")))
    with pytest.raises(RunStopped, match=r"wants to be asked again in 3,600 s .*; run the same"):
        call(caller, made_after(StatusError(429, retry_after="3600")))


def test_a_429_holds_all_calls_to_the_model() -> None:
    gate = Gate(4)
    first, second = Caller("a", gate, attempts=2), Caller("b", gate)
    began = time.monotonic()
    with threads(2, [gate]) as pool:
        slow = pool.submit(call, first, made_after(StatusError(429, retry_after="0.4")))
        time.sleep(0.1)
        fast = pool.submit(call, second, made_after())
        assert (slow.result(), fast.result()) == ("yes", "yes")
    assert time.monotonic() - began >= 0.4
    assert second.ledger.totals.calls == 1


def test_so_many_at_once_and_so_many_a_second() -> None:
    lock, under_way, most, starts = threading.Lock(), [0], [0], []

    def make(pending: Pending) -> None:
        with lock:
            starts.append(time.monotonic())
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1

    gate = Gate(3)
    with threads(12, [gate]) as pool:
        list(pool.map(lambda _: call(Caller("a", gate), make), range(12)))
    assert most[0] == 3
    starts.clear()
    gate = Gate(12, requests_per_second=20)
    with threads(12, [gate]) as pool:
        list(pool.map(lambda _: call(Caller("a", gate), make), range(12)))
    starts.sort()
    assert starts[-1] - starts[0] >= 0.9 * 11 / 20


def test_a_closed_gate_lets_nobody_pass_and_wakes_who_waits() -> None:
    gate = Gate(1)
    gate.pause(60)
    woken = []

    def wait() -> None:
        with pytest.raises(RunStopped, match="is stopping"):
            call(Caller("a", gate), made_after())
        woken.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    gate.close()
    thread.join(5)
    assert woken == [True]


def test_an_error_closes_the_gates_and_gives_up_the_rest() -> None:
    gate, made = Gate(1), []

    def make(pending: Pending) -> None:
        made.append(True)
        raise ValueError("wrong")

    def all_of_them() -> None:
        with threads(1, [gate]) as pool:
            futures = [pool.submit(call, Caller("a", gate), make) for _ in range(50)]
            for future in futures:
                future.result()

    with pytest.raises(CallFailed):
        all_of_them()
    assert len(made) < 50
