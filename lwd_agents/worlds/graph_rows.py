"""Rounds from the rows themselves: for fits that a few sums don't tell, and to check those.

The rows that a cell gets in a round are a function of (round, cell, replicate) and of the
parameters that label them, so none is stored: data that accumulates is made again from the
parameters' history. In round 0 all rows are real. Designs that come again are stored; else rows
are N(0, I). Rows stand coordinate by coordinate, (d, m).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, stamp
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
    FitMemory,
    fit_memory,
    huber,
    least_squares,
    regression,
)
from lwd_agents.worlds.graph_labels import choose, label

ROW = 4  # what numbers are for; graph_kernels has 0 to 2, graph_labels 5 to 7
Floats = NDArray[np.float64]


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


class RowMemory(NamedTuple):
    """What one thread needs: the rows of a round and of the largest fit, and what fits need.

    ``x``, ``y`` are of the fit; ``fresh``, ``labels`` and ``noise`` of one round's rows of a cell;
    ``factors`` of the covariances that label the rows of the rounds so far; ``taken`` and
    ``chosen`` of a sample.
    """

    random: Scratch
    x: Floats
    y: Floats
    fresh: Floats
    labels: Floats
    noise: Floats
    theta: Floats
    factors: Floats
    fit: FitMemory
    chosen: NDArray[np.int64]
    taken: NDArray[np.bool_]


def row_memory(cells: Cells, d: int, n: int, rounds: int, kind: Kind) -> RowMemory:
    """Memory for fits among the rows of ``rounds`` rounds (1 where none are kept)."""
    most = int(cells.total.max())
    fitted = most if kind.subsample else most * rounds
    points = rounds if kind.number == GAUSSIAN else 0
    return RowMemory(
        scratch(most), np.empty((d, fitted)), np.empty(fitted), np.empty((d, most)),
        np.empty(most), np.empty(most), np.empty(d), np.empty((points, n + 1, d, d)),
        fit_memory(d, fitted, kind.number in (LOGISTIC, POISSON)),
        np.empty(most if kind.subsample else 0, dtype=np.int64),
        np.zeros(most * rounds if kind.subsample else 0, dtype=bool),
    )  # fmt: skip


@compiled
def draw_design(out, offsets, keys, t, replicate, memory, key):
    """Rows N(0, I), (d, rows), of designs: those of cell c stand from offsets[c] on."""
    for c in range(offsets.shape[0] - 1):
        _draw_rows(out, offsets[c], offsets[c + 1], t, keys[c], replicate, memory, key)


@compiled
def _draw_rows(out, first, last, t, cell, replicate, memory, key):
    """Standard normal rows of a round and a cell, at the places first .. last - 1 of (d, M)."""
    half = (last - first + 1) // 2
    for k in range(out.shape[0]):
        normals(
            out[k][first:last],
            memory,
            k * half,
            stamp(t, ROW),
            np.uint64(cell),
            np.uint64(replicate),
            key,
        )


@compiled
def _make(cells, setting, kind, designs, offset, history, t, c, replicate, x, labels, at, memory):
    """The rows and labels that cell c gets in round t, from place ``at`` on; FITTED, or OVERFLOW.

    Args:
        x, labels: (d, M), (M,) what is filled.
    """
    end = at + cells.total[c]
    if designs.shape[1]:
        for k in range(x.shape[0]):
            x[k][at:end] = designs[k][offset : offset + cells.total[c]]
    else:
        _draw_rows(x, at, end, t, c, replicate, memory.random, setting.key)
    labels[at:end] = 0.0
    begin = at
    for e in range(cells.start[c], cells.start[c + 1]):
        stop = begin + cells.rows[e]
        real = cells.source[e] < 0 or t == 0
        theta = setting.truth if real else history[t - 1, cells.source[e]]
        y = labels[begin:stop]
        if kind.number == GAUSSIAN:
            low = memory.factors[max(t - 1, 0) % memory.factors.shape[0]]
            _turn(x, begin, stop, theta, low[history.shape[1] if real else cells.source[e]])
        else:
            for k in range(x.shape[0]):
                row, w = x[k][begin:stop], theta[k]
                if kind.number in (MEAN, HUBER):
                    for r in range(row.shape[0]):
                        row[r] = w + setting.noise * row[r]
                else:
                    for r in range(row.shape[0]):
                        y[r] += w * row[r]
        begin = stop
    return label(setting, kind, t, c, replicate, labels[at:end], memory)


@compiled
def _turn(x, begin, end, mean, low):
    """Points from standard normal ones, in place: the last coordinate first."""
    for k in range(x.shape[0] - 1, -1, -1):
        row = x[k][begin:end]
        for r in range(row.shape[0]):
            row[r] = mean[k] + low[k, k] * row[r]
        for q in range(k):
            other, w = x[q][begin:end], low[k, q]
            for r in range(row.shape[0]):
                row[r] += w * other[r]


@compiled
def _gather(cells, setting, kind, designs, offset, history, t, c, replicate, memory):
    """The rows of a cell's fit in round t, in memory; how many, or -1 for an overflow."""
    m = cells.total[c]
    first = 0 if setting.accumulates else t
    x, y = memory.x, memory.y
    if kind.subsample:
        choose(setting, t, c, m, replicate, memory)
        x, y = memory.fresh, memory.labels
    at = 0
    for s in range(first, t + 1):
        place = 0 if kind.subsample else at
        if _make(
            cells, setting, kind, designs, offset, history, s, c, replicate, x, y, place, memory
        ):
            return -1
        if not kind.subsample:
            at += m
            continue
        for r in range(m):
            if memory.taken[s * m + r]:
                for k in range(x.shape[0]):
                    memory.x[k, at] = x[k, r]
                memory.y[at] = y[r]
                at += 1
    if kind.subsample:
        for j in range(m):
            memory.taken[memory.chosen[j]] = False
    return at


@compiled
def by_rows(
    cells, setting, kind, designs, offsets, history, first, last, replicate, memory, failed
):
    """Fill the rounds first .. last of ``history``; False where a fit does not exist.

    Args:
        designs, offsets: the stored rows of all cells, (d, rows), and where each cell's begin;
            (d, 0) where rows are drawn anew.
        failed: (3,) is told the failure (of ``graph_fits``), the round and the cell.
    """
    for t in range(first, last + 1):
        history[t] = 0.0
        if kind.number == GAUSSIAN:
            _factor(setting, history, t, first, memory)
        for c in range(cells.total.shape[0]):
            offset = offsets[c] if designs.shape[1] else 0
            many = _gather(cells, setting, kind, designs, offset, history, t, c, replicate, memory)
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
    d, n, rounds = memory.theta.shape[0], history.shape[1], memory.factors.shape[0]
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
    x, y, theta = memory.x, memory.y[:many], memory.theta
    owner, weight, d = cells.owner[c], cells.weight[c], theta.shape[0]
    ended = FITTED
    if kind.number == LEAST_SQUARES:
        ended = least_squares(x, y, setting.penalty, theta, memory.fit)
    elif kind.number in (LOGISTIC, POISSON):
        theta[:] = setting.truth if t == 0 else history[t - 1, owner]
        ended = regression(kind.number, x, y, theta, memory.fit)
    elif kind.number == HUBER:
        for k in range(d):
            theta[k] = huber(x[k][:many], kind.threshold)
    else:
        for k in range(d):
            theta[k] = x[k][:many].mean()
    for k in range(d):
        history[t, owner, k] += weight * theta[k]
    if kind.number == GAUSSIAN:
        scale = weight / (many - kind.less)
        for i in range(d):
            for q in range(i + 1):
                a, b, value = x[i], x[q], 0.0
                for r in range(many):
                    value += (a[r] - theta[i]) * (b[r] - theta[q])
                history[t, owner, d + d * i + q] += scale * value
                if q < i:
                    history[t, owner, d + d * q + i] += scale * value
    return ended
