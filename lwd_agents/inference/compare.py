"""Declared contrasts between conditions, of runs that can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.inference import contrasts
from lwd_agents.inference.assess import Untested
from lwd_agents.inference.collapse import lead
from lwd_agents.inference.grouping import Condition
from lwd_agents.inference.measured import Measured, Reader
from lwd_agents.inference.options import Options
from lwd_agents.inference.windows import (
    Windows,
    change,
    check_windows,
    default_windows,
    matched_windows,
)
from lwd_agents.run_files import Run


def compare(
    groups: Sequence[Sequence[Condition]], reader: Reader, options: Options
) -> tuple[tuple[contrasts.Contrast, ...], Windows | None, tuple[Untested, ...]]:
    """The first group against each of the others: the change of ``between``, late less early.

    Of learners it is the change of ``error``.

    Args:
        groups: the conditions of RUN..., then those of each ``--against``.
        reader: of curves.
        options: level, permutations, windows.

    Returns:
        The contrasts, the windows of all of them, and what could not be compared.

    Raises:
        BadInput: the first group has several conditions, permutations are too few, or windows end
            after the runs.
    """
    first, *others = [[c for c in group if not c.frozen] or list(group) for group in groups]
    if len(first) != 1:
        named = "; ".join(condition.name for condition in first) or "none"
        raise BadInput(
            f"--against: the runs are of {len(first)} conditions ({named}); give those of one"
        )
    mine, untested, pairs = first[0], [], []
    for other in [condition for group in others for condition in group]:
        if why := _differ(mine, other):
            untested.append(Untested(f"{mine.name} against {other.name}", why))
        else:
            pairs.append(other)
    if not pairs:
        return (), None, tuple(untested)
    curves = {condition.name: reader.measured(condition) for condition in [mine, *pairs]}
    others_measured = [curves[other.name] for other in pairs]
    windows = _windows(curves[mine.name], others_measured, _declared([mine, *pairs]), options)
    numbers: dict[str, int] = {}
    made = [_summaries(name, found, windows, numbers) for name, found in curves.items()]
    found = contrasts.contrasts(
        made,
        [(mine.name, other.name) for other in pairs],
        options.alpha,
        options.enough(len(pairs)),
        seeding.key(options.seed, "contrasts"),
    )
    untested += [
        Untested(f"{one.first} against {one.second}", one.untestable)
        for one in found
        if one.untestable
    ]
    return found, windows, tuple(untested)


def _differ(one: Condition, other: Condition) -> str | None:
    """Why two conditions cannot be compared; None where they can."""
    if one.name == other.name:
        return "the same condition; its runs are replicates"
    a, b = one.live[0], other.live[0]
    for what, here, there in _scales(a, b):
        if here != there:
            return f"different {what} ({here} and {there}): there is no common scale"
    if any(run.fresh is not None for run in (*one.live, *other.live)):
        return "runs stopped themselves: their early steps may not be tested"
    return None


def _scales(a: Run, b: Run) -> Iterator[tuple[str, Any, Any]]:
    """What two runs must have in common for one scale: (what, of one, of the other)."""
    yield "worlds", a.world, b.world
    if a.world == b.world == "graph":  # an error is a mean over learners, however many they are
        yield "parameters", _parameters(a.config), _parameters(b.config)
        return
    yield "embeddings", _embedding(a.manifest), _embedding(b.manifest)
    yield "numbers of agents", len(a.always), len(b.always)
    yield "components", a.config.get("means"), b.config.get("means")
    yield "queries", a.manifest.get("queries"), b.manifest.get("queries")


def _parameters(config: Mapping[str, Any]) -> str:
    """What learners estimate: ridge what least squares do, Huber's location what a mean is."""
    kind, d = config["estimator"]["kind"], config["features"]
    same = {"ridge": "least-squares", "huber": "mean"}.get(kind, kind)
    return f"{same}, {d} feature{'' if d == 1 else 's'}"


def _declared(conditions: Sequence[Condition]) -> Windows | None:
    """The windows of the experiments, where all declare the same."""
    given = [condition.live[0].config.get("windows") for condition in conditions]
    if not given[0] or any(one != given[0] for one in given):
        return None
    return Windows(tuple(given[0]["early"]), tuple(given[0]["late"]))


def _embedding(manifest: dict[str, Any]) -> str:
    about = manifest.get("embedding") or {}
    length = "" if about.get("normalize") else ", not normalised"
    prefix = f", prefix {about['prefix']!r}" if about.get("prefix") else ""
    return f"{about.get('model', 'none')}{length}{prefix}"


def _windows(
    mine: Measured, others: Sequence[Measured], declared: Windows | None, options: Options
) -> Windows:
    """The same windows for all: those given, those all declare, or those of steps that all have.

    Where seeds are shared the change is counted from step 0, as for pairs of live and placebo.
    """
    last = min(found.last for found in (mine, *others))
    shared = any(set(mine.keys) & set(other.keys) for other in others)
    default = declared or (matched_windows if shared else default_windows)(last)
    return check_windows(
        Windows(options.early or default.early, options.late or default.late), last
    )


def _summaries(
    name: str, found: Measured, windows: Windows, numbers: dict[str, int]
) -> contrasts.Condition:
    """A run's summary by its key; equal keys have equal numbers in all conditions."""
    of = lead(found.live)
    changes = change(found.live[of], windows)
    if of == "error":  # what rounding leaves of a difference has a sign too
        changes = np.array([float(f"{value:.9g}") for value in changes])
    rows = {numbers.setdefault(key, len(numbers)): i for i, key in enumerate(found.keys)}
    return contrasts.Condition(name, {number: float(changes[i]) for number, i in rows.items()})
