"""What is shown while a run goes on."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from lwd_agents.engine import Round
from lwd_agents.ledger import Totals
from lwd_agents.progress import Lines, Live, Silent, choose, sparkline


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def line(t: int, norm: float | None, replayed: bool = False) -> Round:
    row = {
        "t": t,
        "norm": norm,
        "internet_size": 20 + 3 * t,
        "tokens": {"input": 10, "output": 500},
        "seconds": {"generate": 0.25},
    }
    return Round(t, row, replayed=replayed)


def test_a_sparkline_spans_its_values_and_shows_gaps() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.0, None, 1.0]) == "▁ █"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == sparkline([None]) == ""
    assert len(sparkline([float(i) for i in range(500)])) == 32


def test_lines_are_plain_and_say_what_was_there_already() -> None:
    out = io.StringIO()
    shown = Lines(out)
    shown.phase("pocket: 3 agents")
    shown.round(line(0, 1.0, replayed=True), 3)
    shown.round(line(1, 0.9, replayed=True), 3)
    shown.round(line(2, 0.81234), 3)
    shown.round(line(3, None), 3)
    text = out.getvalue().splitlines()
    assert text[:2] == ["pocket: 3 agents", "2 steps were there already"]
    assert text[2].startswith("step 2/3  ||D||_F 0.8123  |A| 26  2,000 tokens/s  0:0")
    assert "||D||_F not defined" in text[3]
    assert "\x1b" not in out.getvalue()


def test_calls_that_cost_money_are_told_in_all_and_local_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    shown = Lines(out)
    shown.phase("three agents")
    paid = Totals(calls=12, input_tokens=1_000, output_tokens=234, cost=0.01234)
    for t, spent in enumerate([Totals(calls=3), paid, replace(paid, unpriced=2)]):
        shown.round(replace(line(t, 1.0), spent=spent), 3)
    lines = out.getvalue().splitlines()[1:]
    assert "calls" not in lines[0]
    assert "12 calls, 1,234 tokens, $0.0123" in lines[1]
    assert "12 calls, 1,234 tokens, cost unknown" in lines[2]
    live = Terminal()
    screen = Live(live)
    screen.phase("three agents")
    screen.round(replace(line(0, 1.0), spent=paid), 3)
    screen.close()
    assert "12 calls, 1,234 tokens, $0.0123" in live.getvalue()


def test_learners_are_shown_by_their_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    step = Round(3, {"t": 3, "norm": 1.0, "internet_size": 500, "error": [1.0, 2.0]})
    out, live = io.StringIO(), Terminal()
    for shown in (Lines(out), Live(live)):
        shown.phase("ring")
        shown.round(step, 9)
        shown.close()
    assert "||D||_F 1.0000  error 1.5" in out.getvalue()
    assert "|A|" not in out.getvalue()
    assert "error 1.5" in live.getvalue()


def test_the_choice() -> None:
    assert isinstance(choose(True, io.StringIO()), Silent)
    assert isinstance(choose(False, io.StringIO()), Lines)


def test_a_terminal_that_knows_no_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict", write_through=True)
    shown = Live(stream)
    shown.phase("pocket")
    shown.round(line(0, 1.0), 2)
    shown.round(line(1, 0.5), 2)
    shown.close()
    raw.getvalue().decode("ascii")
