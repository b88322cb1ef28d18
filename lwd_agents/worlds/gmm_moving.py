"""Mixtures whose means and covariances move too: the discussion of arXiv 2506.15690 names them.

The recursive updates are those of Zivkovic and van der Heijden (2004), from whom the paper takes
the weights' own: with w = alpha o_b / pi_b and delta = u - mu_b, all from before the point,
    mu_b <- mu_b + w delta,    Sigma_b <- Sigma_b + w (delta delta' - Sigma_b).
Two things are ours: w is at most 1 (alpha is 1 / k_t, large in the first steps, and o_b / pi_b may
be large too), and the variance floor times the identity is added to delta delta', without which a
covariance that follows one point would be singular. Literal loops: no likelihood can be kept.
"""

from __future__ import annotations

import math

import numpy as np

from lwd_agents.kernels import compiled, stamp
from lwd_agents.worlds.gmm_kernel import clip, read
from lwd_agents.worlds.gmm_points import FAINT, FRESH, POST, add_noise, choose, draw_point


@compiled
def post_moving(plan, weights, means, covariances, points, t, replicate, placebo):
    """Put the points of step t into one arm's store, drawn with the models' own parameters.

    Args:
        weights, means, covariances: (N, B), (N, B, d), (N, B, d, d) of step t.
        points: (P, d), written from size[t] on.
    """
    n, d = weights.shape[0], points.shape[1]
    blocks = np.uint64(1 + (d + 1) // 2)
    c1, c3 = stamp(t, POST), np.uint64(replicate)
    h = plan.human
    place = plan.size[t]
    for i in range(n):
        cumulative = np.cumsum(weights[i])
        for slot in range(plan.posts):
            point = points[place]
            if placebo:
                draw_point(
                    point, h.cumulative, h.centres, h.factor, slot, t, POST, i, replicate, plan.key
                )
            else:
                b = choose(cumulative, slot, blocks, c1, np.uint64(i), c3, plan.key)
                point[:] = means[i, b]
                factor = np.linalg.cholesky(covariances[i, b])
                add_noise(point, factor, slot, blocks, c1, np.uint64(i), c3, plan.key)
            place += 1
    humans_moving(plan, points, place, plan.fresh, t, FRESH, replicate)


@compiled
def humans_moving(plan, points, place, count, t, purpose, replicate):
    """Put ``count`` points of the human law into one arm's store, from ``place`` on."""
    h = plan.human
    for slot in range(count):
        draw_point(
            points[place + slot], h.cumulative, h.centres, h.factor, slot, t, purpose, 0,
            replicate, plan.key,
        )  # fmt: skip


@compiled
def repost_moving(plan, weights, means, covariances, points, replicates, placebo):
    """Fill the stores of arms anew: all that was posted before the last of the steps given.

    Args:
        weights, means, covariances: (A, S, N, B), (A, S, N, B, d), (A, S, N, B, d, d).
        points: (A, P, d), in which A(0) stands already.
    """
    for arm in range(weights.shape[0]):
        for t in range(weights.shape[1] - 1):
            post_moving(
                plan, weights[arm, t], means[arm, t], covariances[arm, t], points[arm], t,
                replicates[arm], placebo[arm],
            )  # fmt: skip


@compiled
def log_density(point, mean, covariance, delta):
    """log N(point; mean, covariance) without its constant; ``delta`` (d,) is scratch."""
    d = point.shape[0]
    factor = np.linalg.cholesky(covariance)
    total = 0.0
    for a in range(d):
        delta[a] = point[a] - mean[a]
        for e in range(a):
            delta[a] -= factor[a, e] * delta[e]
        delta[a] /= factor[a, a]
        total -= 0.5 * delta[a] * delta[a] + math.log(factor[a, a])
    return total


@compiled
def learn(p, means, covariances, point, alpha, c, epsilon, moves, floor):
    """Take one point in: Algorithm 2 on the weights, and what else moves; returns the clips.

    Args:
        p, means, covariances: (B,), (B, d), (B, d, d), updated.
        moves: whether means move, whether covariances do.
    """
    components, d = means.shape
    logs, delta = np.empty(components), np.empty(d)
    for b in range(components):
        logs[b] = log_density(point, means[b], covariances[b], delta)
    owned = p * np.exp(np.maximum(logs - logs.max(), -FAINT))
    owned /= owned.sum()
    for b in range(components):
        w = min(1.0, alpha * owned[b] / p[b]) if p[b] > 0.0 else 0.0
        for a in range(d):
            delta[a] = point[a] - means[b, a]
        if moves[0]:
            for a in range(d):
                means[b, a] += w * delta[a]
        if moves[1]:
            for a in range(d):
                for e in range(d):
                    square = delta[a] * delta[e] + (floor if a == e else 0.0)
                    covariances[b, a, e] += w * (square - covariances[b, a, e])
        p[b] = (1.0 - alpha) * p[b] + alpha * (owned[b] - c) / (1.0 - components * c)
    return clip(p, components, epsilon)


@compiled
def advance_moving(
    plan, weights, means, covariances, points, places, begin, end, replicates, placebo, memory,
    moves, floor, outs, clips,
):  # fmt: skip
    """Take some arms from step ``begin`` to step ``end``.

    Args:
        weights, means, covariances: (A, N, B), (A, N, B, d), (A, N, B, d, d), updated.
        points: (A, P, d); places: (P,) int32, the numbers 0, 1, ...
        outs: three arrays like the first three with a step axis after A: steps begin + 1 .. end.
        clips: (A, end - begin, N).
    """
    arms, n = weights.shape[:2]
    for t in range(begin, end):
        for arm in range(arms):
            post_moving(
                plan, weights[arm], means[arm], covariances[arm], points[arm], t, replicates[arm],
                placebo[arm],
            )  # fmt: skip
            for i in range(n):
                k = read(plan, places, memory.stream[0], memory, i == 0, t, i, replicates[arm])
                for j in range(k):
                    clips[arm, t - begin, i] += learn(
                        weights[arm, i], means[arm, i], covariances[arm, i],
                        points[arm, memory.stream[0, j]], plan.alpha[t, i], plan.shift[t, i],
                        plan.epsilon, moves, floor,
                    )  # fmt: skip
        outs[0][:, t - begin] = weights
        outs[1][:, t - begin] = means
        outs[2][:, t - begin] = covariances
