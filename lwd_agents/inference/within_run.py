"""What one run of language models shows by itself: tests inside steps, its band, convergence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents import seeding
from lwd_agents.errors import BadInput
from lwd_agents.inference.assess import Untested
from lwd_agents.inference.bands import Band, within_run
from lwd_agents.inference.bounds import Bound, narrowest
from lwd_agents.inference.convergence import Convergence, default_margin, follow
from lwd_agents.inference.curves import Curves
from lwd_agents.inference.measured import Reader
from lwd_agents.inference.missing import norm_shift
from lwd_agents.inference.options import Options
from lwd_agents.inference.readings import LEAST_READINGS, StepModelsTest, test_step_models
from lwd_agents.inference.steps import StepTest, test_step
from lwd_agents.run_files import Run

ALL = (-1,)


@dataclass(frozen=True)
class StepFindings:
    """The tests inside one step, for one query.

    Attributes:
        run: its directory.
        t, query: the step, and the query's number.
        draws: the test that permutes draws.
        models: the one that permutes whole readings; None for a run with one reading a step.
    """

    run: str
    t: int
    query: int
    draws: StepTest
    models: StepModelsTest | None


def step_tests(
    runs: Sequence[Run], options: Options
) -> tuple[list[StepFindings], list[Untested], list[str]]:
    """The tests inside the named steps of all runs; one family over all that are named.

    Returns:
        The tests, what could not be tested, and what is wrong with files.

    Raises:
        BadInput: permutations were given, and are too few for the corrected level.
    """
    untested: list[Untested] = []
    named = [
        (run, t, q)
        for run in runs
        for t in _named(run, options, untested)
        for q in range(run.queries)
    ]
    if any(len(run.agents) < 2 for run in runs):
        untested.append(Untested("models against each other", "one agent: nothing to compare"))
        named = [place for place in named if len(place[0].agents) > 1]
    found, said = [], []
    for run, t, query in named:
        try:
            readings = np.stack([run.array(t, query, r) for r in range(run.readings)])
        except BadInput as error:
            said.append(f"{error}; step {t} is not tested")
            continue
        found.append(_step(run, t, query, readings, len(named), options))
    few = [run.readings for run in runs if run.readings < LEAST_READINGS]
    if named and few:
        which = "" if len(few) == len(runs) else f" in {len(few)} of {len(runs)} runs"
        why = (
            f"readings_per_step is {min(few)}{which}: readings and models cannot be told apart; "
            f"{LEAST_READINGS} or more are needed"
        )
        untested.append(Untested("models beyond their readings", why))
    return found, untested, said


def _named(run: Run, options: Options, untested: list[Untested]) -> list[int]:
    """The steps to test: those asked for, or the first and last; only fresh ones of a stop."""
    there = [t for t in run.lines if run.fresh is None or t in run.fresh]
    if options.at == ALL:
        return there
    if options.at is None:
        ends = there[:1] + there[1:][-1:]
        return ends if run.fresh is None else ends[-1:]
    for t in options.at:
        if t not in there:
            why = (
                "the run stopped itself, and only its fresh steps may be tested"
                if t in run.lines
                else f"the run has the steps 0 to {run.last}"
            )
            untested.append(Untested(f"step {t} of {run.path}", why))
    return [t for t in options.at if t in there]


def _step(
    run: Run,
    t: int,
    query: int,
    readings: NDArray[np.float32],
    named: int,
    options: Options,
) -> StepFindings:
    n = len(run.agents)
    permutations = options.enough(named * n * (n - 1) // 2)
    key = seeding.key(options.seed, "steps", replicate=run.seed, t=t, query=str(query))
    alpha = options.alpha
    draws = test_step(
        readings[0],
        run.agents,
        key=key,
        alpha=alpha,
        steps_named=named,
        permutations=permutations,
    )
    models = None
    if len(readings) > 1:
        models = test_step_models(
            readings,
            run.agents,
            key=key,
            alpha=alpha,
            steps_named=named,
            permutations=permutations,
            shared=bool((run.config.get("reading") or {}).get("shared")),
        )
    return StepFindings(str(run.path), t, query, draws, models)


@dataclass(frozen=True)
class RunFindings:
    """What one run shows by itself, given its readings.

    Attributes:
        run, seed: its directory and seed.
        band: of ||D||_F^2, unbiased, over its steps.
        bound: what holds at any number of draws for one step; None where no radius is known.
        convergence: whether its agents came to agree; None where no margin is known.
        missing: the share of draws that is missing.
        norm_range: ||D||_F at the last step as estimated, if the missing answers were as far off as
            can be (sampling error is not in it); None where nothing is missing there, or no radius
            is known.
    """

    run: str
    seed: int
    band: Band
    bound: Bound | None
    convergence: Convergence | None
    missing: float
    norm_range: tuple[float, float] | None


def run_findings(
    runs: Sequence[Run], reader: Reader, options: Options
) -> tuple[list[RunFindings], list[Untested]]:
    """Bands, bounds and convergence of every run of language models."""
    found: list[RunFindings] = []
    untested: list[Untested] = []
    for run in runs:
        if len(run.always) < 2:
            continue
        curves = reader.curves(run)
        radius = options.radius or (1.0 if run.normalised else None)
        found.append(
            RunFindings(
                run=str(run.path),
                seed=run.seed,
                band=within_run(curves.estimate(), options.alpha),
                bound=_bound(run, curves.fewest, radius, options, untested),
                convergence=_convergence(run, radius, options, untested),
                missing=_mean(curves.missing),
                norm_range=_norm_range(curves, radius),
            )
        )
    return found, list(dict.fromkeys(untested))


def _mean(shares: NDArray[np.float64]) -> float:
    known = shares[np.isfinite(shares)]
    return float(known.mean()) if known.size else 0.0


def _bound(
    run: Run,
    fewest: Sequence[int],
    radius: float | None,
    options: Options,
    untested: list[Untested],
) -> Bound | None:
    """By the fewest draws that each agent has at any step."""
    if radius is None:
        why = "the embeddings are not normalised: no radius is known in advance (--radius)"
        untested.append(Untested("non-asymptotic bound", why))
        return None
    if min(fewest) < 1:
        why = f"{run.path}: an agent has no draw at some step"
        untested.append(Untested("non-asymptotic bound", why))
        return None
    return narrowest(len(run.always), fewest, radius, options.alpha)


def _convergence(
    run: Run, radius: float | None, options: Options, untested: list[Untested]
) -> Convergence | None:
    """By the run's own rule where it has one, else by the options."""
    rule = run.config.get("stop") or {}
    margin = options.margin or rule.get("margin")
    if margin is None and run.normalised:
        margin = default_margin(len(run.always))
    if margin is None:
        why = "the embeddings are not normalised: no margin is known in advance (--margin)"
        untested.append(Untested("convergence", why))
        return None
    window = options.window or rule.get("window") or 5
    return follow(
        _steps(run), margin, window=window, alpha=rule.get("alpha", options.alpha), radius=radius
    )


def _steps(run: Run) -> Iterator[NDArray[np.float32]]:
    """The embeddings of each step, (Q, N, L, D); one that cannot be read is NaN."""
    for t in range(run.last + 1):
        try:
            yield np.stack([run.array(t, q)[run.always] for q in range(run.queries)])
        except BadInput:  # said by the curves
            shape = (run.queries, len(run.always), run.draws, 1)
            yield np.full(shape, np.nan, dtype=np.float32)


def _norm_range(curves: Curves, radius: float | None) -> tuple[float, float] | None:
    """||D||_F at the last step that was measured, whatever the missing answers were."""
    known = np.flatnonzero(np.isfinite(curves.between[0]))
    if radius is None or not len(known):
        return None
    t = known[-1]
    shift = float(norm_shift(curves.worst[0, t], 2 * radius))
    norm = float(np.sqrt(max(curves.between[0, t], 0.0)))
    return (max(norm - shift, 0.0), norm + shift) if shift else None
