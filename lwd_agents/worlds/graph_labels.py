"""Labels of rows from their linear predictors, and samples of rows, inside kernels."""

from __future__ import annotations

import math

import numpy as np

from lwd_agents.kernels import compiled, philox, stamp, unit
from lwd_agents.randoms import normals
from lwd_agents.worlds.graph_fits import FITTED, LEAST_SQUARES, LOGISTIC, OVERFLOW, POISSON

LABEL, COUNT, CHOICE = 5, 6, 7  # what numbers are for
_MOST_COUNT = 1e9  # a Poisson mean beyond it is an overflow: log-gamma would lose the digits


@compiled
def label(setting, kind, t, c, replicate, y, memory):
    """Labels in place of the linear predictors y; OVERFLOW where a count is beyond numbers."""
    c1, c2, c3, key = stamp(t, LABEL), np.uint64(c), np.uint64(replicate), setting.key
    if kind.number == LEAST_SQUARES:
        noise = memory.noise[: y.shape[0]]
        normals(noise, memory.random, 0, c1, c2, c3, key)
        for r in range(y.shape[0]):
            y[r] += setting.noise * noise[r]
    elif kind.number == LOGISTIC:
        for r in range(y.shape[0]):
            x0, x1, _, _ = philox(np.uint64(r), c1, c2, c3, key[0], key[1])
            y[r] = 1.0 if unit(x0, x1) < 1.0 / (1.0 + math.exp(-y[r])) else 0.0
    elif kind.number == POISSON:
        for r in range(y.shape[0]):
            mean = math.exp(min(y[r], 700.0))
            if mean > _MOST_COUNT:
                return OVERFLOW
            y[r] = poisson(mean, r, stamp(t, COUNT), c2, c3, key)
    return FITTED


@compiled
def poisson(mean, slot, c1, c2, c3, key):
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
def choose(setting, t, c, m, replicate, memory):
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
