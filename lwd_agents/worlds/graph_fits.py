"""Fits of a cell's rows inside kernels: least squares, logistic and Poisson regression, Huber.

Rows are stored coordinate by coordinate, x (d, M), of which the first m = len(y) count: sums over
rows then run along memory. The
M-estimators are found by Newton's iteration with halved steps, to 1e-10 of the parameter. A fit
that does not exist is told as such: separable labels, a design of deficient rank, an overflow.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwd_agents.kernels import compiled, inlined
from lwd_agents.worlds.graph_algebra import backward, cholesky, forward, squares

LEAST_SQUARES, LOGISTIC, POISSON, MEAN, GAUSSIAN, HUBER = range(6)
FITTED, SINGULAR, SEPARABLE, OVERFLOW, UNSETTLED = range(5)
_ROUNDS = 100
_CLOSE = 1e-10  # of a step, relative to the parameter
Floats = NDArray[np.float64]


class FitMemory(NamedTuple):
    """Memory of a fit: (d, d), (d,) and (m,) arrays, and one of (d, m)."""

    gram: Floats
    low: Floats
    step: Floats
    trial: Floats
    eta: Floats
    mean: Floats
    curve: Floats
    scaled: Floats


def fit_memory(d: int, rows: int, iterates: bool) -> FitMemory:
    """Memory for fits of up to so many rows, of Newton's iteration where it ``iterates``."""
    m = rows if iterates else 0
    return FitMemory(
        np.zeros((d, d)), np.zeros((d, d)), np.empty(d), np.empty(d), np.empty(m), np.empty(m),
        np.empty(m), np.empty((d if iterates else 0, m)),
    )  # fmt: skip


@compiled
def least_squares(x, y, ridge, out, memory):
    """(X'X + ridge I)^-1 X'y; FITTED or SINGULAR."""
    gram, low = memory.gram, memory.low
    squares(x, x, 0, y.shape[0], gram)
    for i in range(x.shape[0]):
        row, value = x[i], 0.0
        for r in range(y.shape[0]):
            value += row[r] * y[r]
        out[i] = value
    if not cholesky(gram, low, ridge):
        return SINGULAR
    forward(low, out)
    backward(low, out)
    return FITTED


@inlined
def _cumulant(family, eta):
    """b, b' and b'' of the family at a linear predictor."""
    if family == LOGISTIC:
        small = math.exp(-abs(eta))
        share = 1.0 / (1.0 + small)
        mean = share if eta >= 0.0 else small * share
        return max(eta, 0.0) + math.log1p(small), mean, small * share * share
    value = math.exp(min(eta, 700.0))
    return value, value, value


@compiled
def _terms(family, x, y, theta, memory):
    """Fill means and curvatures at a parameter; of the loss sum b(x'theta) - y x'theta its value,
    its terms' sizes (which tell what rounding leaves of it), and whether every label lies on its
    own side of the plane."""
    eta, mean, curve = memory.eta, memory.mean, memory.curve
    m = y.shape[0]
    eta[:m] = 0.0
    for k in range(x.shape[0]):
        row, w = x[k], theta[k]
        for r in range(m):
            eta[r] += w * row[r]
    value, size, apart = 0.0, 0.0, True
    for r in range(m):
        b, mean[r], curve[r] = _cumulant(family, eta[r])
        value += b - y[r] * eta[r]
        size += b + abs(y[r] * eta[r])
        apart = apart and (eta[r] > 0.0 if y[r] > 0.5 else eta[r] < 0.0)
    return value, size, apart


@compiled
def _direction(x, y, memory):
    """Newton's step from the means and curvatures in memory; False where it has none."""
    mean, curve, step = memory.mean, memory.curve, memory.step
    m = y.shape[0]
    for i in range(x.shape[0]):
        row, scaled, value = x[i], memory.scaled[i], 0.0
        for r in range(m):
            value += row[r] * (y[r] - mean[r])
            scaled[r] = row[r] * curve[r]
        step[i] = value
    squares(memory.scaled, x, 0, m, memory.gram)
    if not cholesky(memory.gram, memory.low, 0.0):
        return False
    forward(memory.low, step)
    backward(memory.low, step)
    return True


@compiled
def regression(family, x, y, out, memory):
    """Logistic or Poisson regression by maximum likelihood, from ``out`` on; how it ended."""
    d, step, trial = x.shape[0], memory.step, memory.trial
    value, _, apart = _terms(family, x, y, out, memory)
    for _ in range(_ROUNDS):
        if family == LOGISTIC and apart:
            return SEPARABLE
        if not _direction(x, y, memory):
            return SEPARABLE if family == LOGISTIC else SINGULAR
        length, size, share = 0.0, 0.0, 1.0
        for k in range(d):
            length += step[k] * step[k]
            size += out[k] * out[k]
        if not length < math.inf:
            return OVERFLOW
        near = length <= (_CLOSE * (1.0 + math.sqrt(size))) ** 2
        while True:
            for k in range(d):
                trial[k] = out[k] + share * step[k]
            new, terms, apart = _terms(family, x, y, trial, memory)
            if near or new <= value + 1e-12 * terms:
                break
            share *= 0.5
            if share < 1e-12:
                return UNSETTLED
        out[:] = trial
        value = new
        if near:
            return SEPARABLE if family == LOGISTIC and apart else FITTED
    return SEPARABLE if family == LOGISTIC else UNSETTLED


@compiled
def huber(y, threshold):
    """The root of sum psi(y - mu), psi(e) = max(-k, min(k, e)): Huber's location.

    The sum falls with mu and is linear between kinks: Newton's steps, kept between two bounds, end
    on the root's own piece. Where it is 0 on a whole piece, some root is taken.
    """
    low, high, mu = y.min(), y.max(), y.mean()
    for _ in range(200):
        slope, value = 0, 0.0
        for r in range(y.shape[0]):
            e = y[r] - mu
            inside = abs(e) < threshold
            slope += inside
            value += e if inside else math.copysign(threshold, e)
        if value == 0.0:
            return mu
        if value > 0.0:
            low = mu
        else:
            high = mu
        new = mu + value / slope if slope else 0.5 * (low + high)
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - mu) <= 1e-15 * max(abs(mu), threshold):
            return new
        mu = new
    return mu
