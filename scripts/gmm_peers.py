"""What bench_gmm.py compares the GMM kernels with: peers, and arithmetic that waits for nothing."""

# ruff: noqa: NPY002 (the peer draws as Numba code does: from NumPy's global generator)

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benching import Timed
from gmm_literal import OwnDraws, simulate

from lwd_agents.worlds import gmm_kernel as kernel
from lwd_agents.worlds import gmm_points
from lwd_agents.worlds.gmm_vector import update_row

COMPILED = {"error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc"}, "nogil": True}


def numpy_peer(plan: gmm_points.Plan) -> Any:
    """One replicate by the literal algorithms."""
    rng = np.random.default_rng(0)
    start = rng.dirichlet(np.ones(len(plan.means)), plan.k.shape[1])
    return simulate(start, np.zeros((0, 1)), plan, plan.factor, OwnDraws(plan, rng))


@functools.cache
def peer_reading(components: int) -> Callable[..., None]:
    """The Numba peer's line 6 and 7 of Algorithm 3; B is a constant to its compiler."""

    @numba.njit(**COMPILED)
    def read(pi: Any, density: Any, index: Any, size: int, k: int, alpha: float, c: float) -> None:
        owned = np.empty(components)
        for j in range(k):
            r = np.random.randint(j, size)
            index[j], index[r] = index[r], index[j]
        for j in range(k):
            u = index[j]
            total = 0.0
            for b in range(components):
                owned[b] = pi[b] * density[u, b]
                total += owned[b]
            for b in range(components):
                o = owned[b] / total
                pi[b] = (1.0 - alpha) * pi[b] + alpha * (o - c) / (1.0 - components * c)
            for b in range(components):
                if pi[b] <= 0.0:
                    for other in range(components):
                        if other != b:
                            pi[other] /= 1.0 + 1e-6 - pi[b]
                    pi[b] = 1e-6

    return read


def numba_peer(plan: gmm_points.Plan) -> Timed:
    """One replicate by the Numba transcription."""
    components, means = len(plan.means), plan.means[:, 0].copy()
    read = peer_reading(components)

    @numba.njit(**COMPILED)
    def steps(weights: Any, density: Any, index: Any, k: Any, posts: int) -> None:
        size, n = 0, weights.shape[1]
        for t in range(len(k)):
            place = size
            for i in range(n):
                for _ in range(posts):
                    target, b = np.random.random() * weights[t, i].sum(), 0
                    while b < components - 1 and target >= weights[t, i, b]:
                        target -= weights[t, i, b]
                        b += 1
                    x = means[b] + np.random.normal()
                    for b in range(components):
                        density[place, b] = math.exp(-0.5 * (x - means[b]) ** 2)
                    place += 1
                weights[t + 1, i] = weights[t, i]
                alpha = 1.0 / max(k[t, i], 1)
                c = alpha / components**2
                read(weights[t + 1, i], density, index, size, k[t, i], alpha, c)
            size = place

    def run() -> np.ndarray:
        weights = np.empty((len(plan.k) + 1, plan.k.shape[1], components))
        weights[0] = np.random.default_rng(0).dirichlet(np.ones(components), plan.k.shape[1])
        density, index = np.empty((plan.size[-1], components)), np.arange(plan.size[-1])
        steps(weights, density, index, plan.k, plan.posts)
        return weights

    return run


def arithmetic(components: int, points: int) -> Timed:
    """The same arithmetic for ``points`` updates that don't wait for each other, data in L1."""
    alpha, c, rows = 1e-4, 1e-4 / components**2, 1024 // gmm_points.table_width(components)
    keep, gain = 1.0 - alpha, alpha / (1.0 - components * c)
    table = np.random.default_rng(0).uniform(0.5, 2.0, (rows, gmm_points.table_width(components)))
    first, second, new = np.full(rows, 0.5), np.full(rows, 0.5), np.empty((2, rows))
    p, loss = np.full_like(table, 1.0 / components), np.full_like(table, gain * c)
    registers = kernel.registers_for(components)

    @numba.njit(**COMPILED)
    def pairs(ratio: Any, x: Any, y: Any, new: Any) -> int:
        bad = 0
        for _ in range(points // rows):
            for j in range(rows):
                v = y[j] * ratio[j]
                inverse = 1.0 / (x[j] + v)
                new[0, j] = keep * x[j] + (gain * (x[j] * inverse) - gain * c)
                new[1, j] = keep * y[j] + (gain * (v * inverse) - gain * c)
                bad += (new[0, j] <= 0.0) | (new[1, j] <= 0.0)
        return bad

    @numba.njit(**COMPILED)
    def many(table: Any, p: Any, loss: Any) -> int:
        bad = 0
        for _ in range(points // rows):
            for j in range(rows):
                bad += update_row(registers, p, j, table, j, loss, keep, gain)
        return bad

    if components == 2:
        return lambda: pairs(table[:, 0].copy(), first, second, new)
    return lambda: many(table, p, loss)


@numba.njit(**COMPILED)
def peer_step(read: Any, weights: Any, density: Any, index: Any, k: int) -> None:
    """The Numba peer's readings of one step: weights (A, N, B), density (A, P, B)."""
    for arm in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            read(weights[arm, i], density[arm], index, len(index), k, 1.0 / k, 0.25 / k)
