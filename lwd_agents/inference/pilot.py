"""Planning from a pilot's run directories: ``lwd.plan`` and ``lwd plan`` are here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwd_agents.errors import BadInput
from lwd_agents.inference import planning
from lwd_agents.inference.assess import quantities_of, windows_of
from lwd_agents.inference.collapse import lead
from lwd_agents.inference.grouping import Condition, conditions, expand, read_all, with_placebos
from lwd_agents.inference.measured import Measured, Reader
from lwd_agents.inference.options import Options, check_level, read_window
from lwd_agents.inference.told import told
from lwd_agents.inference.windows import (
    Windows,
    matched_changes,
)
from lwd_agents.measures.unbiased import squared_norm
from lwd_agents.run_files import Run

_DRAWS = (5, 10, 20, 40, 80, 160)


@dataclass(frozen=True)
class PilotPlan:
    """What a plan rests on, and the plan.

    Attributes:
        name, world: of the pilot's condition.
        components: the parts of the variance of a pair's delta.
        parts: the same at the pilot's own L and M: draws, readings, runs.
        windows: the steps set against each other.
        plan: how many pairs each choice of draws and readings needs.
        dollars, seconds: of one response, as the pilot recorded them; None where it did not.
        said: what is wrong with the files.
    """

    name: str
    world: str
    components: planning.Components
    parts: dict[str, float]
    windows: Windows
    plan: planning.Plan
    dollars: float | None
    seconds: float | None
    said: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; null for what is not finite."""
        return dict(told(self))


def plan(
    runs: str | Path | Sequence[str | Path],
    effect: float,
    *,
    draws: Sequence[int] | None = None,
    readings: Sequence[int] = (1,),
    early: str | Sequence[int] | None = None,
    late: str | Sequence[int] | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PilotPlan:
    """How many draws, readings and matched pairs a stated effect on ``between`` needs.

    Of learners (world ``graph``) the effect is one on ``error``, and only pairs are counted.

    Args:
        runs: the pilot: live runs and their placebos, two pairs or more of one condition.
        effect: the size of the mean delta to be found, in ||D||_F^2, or in the error.
        draws, readings: the L and M to consider; by default the pilot's L among others, and 1.
        early, late: windows, as in ``lwd.test``.
        alpha, power: of the planned test (Holm's first step over three quantities; of learners
            over those that were measured).

    Raises:
        BadInput: there is no pilot of one condition with two pairs, or an option makes no plan.
    """
    check_level(alpha)
    if not 0 < effect < math.inf:
        raise BadInput(f"--effect {effect}: the size of a change is above 0")
    if not alpha < power < 1:
        raise BadInput(f"--power {power}: a chance between --alpha and 1, 0.8 say")
    given = [runs] if isinstance(runs, str | Path) else list(runs)
    found, said = read_all(with_placebos(expand(given)))
    live = [c for c in conditions(found) if c.live]
    live = [c for c in live if not c.frozen] or live
    if len(live) != 1:
        named = "; ".join(condition.name for condition in live) or "placebos alone"
        raise BadInput(f"the pilot's runs are of {len(live)} conditions ({named}); give one")
    condition, reader = live[0], Reader()
    measured = reader.measured(condition)
    first = condition.live[0]
    if not measured.pairs:
        how = "--set placebo=true" if first.world == "graph" else "--with-placebo"
        raise BadInput(f"{condition.name}: no matched placebo; a pilot needs pairs ({how})")
    if measured.stopped:
        raise BadInput(
            f"{condition.name}: the pilot's runs stopped themselves; give runs that did not"
        )
    options = Options(early=read_window(early, "--early"), late=read_window(late, "--late"))
    windows, _ = windows_of(condition, measured, options, [])
    if windows is None:
        raise BadInput(f"{condition.name}: a run of one step; a change needs 2 or more")
    parts = _components(condition, measured, windows)
    dollars, seconds = _costs(condition.runs) if first.world == "llm" else (None, None)
    considered = draws or sorted({*_DRAWS, parts.draws})
    table = planning.plan(
        parts,
        effect,
        [parts.draws] if first.world != "llm" else considered,
        readings,
        steps=measured.last + 1,
        agents=len(first.agents) * first.queries,  # responses are counted for each query
        cost_per_response=dollars,
        alpha=alpha,
        power=power,
        quantities=len(quantities_of(condition, measured, [])) if first.world == "graph" else 3,
    )
    notes = (*said, *measured.said)
    readings_part = parts.reading / parts.readings
    shown = {"draws": parts.known - readings_part, "readings": readings_part, "runs": parts.run}
    return PilotPlan(
        condition.name, first.world, parts, shown, windows, table, dollars, seconds, notes
    )


def _components(condition: Condition, measured: Measured, windows: Windows) -> planning.Components:
    """The parts of the variance of delta, from the pairs of the pilot."""
    first = condition.live[0]
    if first.world != "llm":
        of = lead(measured.live)
        live, placebo = matched_changes(measured.paired_live[of], measured.placebo[of], windows)
        found = planning.components(live - placebo, 2)
        # learners read nothing and draw nothing: there is nothing to tell apart
        return replace(found, notes=()) if of == "error" else found
    many = range(first.readings)
    by_reading = [[_Pair(*pair, windows, r) for r in many] for pair in condition.pairs]
    every = slice(None)
    readings = np.array([[pair.delta(every) for pair in row] for row in by_reading])
    groups = {
        size: np.array([[row[0].delta(group) for group in members] for row in by_reading])
        for size, members in planning.draw_groups(first.draws).items()
    }
    return planning.components(
        readings.mean(axis=1) if readings.size else np.zeros(0),
        first.draws,
        groups or None,
        readings if first.readings > 1 else None,
    )


class _Pair:
    """A live run and its placebo at the steps of the windows, for one reading."""

    def __init__(self, live: Run, placebo: Run, windows: Windows, reading: int) -> None:
        self._windows = windows
        spans = (windows.early, windows.late)
        self._steps = [t for first, last in spans for t in range(first, last + 1)]
        self._sides = [{t: _stack(run, t, reading) for t in self._steps} for run in (live, placebo)]

    def delta(self, draws: slice | list[int]) -> float:
        """[late - early] of ``between`` of the live run less its placebo, of some of the draws."""
        live, placebo = ({t: _between(side[t], draws) for t in self._steps} for side in self._sides)
        apart = {t: live[t] - placebo[t] for t in self._steps}
        late, early = (
            [apart[t] for t in range(first, last + 1) if np.isfinite(apart[t])]
            for first, last in (self._windows.late, self._windows.early)
        )
        return float(np.mean(late) - np.mean(early)) if late and early else float("nan")


def _stack(run: Run, t: int, reading: int) -> NDArray[np.float32] | None:
    """The embeddings of a step, (Q, N, L, D); None where they cannot be read."""
    try:
        stacks = [run.array(t, query, reading)[run.always] for query in range(run.queries)]
    except BadInput:  # said by the curves
        return None
    return np.stack(stacks)


def _between(stack: NDArray[np.float32] | None, draws: slice | list[int]) -> float:
    return float("nan") if stack is None else float(squared_norm(stack[:, :, draws]).mean())


def _costs(runs: Sequence[Run]) -> tuple[float | None, float | None]:
    """US dollars and seconds of one response, over all runs of the pilot."""
    lines = [line for run in runs for line in run.lines.values()]
    answers = sum(
        len(run.agents) * run.queries * run.draws * run.readings * len(run.lines) for run in runs
    )
    dollars = [line.get("cost") for line in lines]
    seconds = [(line.get("seconds") or {}).get("generate") for line in lines]
    return _each(dollars, answers), _each(seconds, answers)


def _each(values: Sequence[float | None], answers: int) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / answers if answers and len(known) == len(values) else None
