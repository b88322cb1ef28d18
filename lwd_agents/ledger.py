"""What a run has asked of its models and what that cost: counted live, kept, and bounded.

Every call is a line of ``calls.jsonl`` in the run directory as soon as it ends, whether its step
is committed later or not: a resumed run knows what was spent before. Nothing here can change a
result; a limit that is reached stops the run, and the same command goes on with a higher one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from lwd_agents.config.llm import LimitsConfig
from lwd_agents.errors import BadInput, RunStopped
from lwd_agents.prices import Price
from lwd_agents.records import replicate_folders
from lwd_agents.secrets import redact

FILE = "calls.jsonl"


@dataclass(frozen=True)
class Call:
    """One request to a model: what was asked for, what came, and what that took.

    ``t`` is None for the probe before a run. Token counts are of the whole call, each prompt token
    once; ``estimated`` says that the backend told none, or nonsense. ``cost`` is in US dollars,
    None where no price is known. ``error`` is why nothing came.
    """

    t: int | None
    agent: str
    asked: int
    got: int
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    cost: float | None
    seconds: float
    error: str | None


@dataclass(frozen=True)
class Totals:
    """Sums over calls; ``unpriced`` counts those whose cost is not known, ``estimated`` those
    whose tokens are not."""

    calls: int = 0
    failed: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def plus(self, call: Call) -> Totals:
        """With one more call."""
        return Totals(
            self.calls + 1,
            self.failed + (call.error is not None),
            self.estimated + call.estimated,
            self.input_tokens + (call.input_tokens or 0),
            self.output_tokens + (call.output_tokens or 0),
            self.cost + (call.cost or 0.0),
            self.unpriced + (call.cost is None),
        )

    def minus(self, other: Totals) -> Totals:
        """What came after ``other``."""
        mine, theirs = asdict(self), asdict(other)
        return Totals(**{name: mine[name] - theirs[name] for name in mine})

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.input_tokens + self.output_tokens


@dataclass
class Pending:
    """A call under way; whoever makes it fills in what came."""

    asked: int
    input_tokens: int
    output_tokens: int
    got: int = 0
    told: tuple[int | None, int | None] = (None, None)
    estimated: bool = False
    error: str | None = None


@dataclass
class Ledger:
    """Counts the calls of one run, and refuses one that would exceed a limit.

    Args:
        limits: the experiment's.
        prices: by agent; None where none is known.
        clock: seconds, monotonic.
    """

    limits: LimitsConfig = field(default_factory=LimitsConfig)
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Nothing is spent yet; the time runs."""
        self.t: int | None = None
        self.totals = Totals()
        self._step = Totals()
        self._by_agent: dict[str, Totals] = {}
        self._lock = threading.Lock()
        self._began = self.clock()
        self._reserved: dict[int, tuple[int, Decimal]] = {}
        self._file: BinaryIO | None = None
        self._unwritten: list[Call] = []
        self._check_prices()

    def _check_prices(self) -> None:
        if self.limits.cost is None:
            return
        for agent, price in self.prices.items():
            if price is None:
                raise BadInput(
                    f"limits.cost: no price is known for the model of agent {agent}, so its cost "
                    "cannot be bounded; give one under prices (US dollars per million tokens)"
                )

    def read(self, folder: Path) -> None:
        """Take in what former processes spent in a run directory and in its replicates."""
        self.totals = _sum(call for place in _places(folder) for call in _read(place)[0])
        self._step = _last_step(_read(folder / FILE)[0])

    def open(self, folder: Path) -> None:
        """Write down every call from now on, and those that were made already.

        Of several replicates each has a file of its own, one open after the other; what is spent
        is that of all of them, and so are the limits.
        """
        before, whole = _read(folder / FILE)
        with self._lock:
            self._step = _last_step(before)
            self._file = file = (folder / FILE).open("ab")
            file.truncate(whole)  # a line that a kill has torn goes
            for call in self._unwritten:
                self._write(call)
            self._unwritten = []

    def of(self, agent: str) -> Totals:
        """What one agent's calls came to in this process."""
        return self._by_agent.get(agent, Totals())

    def close(self) -> None:
        """No more calls."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def begin(self, t: int) -> None:
        """Step t begins.

        Raises RunStopped where it would exceed a limit by taking as much as the step before it:
        a run had better stop between two steps, since the calls of half a step are lost.
        """
        with self._lock:
            self._check(self._step.tokens, Decimal(str(self._step.cost)))
            self.t, self._step = t, Totals()

    @contextmanager
    def call(self, agent: str, asked: int, most_input: int, most_output: int) -> Iterator[Pending]:
        """Make one call inside; at most so many tokens are reserved for it meanwhile.

        Raises RunStopped, before anything is sent, where they would exceed a limit.
        """
        pending = Pending(asked, most_input, most_output)
        price = self.prices.get(agent)
        cost = price.cost(most_input, most_output) if price else Decimal(0)
        with self._lock:
            self._check(most_input + most_output, cost)
            self._reserved[id(pending)] = (most_input + most_output, cost)
        began = self.clock()
        try:
            yield pending
        finally:
            self._record(agent, pending, self.clock() - began)

    def _record(self, agent: str, pending: Pending, seconds: float) -> None:
        read, written = pending.told
        estimated = pending.estimated
        if pending.got and (read is None or written is None):
            read, written, estimated = pending.input_tokens, pending.output_tokens, True
        price = self.prices.get(agent)
        known = read is not None and written is not None
        cost = price.cost(read or 0, written or 0) if price else None
        call = Call(
            t=self.t,
            agent=agent,
            asked=pending.asked,
            got=pending.got,
            input_tokens=read,
            output_tokens=written,
            estimated=estimated,
            cost=float(cost) if cost is not None and (known or not pending.got) else None,
            seconds=round(seconds, 6),
            error=None if pending.error is None else redact(pending.error),
        )
        with self._lock:
            del self._reserved[id(pending)]
            self.totals = self.totals.plus(call)
            self._step = self._step.plus(call)
            self._by_agent[agent] = self.of(agent).plus(call)
            if self._file is None:
                self._unwritten.append(call)
            else:
                self._write(call)

    def _write(self, call: Call) -> None:
        assert self._file is not None
        self._file.write(json.dumps(asdict(call), ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def _check(self, tokens: int, cost: Decimal) -> None:
        """Refuse to go on where what is spent, under way, and asked for is more than a limit."""
        limits = self.limits
        tokens += self.totals.tokens + sum(t for t, _ in self._reserved.values())
        cost += Decimal(str(self.totals.cost)) + sum(c for _, c in self._reserved.values())
        minutes = (self.clock() - self._began) / 60.0
        if limits.tokens is not None and tokens > limits.tokens:
            spent = f"{self.totals.tokens:,} of {limits.tokens:,} tokens are used"
            raise self._stop("tokens", spent)
        if limits.cost is not None and cost > limits.cost:
            raise self._stop("cost", f"{self.totals.cost:.4f} of {limits.cost} dollars are spent")
        if limits.minutes is not None and minutes >= limits.minutes:
            raise self._stop("minutes", f"{limits.minutes:g} minutes of this command are over")

    def _stop(self, key: str, spent: str) -> RunStopped:
        rest = "" if key == "minutes" else ", and the next call could exceed the rest"
        raised = "run the same command again" if key == "minutes" else "raise it and run again"
        return RunStopped(f"limits.{key}: {spent}{rest}; committed steps are safe: {raised}")


def read_totals(folder: Path) -> Totals:
    """What the calls of a run directory and its replicates come to; nothing where it has none."""
    return _sum(call for place in _places(folder) for call in _read(place)[0])


def _places(folder: Path) -> list[Path]:
    return [place / FILE for place in (folder, *replicate_folders(folder))]


def _sum(calls: Iterable[Call]) -> Totals:
    totals = Totals()
    for call in calls:
        totals = totals.plus(call)
    return totals


def _last_step(calls: Sequence[Call]) -> Totals:
    """What the last step among them came to."""
    steps = [call.t for call in calls if call.t is not None]
    return _sum(call for call in calls if steps and call.t == max(steps))


def _read(path: Path) -> tuple[list[Call], int]:
    """The calls of a file, up to a line that a kill has torn, and how many bytes they take."""
    calls: list[Call] = []
    whole = 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            calls.append(Call(**json.loads(line)))
        except (ValueError, TypeError):
            break
        whole += len(line)
    return calls, whole
