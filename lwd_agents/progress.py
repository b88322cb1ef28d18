"""What a person sees while a run goes on: a live display, plain lines, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from lwd_agents.report.wording import number

if TYPE_CHECKING:
    from lwd_agents.engine import Round
    from lwd_agents.ledger import Totals

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.-=+*#%"
_SPARKS = 32


class Progress(Protocol):
    """Shown what happens; nothing depends on it."""

    def phase(self, text: str) -> None:
        """Something that takes a while has begun."""
        ...

    def round(self, round: Round, steps: int) -> None:
        """A step was committed (or replayed), of ``steps`` in all."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


def choose(quiet: bool, stream: TextIO | None = None) -> Progress:
    """Live on a terminal, lines elsewhere, silence when ``quiet``; on stderr."""
    stream = stream or sys.stderr
    if quiet:
        return Silent()
    return Live(stream) if stream.isatty() else Lines(stream)


class Silent:
    """No progress at all."""

    def phase(self, text: str) -> None:
        """Nothing."""

    def round(self, round: Round, steps: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Pace:
    """Norms, tokens and times of the steps of this process, for both displays."""

    def __init__(self) -> None:
        self.norms: list[float | None] = []
        self._began: float | None = None
        self._live = 0
        self._done = self._before = 0.0
        self._tokens = 0
        self._spent: Totals | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """The loop begins now, or another replicate's."""
        self._began, self._before, self._live = time.monotonic(), self._done, 0

    def take(self, round: Round) -> None:
        """Count one step; a replicate that begins has a curve of its own."""
        self.norms = self.norms if round.first else []
        self._done = round.done or 0.0
        self.norms += [line.get("norm") for line in (*round.before, round.line)]
        if round.replayed or self._began is None:
            self.start()
            return
        self._live += 1 + len(round.before)
        self._tokens += (round.line.get("tokens") or {}).get("output") or 0
        self._seconds += (round.line.get("seconds") or {}).get("generate") or 0.0
        self._spent = round.spent

    @property
    def rate(self) -> str:
        """Tokens written per second of generation; empty where unknown."""
        return f"{self._tokens / self._seconds:,.0f} tokens/s" if self._tokens else ""

    @property
    def spent(self) -> str:
        """All calls so far, their tokens and cost; empty where all run on this machine."""
        spent = self._spent
        if spent is None or not (spent.cost or spent.unpriced):
            return ""
        cost = "cost unknown" if spent.unpriced else f"${spent.cost:.4f}"
        return f"{spent.calls:,} calls, {spent.tokens:,} tokens, {cost}"

    def left(self, round: Round, steps: int) -> str:
        """The time left, by the work that is left where the world knows it, else by the steps."""
        if not self._live or self._began is None:
            return ""
        spent = time.monotonic() - self._began
        if round.done is not None and round.done > self._before:
            left = spent * (1.0 - round.done) / (round.done - self._before)
        else:
            left = spent / self._live * (steps - round.t)
        seconds = round_half_up(left)
        return f"{seconds // 60}:{seconds % 60:02d} left"


def round_half_up(value: float) -> int:
    """To the nearest whole number."""
    return int(value + 0.5)


def sparkline(values: Sequence[float | None], bars: str = _BARS) -> str:
    """The last values as small bars between their least and their most; a gap where missing."""
    shown = list(values)[-_SPARKS:]
    present = [v for v in shown if v is not None]
    if not present:
        return ""
    low, span = min(present), (max(present) - min(present)) or 1.0
    top = len(bars) - 1
    return "".join(" " if v is None else bars[round_half_up((v - low) / span * top)] for v in shown)


def _converged(round: Round) -> str:
    """That a run has converged and is about to stop itself; empty before that."""
    told = round.line.get("converged") or {}
    if "at" not in told:
        return ""
    return f"converged at t = {told['at']}: fresh steps to t = {told['ends']}"


def _error(round: Round) -> str:
    """How far learners are from the truth, of the first replicate; empty in other worlds."""
    errors = [one for one in round.line.get("error") or () if one is not None]
    return f"error {sum(errors) / len(errors):.4g}" if errors else ""


class Lines:
    """One plain line a step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pace = Pace()
        self._replayed = 0

    def phase(self, text: str) -> None:
        """One line."""
        print(text, file=self._stream, flush=True)
        self._pace.start()

    def round(self, round: Round, steps: int) -> None:
        """One line a live step; what was replayed is said in one line before the first."""
        self._pace.take(round)
        if round.replayed:
            self._replayed += 1 + len(round.before)
            return
        if self._replayed:
            print(f"{self._replayed} steps were there already", file=self._stream)
            self._replayed = 0
        parts = [f"step {round.t}/{steps}", f"||D||_F {number(round.line.get('norm'))}"]
        if error := _error(round):
            parts.append(error)
        elif "internet_size" in round.line:
            parts.append(f"|A| {round.line['internet_size']}")
        parts += [_converged(round), self._pace.rate, self._pace.spent]
        parts.append(self._pace.left(round, steps))
        print("  ".join(part for part in parts if part), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is left open."""


class Live:
    """A display that stays in place: a bar, the norm with its sparkline, the pace."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.progress_bar import ProgressBar

        self._bar = ProgressBar
        self._pace = Pace()
        self._text = ""
        self._last: tuple[Round, int] | None = None
        self._bars = _BARS if "utf" in (stream.encoding or "").lower() else _ASCII_BARS
        self._live = RichLive(
            get_renderable=self._draw,
            console=Console(file=stream),
            refresh_per_second=4,
            transient=True,
        )
        self._live.start()

    def phase(self, text: str) -> None:
        """Shown as the first line."""
        self._text = text
        self._pace.start()

    def round(self, round: Round, steps: int) -> None:
        """Redraw with the new step."""
        self._pace.take(round)
        self._last = (round, steps)
        if not round.replayed:
            self._live.refresh()

    def close(self) -> None:
        """Clear the display: the end of the run is told elsewhere."""
        self._live.stop()

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        if self._last is None:
            return Spinner("dots", Text(self._text))
        round, steps = self._last
        grid = Table.grid(padding=(0, 2))
        bar = self._bar(total=steps + 1, completed=round.t + 1, width=_SPARKS)
        grid.add_row(f"step {round.t}/{steps}", bar, self._pace.left(round, steps))
        norm = f"||D||_F {number(round.line.get('norm'))}"
        beside = self._pace.rate or _error(round)
        grid.add_row(norm, Text(sparkline(self._pace.norms, self._bars), "cyan"), beside)
        if converged := _converged(round):
            grid.add_row(Text(converged))
        return Group(Text(self._text, "bold"), grid, Text(self._pace.spent))
