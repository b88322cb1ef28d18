"""How far apart the models of a GMM run are: the root mean square of ||D(t)||_F (ours).

The norm of arXiv 2506.15690's system is mostly fluctuation, which its Appendix A says nothing of.
This follows means, variances and covariances of one component at a time: O(B) a step.

Axes: T steps, N models (n in the text), B components; "..." are leading axes of replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lwd_agents.theory.schedule import Array, Schedule, checked_weights, laws


@dataclass(frozen=True)
class Dirichlet:
    """Starting weights that every model draws from Dirichlet(a, ..., a), independently."""

    a: float


@dataclass(frozen=True)
class SecondMoment:
    """The prediction of `second_moment`.

    Attributes:
        rms: sqrt(E||D(t)||_F^2), (..., T+1).
        mean_field_norm: the part of it that the expected weights' differences make, (..., T+1).
        composition: expected share of each component in A(t), (..., T+1, B); 0 while A is empty.
        variance: of that share over readings and draws, (..., T+1, B).
    """

    rms: Array
    mean_field_norm: Array
    composition: Array
    variance: Array


@dataclass(frozen=True)
class _Moments:
    """Moments per component, (..., B): m, v_m of the models' average weight; M, v_M of A's
    composition; q their covariance; V half the variance of a pairwise difference; apart the mean
    of (E pi_i - m)^2; unhit the expected weight of a component that no reading has hit yet."""

    m: Array
    M: Array
    V: Array
    v_m: Array
    v_M: Array
    q: Array
    apart: Array
    unhit: Array


def second_moment(
    start: ArrayLike | Dirichlet,
    schedule: Schedule,
    *,
    composition: ArrayLike | None = None,
    human: ArrayLike | None = None,
    placebo: bool = False,
    floor: bool = True,
    separation: float | None = None,
) -> SecondMoment:
    """Root mean square of ||D(t)||_F over readings and draws (ours; the paper has no such result).

    Linear in the weights, so exact for components far apart but for Algorithm 2's positivity
    step. To start later than t = 0, give a run's weights and composition at that step and
    `schedule.since(step)`.

    Args:
        start: Pi_i(0), (..., N, B): the prediction is conditional on it; or the law of it.
        composition, human, placebo: as in `mean_field`.
        floor: account for the positivity step (ours, approximate; see `_floor`).
        separation: Mahalanobis distance of the two means; where given (B = 2 only), ownerships
            are linearised about A's composition (ours). None: ownerships are 0 or 1.

    Raises:
        ValueError: for a missing or misshapen argument.
    """
    if separation is not None and schedule.components != 2:
        raise ValueError(f"separation is for B = 2; the schedule has B = {schedule.components}")
    now = _start(start, schedule)
    M, law = laws(now.m, schedule, composition, human, placebo)
    now = replace(now, M=M)
    information = _certain if separation is None else _information(separation)
    n = schedule.models
    shape = (*now.m.shape[:-1], schedule.steps + 1)
    apart, within = np.empty(shape), np.empty(shape)
    internet = np.empty((*shape, schedule.components))
    variance = np.empty_like(internet)
    for t in range(schedule.steps + 1):
        apart[..., t], within[..., t] = now.apart.sum(axis=-1), now.V.sum(axis=-1)
        internet[..., t, :], variance[..., t, :] = now.M, now.v_M
        if t < schedule.steps:
            read, q_M, q_m = _read(now, schedule, t, floor, information)
            now = _post(now, read, q_M, q_m, schedule, t, placebo, law, information)
    squared = 2 * n * n * apart
    rms = np.sqrt(np.maximum(squared + 2 * n * (n - 1) * within, 0.0))
    return SecondMoment(rms, np.sqrt(squared), internet, variance)


def _read(
    now: _Moments,
    schedule: Schedule,
    t: int,
    floor: bool,
    information: Callable[[Array], Array],
) -> tuple[_Moments, Array, Array]:
    """After step t's readings; and the covariances of the new average weight with M and old m."""
    k, alpha, size = int(schedule.k[t]), float(schedule.alpha[t]), float(schedule.size[t])
    if k == 0:
        return now, now.q, now.v_m
    c, slope, idle, unhit = _floor(now, schedule, t) if floor else _no_floor(now, schedule, t)
    taken = c.sum(axis=-1, keepdims=True)
    r = 1.0 / (1.0 - taken)
    # An ownership follows the reader's own weight with slope 1 - kappa: only kappa contracts.
    kappa = information(now.M)
    rate = np.maximum(1.0 - r * (1.0 - kappa), 1e-6)
    h = (1.0 - alpha * rate) ** k
    squares = (1.0 - h * h) / (1.0 - (1.0 - alpha * rate) ** 2)
    target = now.M + r * (taken * now.M - c) / rate
    gain = (1.0 - h) * r * (kappa - slope) / rate
    scatter = kappa * now.M * (1.0 - now.M) - kappa**2 * now.v_M
    drawn = (alpha**2 * squares - ((1.0 - h) / rate) ** 2 / size) * size / max(size - 1.0, 1.0)
    m = h * now.m + (1.0 - h) * target
    freed = (
        2.0 * r * schedule.c[t] * idle * np.maximum(m, 0.0) * alpha * (1.0 - alpha * rate) * squares
    )
    noise = r * r * scatter * drawn - freed
    read = replace(
        now,
        m=m,
        V=h * h * now.V + noise,
        v_m=h * h * now.v_m + gain**2 * now.v_M + 2 * h * gain * now.q + noise / schedule.models,
        apart=h * h * now.apart,
        unhit=unhit,
    )
    return read, h * now.q + gain * now.v_M, h * now.v_m + gain * now.q


def _post(
    old: _Moments,
    read: _Moments,
    q_M: Array,
    q_m: Array,
    schedule: Schedule,
    t: int,
    placebo: bool,
    law: Array,
    information: Callable[[Array], Array],
) -> _Moments:
    """After the points of step t, drawn with the weights before its readings, have entered A."""
    n = schedule.models
    kept, models, people = schedule.shares(t, placebo)
    entering = n * schedule.draws
    drawn = old.m * (1 - old.m) - old.v_m - old.apart - (1 - 1 / n) * old.V
    humans = schedule.fresh + (entering if placebo else 0)
    v_M = kept**2 * old.v_M + 2 * kept * models * old.q
    v_M = v_M + models**2 * (old.v_m + drawn / (entering * information(old.m)))
    v_M = v_M + people**2 * law * (1 - law) / (max(humans, 1) * information(law))
    M = kept * old.M + models * old.m + people * law
    return replace(read, M=M, v_M=v_M, q=kept * q_M + models * q_m)


def _no_floor(now: _Moments, schedule: Schedule, t: int) -> tuple[Array, Array, Array, Array]:
    zero = np.zeros_like(now.m)
    return zero + schedule.c[t], zero, zero, now.unhit


def _floor(now: _Moments, schedule: Schedule, t: int) -> tuple[Array, Array, Array, Array]:
    """Algorithm 2's positivity step, per component (ours): the c that is really taken, its slope
    in M, P(weight at eps) where a hit finds it, and the weight of a component never hit.

    Without hits a weight falls from x to 0 in log(1 + x/(r c)) / -log(1 - alpha) points, so it is
    at eps if the last `life` points held no hit, where x is one hit's worth; there c takes
    nothing. With M's law matched by a gamma law, P(no hit) = E exp(-life M) is closed; a hit
    is likelier where M is larger, hence the size-biased second probability. At alpha = 1 life
    is 0: weights are one-hot, and c takes nothing at all, which is exact.
    """
    k, alpha, c = int(schedule.k[t]), float(schedule.alpha[t]), float(schedule.c[t])
    if c == 0.0:
        return _no_floor(now, schedule, t)
    zero = np.zeros_like(now.m)
    if alpha == 1.0:
        return zero, zero, zero + 1.0, zero
    rc = c / (1.0 - schedule.components * c)
    life = np.log1p(alpha * (1.0 - c) / c) / -np.log1p(-alpha)
    M = np.clip(now.M, 1e-12, 1.0 - 1e-12)
    rarity = -np.log1p(-M)
    scale = np.maximum(np.maximum(now.v_M, 0.0) * rarity / M**2, 1e-12)
    empty = (1.0 + scale * life) ** (-rarity / scale)
    # Starting weights need time to fall, too: `late` is the first point that can be without c.
    late = np.minimum(np.log1p(now.unhit / rc) / -np.log1p(-alpha), k)
    h = (1.0 - alpha) ** k
    since = 1.0 - (1.0 - alpha) ** (k - late)
    since_squared = 1.0 - (1.0 - alpha) ** (2.0 * (k - late))
    taken = c * (1.0 - empty * since / (1.0 - h))
    found = empty / (1.0 + scale * life)
    slope = c * life * found / (1.0 - M) * since / (1.0 - h)
    idle = found * since_squared / (1.0 - h * h)
    return taken, slope, idle, np.maximum(h * now.unhit - (1.0 - h) * rc, 0.0)


def _certain(M: Array) -> Array:
    """kappa where components never overlap."""
    return np.ones_like(M[..., :1])


def _information(separation: float) -> Callable[[Array], Array]:
    """kappa(M) = 1 - E_g[N_1 N_2 / g^2] for g = M_1 N_1 + M_2 N_2, tabulated by quadrature.

    It is the Fisher information that one point has on M_1, as a share of the 1/(M_1 M_2) that
    its component would have. Means at -d/2 and d/2 with unit variance are the general case.
    """
    M = np.sin(np.linspace(0.0, np.pi / 2, 401)) ** 2
    x = np.linspace(-separation / 2 - 9.0, separation / 2 + 9.0, 2001)
    first, second = (np.exp(-0.5 * (x - s * separation / 2) ** 2) for s in (-1, 1))
    inverse = M[:, None] / second + (1 - M)[:, None] / first
    shared = np.sum(1.0 / inverse, axis=1) * (x[1] - x[0]) / np.sqrt(2 * np.pi)
    kappa = np.clip(1.0 - shared, 1e-6, 1.0)
    return lambda share: np.asarray(np.interp(share[..., :1], M, kappa))


def _start(start: ArrayLike | Dirichlet, schedule: Schedule) -> _Moments:
    n, B = schedule.models, schedule.components
    if isinstance(start, Dirichlet):
        m = np.full(B, 1.0 / B)
        V = m * (1.0 - m) / (B * start.a + 1.0)
        zero = np.zeros(B)
        return _Moments(m, zero, V, V / n, zero, zero, zero, m)
    weights = checked_weights(start, schedule)
    m = weights.mean(axis=-2)
    apart = np.mean((weights - m[..., None, :]) ** 2, axis=-2)
    zero = np.zeros_like(m)
    return _Moments(m, zero, zero, zero, zero, zero, apart, m)
