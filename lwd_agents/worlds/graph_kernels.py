"""Rounds of least squares and of means from sufficient statistics: a few sums for many rows.

For Gaussian noise a fit depends on its rows through their Gram matrices G_e = X_e'X_e, an edge e
each, and the sums X_e'y_e alone. Given the design, X'y = sum_e G_e theta_e + s G^1/2 z with z
standard normal: d numbers for a cell's noise, however many its rows are. Of redrawn rows N(0, I)
the Gram matrices are independent Wishart matrices, drawn by Bartlett's factor: d (d + 1)/2 numbers
an edge. The law of the fits is that of the rows' own (tests compare both).

``history`` is one arm's parameters (T + 1, n, P), and a kernel fills the rounds first .. last of
it. Replaying, it takes them as given, and brings only what accumulates up to date. Randomness is a
function of (round, cell, replicate): see ``lwd_agents.kernels``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, stamp
from lwd_agents.randoms import Scratch, chi_squares, normals, scratch
from lwd_agents.worlds.graph_algebra import backward, cholesky, factor, forward, solve, squares
from lwd_agents.worlds.graph_cells import Cells

FIT, DESIGN, CHI = 0, 1, 2  # what numbers are for
Floats = NDArray[np.float64]


class Memory(NamedTuple):
    """What one thread needs: numbers of a round or of a cell, and small matrices."""

    random: Scratch
    z: Floats
    chi: Floats
    freedom: Floats
    gram: Floats
    low: Floats
    b: Floats
    u: Floats
    labels: Floats


def memory(cells: Cells, d: int) -> Memory:
    """Memory for cells of d features."""
    edges = int(np.diff(cells.start).max(initial=1))
    most = max(len(cells.total) * d, edges * d * (d + 1) // 2 + (edges + 1) * d)
    chis = edges * d
    return Memory(
        scratch(max(most, 2 * chis)), np.empty(max(most, 2 * chis)), np.empty(chis),
        np.empty(chis), np.empty((d, d)), np.empty((d, d)), np.empty(d), np.empty((d, chis)),
        np.empty(chis + d),
    )  # fmt: skip


class Designs(NamedTuple):
    """Designs of one arm that come again each round (designs ``fixed``).

    Attributes:
        maps: of cell c, from place d^2 (start[c] + c) on, the (d, (e + 1) d) matrix
            [S^-1 G_1, ..., S^-1 G_e, S^-1 L] of its e edges: S is X'X + penalty, L L' = X'X.
    """

    maps: Floats


@compiled
def proportional(cells, setting, history, first, last, sums, counts, replay, replicate, memory):
    """Designs whose Gram matrices are m_e I; means of points are the same, a coordinate each.

    Args:
        sums, counts: (C, d), (C,) X'y and the rows of all rounds so far.
    """
    d, many = setting.truth.shape[0], cells.total.shape[0]
    z = memory.z[: many * d]
    for t in range(first, last + 1):
        normals(z, memory.random, 0, stamp(t, FIT), np.uint64(0), np.uint64(replicate), setting.key)
        if not replay:
            history[t] = 0.0
        for c in range(many):
            spread = setting.noise * math.sqrt(cells.total[c])
            if not setting.accumulates:
                counts[c] = 0.0
                sums[c] = 0.0
            counts[c] += cells.total[c]
            for k in range(d):
                sums[c, k] += spread * z[c * d + k]
            for e in range(cells.start[c], cells.start[c + 1]):
                j, m = cells.source[e], np.float64(cells.rows[e])
                labels = setting.truth if j < 0 else history[t - 1, j]
                for k in range(d):
                    sums[c, k] += m * labels[k]
            if not replay:
                scale = cells.weight[c] / (counts[c] + setting.penalty)
                for k in range(d):
                    history[t, cells.owner[c], k] += scale * sums[c, k]


@compiled
def fixed(cells, setting, designs, history, first, last, sums, counts, replay, replicate, memory):
    """The same designs each round: the fit of all rows so far is the mean of the rounds' fits.

    Args:
        sums, counts: (C, d), (C,) of the rounds' fits so far, and their number.
    """
    d, many = setting.truth.shape[0], cells.total.shape[0]
    z = memory.z[: many * d]
    for t in range(first, last + 1):
        normals(z, memory.random, 0, stamp(t, FIT), np.uint64(0), np.uint64(replicate), setting.key)
        if not replay:
            history[t] = 0.0
        for c in range(many):
            a, edges = cells.start[c], cells.start[c + 1] - cells.start[c]
            labels = memory.labels[: (edges + 1) * d]
            for e in range(edges):
                j = cells.source[a + e]
                labels[e * d : e * d + d] = setting.truth if j < 0 else history[t - 1, j]
            for k in range(d):
                labels[edges * d + k] = setting.noise * z[c * d + k]
            begin = d * d * (a + c)
            rows = designs.maps[begin : begin + d * len(labels)].reshape(d, len(labels))
            if not setting.accumulates:
                counts[c] = 0.0
                sums[c] = 0.0
            counts[c] += 1.0
            scale = cells.weight[c] / counts[c]
            for k in range(d):
                row, value = rows[k], 0.0
                for q in range(len(labels)):
                    value += row[q] * labels[q]
                sums[c, k] += value
                if not replay:
                    history[t, cells.owner[c], k] += scale * sums[c, k]


@compiled
def prepare(cells, rows, offsets, penalty, maps, gram, low):
    """Fill ``Designs.maps`` from a design's rows.

    Args:
        rows, offsets: (d, rows) of all cells, edge after edge, and where each cell's begin.
        gram, low: (d, d) memory.

    Returns:
        The cell whose design is singular, or -1.
    """
    d = rows.shape[0]
    for c in range(cells.total.shape[0]):
        a, edges, at = cells.start[c], cells.start[c + 1] - cells.start[c], offsets[c]
        width = (edges + 1) * d
        begin = d * d * (a + c)
        mine = maps[begin : begin + d * width].reshape(d, width)
        for e in range(edges):
            squares(rows, rows, at, at + cells.rows[a + e], gram)
            at += cells.rows[a + e]
            for i in range(d):
                for k in range(d):
                    mine[i, e * d + k] = gram[max(i, k), min(i, k)]
        squares(rows, rows, offsets[c], at, gram)
        factor(gram, low)
        mine[:, edges * d :] = low
        if not cholesky(gram, low, penalty):
            return c
        solve(low, mine)
    return -1


@compiled
def draw_factors(cells, setting, t, c, d, less, replicate, memory):
    """The numbers of a cell's Wishart factors, column by column, and d more for its noise.

    Of an edge of m rows the factor A has min(m - less, d) columns; column k has the root of a
    chi-square number with m - less - k degrees of freedom, and d - k - 1 normal numbers below.
    """
    many, normal = 0, d
    for e in range(cells.start[c], cells.start[c + 1]):
        for k in range(min(cells.rows[e] - less, d)):
            memory.freedom[many] = cells.rows[e] - less - k
            many += 1
            normal += d - k - 1
        normal += d * less
    chi, c2, c3 = memory.chi[:many], np.uint64(c), np.uint64(replicate)
    chi_squares(
        chi, memory.freedom[:many], memory.z[: 2 * many], memory.random, 0, stamp(t, CHI), c2, c3,
        setting.key,
    )  # fmt: skip
    for j in range(many):
        chi[j] = math.sqrt(chi[j])
    normals(memory.z[:normal], memory.random, 0, stamp(t, DESIGN), c2, c3, setting.key)


@compiled
def _fill(cells, setting, history, t, c, d, memory):
    """The factors of a cell's edges side by side, (d, K) in ``u``, and their labels (K,).

    The columns stand for rows: u u' is X'X, and u labels is X'y without its noise.
    """
    at, base = d, 0
    for e in range(cells.start[c], cells.start[c + 1]):
        j, columns = cells.source[e], min(cells.rows[e], d)
        theta = setting.truth if j < 0 else history[t - 1, j]
        labels = memory.labels[base : base + columns]
        labels[:] = 0.0
        for i in range(d):
            row = memory.u[i, base : base + columns]
            for k in range(min(i, columns)):
                row[k] = memory.z[at + k]
            at += min(i, columns)
            if i < columns:
                row[i] = memory.chi[base + i]
                row[i + 1 :] = 0.0
            for k in range(columns):
                labels[k] += theta[i] * row[k]
        base += columns
    return base


@compiled
def redrawn(cells, setting, history, first, last, sums, grams, replay, replicate, memory):
    """Rows N(0, I), drawn anew each round; returns the cell whose Gram matrix is singular, or -1.

    Args:
        sums, grams: (C, d), (C, d, d) X'y and X'X of all rounds so far; of grams the lower
            triangle.
    """
    d = setting.truth.shape[0]
    gram, low, b = memory.gram, memory.low, memory.b
    for t in range(first, last + 1):
        if not replay:
            history[t] = 0.0
        for c in range(cells.total.shape[0]):
            draw_factors(cells, setting, t, c, d, 0, replicate, memory)
            many = _fill(cells, setting, history, t, c, d, memory)
            squares(memory.u, memory.u, 0, many, gram)
            for i in range(d):
                row, value = memory.u[i], 0.0
                for k in range(many):
                    value += row[k] * memory.labels[k]
                b[i] = value
            if not cholesky(gram, low, 0.0):
                return c
            for i in range(d):
                for k in range(i + 1):
                    b[i] += setting.noise * low[i, k] * memory.z[k]
            if setting.accumulates:
                for i in range(d):
                    sums[c, i] += b[i]
                    b[i] = sums[c, i]
                    for k in range(i + 1):
                        grams[c, i, k] += gram[i, k]
                        gram[i, k] = grams[c, i, k]
            if replay:
                continue
            if (setting.accumulates or setting.penalty > 0.0) and not cholesky(
                gram, low, setting.penalty
            ):
                return c
            forward(low, b)
            backward(low, b)
            for k in range(d):
                history[t, cells.owner[c], k] += cells.weight[c] * b[k]
    return -1
