"""Rounds of Gaussians from sufficient statistics: means and covariances of points.

A parameter is (mean, covariance), d + d^2 numbers. Of m points of N(mu, L L') the mean is
mu + L z / m^1/2 and the scatter L W L', W a Wishart matrix of m - 1 degrees of freedom, drawn by
Bartlett's factor; they are independent.
"""

from __future__ import annotations

import math

import numpy as np

from lwd_agents.kernels import compiled
from lwd_agents.worlds.graph_algebra import factor
from lwd_agents.worlds.graph_kernels import draw_factors


@compiled
def gaussian(cells, setting, less, history, first, last, means, scatters, counts, replay,
             replicate, memory, factors):  # fmt: skip
    """Fill the rounds first .. last of ``history`` as ``graph_kernels`` does.

    Args:
        less: 1 where a scatter is divided by one less than the points, else 0.
        means, scatters, counts: (C, d), (C, d, d), (C,) of all points so far; scatters are sums of
            squares about the mean.
        factors: (n + 1, d, d) memory; the last is the truth's.
    """
    n, d = history.shape[1], memory.b.shape[0]
    factors[n] = 0.0
    for k in range(d):
        factors[n, k, k] = setting.noise
    for t in range(first, last + 1):
        for i in range(n if t else 0):
            factor(history[t - 1, i, d:].reshape(d, d), factors[i])
        if not replay:
            history[t] = 0.0
        for c in range(cells.total.shape[0]):
            draw_factors(cells, setting, t, c, d, 1, replicate, memory)
            if not setting.accumulates:
                counts[c] = 0.0
                means[c] = 0.0
                scatters[c] = 0.0
            at, number = 0, 0
            for e in range(cells.start[c], cells.start[c + 1]):
                j, m = cells.source[e], cells.rows[e]
                centre = setting.truth if j < 0 else history[t - 1, j]
                at, number = _points(factors[n if j < 0 else j], centre, m, at, number, memory)
                _merge(means[c], scatters[c], counts, c, memory.b, memory.gram, np.float64(m))
            if not replay:
                _put(cells, less, history[t], c, means[c], scatters[c], counts[c])


@compiled
def _points(low, centre, m, at, number, memory):
    """The mean and scatter of m points, in ``b`` and ``gram``; where the next numbers stand.

    Args:
        low, centre: of the law that they come from.
        at, number: where this edge's normal and chi-square numbers begin.
    """
    gram, mean, u, turned = memory.gram, memory.b, memory.labels, memory.low[0]
    d = mean.shape[0]
    gram[:] = 0.0
    for k in range(d):
        value = 0.0
        for q in range(k + 1):
            value += low[k, q] * memory.z[at + q]
        mean[k] = centre[k] + value / math.sqrt(m)
    at += d
    for k in range(min(m - 1, d)):
        u[k] = memory.chi[number]
        number += 1
        for i in range(k + 1, d):
            u[i] = memory.z[at]
            at += 1
        for i in range(k, d):
            value = 0.0
            for q in range(k, i + 1):
                value += low[i, q] * u[q]
            turned[i] = value
        for i in range(k, d):
            for q in range(k, i + 1):
                gram[i, q] += turned[i] * turned[q]
    return at, number


@compiled
def _merge(mean, scatter, counts, c, more, its, m):
    """Take m points with the mean ``more`` and the scatter ``its`` in; nothing cancels."""
    before = counts[c]
    counts[c] = before + m
    share = m / counts[c]
    d = mean.shape[0]
    for i in range(d):
        more[i] -= mean[i]
    for i in range(d):
        for q in range(i + 1):
            scatter[i, q] += its[i, q] + before * share * more[i] * more[q]
    for i in range(d):
        mean[i] += share * more[i]


@compiled
def _put(cells, less, now, c, mean, scatter, count):
    """Add a cell's part to its owner's parameter."""
    owner, weight, d = cells.owner[c], cells.weight[c], mean.shape[0]
    scale = weight / (count - less)
    for i in range(d):
        now[owner, i] += weight * mean[i]
        for q in range(i + 1):
            value = scale * scatter[i, q]
            now[owner, d + d * i + q] += value
            if q < i:
                now[owner, d + d * q + i] += value
