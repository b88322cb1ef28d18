"""The account of a run: what it counts, what it keeps, and where it stops a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lwd_agents.config.llm import LimitsConfig
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.ledger import FILE, Ledger, read_totals
from lwd_agents.prices import Price

PRICE = Price(Decimal(1), Decimal(10), "a test")  # dollars per million tokens


def ledger(clock: Callable[[], float] | None = None, **limits: Any) -> Ledger:
    made = Ledger(LimitsConfig(**limits), {"a": PRICE, "b": None})
    if clock is not None:
        made = Ledger(made.limits, made.prices, clock)
    return made


def call(account: Ledger, agent: str = "a", read: int = 100, written: int = 20) -> None:
    with account.call(agent, 4, read, written) as pending:
        pending.got, pending.told = 4, (read, written)


def test_tokens_and_cost_are_counted_and_kept(tmp_path: Path) -> None:
    account = ledger()
    call(account)  # before the run directory is there
    account.open(tmp_path)
    account.begin(0)
    call(account, read=1_000, written=300)
    account.close()
    assert account.totals.cost == pytest.approx((1_100 + 10 * 320) / 1e6)
    assert account.totals.tokens == 1_420
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [line["t"] for line in lines] == [None, 0]
    assert read_totals(tmp_path) == account.totals


def test_a_later_process_goes_on_counting_and_a_torn_line_goes(tmp_path: Path) -> None:
    first = ledger()
    first.open(tmp_path)
    first.begin(0)
    call(first)
    first.close()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + b'{"t": 0, "agent"')
    second = ledger()
    second.read(tmp_path)
    assert second.totals == first.totals
    second.open(tmp_path)
    call(second)
    second.close()
    assert (tmp_path / FILE).read_bytes().startswith(whole)
    assert read_totals(tmp_path).calls == 2


def test_a_failed_call_is_counted_and_says_why(tmp_path: Path) -> None:
    account = ledger()
    account.open(tmp_path)

    def gone() -> None:
        with account.call("a", 4, 100, 20) as pending:
            pending.error = "OSError: gone"
            raise OSError("gone")

    with pytest.raises(OSError):
        gone()
    account.close()
    (line,) = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert (line["got"], line["error"], line["cost"]) == (0, "OSError: gone", 0.0)
    assert account.totals.failed == 1


def test_what_a_backend_does_not_tell_is_estimated_from_above() -> None:
    account = ledger()
    with account.call("a", 4, 100, 20) as pending:
        pending.got = 4
    assert (account.totals.tokens, account.totals.estimated) == (120, 1)
    call(account, agent="b")
    assert account.totals.unpriced == 1


def test_no_call_is_made_that_could_exceed_the_tokens() -> None:
    account = ledger(tokens=300)
    call(account)
    call(account)
    with pytest.raises(RunStopped, match=r"limits.tokens: 240 of 300 tokens are used"):
        call(account)
    assert account.totals.tokens == 240


def test_calls_under_way_are_reserved() -> None:
    account = ledger(tokens=300)
    with account.call("a", 1, 100, 100) as pending:
        with pytest.raises(RunStopped, match=r"limits.tokens"):
            call(account)
        pending.got, pending.told = 1, (10, 10)
    call(account)  # the reservation is gone, and it took less


def test_no_call_is_made_that_could_exceed_the_cost() -> None:
    account = Ledger(LimitsConfig(cost=Decimal("0.0005")), {"a": PRICE})
    call(account)  # 0.0003 dollars
    with pytest.raises(RunStopped, match=r"limits.cost: 0.0003 of 0.0005 dollars"):
        call(account)


def test_a_step_that_would_not_end_is_not_begun() -> None:
    account = ledger(tokens=1_000)
    account.begin(0)
    for _ in range(5):
        call(account)
    with pytest.raises(RunStopped, match=r"limits.tokens: 600 of 1,000"):
        account.begin(1)


def test_a_resumed_run_knows_what_its_last_step_took(tmp_path: Path) -> None:
    first = ledger()
    first.open(tmp_path)
    for t in range(2):
        first.begin(t)
        for _ in range(3):
            call(first)
    first.close()
    second = ledger(tokens=1_000)
    second.read(tmp_path)  # 720 spent, 360 of them at t = 1
    with pytest.raises(RunStopped, match=r"limits.tokens: 720 of 1,000"):
        second.begin(2)


def test_minutes_are_of_one_command() -> None:
    now = [0.0]
    account = ledger(lambda: now[0], minutes=2)
    account.begin(0)
    now[0] = 119.0
    call(account)
    now[0] = 120.0
    with pytest.raises(RunStopped, match=r"limits.minutes: 2 minutes of this command are over"):
        call(account)


def test_a_bounded_cost_needs_prices() -> None:
    with pytest.raises(BadInput, match=r"limits.cost: no price is known for the model of agent b"):
        ledger(cost=1)
