"""What the replicates of one condition show: collapse, evidence, limit, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.inference.advance import beside_the_graph, not_yet_near
from lwd_agents.inference.bands import Band, across_runs
from lwd_agents.inference.collapse import DIRECTIONS, Verdict, lead
from lwd_agents.inference.collapse import collapse as collapse_verdict
from lwd_agents.inference.evidence import Evidence, sign_evidence
from lwd_agents.inference.grouping import Condition
from lwd_agents.inference.limits import Limit, limit
from lwd_agents.inference.measured import Measured, Reader
from lwd_agents.inference.missing import norm_shift, tipping_point
from lwd_agents.inference.options import Options
from lwd_agents.inference.trends import NO_VERDICT, NOT_EVIDENCE, Trend, trend
from lwd_agents.inference.windows import (
    Windows,
    check_windows,
    default_windows,
    growing_windows,
    matched_windows,
)


@dataclass(frozen=True)
class Untested:
    """Something that could not be tested, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Sensitivity:
    """What missing draws could change in the verdict on ``between``.

    Attributes:
        missing: the share of draws that is missing, live and placebo, in the windows.
        apart: how far the mean of an agent's missing answers must at least be from the mean of
            those present to move the mean delta to 0 (not its interval); None where that means
            nothing.
        note: why it means nothing; "" where it does.
    """

    missing: float
    apart: float | None
    note: str


@dataclass(frozen=True)
class ConditionFindings:
    """What one condition's runs show.

    The e-process, the late level and the band are of ``between``, of learners of ``error``.

    Attributes:
        name: of the condition.
        world, agents, draws, steps: of its runs; ``steps`` is the last that all have.
        runs, placebos: how many of each; ``pairs`` are matched.
        windows: the steps set against each other; ``declared`` says by whom.
        fresh: whether runs stopped themselves, so that only their fresh steps are tested.
        collapse: live against placebo; None where there is no pair.
        trends: quantity -> its change without a placebo, which is no evidence of collapse.
        evidence: the e-process on the sign of delta, replicate by replicate.
        limit: the late window, and two extrapolations (of learners none).
        band: of the mean curve across replicates; None for fewer than two.
        sensitivity: to draws that are missing not at random; None where there is no pair.
        untested: what could not be tested, and why.
        said: what is wrong with the files.
    """

    name: str
    world: str
    agents: tuple[str, ...]
    draws: int
    steps: int
    runs: int
    placebos: int
    pairs: int
    windows: Windows | None
    declared: str
    fresh: bool
    collapse: Verdict | None
    trends: Mapping[str, Trend]
    evidence: Evidence | None
    limit: Limit | None
    band: Band | None
    sensitivity: Sensitivity | None
    untested: tuple[Untested, ...]
    said: tuple[str, ...]


@np.errstate(over="ignore")  # learners' errors may be squares of what numbers just hold
def assess(condition: Condition, reader: Reader, options: Options) -> ConditionFindings:
    """Everything that is tested over the replicates of a condition.

    Raises:
        BadInput: none of its runs can be measured, or the windows given do not fit the runs.
    """
    measured = reader.measured(condition)
    first = condition.live[0]
    untested: list[Untested] = []
    windows, declared = windows_of(condition, measured, options, untested)
    names = quantities_of(condition, measured, untested)
    of = lead(names)
    verdict, process, sensitivity = None, None, None
    trends: dict[str, Trend] = {}
    if windows and measured.pairs and names:
        live, placebo, mine = measured.tested(windows)
        verdict = collapse_verdict(
            {name: live[name] for name in names},
            {name: placebo[name] for name in names},
            mine,
            options.alpha,
            options.enough(len(names)),
            seeding.key(options.seed, "collapse"),
        )
        if first.world == "graph" and "between" in names:
            verdict = not_yet_near(verdict, live["between"], placebo["between"])
        verdict = beside_the_graph(verdict, first)
        untested += [
            Untested(f"collapse: {q.name}", q.untestable)
            for q in verdict.quantities
            if q.untestable
        ]
        if of in names:
            (deltas,) = (q.deltas for q in verdict.quantities if q.name == of)
            process = sign_evidence(deltas, DIRECTIONS[of], options.alpha)
            sensitivity = _sensitivity(condition, measured, reader, windows, verdict)
    elif windows and names:
        trends = _trends(first.world, measured, names, windows, options, untested)
    return ConditionFindings(
        name=condition.name,
        world=first.world,
        agents=tuple(first.agents[i] for i in first.always),
        draws=first.draws,
        steps=measured.last,
        runs=len(measured.keys),
        placebos=max(len(condition.placebos), len(measured.pairs)),
        pairs=len(measured.pairs),
        windows=windows,
        declared=declared,
        fresh=measured.stopped,
        collapse=verdict,
        trends=trends,
        evidence=process,
        limit=_limit(measured, names, windows, options),
        band=_band(measured, names, options, untested),
        sensitivity=sensitivity,
        untested=tuple(untested),
        said=measured.said,
    )


def windows_of(
    condition: Condition, measured: Measured, options: Options, untested: list[Untested]
) -> tuple[Windows | None, str]:
    """The windows, and who declared them: the command, the experiment or the default rule."""
    declared = condition.live[0].config.get("windows")
    if measured.last < 1:
        why = "a run of one step; a change needs 2 or more (--steps 1 or more)"
        untested.append(Untested("change, trend and collapse", why))
        return None, "none"
    rule = matched_windows if measured.pairs else default_windows
    if condition.live[0].world == "graph":
        rule = growing_windows
    default, by = rule(measured.last), ""
    if declared:
        windows = Windows(tuple(declared["early"]), tuple(declared["late"]))
        if windows.late[1] <= measured.last:
            default, by = check_windows(windows, measured.last), "the experiment"
        else:
            last = measured.last
            why = f"the experiment's late window ends at {windows.late[1]}, the runs at {last}"
            untested.append(Untested("the experiment's own windows", why))
    if options.early is None and options.late is None:
        return default, by or "the default rule"
    given = Windows(options.early or default.early, options.late or default.late)
    return check_windows(given, measured.last), "this command"


def quantities_of(condition: Condition, measured: Measured, untested: list[Untested]) -> list[str]:
    """The quantities that were measured at any step; ``untested`` is told of the others."""
    names, first = [], condition.live[0]
    agents = len(first.always)
    for name, curves in measured.live.items():
        if name == "between" and agents < 2:
            why = f"{agents} agent at every step: there is no distance between models"
            if first.world == "graph":
                why = "one learner: there is no distance between learners"
            untested.append(Untested(name, why))
        elif np.isfinite(curves).any():
            names.append(name)
        else:
            untested.append(Untested(name, _why_not(first.world, name, measured)))
    return names


def _why_not(world: str, name: str, measured: Measured) -> str:
    if world == "graph":
        return "it is a finite number at no step"
    if name == "drift" and np.isfinite(measured.live["within"]).any():
        return "there is no human reference to measure it from"
    return "an agent has fewer than 2 draws at every step; give draws of 2 or more"


def _trends(
    world: str,
    measured: Measured,
    names: list[str],
    windows: Windows,
    options: Options,
    untested: list[Untested],
) -> dict[str, Trend]:
    learners = world == "graph"
    why = "no matched placebo is given (lwd run --with-placebo makes one; placebo: true)"
    if learners:
        why = "the run has no placebo (lwd run --set placebo=true, into another --out, has one)"
    untested.append(Untested("collapse", why))
    if measured.stopped:
        why = "the runs stopped themselves: only their fresh steps may be tested, all late ones"
        untested.append(Untested("trend", why))
        return {}
    caution = NO_VERDICT if learners else NOT_EVIDENCE
    return {name: trend(measured.live[name], windows, 1 - options.alpha, caution) for name in names}


def _limit(
    measured: Measured, names: list[str], windows: Windows | None, options: Options
) -> Limit | None:
    of = lead(names)
    if windows is None or of not in names:
        return None
    curves, mine = measured.level(of, windows)
    if of == "error":  # no curve of a finite run says where an error ends
        return limit(curves, mine, 1 - options.alpha, families=())
    return limit(curves, mine, 1 - options.alpha)


def _band(
    measured: Measured, names: list[str], options: Options, untested: list[Untested]
) -> Band | None:
    of = lead(names)
    if of not in names or len(measured.keys) < 2:
        return None
    if measured.stopped:
        why = "the runs stopped themselves, at steps of their own"
        untested.append(Untested("mean curve over runs", why))
        return None
    curves = measured.live[of]
    key = seeding.key(options.seed, "band")
    try:
        return across_runs(curves, key=key, alpha=options.alpha)
    except BadInput as error:
        untested.append(Untested("band across replicates", str(error)))
        return None


def _sensitivity(
    condition: Condition,
    measured: Measured,
    reader: Reader,
    windows: Windows,
    verdict: Verdict,
) -> Sensitivity | None:
    """How far off missing answers must be to undo the mean delta of ``between``."""
    if condition.live[0].world != "llm":
        return None
    pairs = [pair for pair in condition.pairs if str(pair[0].seed) in measured.pairs]
    norms, shifts, weights, shares = [], [], [], []
    for live, placebo in pairs:
        spans = [range(first, last + 1) for first, last in (windows.early, windows.late)]
        if measured.stopped:
            spans = [live.fresh or range(0)]
        for curves in (reader.curves(live), reader.curves(placebo)):
            for steps in spans:
                part = slice(steps.start, steps.stop)
                between = np.nan_to_num(curves.between[0, part])
                norms.append(np.sqrt(np.maximum(between, 0)))
                shifts.append(norm_shift(np.nan_to_num(curves.worst[0, part])))
                weights.append(np.full(len(between), 1 / max(1, len(between)) / len(pairs)))
                shares.append(np.nan_to_num(curves.missing[0, part]).ravel())
    share = float(np.concatenate(shares).mean()) if shares else 0.0
    if share == 0.0:
        return Sensitivity(share, None, "no draw is missing")
    gap = abs(verdict.quantities[0].interval.estimate)
    parts = (np.concatenate(part) for part in (norms, shifts, weights))
    return Sensitivity(share, tipping_point(gap, *parts), "")
