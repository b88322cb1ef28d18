"""Many runs of the GMM system by the package's own kernel: what the theory is held against.

Axes: R replicates, N models, B components, T steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwd_agents.kernels import run_key
from lwd_agents.theory.schedule import Schedule
from lwd_agents.worlds import gmm_kernel as kernel
from lwd_agents.worlds import gmm_points

Array = NDArray[np.float64]
FAR = 12.0  # standard deviations between neighbouring means: ownerships are 0 or 1
SEED = 7


@dataclass(frozen=True)
class Runs:
    """What `simulate` saw.

    Attributes:
        norm: ||D(t)||_F, (R, T+1).  weights: (R, T+1, N, B).
        plan, initial, placebo: the kernel's plan; the rows of A(0)'s points; the kind of run.
    """

    norm: Array
    weights: Array
    plan: gmm_points.Plan
    initial: Array
    placebo: bool

    def composition(self, step: int) -> Array:
        """Share of each component in A(step), (R, B); 0 where A is empty.

        The points are posted again, by the same random words but without noise: each then lies
        at its component's mean, and its likelihoods say which that is.
        """
        human = self.plan.human._replace(factor=np.zeros((1, 1)))
        quiet = self.plan._replace(factor=np.zeros((1, 1)), human=human)
        B = self.weights.shape[-1]
        begin, end = int(quiet.first[step]), int(quiet.size[step])
        table = np.zeros((int(quiet.size[-1]), self.initial.shape[1]))
        table[: len(self.initial)] = self.initial
        shares = np.empty((len(self.weights), B))
        for arm, weights in enumerate(self.weights):
            for t in range(step):
                gmm_points.post(quiet, weights[t], table, t, arm, self.placebo)
            rows = table[begin:end]
            labels = (rows[:, 0] > 1).astype(np.int64) if B == 2 else rows[:, :B].argmax(axis=1)
            shares[arm] = np.bincount(labels, minlength=B) / max(end - begin, 1)
        return shares


def dirichlet(n: int, B: int, a: float = 1.0, replicates: int = 1) -> Array:
    """Starting weights, (replicates, n, B)."""
    return np.random.default_rng(SEED).dirichlet([a] * B, (replicates, n))


def simulate(
    start: ArrayLike,
    schedule: Schedule,
    *,
    composition: ArrayLike | None = None,
    human: ArrayLike | None = None,
    placebo: bool = False,
    separation: float = FAR,
    eps: float = 1e-6,
) -> Runs:
    """Algorithms 2 and 3 in one dimension, with unit variance and evenly spaced means.

    Args:
        start: Pi_i(0), (R, N, B).
        composition: share of each component in A(0), whose points lie at the means.
        human, placebo: as in `mean_field`.
        separation: between neighbouring means.  eps: where a weight is put that is not positive.
    """
    weights = np.ascontiguousarray(start, dtype=np.float64)
    R, n, B = weights.shape
    plan = _plan(schedule, human, separation, eps)
    initial = _rows(plan, composition)
    states = np.empty((R, schedule.steps + 1, n, B))
    states[:, 0] = weights
    at_once = max(1, kernel.LANES // n)  # arms whose chains fill the kernel's registers
    tables = np.zeros((at_once, plan.size[-1], gmm_points.table_width(B)))
    tables[:, : len(initial)] = initial
    places = np.arange(plan.size[-1], dtype=np.int32)
    memory = kernel.scratch(plan, kernel.LANES if B == 2 else 4)
    for lo in range(0, R, at_once):
        arms = np.arange(lo, min(R, lo + at_once))
        table, out = tables[: len(arms)], np.empty((len(arms), schedule.steps, n, B))
        clips = np.zeros((len(arms), schedule.steps, n), dtype=np.int64)
        kernel.advance(
            plan, kernel.registers_for(B), kernel.ratios_of(table), weights[arms], table, places,
            0, schedule.steps, arms, np.full(len(arms), placebo), memory, out, clips,
        )  # fmt: skip
        states[arms, 1:] = out
    apart = states - states.mean(axis=2, keepdims=True)
    norm = np.sqrt(2 * n * np.sum(apart**2, axis=(2, 3)))
    return Runs(norm, states, plan, initial, placebo)


def _plan(
    schedule: Schedule, human: ArrayLike | None, separation: float, eps: float
) -> gmm_points.Plan:
    n, B = schedule.models, schedule.components
    entering = n * schedule.draws + schedule.fresh
    size = int(schedule.size[0]) + entering * np.arange(schedule.steps + 1)
    first = np.zeros_like(size)
    if schedule.replaces:
        first[1:] = size[:-1]
    means, one = separation * np.arange(float(B))[:, None], np.eye(1)
    law = np.full(B, 1 / B) if human is None else np.asarray(human, dtype=np.float64)
    k, alpha, c = (
        np.repeat(values[:, None], n, axis=1) for values in (schedule.k, schedule.alpha, schedule.c)
    )
    return gmm_points.Plan(
        key=run_key(SEED, "gmm"), means=means, factor=one, whitened=means, whitener=one,
        human=gmm_points.Law(np.cumsum(law), means, one), k=k, alpha=alpha, shift=c, first=first,
        size=size, posts=schedule.draws, fresh=schedule.fresh, authors=np.ones((n, n), bool),
        everyone=True, epsilon=eps,
    )  # fmt: skip


def _rows(plan: gmm_points.Plan, composition: ArrayLike | None) -> Array:
    """What the kernel keeps of A(0)'s points, (|A(0)|, width)."""
    B, size = len(plan.means), int(plan.size[0])
    counts = np.zeros(B) if composition is None else np.round(np.asarray(composition) * size)
    labels = np.repeat(np.arange(B), counts.astype(np.int64))
    rows = np.zeros((size, gmm_points.table_width(B)))
    for row, label in zip(rows, labels, strict=True):
        gmm_points.likelihoods(plan.means[label], plan.whitened, plan.whitener, row)
    return rows
