"""The measured quantities of a run at every step, read once and forgivingly.

Between (||D||_F^2, unbiased), within (tr S, the mean over agents), drift (the squared distance of
the agents' mean from the human posts) and, of learners, error: see docs/inference.md. Axes: R
replicates, T + 1 steps, N agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwd_agents.blocks import LARGE, Blocks
from lwd_agents.errors import BadInput
from lwd_agents.inference.jackknife import Estimate, over_queries
from lwd_agents.measures import unbiased
from lwd_agents.measures.geometry import within_spread
from lwd_agents.measures.numeric_runs import read_side
from lwd_agents.run_files import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """What was measured, step by step; NaN where a step could not be.

    Attributes:
        quantities: name -> (R, T + 1) of those that the run's world measures, in the order of
            ``collapse.DIRECTIONS``; over several queries their mean.
        se: (R, T + 1) the standard error of ``between`` given the readings (0 where D is exact).
        df: (R, T + 1) its degrees of freedom (infinite where D is exact).
        spread: (R, T + 1) the variance of D along its worst direction (0 where D is exact).
        missing: (R, T + 1, N) the share of draws that is missing (NaN for an agent that is absent).
        worst: (R, T + 1, N) the same as the root mean square over queries, for ``norm_shift``.
        fewest: (N,) the fewest draws that each agent has for any query at any step.
        agents: the names of the agents that are measured: those that take part at every step.
        said: what was left out, and why.
    """

    quantities: Mapping[str, Floats]
    se: Floats
    df: Floats
    spread: Floats
    missing: Floats
    worst: Floats
    fewest: tuple[int, ...]
    agents: tuple[str, ...]
    said: tuple[str, ...] = ()

    @property
    def between(self) -> Floats:
        """||D||_F^2, (R, T + 1)."""
        return self.quantities["between"]

    def estimate(self, replicate: int = 0) -> Estimate:
        """``between`` of one replicate with its standard error, (T + 1,) each."""
        arrays = (self.between, self.se, self.df, self.spread)
        return Estimate(*(array[replicate] for array in arrays))


def curves_of(run: Run, reading: int = 0) -> Curves:
    """The curves of one run of language models (R = 1), of one of its M readings.

    One pass over the embeddings of every step.
    """
    places, human, said = run.always, run.human(), list(run.damage)
    if len(places) < len(run.agents):
        left = [name for i, name in enumerate(run.agents) if i not in places]
        said.append(f"{run.path}: not at every step, so left out: {', '.join(left)}")
    if human is None:
        said.append(f"{run.path}: the human posts' embeddings are gone: no drift")
    steps = run.last + 1
    found = np.full((6, steps), np.nan)
    missing = np.full((run.queries, steps, len(places)), np.nan)
    expected = _missing_draws(run)
    for t in range(steps):
        if t not in run.lines:
            said.append(f"{run.path}: step {t} has no line in rounds.jsonl; it is left out")
            continue
        try:
            stack = np.stack([run.array(t, query, reading)[places] for query in range(run.queries)])
        except BadInput as error:
            said.append(f"{error}; step {t} is left out")
            continue
        missing[:, t] = np.isnan(stack[..., 0]).mean(axis=2)
        lost = round(missing[:, t].sum() * run.draws) - expected.get(t, 0)
        if lost > 0 and not reading and len(places) == len(run.agents):
            said.append(
                f"{run.path}: step {t}: {lost} embeddings are not finite numbers although their "
                "answers are there; they count as missing"
            )
        found[:, t] = _measured(stack, human)
    between, within, drift, se, df, spread = found[:, None]
    most = np.nan_to_num(missing).max(axis=(0, 1))
    return Curves(
        {"between": between, "within": within, "drift": drift},
        se,
        df,
        spread,
        missing.mean(axis=0)[None],
        np.sqrt((missing**2).mean(axis=0))[None],
        tuple(round(share) for share in (1 - most) * run.draws),
        tuple(run.agents[i] for i in places),
        tuple(said),
    )


def _measured(stack: NDArray[np.floating], human: Floats | None) -> list[float]:
    """Between, within, drift, and of between the error, its df and spread, of (Q, N, L, D)."""
    estimate = over_queries(stack)
    within = np.mean([within_spread(one) for one in stack])
    drift = np.nan if human is None else np.mean(unbiased.drift(stack, human))
    of_between = (float(x) for x in (estimate.error, estimate.df, estimate.spread))
    return [float(estimate.value), float(within), float(drift), *of_between]


def _missing_draws(run: Run) -> dict[int, int]:
    """step -> how many draws of first readings the models failed to give, as far as is recorded."""
    return {t: sum((line.get("missing") or {}).values()) for t, line in run.lines.items()}


def of_replicates(run: Run, side: str) -> Curves:
    """The curves of a numeric world; ``side`` is "" or "placebo_".

    D is of weights or parameters, which are known exactly: nothing is estimated, and ``se`` is 0.

    Raises:
        BadInput: there is no such side, or its arrays are gone or damaged.
    """
    read = read_side(run, Blocks(run.path).read(without=LARGE), side)
    between = read.quantities["between"]
    missing = np.zeros((*between.shape, len(run.agents)))
    return Curves(
        quantities=read.quantities,
        se=np.zeros_like(between),
        df=np.full_like(between, np.inf),
        spread=np.zeros_like(between),
        missing=missing,
        worst=missing,
        fewest=(1,) * len(run.agents),
        agents=tuple(run.agents),
        said=(*run.damage, *read.said),
    )
