"""Fits of a cell's rows inside kernels: least squares, logistic and Poisson regression, Huber.

The M-estimators are found by Newton's iteration with halved steps, to 1e-10 of the parameter. A
fit that does not exist is told as such: separable labels, a design of deficient rank, an overflow.
"""

from __future__ import annotations

import math

from lwd_agents.kernels import compiled, inlined
from lwd_agents.worlds.graph_algebra import backward, cholesky, forward

LEAST_SQUARES, LOGISTIC, POISSON, MEAN, GAUSSIAN, HUBER = range(6)
FITTED, SINGULAR, SEPARABLE, OVERFLOW, UNSETTLED = range(5)
_ROUNDS = 100
_CLOSE = 1e-10  # of a step, relative to the parameter
_FAR = 40.0  # e^40 points are more than a count can tell one by one


@compiled
def least_squares(x, y, ridge, out, gram, low):
    """(X'X + ridge I)^-1 X'y; FITTED or SINGULAR."""
    d = x.shape[1]
    gram[:] = 0.0
    out[:] = 0.0
    for r in range(x.shape[0]):
        for i in range(d):
            out[i] += x[r, i] * y[r]
            for q in range(i + 1):
                gram[i, q] += x[r, i] * x[r, q]
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
        value = max(eta, 0.0) + math.log1p(small)
        mean = 1.0 / (1.0 + small) if eta >= 0.0 else small / (1.0 + small)
        return value, mean, small / (1.0 + small) ** 2
    value = math.exp(min(eta, 700.0))
    return value, value, value


@compiled
def _loss(family, x, y, theta):
    """sum b(x'theta) - y x'theta; the sum of its terms' sizes, which tells what rounding leaves of
    it; and whether every label lies on its own side of the plane."""
    value, size, apart = 0.0, 0.0, True
    for r in range(x.shape[0]):
        eta = 0.0
        for k in range(x.shape[1]):
            eta += x[r, k] * theta[k]
        b, _, _ = _cumulant(family, eta)
        value += b - y[r] * eta
        size += b + abs(y[r] * eta)
        apart = apart and (eta > 0.0 if y[r] > 0.5 else eta < 0.0)
    return value, size, apart


@compiled
def regression(family, x, y, out, gram, low, step, trial):
    """Logistic or Poisson regression by maximum likelihood, from ``out`` on; how it ended."""
    d = x.shape[1]
    value, _, apart = _loss(family, x, y, out)
    for _ in range(_ROUNDS):
        if family == LOGISTIC and apart:
            return SEPARABLE
        gram[:] = 0.0
        step[:] = 0.0
        for r in range(x.shape[0]):
            eta = 0.0
            for k in range(d):
                eta += x[r, k] * out[k]
            _, mean, curve = _cumulant(family, eta)
            for i in range(d):
                step[i] += x[r, i] * (y[r] - mean)
                scaled = x[r, i] * curve
                for q in range(i + 1):
                    gram[i, q] += scaled * x[r, q]
        if not cholesky(gram, low, 0.0):
            return SEPARABLE if family == LOGISTIC else SINGULAR
        forward(low, step)
        backward(low, step)
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
            new, terms, apart = _loss(family, x, y, trial)
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
    on the root's own piece. Where it is 0 on a whole piece, the middle is taken.
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
