"""Rounds from the rows themselves: for fits that a few sums don't tell, and to check those.

A row is a function of (round, cell, place in the cell, replicate) and of the parameters that label
it, so none is stored: data that accumulates is made again from the parameters' history. In round 0
all rows are real. Designs that come again (``design``) are stored; else rows are N(0, I).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, normal_pair, philox, stamp, unit
from lwd_agents.randoms import Scratch, normals, scratch
from lwd_agents.worlds.graph_algebra import factor
from lwd_agents.worlds.graph_cells import Cells
from lwd_agents.worlds.graph_fits import (
    FITTED,
    GAUSSIAN,
    HUBER,
    LEAST_SQUARES,
    LOGISTIC,
    MEAN,
    OVERFLOW,
    POISSON,
    huber,
    least_squares,
    regression,
)

ROW, LABEL, COUNT, CHOICE = 4, 5, 6, 7  # what numbers are for; graph_kernels has 0 to 2
_MOST_COUNT = (
    1e9  # a Poisson mean beyond it is an overflow: log-gamma would lose the digits that tell
)
Floats = NDArray[np.float64]


class RowMemory(NamedTuple):
    """What one thread needs: the rows of the largest fit, and small matrices."""

    random: Scratch
    x: Floats
    y: Floats
    z: Floats
    gram: Floats
    low: Floats
    theta: Floats
    step: Floats
    trial: Floats
    factors: Floats
    chosen: NDArray[np.int64]
    taken: NDArray[np.bool_]


def row_memory(cells: Cells, d: int, n: int, rounds: int, kind: int, grows: bool) -> RowMemory:
    """Memory for fits of ``rounds`` rounds' rows (1 where none are kept)."""
    most = int(cells.total.max())
    kept = most * rounds
    points = rounds if kind == GAUSSIAN else 0
    return RowMemory(
        scratch(d), np.empty((kept, d)), np.empty(kept), np.empty(d), np.empty((d, d)),
        np.empty((d, d)), np.empty(d), np.empty(d), np.empty(d), np.empty((points, n + 1, d, d)),
        np.empty(most if grows else 0, dtype=np.int64), np.zeros(kept if grows else 0, dtype=bool),
    )  # fmt: skip


class Kind(NamedTuple):
    """The estimator, for the kernel.

    Attributes:
        number: of ``graph_fits``.
        threshold: Huber's, in the units of the points.
        less: 1 where a scatter is divided by one less than the points, else 0.
        subsample: whether a fit has as many rows as a round, drawn from all so far.
    """

    number: int
    threshold: float
    less: int
    subsample: bool


@compiled
def _poisson(mean, slot, c1, c2, c3, key):
    """A Poisson number: by inversion below 10, else by Hoermann's transformed rejection (1993)."""
    first = slot * 1024
    if mean < 10.0:
        x0, x1, _, _ = philox(np.uint64(first), c1, c2, c3, key[0], key[1])
        u, p, k = unit(x0, x1), math.exp(-mean), 0.0
        while u > p and k < 200.0:
            u -= p
            k += 1.0
            p *= mean / k
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    top = 0.9277 - 3.6224 / (b - 2.0)
    for attempt in range(1024):
        x0, x1, x2, x3 = philox(np.uint64(first + attempt), c1, c2, c3, key[0], key[1])
        u, v = unit(x0, x1) - 0.5, unit(x2, x3)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= top:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse) - math.log(a / (us * us) + b) <= (
            k * math.log(mean) - mean - math.lgamma(k + 1.0)
        ):
            return k
    return math.floor(mean)


@compiled
def _row(cells, setting, kind, design, history, t, c, slot, source, replicate, memory, at):
    """Make one row at place ``at`` of the memory; FITTED, or OVERFLOW."""
    d, key = memory.z.shape[0], setting.key
    c2, c3 = np.uint64(c), np.uint64(replicate)
    x = memory.x[at]
    theta = setting.truth if source < 0 or t == 0 else history[t - 1, source]
    if design.shape[0]:
        x[:] = design[slot]
    else:
        first = slot * ((d + 1) // 2)
        normals(x, memory.random, first, stamp(t, ROW), c2, c3, key)
    if kind.number in (MEAN, HUBER):
        for k in range(d):
            x[k] = theta[k] + setting.noise * x[k]
        return FITTED
    if kind.number == GAUSSIAN:
        low = memory.factors[0 if t == 0 else (t - 1) % memory.factors.shape[0]]
        low = low[history.shape[1] if source < 0 or t == 0 else source]
        memory.z[:] = x
        for k in range(d):
            value = theta[k]
            for q in range(k + 1):
                value += low[k, q] * memory.z[q]
            x[k] = value
        return FITTED
    eta = 0.0
    for k in range(d):
        eta += x[k] * theta[k]
    x0, x1, x2, x3 = philox(np.uint64(slot), stamp(t, LABEL), c2, c3, key[0], key[1])
    if kind.number == LEAST_SQUARES:
        noise, _ = normal_pair(x0, x1, x2, x3)
        memory.y[at] = eta + setting.noise * noise
    elif kind.number == LOGISTIC:
        memory.y[at] = 1.0 if unit(x0, x1) < 1.0 / (1.0 + math.exp(-eta)) else 0.0
    else:
        mean = math.exp(min(eta, 700.0))
        if mean > _MOST_COUNT:
            return OVERFLOW
        memory.y[at] = _poisson(mean, slot, stamp(t, COUNT), c2, c3, key)
    return FITTED


@compiled
def _gather(cells, setting, kind, design, history, t, c, replicate, memory):
    """The rows of a cell's fit in round t; how many, or -1 for an overflow."""
    m = cells.total[c]
    first = 0 if setting.accumulates else t
    if kind.subsample:
        _choose(setting, t, c, m, replicate, memory)
    at = 0
    for s in range(first, t + 1):
        slot = 0
        for e in range(cells.start[c], cells.start[c + 1]):
            for _ in range(cells.rows[e]):
                if not kind.subsample or memory.taken[s * m + slot]:
                    source = cells.source[e]
                    if _row(
                        cells, setting, kind, design, history, s, c, slot, source, replicate,
                        memory, at,
                    ) != FITTED:  # fmt: skip
                        return -1
                    at += 1
                slot += 1
    if kind.subsample:
        for j in range(m):
            memory.taken[memory.chosen[j]] = False
    return at


@compiled
def _choose(setting, t, c, m, replicate, memory):
    """Mark m of the (t + 1) m rows so far, every subset equally likely (Floyd's algorithm)."""
    pool, key = (t + 1) * m, setting.key
    c1, c2, c3 = stamp(t, CHOICE), np.uint64(c), np.uint64(replicate)
    for j in range(m):
        last = pool - m + j
        x0, x1, _, _ = philox(np.uint64(j), c1, c2, c3, key[0], key[1])
        drawn = min(np.int64(unit(x0, x1) * (last + 1)), last)
        if memory.taken[drawn]:
            drawn = last
        memory.taken[drawn] = True
        memory.chosen[j] = drawn


@compiled
def by_rows(
    cells, setting, kind, designs, offsets, history, first, last, replicate, memory, failed
):
    """Fill the rounds first .. last of ``history``; False where a fit does not exist.

    Args:
        designs, offsets: the stored rows of all cells, and where each cell's begin; (0, d) where
            rows are drawn anew.
        failed: (3,) is told the failure (of ``graph_fits``), the round and the cell.
    """
    for t in range(first, last + 1):
        history[t] = 0.0
        if kind.number == GAUSSIAN:
            _factor(setting, history, t, first, memory)
        for c in range(cells.total.shape[0]):
            design = designs
            if designs.shape[0]:
                design = designs[offsets[c] : offsets[c] + cells.total[c]]
            many = _gather(cells, setting, kind, design, history, t, c, replicate, memory)
            ended = OVERFLOW
            if many >= 0:
                ended = _fit(cells, setting, kind, history, t, c, many, memory)
            if ended != FITTED:
                failed[0], failed[1], failed[2] = ended, t, c
                return False
    return True


@compiled
def _factor(setting, history, t, first, memory):
    """Factors of the covariances that label the rows of round t."""
    d, n, rounds = memory.z.shape[0], history.shape[1], memory.factors.shape[0]
    begin = t - 1 if t > first or rounds == 1 else 0
    for s in range(max(begin, 0), max(t, 1)):
        place = memory.factors[s % rounds]
        place[n] = 0.0
        for k in range(d):
            place[n, k, k] = setting.noise
        for i in range(n if t else 0):
            factor(history[s, i, d:].reshape(d, d), place[i])


@compiled
def _fit(cells, setting, kind, history, t, c, many, memory):
    """Fit the rows in memory, and add the cell's part to its owner's parameter."""
    x, y, theta = memory.x[:many], memory.y[:many], memory.theta
    owner, weight, d = cells.owner[c], cells.weight[c], memory.z.shape[0]
    ended = FITTED
    if kind.number == LEAST_SQUARES:
        ended = least_squares(x, y, setting.penalty, theta, memory.gram, memory.low)
    elif kind.number in (LOGISTIC, POISSON):
        theta[:] = setting.truth if t == 0 else history[t - 1, owner]
        ended = regression(
            kind.number, x, y, theta, memory.gram, memory.low, memory.step, memory.trial
        )
    elif kind.number == HUBER:
        for k in range(d):
            theta[k] = huber(x[:, k], kind.threshold)
    else:
        theta[:] = 0.0
        for r in range(many):
            for k in range(d):
                theta[k] += x[r, k]
        for k in range(d):
            theta[k] /= many
    for k in range(d):
        history[t, owner, k] += weight * theta[k]
    if kind.number == GAUSSIAN:
        scale = weight / (many - kind.less)
        for r in range(many):
            for i in range(d):
                for q in range(d):
                    value = (x[r, i] - theta[i]) * (x[r, q] - theta[q])
                    history[t, owner, d + d * i + q] += scale * value
    return ended


@compiled
def draw_design(out, offsets, keys, t, replicate, memory, key):
    """Rows N(0, I) of designs that come again: those of cell c stand from offsets[c] on."""
    for c in range(offsets.shape[0] - 1):
        mine = out[offsets[c] : offsets[c + 1]].reshape(-1)
        normals(mine, memory, 0, stamp(t, ROW), np.uint64(keys[c]), np.uint64(replicate), key)
